// SPDX-License-Identifier: Apache-2.0
//
// Meter: what a run of the device cost, in its own clock's cycles and apart from them in the simulation's time.
//
// Tested by: tests/unit/rtl_device_test.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "exec/backend.h"
#include "jit-backends/rtl/attendant.h"

namespace forager::jit::rtl {

class Meter {
 public:
  // The clock that packets per second are stated at: Corundum's and OpenNIC's.
  static constexpr double kClockMhz = 250;

  void set_threads(unsigned threads) { threads_ = threads; }
  void begin(std::uint64_t cycle);
  void packet(std::uint32_t latency);  // cycles from its first beat in to the program's end
  void end(std::uint64_t cycle, const Delegated& delegated);
  // Nothing before the first packet.
  [[nodiscard]] std::vector<exec::Metric> metrics() const;

 private:
  std::uint64_t first_cycle_ = 0, cycles_ = 0;
  std::chrono::steady_clock::time_point began_;
  double seconds_ = 0;
  unsigned threads_ = 1;
  std::vector<std::uint32_t> latencies_;
  Delegated delegated_;
};

}  // namespace forager::jit::rtl
