// SPDX-License-Identifier: Apache-2.0
//
// Rival: runs what the interpreter ran on another engine, in a world of its own that is filled from the same random
// numbers, and says where the two ended differently: verdict, packet, or contents of maps.
//
// An engine whose pointers are addresses shows them to programs that look at them as numbers, which root's may. So
// there are two devices in two worlds: where these differ from each other too, the program depends on where things
// stand.
//
// Tested by: tests/unit/fuzz_rival_test.cc.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "tests/fuzz/verifier/world.h"

namespace forager::fuzz {

class Rival {
 public:
  Rival(const exec::Backend& backend, const exec::CompileOptions& options);

  // Loads the program; false if the engine does not take it.
  [[nodiscard]] bool load(const std::shared_ptr<const verifier::VerifiedProgram>& program);
  // One run on what `random` fills in, compared with the interpreter's world and frame after the same. Empty: equal, or
  // the program depends on addresses.
  [[nodiscard]] std::string compare(const Random& random, std::span<const isa::Slot> program, const World& world,
                                    const exec::Frame& frame);
  // The last runs left the worlds different: they are of no use any more.
  [[nodiscard]] bool apart() const { return apart_; }
  [[nodiscard]] std::uint64_t compared() const { return compared_; }

 private:
  struct Side {
    std::unique_ptr<World> world;
    std::unique_ptr<exec::Device> device;
    exec::Frame frame;
  };

  const exec::Backend& backend_;
  exec::CompileOptions options_;
  std::array<Side, 2> sides_;
  std::uint64_t compared_ = 0;
  bool apart_ = false;
};

// Verdict, packet and contents of maps as text, two of which are equal if the runs were.
[[nodiscard]] std::string outcome_of(const World& world, const exec::Frame& frame);

}  // namespace forager::fuzz
