// SPDX-License-Identifier: Apache-2.0
//
// ObjectSlots<T>: the slots of maps that hold objects (programs, perf buffers, maps, sockets) instead of bytes, by
// index.
//
// A slot owns its T, or is empty; get() copies it out. Nothing here locks (shared_slot.h). Memory is a word for each
// slot, touched when it is set.
//
// Tested by: tests/unit/maps_objects_test.cc, maps_objects_concurrency_test.cc.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <tuple>
#include <utility>

#include "maps/hash_table.h"
#include "maps/memory.h"
#include "maps/shared_slot.h"

namespace forager::maps {

template <class T>
class ObjectSlots {
 public:
  ObjectSlots() = default;
  ObjectSlots(const ObjectSlots&) = delete;
  ObjectSlots& operator=(const ObjectSlots&) = delete;
  ~ObjectSlots() {
    for (std::uint32_t i = 0; used() != 0 && i < size_; ++i) std::ignore = clear(i);
  }

  // ENOMEM.
  [[nodiscard]] Result<> open(std::uint32_t size) {
    auto region = Region::reserve(std::uint64_t{size} * sizeof(Slot));
    if (!region) return std::unexpected(region.error());
    slots_ = std::move(*region);
    size_ = size;
    return {};
  }

  // 0, -E2BIG past the end, -ENOMEM, or what `flags` (BPF_ANY, BPF_NOEXIST, BPF_EXIST) say of the slot.
  [[nodiscard]] int set(std::uint32_t index, T object, std::uint64_t flags = 0) {
    if (index >= size_) return -E2BIG;
    typename Slot::Fresh fresh(std::move(object));
    if (!fresh) return -ENOMEM;
    typename Slot::Retired old;
    const int error = at(index).put(fresh, old, [flags](bool occupied) { return check_presence(flags, occupied); });
    if (error == 0 && !old) used_.fetch_add(1, std::memory_order_relaxed);
    if (error == 0) changed();
    return error;
  }

  // 0, -E2BIG past the end, -ENOENT if it was empty.
  [[nodiscard]] int clear(std::uint32_t index) {
    if (index >= size_) return -E2BIG;
    if (!at(index).clear()) return -ENOENT;
    used_.fetch_sub(1, std::memory_order_relaxed);
    changed();
    return 0;
  }

  // Empties every slot whose object is(object) says yes to.
  template <class Is>
  void clear_all(Is is) {
    for (std::uint32_t i = 0; used() != 0 && i < size_; ++i) {
      if (!at(i).clear_if(is)) continue;
      used_.fetch_sub(1, std::memory_order_relaxed);
      changed();
    }
  }

  // A default T if the slot is empty or there is none.
  [[nodiscard]] T get(std::uint32_t index) const { return index < size_ ? at(index).get() : T{}; }

  // As exec::ProgramTable::changes.
  [[nodiscard]] const std::atomic<std::uint64_t>& changes() const { return changes_; }

  [[nodiscard]] std::uint32_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t bytes() const { return slots_.size() + used() * Slot::kObjectBytes; }

 private:
  using Slot = SharedSlot<T>;

  void changed() { changes_.fetch_add(1, std::memory_order_release); }
  [[nodiscard]] Slot& at(std::uint32_t index) const { return reinterpret_cast<Slot*>(slots_.base())[index]; }

  Region slots_;
  std::uint32_t size_ = 0;
  std::atomic<std::uint32_t> used_{0};
  std::atomic<std::uint64_t> changes_{0};
};

}  // namespace forager::maps
