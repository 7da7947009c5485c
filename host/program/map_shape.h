// SPDX-License-Identifier: Apache-2.0
//
// Whether a map can stand where a program was verified with another one.
//
// Tested by: tests/unit/jit_device_test.cc, interp_device_test.cc.
#pragma once

#include "program/program.h"

namespace forager::program {

// Sizes and type, which is all that the verifier's proofs rest on. How many entries there are is asked at run time.
[[nodiscard]] inline bool same_shape(const MapSpec& a, const MapSpec& b) {
  return a.type == b.type && a.key_size == b.key_size && a.value_size == b.value_size;
}

}  // namespace forager::program
