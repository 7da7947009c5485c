// SPDX-License-Identifier: Apache-2.0
//
// Large programs made to measure: each kind is one shape that real programs have much of, in a size that costs the
// kernel's verifier about as many processed instructions as the growth's name says. kGrowths has the calibrated sizes
// (Linux 6.18; forager_verifier_table --generated prints what the kernel counts).
//
// The `endless` ones are meant to run into the limit of a million: what matters is how soon, and in how much memory.
//
// Tested by: tests/twins/grow_test.cc.
#pragma once

#include <cstdint>
#include <ostream>

#include "program/program.h"

namespace forager::twins {

enum class Shape : std::uint8_t {
  ladder,     // switches of many cases, one after the other
  parser,     // an unrolled parser: variable packet offsets, each step checked against the packet's end
  loops,      // three bounded loops, nested, over an array in a map value
  diamonds,   // branches that write spilled constants which later bound an access: paths multiply, then meet
  lookups,    // map lookups with null checks
  calls,      // a tree of static functions with pointers to their caller's stack
  helpers,    // helper calls of many kinds on stack buffers
  scan,       // one bounded loop over the packet's bytes
  spills,     // everything goes through the stack: pointers and bounded numbers
  endless,    // a loop that does not end before the limit
  explosion,  // diamonds whose paths never meet
};

struct Growth {
  const char* name;
  Shape shape;
  std::uint32_t size;  // what it counts depends on the shape
};

inline constexpr Growth kGrowths[] = {
    {"ladder_10k", Shape::ladder, 18},     {"ladder_100k", Shape::ladder, 180},  {"ladder_1m", Shape::ladder, 1300},
    {"parser_10k", Shape::parser, 900},    {"parser_40k", Shape::parser, 3600},  {"loops_10k", Shape::loops, 10},
    {"loops_100k", Shape::loops, 22},      {"loops_1m", Shape::loops, 46},       {"diamonds_10k", Shape::diamonds, 1},
    {"diamonds_100k", Shape::diamonds, 9}, {"diamonds_1m", Shape::diamonds, 90}, {"lookups_10k", Shape::lookups, 900},
    {"lookups_60k", Shape::lookups, 7000}, {"calls_10k", Shape::calls, 12},      {"calls_100k", Shape::calls, 120},
    {"calls_1m", Shape::calls, 1100},      {"helpers_10k", Shape::helpers, 300}, {"helpers_100k", Shape::helpers, 3000},
    {"scan_10k", Shape::scan, 1000},       {"scan_80k", Shape::scan, 8000},      {"spills_10k", Shape::spills, 400},
    {"spills_100k", Shape::spills, 4000},  {"endless", Shape::endless, 0},       {"explosion", Shape::explosion, 40},
};

inline std::ostream& operator<<(std::ostream& out, const Growth& growth) { return out << growth.name; }

// An XDP program of the growth's name.
[[nodiscard]] program::Source grow(const Growth& growth);

}  // namespace forager::twins
