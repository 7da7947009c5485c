// SPDX-License-Identifier: Apache-2.0
//
// Minimise: the smallest program, of those that leaving out and simplifying instructions leads to, that still shows
// what the first one showed.
//
// Tested by: tests/unit/fuzz_verifier_test.cc.
#pragma once

#include <functional>
#include <vector>

#include "isa/isa.h"

namespace forager::fuzz {

using Slots = std::vector<isa::Slot>;
using Shows = std::function<bool(const Slots&)>;

[[nodiscard]] Slots minimise(Slots program, const Shows& shows);

// The program without the slots for which `gone` holds; jumps and calls lead to what follows.
[[nodiscard]] Slots without(const Slots& program, const std::vector<bool>& gone);

}  // namespace forager::fuzz
