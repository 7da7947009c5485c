// SPDX-License-Identifier: Apache-2.0
//
// RINGBUF: one queue of records from any number of producers to one consumer (kernel/bpf/ringbuf.c), in the memory of
// ring_map.h, of which user space writes the consumer page.
//
// A producer reserves under a lock (busy set), fills without it and commits by one store to the header; the consumer
// stops at a busy record, so records leave in the order they were reserved.
//
// The consumer page is hostile: whatever stands there, producers write inside the data, and never over a record that
// another is still filling; they only may find no room.
//
// Waking the consumer follows the kernel: a commit signals `notify_fd()` if the consumer had caught up to this very
// record, or BPF_RB_FORCE_WAKEUP is given, and not if BPF_RB_NO_WAKEUP is. Polling it asks for data.
//
// Tested by: tests/unit/maps_ringbuf_test.cc, maps_concurrency_test.cc.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "exec/map.h"
#include "maps/lock.h"
#include "maps/ring_map.h"
#include "maps/snapshot.h"

namespace forager::maps {

class RingBufferMap final : public RingMap, public exec::RingProducer, public Snapshot {
 public:
  [[nodiscard]] static Result<std::shared_ptr<exec::Map>> make(exec::MapSpec spec);

  void* reserve(std::uint64_t size) override;
  void commit(void* record, std::uint64_t flags, bool discard) override;
  int output(const void* data, std::uint64_t size, std::uint64_t flags) override;  // 0, -EINVAL, -EAGAIN (full)
  [[nodiscard]] std::uint64_t query(std::uint64_t what) const override;
  // Records larger than the ring count too.
  [[nodiscard]] std::uint64_t lost() const override { return lost_.load(std::memory_order_relaxed); }
  void lose(std::uint64_t records) override { lost_.fetch_add(records, std::memory_order_relaxed); }

  // The committed records that nobody has consumed, each behind its length (u32). Positions and losses begin anew.
  [[nodiscard]] std::vector<std::byte> copy_out() const override;
  [[nodiscard]] bool copy_in(std::span<const std::byte> bytes) override;

  [[nodiscard]] bool ready() const override { return available() != 0; }
  void settle() const override;

 private:
  RingBufferMap(exec::MapSpec spec, Parts parts);

  [[nodiscard]] std::uint64_t consumer() const { return consumer_position().load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t producer() const { return producer_position().load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t available() const;
  [[nodiscard]] std::uint64_t oldest_busy(std::uint64_t producer);

  mutable Lock lock_;
  std::uint64_t pending_ = 0;   // no record before it is busy; guarded by lock_
  std::uint64_t producer_ = 0;  // guarded by lock_: the page's copy may be scribbled over by who maps it
  std::atomic<std::uint64_t> lost_{0};
};

}  // namespace forager::maps
