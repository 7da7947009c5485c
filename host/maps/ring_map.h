// SPDX-License-Identifier: Apache-2.0
//
// RingMap: what RINGBUF and USER_RINGBUF share: their memory, how user space maps it, and how it waits for them. The
// layout is Linux's (kernel/bpf/ringbuf.c), so that libbpf's ring_buffer__* and user_ring_buffer__* work unmodified:
//
//     page 0   consumer position (u64)
//     page 1   producer position (u64)
//     pages 2  data, max_entries bytes; a mapping shows them twice, one behind the other
//
// Positions only grow; a record starts at position mod max_entries with the header {u32 length | busy | discard, u32
// page offset} and is padded to 8 bytes. One side of the two is user space's, and what it may write is hostile.
//
// The kernel's poll says whether there is something to do now; here an eventfd stands for the map, which remembers
// signals instead. So who waits on it by epoll calls settle() first each time, which makes the two the same.
//
// Tested by: tests/unit/maps_ringbuf_test.cc, maps_user_ringbuf_test.cc.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "exec/map.h"
#include "maps/memory.h"

namespace forager::maps {

class RingMap : public exec::Map {
 public:
  // Key and value operations do not exist on these types: Linux's ENOTSUPP.
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

  // What to give to epoll in the map's place, and the events (EPOLLIN, EPOLLOUT and their likes) that it can have.
  [[nodiscard]] int notify_fd() const { return notify_.get(); }
  [[nodiscard]] std::uint32_t poll_events() const;
  [[nodiscard]] virtual bool ready() const = 0;  // what Linux's poll of the map says
  virtual void settle() const = 0;               // the eventfd says the same as ready()

  // What mmap(2) of the map's fd does in Linux: `offset` 0 gives the consumer page, one page further the producer page
  // and the data, twice. `length` and `offset` in bytes; `address` and `flags` as in mmap. MAP_FAILED and errno: EPERM
  // if a range is to be written that is not user space's, EINVAL if the range is not in the file.
  [[nodiscard]] void* map(void* address, std::size_t length, int protection, int flags, std::uint64_t offset) const;

 protected:
  enum class UserSide : std::uint8_t { consumes, produces };
  struct Parts {
    Fd file;
    Region memory;
    Fd notify;
  };
  // Checks the attributes too.
  [[nodiscard]] static Result<Parts> open(const exec::MapSpec& spec);
  RingMap(exec::MapSpec spec, Parts parts, UserSide user);

  struct Header {
    std::uint32_t length;
    std::uint32_t page_offset;
  };
  // Bytes of a record, header and padding included.
  [[nodiscard]] static std::uint64_t record_bytes(std::uint64_t size);
  [[nodiscard]] std::atomic_ref<std::uint64_t> consumer_position() const { return position(0); }
  [[nodiscard]] std::atomic_ref<std::uint64_t> producer_position() const { return position(1); }
  [[nodiscard]] std::uint64_t mask() const { return mask_; }
  [[nodiscard]] std::byte* data() const { return memory_.base() + 2 * page_size(); }
  [[nodiscard]] std::atomic_ref<std::uint32_t> length_at(std::uint64_t position) const {
    return std::atomic_ref(reinterpret_cast<Header*>(data() + (position & mask_))->length);
  }
  [[nodiscard]] const Fd& notify() const { return notify_; }

 private:
  [[nodiscard]] std::atomic_ref<std::uint64_t> position(std::size_t page) const {
    return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(memory_.base() + page * page_size()));
  }
  [[nodiscard]] bool may_write(std::uint64_t offset, std::uint64_t end) const;

  std::uint64_t mask_;  // max_entries - 1
  UserSide user_;
  Fd file_;
  Region memory_;
  Fd notify_;
};

}  // namespace forager::maps
