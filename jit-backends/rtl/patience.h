// SPDX-License-Identifier: Apache-2.0
//
// Patience: how long a batch waits for a device that gives nothing back. A packet has a budget of instructions, so
// there is an end to what a device can rightly do between two packets, and to what it can ask.
//
// Tested by: tests/unit/rtl_liar_test.cc.
#pragma once

#include <cstdint>
#include <optional>

#include "sim/board/board.h"

namespace forager::jit::rtl {

class Patience {
 public:
  // `bundles`: that all packets may take which are in the device at the same time.
  void begin(std::uint64_t cycle, std::uint64_t bundles);
  // A packet left the device.
  void departed(std::uint64_t cycle);
  // A request was answered; the cycles from one to the other were the host's.
  void served(std::uint64_t from, std::uint64_t to);
  // Errors: bug, EIO, if nothing is to be hoped for any more; the board's.
  [[nodiscard]] Result<> look(sim::Board& board);

 private:
  std::uint64_t most_ = 0;                  // bundles from one packet to the next
  std::uint64_t departed_ = 0, since_ = 0;  // cycles
  std::uint64_t requests_ = 0;
  std::optional<std::uint64_t> issued_;  // bundles, when they were last looked at
};

}  // namespace forager::jit::rtl
