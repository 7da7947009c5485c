// SPDX-License-Identifier: Apache-2.0
//
// RINGBUF: one queue of records from any number of producers to one consumer (kernel/bpf/ringbuf.c), laid out in
// memory as Linux lays it out, so that libbpf's ring_buffer__* reads it unmodified:
//
//     page 0   consumer position (u64), written by the consumer
//     page 1   producer position (u64)
//     pages 2  data, max_entries bytes; a mapping shows them twice, one behind the other
//
// Positions only grow; a record starts at position mod max_entries with the header {u32 length | busy | discard, u32
// page offset} and is padded to 8 bytes. A producer reserves under a lock (busy set), fills without it and commits by
// one store to the header; the consumer stops at a busy record, so records leave in the order they were reserved.
//
// The consumer page is hostile: whatever stands there, producers write inside the data, and never over a record that
// another is still filling; they only may find no room.
//
// Waking the consumer follows the kernel: a commit signals `notify_fd()` if the consumer had caught up to this very
// record, or BPF_RB_FORCE_WAKEUP is given, and not if BPF_RB_NO_WAKEUP is. The kernel's poll is "there is data"; an
// eventfd alone remembers signals instead. So who waits on it by epoll calls settle() first each time, which drains
// the signal and, if data are there, gives it again.
//
// Tested by: tests/unit/maps_ringbuf_test.cc, maps_concurrency_test.cc.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "exec/map.h"
#include "maps/lock.h"
#include "maps/memory.h"

namespace forager::maps {

class RingBufferMap final : public exec::Map, public exec::RingProducer {
 public:
  RingBufferMap(exec::MapSpec spec, Fd file, Region memory, Fd notify);

  // Key and value operations do not exist on this type: Linux's ENOTSUPP.
  void* lookup(const void* key, unsigned cpu) override;
  int update(const void* key, const void* value, std::uint64_t flags, unsigned cpu) override;
  int erase(const void* key) override;
  int next_key(const void* key, void* next) override;
  int read(const void* key, void* value, std::uint64_t flags) override;
  int write(const void* key, const void* value, std::uint64_t flags) override;
  // base is the consumer page; size is the two head pages and the data once. The mapping itself goes on with the
  // data's second copy.
  [[nodiscard]] exec::MapMemory memory() const override;
  [[nodiscard]] exec::MapUsage usage() const override;

  void* reserve(std::uint64_t size) override;
  void commit(void* record, std::uint64_t flags, bool discard) override;
  int output(const void* data, std::uint64_t size, std::uint64_t flags) override;  // 0, -EINVAL, -EAGAIN (full)
  [[nodiscard]] std::uint64_t query(std::uint64_t what) const override;
  // Records larger than the ring count too.
  [[nodiscard]] std::uint64_t lost() const override { return lost_.load(std::memory_order_relaxed); }

  // An eventfd, readable after a wake-up.
  [[nodiscard]] int notify_fd() const { return notify_.get(); }
  void settle() const;

  // What mmap(2) of the map's fd does in Linux: `offset` 0 gives the consumer page, one page further the producer page
  // and the data, twice. `length` and `offset` in bytes; `address` and `flags` as in mmap. MAP_FAILED and errno:
  // EPERM if a range other than the consumer page is to be written, EINVAL if the range is not in the file.
  [[nodiscard]] void* map(void* address, std::size_t length, int protection, int flags, std::uint64_t offset) const;

 private:
  struct Header {
    std::uint32_t length;
    std::uint32_t page_offset;
  };

  [[nodiscard]] std::atomic_ref<std::uint64_t> position(std::size_t page) const {
    return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(memory_.base() + page * page_size()));
  }
  [[nodiscard]] std::uint64_t consumer() const { return position(0).load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t producer() const { return position(1).load(std::memory_order_acquire); }
  [[nodiscard]] std::byte* data() const { return memory_.base() + 2 * page_size(); }
  [[nodiscard]] std::atomic_ref<std::uint32_t> length_at(std::uint64_t position) const {
    return std::atomic_ref(reinterpret_cast<Header*>(data() + (position & mask_))->length);
  }
  [[nodiscard]] std::uint64_t oldest_busy(std::uint64_t producer);

  std::uint64_t mask_;  // max_entries - 1
  Fd file_;
  Region memory_;
  Fd notify_;
  Lock lock_;
  std::uint64_t pending_ = 0;   // no record before it is busy; guarded by lock_
  std::uint64_t producer_ = 0;  // guarded by lock_: the page's copy may be scribbled over by who maps it
  std::atomic<std::uint64_t> lost_{0};
};

}  // namespace forager::maps
