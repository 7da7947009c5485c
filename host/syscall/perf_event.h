// SPDX-License-Identifier: Apache-2.0
//
// The perf events that bpf_perf_event_output writes to: perf_event_open(2) of PERF_COUNT_SW_BPF_OUTPUT with raw
// samples, as libbpf's perf_buffer__* opens them. Events that run programs stand in probe_event.h; all others are the
// kernel's.
//
// An event is opened first and gets its buffer when it is mapped. A sample that comes before is refused with -ENOSPC,
// and one to a disabled event with -EOPNOTSUPP, as in the kernel. Not built: overwritable buffers (mapped read-only),
// which are -EINVAL, and samples with more than the raw bytes.
//
// Tested by: tests/unit/syscall_polling_test.cc, tests/e2e.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "maps/perf_sink.h"
#include "syscall/process.h"

namespace forager::syscall {

class PerfEvent final : public exec::PerfSink {
 public:
  PerfEvent(std::uint32_t wakeup_events, bool enabled) : wakeup_events_(wakeup_events), enabled_(enabled) {}

  int write(std::span<const std::byte> first, std::span<const std::byte> second) override;
  [[nodiscard]] std::uint64_t lost() const override;
  void lose(std::uint64_t samples) override;

  // The memfd to map, whose buffer is made if it is not there: `length` bytes, a control page and 2^n pages.
  [[nodiscard]] Errno<int> open_buffer(std::size_t length, bool writable);
  void enable(bool enabled) { enabled_ = enabled; }

  [[nodiscard]] int notify_fd() const;  // -1 before there is a buffer
  [[nodiscard]] bool empty() const;
  // Takes the signal back, and gives it again if data have come meanwhile.
  void settle() const;

 private:
  const std::uint32_t wakeup_events_;
  std::atomic<bool> enabled_;
  std::mutex mutex_;
  std::shared_ptr<maps::PerfRing> owned_;              // set once, under mutex_
  std::atomic<const maps::PerfRing*> ring_ = nullptr;  // the same, for readers
};

// perf_event_open(2): a descriptor or a negative errno; nothing if the event is the kernel's business.
[[nodiscard]] std::optional<long> open_perf_event(Process& process, UserAddress attributes, int pid, int cpu);

// ioctl(2) on a perf event of ours: 0 or a negative errno; nothing for any other descriptor.
[[nodiscard]] std::optional<long> control_perf_event(const FdTable& fds, int fd, unsigned long request);

}  // namespace forager::syscall
