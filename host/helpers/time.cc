// SPDX-License-Identifier: Apache-2.0
//
// Clocks. All come from the environment, so that a replay sees the capture's time and not ours.
#include <functional>

#include "helpers/functions.h"

namespace forager::helpers {
namespace {

u64 now(const std::function<u64()>& clock) { return clock ? clock() : 0; }

// Debian's kernels tick 250 times a second. The count starts five minutes before it passes 2^32
// (include/linux/jiffies.h INITIAL_JIFFIES), and time 0 is the boot.
constexpr u64 kTicksPerSecond = 250;
constexpr u64 kFirstTick = static_cast<std::uint32_t>(-300 * static_cast<int>(kTicksPerSecond));
constexpr u64 kTickNs = 1'000'000'000 / kTicksPerSecond;

}  // namespace

u64 ktime_get_ns(RunContext& run, u64, u64, u64, u64, u64) { return now(run.environment->monotonic_ns); }
u64 ktime_get_boot_ns(RunContext& run, u64, u64, u64, u64, u64) { return now(run.environment->boot_ns); }
u64 ktime_get_tai_ns(RunContext& run, u64, u64, u64, u64, u64) { return now(run.environment->tai_ns); }

// The monotonic clock as of the last tick.
u64 ktime_get_coarse_ns(RunContext& run, u64, u64, u64, u64, u64) {
  const u64 time = now(run.environment->monotonic_ns);
  return time - time % kTickNs;
}

u64 jiffies64(RunContext& run, u64, u64, u64, u64, u64) {
  return kFirstTick + now(run.environment->monotonic_ns) / kTickNs;
}

}  // namespace forager::helpers
