// SPDX-License-Identifier: Apache-2.0
//
// World: the maps that generated programs name, and what they read at run time. The maps are few and fixed, so that
// they are made once and used by millions of programs; their contents, and the packets, are new for each run and full
// of the numbers that the program itself compares with.
//
// Tested by: tests/unit/fuzz_verifier_test.cc.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "exec/backend.h"
#include "isa/isa.h"
#include "program/program.h"
#include "tests/fuzz/verifier/random.h"

namespace forager::fuzz {

// By index in the programs.
enum MapIndex : std::uint8_t {
  kSmall,     // array of 4 values of 8 bytes
  kLarge,     // array of one value of 48 bytes: addressed directly too
  kOdd,       // hash of values of 13 bytes
  kWide,      // hash of values of 64 bytes, keys of 8
  kPerCpu,    // per-CPU array of values of 24 bytes
  kConstant,  // frozen array of one value of 32 bytes
  kRing,      // ring buffer
  kPrograms,  // of tail calls, all slots empty
  kMapCount,
};

[[nodiscard]] const std::vector<program::MapSpec>& map_specs();

class World {
 public:
  World();
  [[nodiscard]] const std::vector<std::shared_ptr<exec::Map>>& maps() const { return maps_; }
  [[nodiscard]] const exec::Environment& environment() const { return environment_; }

  // Fills the maps and the frame for a run of the program, from one stream of random numbers.
  void prepare(Random& random, std::span<const isa::Slot> program, exec::Frame& frame);

 private:
  void fill(Random& random, std::span<std::byte> bytes);
  void fill_values(Random& random, MapIndex map, std::uint32_t keys);
  void drain();

  std::vector<std::shared_ptr<exec::Map>> maps_;
  exec::Environment environment_;
  std::vector<std::uint64_t> words_;  // the program's own numbers
};

}  // namespace forager::fuzz
