// SPDX-License-Identifier: Apache-2.0
//
// Facts: what the verifier proved about each instruction, for backends to lower by.
//
// A fact is a proof, never a guess: an absent fact (the default member) claims nothing, so a backend that ignores
// facts is correct and one that uses them is only faster. A wrong fact is a security bug.
//
// Tested by: tests/unit/verifier_*_test.cc.
#pragma once

#include <cstdint>
#include <limits>

#include "program/program.h"

namespace forager::verifier {

enum class Branch : std::uint8_t { both, always, never };

enum class Region : std::uint8_t {
  unknown,
  stack,
  context,
  packet,
  packet_meta,
  map_value,
  ring_record,
  memory,
  socket,
  other,
};

// A load, store or atomic: offsets are bytes from the region's start, inclusive.
struct AccessFact {
  Region region = Region::unknown;
  std::uint32_t map = program::kNone;  // index into Program::maps() if it is one known map
  std::int64_t offset_min = std::numeric_limits<std::int64_t>::min();
  std::int64_t offset_max = std::numeric_limits<std::int64_t>::max();
  bool in_bounds = false;
  bool aligned = false;  // to its own width
};

struct CallFact {
  std::uint32_t helper = 0;            // Linux's helper id, 0 if the instruction is no helper call
  std::uint32_t map = program::kNone;  // index into Program::maps() if its map argument is one constant map
};

struct Facts {
  bool reachable = true;
  Branch branch = Branch::both;
  AccessFact access;
  CallFact call;
};

// How one program uses one of its maps; coherence picks its protocol by this.
enum class MapUse : std::uint8_t { unused, read_only, commutative, read_write };

}  // namespace forager::verifier
