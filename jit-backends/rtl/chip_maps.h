// SPDX-License-Identifier: Apache-2.0
//
// Which maps of a program have their values in the device's memory while it runs. An array can, if the program does
// nothing with it but look up and reach its values; then a lookup is arithmetic. Everything else is the host's.
//
// Tested by: tests/unit/rtl_compile_test.cc, rtl_device_test.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "verifier/verify.h"

namespace forager::jit::rtl {

// What a plan may take: rows of 64 bytes, and threads, each of which is a CPU of per-CPU maps.
inline constexpr std::uint32_t kChipRows = 2048, kChipThreads = 8;

struct ChipMap {
  std::uint32_t index = 0;   // of the program's maps
  bool per_cpu = false;      // a copy for each thread
  std::uint32_t stride = 0;  // bytes from a value to the next
  std::uint32_t row = 0;     // of the first copy, from the first row for maps
  std::uint32_t rows = 0;    // of a copy
};

[[nodiscard]] std::vector<ChipMap> plan_chip_maps(const verifier::VerifiedProgram& program);

}  // namespace forager::jit::rtl
