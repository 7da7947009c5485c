// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/meter.h"

#include <algorithm>

namespace forager::jit::rtl {
namespace {

double percentile(std::vector<std::uint32_t> of, double share) {
  const auto at = of.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(of.size() - 1));
  std::ranges::nth_element(of, at);
  return *at;
}

}  // namespace

void Meter::begin(std::uint64_t cycle) {
  first_cycle_ = cycle;
  began_ = std::chrono::steady_clock::now();
}

void Meter::packet(std::uint32_t latency) { latencies_.push_back(latency); }

void Meter::end(std::uint64_t cycle, const Delegated& delegated) {
  cycles_ += cycle - first_cycle_;
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  delegated_ = delegated;
}

std::vector<exec::Metric> Meter::metrics() const {
  if (latencies_.empty()) return {};
  const auto packets = static_cast<double>(latencies_.size()), cycles = static_cast<double>(cycles_);
  return {
      {"cycles_per_packet", cycles / packets, "cycles"},
      {"packets_per_second", packets / cycles * kClockMhz * 1e6, "at 250 MHz"},
      {"latency_p50", percentile(latencies_, 0.5), "cycles"},
      {"latency_p99", percentile(latencies_, 0.99), "cycles"},
      {"threads", static_cast<double>(threads_), "in use"},
      {"host_calls", static_cast<double>(delegated_.instructions) / packets, "a packet"},
      {"host_accesses", static_cast<double>(delegated_.accesses) / packets, "a packet"},
      {"sim_khz", cycles / seconds_ / 1e3, "kHz"},
  };
}

}  // namespace forager::jit::rtl
