// SPDX-License-Identifier: Apache-2.0
//
// Addresses: which programs may make a number of a pointer. Root's may: they store pointers in maps, compare them with
// numbers, return them. What such a program does depends on where things stand, which differs from engine to engine, so
// two engines cannot be held against each other by it.
//
// Nothing shows of packet pointers that are compared with or subtracted from each other, of pointers that are compared
// with null, moved by numbers, spilled and filled again, dereferenced, or given to a helper that asks for a pointer.
//
// Tested by: tests/unit/fuzz_rival_test.cc.
#pragma once

#include "verifier/verify.h"

namespace forager::fuzz {

// True if the program may look at an address. It may be wrong that way only: a program without is surely without.
[[nodiscard]] bool shows_addresses(const verifier::VerifiedProgram& program);

}  // namespace forager::fuzz
