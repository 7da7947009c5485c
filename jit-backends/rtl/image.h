// SPDX-License-Identifier: Apache-2.0
//
// RtlImage: a program in the core's bundles (isa/core_isa.h). It knows neither where in instruction memory it will
// stand nor the addresses of maps: branches count from its own first bundle, and what load() fills in is in
// `relocations`.
//
// Tested by: tests/unit/rtl_compile_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "exec/backend.h"
#include "jit-backends/rtl/chip_maps.h"
#include "jit-backends/rtl/isa/core_isa.h"
#include "jit-backends/rtl/profile.h"

namespace forager::jit::rtl {

// A Wide bundle whose 64 bits are an address.
struct Relocation {
  enum class Kind : std::uint8_t { map_object, map_value, function };
  Kind kind{};
  std::uint32_t bundle = 0;
  std::uint32_t index = 0;   // of the program's maps; of a function: its instruction
  std::uint32_t offset = 0;  // in the map's values
};

// What a slot is of. `result`: it gives the instruction's destination the value that the instruction gives it, whenever
// the instruction is executed and no other time. `order`: among the slots of its trace, as the program has them.
struct Origin {
  std::uint32_t instruction = program::kNone;  // none: the slot is empty
  bool result = false;
  std::uint32_t order = 0;
};

inline constexpr std::uint32_t kNoLength = 0x1fff;  // more than any packet has

struct CoreProgram {
  std::vector<Bundle> bundles;                 // packets begin at the first
  std::vector<std::uint32_t> instructions;     // of each bundle: the BPF instruction that it is for, by its first slot
  std::vector<std::array<Origin, 2>> origins;  // of each bundle's slots
  std::vector<std::uint32_t> traces;           // of each bundle: the bundle that its trace begins with
  std::vector<Relocation> relocations;
  ChipPlan chip;
  std::uint32_t long_entry = 0;  // bundle where packets begin that came by the port and have long_bytes
  std::uint32_t long_bytes = kNoLength;
  std::uint32_t leave = 0;         // bundle that returns 0 from a function, for LD_ABS
  std::uint32_t cleared_rows = 0;  // of a stack frame, from its top, in 64 bytes, that begin as zeros
  std::uint32_t frames = 1;        // of which they are cleared
};

class RtlImage final : public exec::Image {
 public:
  RtlImage(std::shared_ptr<const verifier::VerifiedProgram> program, CoreProgram made)
      : program_(std::move(program)), made_(std::move(made)) {}

  std::string_view backend() const override { return "rtl"; }
  std::size_t bytes() const override { return made_.bundles.size() * 18; }  // 144 bits each
  // The schedule: an estimate of the cycles of each bundle, and what was measured, once it ran.
  std::string listing() const override;
  const verifier::VerifiedProgram& program() const override { return *program_; }

  [[nodiscard]] std::shared_ptr<const verifier::VerifiedProgram> shared_program() const { return program_; }
  [[nodiscard]] const CoreProgram& code() const { return made_; }
  // What devices measured last, by bundle. Images are shared by devices.
  void note(std::vector<BundleCost> costs) const {
    const std::lock_guard lock(mutex_);
    costs_ = std::move(costs);
  }

 private:
  [[nodiscard]] std::vector<BundleCost> costs() const {
    const std::lock_guard lock(mutex_);
    return costs_;
  }

  std::shared_ptr<const verifier::VerifiedProgram> program_;
  CoreProgram made_;
  mutable std::mutex mutex_;
  mutable std::vector<BundleCost> costs_;  // empty: it did not run
};

}  // namespace forager::jit::rtl
