// SPDX-License-Identifier: Apache-2.0
//
// What a map operation costs a program. In the kernel: an XDP program that does N of them is run by BPF_PROG_TEST_RUN
// for two values of N, and the slope of its own duration is one operation with the loop around it; an empty loop's
// slope is taken off. Here: the same keys through exec::Map, which is what every engine of ours calls.
#pragma once

#include "bench/maps/sides.h"

namespace forager::bench {

// Of the longer run; both sides touch this many entries, over and over.
inline constexpr int kProgramTurns = 5000;

enum class ProgramOperation { nothing, lookup, update };

// Nanoseconds of one turn of the loop, by two run lengths; negative with `error` if the kernel refuses.
[[nodiscard]] double kernel_turn_ns(const MapUnderTest& map, ProgramOperation operation, std::string& error);

}  // namespace forager::bench
