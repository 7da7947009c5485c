// SPDX-License-Identifier: Apache-2.0
//
// Ranges of numbers for backends: a forward dataflow over the whole program, which joins what comes together and widens
// at loops, so that its facts hold for every execution.
//
// Why a pass of its own: the path exploration stops where an earlier path came by with numbers that did not matter,
// whatever their values; so the ranges it saw are no bound on those that occur. It does prove what memory an
// instruction reaches and which branches are taken, and this pass builds on that.
//
// Why it is sound: at the program's entry nothing is known, at a function's what holds at all its calls; each
// instruction's effect holds for all values that its operands may have (values_effect.h); what is known where ways meet
// holds on each of them; and a block is looked at again until nothing that reaches it says anything new. Facts of the
// last look are the ones kept.
//
// Tested by: tests/unit/verifier_values_test.cc, and by the checked interpreter's assertions (tests/fuzz).
#pragma once

#include <span>

#include "program/program.h"
#include "verifier/facts.h"
#include "verifier/scalar.h"

namespace forager::verifier {

[[nodiscard]] ValueFact fact_of(const Scalar& value);

// Fills dst and src of every reachable instruction's facts, and the values of calls' scalar arguments.
void add_value_facts(const program::Program& program, std::span<Facts> facts, std::span<ArgumentFacts> arguments);

}  // namespace forager::verifier
