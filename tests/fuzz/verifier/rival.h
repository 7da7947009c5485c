// SPDX-License-Identifier: Apache-2.0
//
// Rival: runs what the interpreter ran on another engine, in a world of its own that is filled from the same random
// numbers, and says where the two ended differently: verdict, packet, or contents of maps.
//
// Programs that look at addresses (addresses.h) are not for it: each engine has its own.
//
// Tested by: tests/unit/fuzz_rival_test.cc.
#pragma once

#include <memory>
#include <string>

#include "tests/fuzz/verifier/world.h"

namespace forager::fuzz {

class Rival {
 public:
  Rival(const exec::Backend& backend, const exec::CompileOptions& options);

  // Loads the program. Errors: unsupported if the engine says that it does not do what the program needs.
  [[nodiscard]] Result<> load(const std::shared_ptr<const verifier::VerifiedProgram>& program);
  // One run on what `random` fills in, compared with the interpreter's world and frame after the same. Empty: equal.
  [[nodiscard]] std::string compare(Random random, std::span<const isa::Slot> program, const World& world,
                                    const exec::Frame& frame);
  [[nodiscard]] std::uint64_t compared() const { return compared_; }

 private:
  const exec::Backend& backend_;
  exec::CompileOptions options_;
  World world_;
  std::unique_ptr<exec::Device> device_;
  exec::Frame frame_;
  std::uint64_t compared_ = 0;
};

// Verdict, packet and contents of maps as text, two of which are equal if the runs were.
[[nodiscard]] std::string outcome_of(const World& world, const exec::Frame& frame);

}  // namespace forager::fuzz
