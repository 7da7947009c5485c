// SPDX-License-Identifier: Apache-2.0
//
// What the device counts (registers.def, hw/rtl/forager_counters.sv), summed over batches, as metrics of a run.
//
// Tested by: tests/unit/rtl_device_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "exec/backend.h"
#include "jit-backends/rtl/isa/core_isa.h"
#include "sim/board/board.h"

namespace forager::jit::rtl {

class DeviceCounters {
 public:
  static constexpr std::size_t kVerdicts = 6, kCauses = 16;

  // Around a batch. Errors: the board's.
  [[nodiscard]] Result<> begin(sim::Board& board);
  [[nodiscard]] Result<> end(sim::Board& board);
  // Shares of cycles, packets and bytes by verdict, packets that were stopped by cause: what there was none of is left
  // out.
  [[nodiscard]] std::vector<exec::Metric> metrics() const;

 private:
  // Cycles and what they are made of come first.
  static constexpr std::size_t kShares = 7, kOthers = 3;
  struct Values {
    std::array<std::uint64_t, kShares> shares{};
    std::array<std::uint64_t, kOthers> others{};
    std::array<std::uint64_t, kVerdicts> packets{}, bytes{};
    std::array<std::uint64_t, kCauses> causes{};
  };
  [[nodiscard]] static Result<Values> read(sim::Board& board);

  Values before_, sum_;
};

}  // namespace forager::jit::rtl
