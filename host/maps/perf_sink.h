// SPDX-License-Identifier: Apache-2.0
//
// PerfRing: one perf buffer as a perf event of type PERF_COUNT_SW_BPF_OUTPUT has it when it is mapped: a control page
// (struct perf_event_mmap_page) and 2^n pages of data in a memfd, so that libbpf's perf_buffer__* reads it unmodified
// (kernel/events/ring_buffer.c).
//
// A record is PERF_RECORD_SAMPLE with the raw field only: header, u32 size, bytes, padded with zeros so that the whole
// is a multiple of 8; as in Linux, the size counts the padding. What finds no room is counted, and the next record that
// does find room is led by a PERF_RECORD_LOST with the count. Data wrap around the end byte by byte, and one byte
// always stays free.
//
// Wake-ups signal `notify_fd()`: after every `wakeup_events` samples (0: never for that), and each time that half the
// data have been filled since. As in Linux the signal is an edge: who waits by epoll registers the fd with EPOLLET, or
// reads it when it fires.
//
// The control page is hostile: data_tail is believed only as to whether there is room.
//
// Tested by: tests/unit/maps_perf_test.cc, maps_concurrency_test.cc.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "exec/map.h"
#include "forager/result.h"
#include "maps/lock.h"
#include "maps/memory.h"

namespace forager::maps {

class PerfRing final : public exec::PerfSink {
 public:
  // EINVAL unless data_pages is a power of two; ENOMEM, EMFILE.
  [[nodiscard]] static Result<std::shared_ptr<PerfRing>> create(std::uint32_t data_pages,
                                                                std::uint32_t wakeup_events = 1);

  PerfRing(Fd file, Region memory, Fd notify, std::uint32_t wakeup_events);

  int write(std::span<const std::byte> first, std::span<const std::byte> second) override;
  [[nodiscard]] std::uint64_t lost() const override { return lost_.load(std::memory_order_relaxed); }
  void lose(std::uint64_t samples) override;

  // What a user maps: the control page and then the data.
  [[nodiscard]] exec::MapMemory memory() const { return {file_.get(), memory_.base(), memory_.size()}; }
  [[nodiscard]] int notify_fd() const { return notify_.get(); }

 private:
  [[nodiscard]] std::atomic_ref<std::uint64_t> control(std::size_t offset) const {
    return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(memory_.base() + offset));
  }
  void append(const void* bytes, std::size_t size);
  void append_lost();
  [[nodiscard]] bool wakes();

  Fd file_;
  Region memory_;
  Fd notify_;
  std::uint32_t wakeup_events_;
  std::uint64_t data_size_;

  Lock lock_;  // guards all below
  std::uint64_t head_ = 0;
  std::uint64_t unreported_ = 0;  // lost since the last LOST record
  std::uint32_t events_ = 0;      // samples since the last wake-up for their number
  std::uint64_t woken_at_ = 0;    // head of the last wake-up for half the data
  std::atomic<std::uint64_t> lost_{0};
};

}  // namespace forager::maps
