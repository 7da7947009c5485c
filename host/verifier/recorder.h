// SPDX-License-Identifier: Apache-2.0
//
// Recorder: collects facts while paths are explored. What paths disagree about is widened until it holds for all.
//
// Only such facts are taken from paths as hold for pruned ones too: a path stops at a checkpoint only if its pointers
// are of the same kind and inside the checkpoint's ranges, and numbers that became part of a pointer, a size or a
// decided branch are compared as well (they are precise). Ranges of other numbers come from a pass of their own
// (values.cc).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "verifier/facts.h"
#include "verifier/reg.h"

namespace forager::verifier {

class Recorder {
 public:
  explicit Recorder(const program::Program& program);

  void reached(u32 at) { rows_[at].reachable = true; }
  void branched(u32 at, bool taken) { rows_[at].ways |= taken ? 2 : 1; }

  struct Memory {
    s64 low = 0, high = 0;  // offsets of the first byte, from the region's start
    bool in_bounds = false, aligned = false;
    std::uint8_t frame = 0;
  };
  void accessed(u32 at, const Reg& base, const Memory& memory);
  void called(u32 at, u32 helper, u32 map);
  void argument(u32 at, u32 index, const ArgumentFact& fact);

  // How maps are used.
  enum class MapTouch : std::uint8_t { look, read, write, atomic };
  void map_touched(const Reg& reg, MapTouch touch, isa::Op op = isa::Op::ja);

  // ... and any of them, by whoever is shown elements of a map that only an attachment names.
  void any_map_touched(MapTouch touch);

  // What was recorded; branch facts follow from the ways seen.
  [[nodiscard]] std::vector<Facts> facts() const;
  [[nodiscard]] std::vector<ArgumentFacts> take_arguments() { return std::move(arguments_); }
  [[nodiscard]] std::vector<MapUse> uses() const;

 private:
  struct Use {
    bool touched = false, reads = false, writes = false;
    std::optional<isa::Op> atomic;
  };

  // Of an instruction: less than its Facts, as there may be a million.
  struct Row {
    AccessFact access;
    CallFact call;
    std::uint8_t ways = 0;  // of a branch: bit 0 fell through, bit 1 taken
    bool reachable = false;
    bool seen = false;  // an access or call was recorded
  };

  std::vector<Row> rows_;
  std::vector<std::uint8_t> seen_arguments_;  // by call
  std::vector<ArgumentFacts> arguments_;
  std::vector<Use> uses_;
};

}  // namespace forager::verifier
