// SPDX-License-Identifier: Apache-2.0
//
// ObjectSlots<T>: the slots of maps that hold objects (programs, perf buffers) instead of bytes, by index.
//
// A slot owns its T, or is empty. get() copies it out, which for a T that counts references writes to the object; so
// slots stand under locks, a few of them, by index. Memory is a pointer for each slot, touched when it is set.
//
// Tested by: tests/unit/maps_objects_test.cc, maps_concurrency_test.cc.
#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include "maps/lock.h"
#include "maps/memory.h"

namespace forager::maps {

template <class T>
class ObjectSlots {
 public:
  ObjectSlots() = default;
  ObjectSlots(const ObjectSlots&) = delete;
  ObjectSlots& operator=(const ObjectSlots&) = delete;
  ~ObjectSlots() {
    for (std::uint32_t i = 0; used() != 0 && i < size_; ++i) exchange(i, nullptr);
  }

  // ENOMEM.
  [[nodiscard]] Result<> open(std::uint32_t size) {
    auto region = Region::reserve(std::uint64_t{size} * sizeof(T*));
    if (!region) return std::unexpected(region.error());
    slots_ = std::move(*region);
    size_ = size;
    return {};
  }

  // 0, -E2BIG past the end, -ENOMEM.
  [[nodiscard]] int set(std::uint32_t index, T object) {
    if (index >= size_) return -E2BIG;
    std::unique_ptr<T> owned(new (std::nothrow) T(std::move(object)));
    if (owned == nullptr) return -ENOMEM;
    exchange(index, std::move(owned));
    return 0;
  }

  // 0, -E2BIG past the end, -ENOENT if it was empty.
  [[nodiscard]] int clear(std::uint32_t index) {
    if (index >= size_) return -E2BIG;
    return exchange(index, nullptr) == nullptr ? -ENOENT : 0;
  }

  // A default T if the slot is empty or there is none.
  [[nodiscard]] T get(std::uint32_t index) const {
    if (index >= size_) return T{};
    const std::lock_guard guard(lock_of(index));
    const T* object = at(index);
    return object == nullptr ? T{} : *object;
  }

  [[nodiscard]] std::uint32_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t bytes() const { return slots_.size() + used() * sizeof(T); }

 private:
  struct alignas(64) Slot {
    mutable Lock lock;
  };

  [[nodiscard]] Lock& lock_of(std::uint32_t index) const { return locks_[index % locks_.size()].lock; }
  [[nodiscard]] T*& at(std::uint32_t index) const { return reinterpret_cast<T**>(slots_.base())[index]; }

  // The object that was there: destroyed by the caller, outside the lock, since that may do anything.
  std::unique_ptr<T> exchange(std::uint32_t index, std::unique_ptr<T> object) {
    const std::lock_guard guard(lock_of(index));
    const std::uint32_t now = object != nullptr ? 1 : 0;
    std::unique_ptr<T> old(std::exchange(at(index), object.release()));
    used_.fetch_add(now - (old != nullptr ? 1U : 0U), std::memory_order_relaxed);
    return old;
  }

  Region slots_;
  std::uint32_t size_ = 0;
  std::atomic<std::uint32_t> used_{0};
  std::array<Slot, 16> locks_;
};

}  // namespace forager::maps
