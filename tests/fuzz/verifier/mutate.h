// SPDX-License-Identifier: Apache-2.0
//
// Mutations of whole programs: what a generator that understands its programs would not write.
//
// Tested by: tests/unit/fuzz_verifier_test.cc.
#pragma once

#include <vector>

#include "isa/isa.h"
#include "tests/fuzz/verifier/random.h"

namespace forager::fuzz {

// Changes one to three instructions: a number, an offset, a register, a width, a comparison; or leaves them out.
void mutate(Random& random, std::vector<isa::Slot>& program);

}  // namespace forager::fuzz
