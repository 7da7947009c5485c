// SPDX-License-Identifier: Apache-2.0
//
// The two locks of the maps, four bytes each, valid when all zero (they stand in freshly mapped memory too).
//
// Lock: spins for as long as a short critical section lasts, then sleeps in the kernel. Lanes outnumber cores here, so
// a pure spin lock would burn the time slice that its preempted holder needs.
//
// ValueLock: guards values that are overwritten in place. Readers do not lock: they copy, and keep the copy if no
// writer came between; only a reader that keeps losing takes the lock, so that every read ends.
//
// Tested by: tests/unit/maps_concurrency_test.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

namespace forager::maps {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

class Lock {
 public:
  void lock() {
    if (!try_lock()) wait();
  }
  [[nodiscard]] bool try_lock() {
    std::uint32_t expected = kFree;
    return state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire, std::memory_order_relaxed);
  }
  void unlock() {
    if (state_.exchange(kFree, std::memory_order_release) == kWaitedFor) state_.notify_one();
  }

 private:
  static constexpr std::uint32_t kFree = 0, kHeld = 1, kWaitedFor = 2;
  static constexpr int kSpins = 64;

  void wait() {
    for (int i = 0; i < kSpins; ++i) {
      relax();
      if (state_.load(std::memory_order_relaxed) == kFree && try_lock()) return;
    }
    while (state_.exchange(kWaitedFor, std::memory_order_acquire) != kFree) {
      state_.wait(kWaitedFor, std::memory_order_relaxed);
    }
  }

  std::atomic<std::uint32_t> state_{kFree};
};

class ValueLock {
 public:
  // copy() overwrites the value, by words.h.
  template <class Copy>
  void write(Copy copy) {
    const std::lock_guard guard(lock_);
    const std::uint32_t before = sequence_.load(std::memory_order_relaxed);
    sequence_.store(before + 1, std::memory_order_relaxed);  // odd: a write is under way
    copy();
    sequence_.store(before + 2, std::memory_order_release);
  }

  // copy() takes the value out, by words.h; it may run several times, and the last run saw a whole value.
  template <class Copy>
  void read(Copy copy) {
    for (int i = 0; i < kTries; ++i) {
      const std::uint32_t before = sequence_.load(std::memory_order_acquire);
      if ((before & 1) == 0) {
        copy();
        if (sequence_.load(std::memory_order_relaxed) == before) return;
      }
      relax();
    }
    const std::lock_guard guard(lock_);
    copy();
  }

 private:
  static constexpr int kTries = 16;

  Lock lock_;
  std::atomic<std::uint32_t> sequence_{0};
};

// As many ValueLocks as are worth having: a value uses the one its number picks.
class ValueLocks {
 public:
  [[nodiscard]] ValueLock& of(std::uint64_t number) { return slots_[number % kSlots].lock; }

 private:
  static constexpr std::size_t kSlots = 16;
  struct alignas(64) Slot {
    ValueLock lock;
  };
  Slot slots_[kSlots];
};

}  // namespace forager::maps
