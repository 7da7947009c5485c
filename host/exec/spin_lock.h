// SPDX-License-Identifier: Apache-2.0
//
// struct bpf_spin_lock: a lock of four bytes inside a map value, zero when free. Programs take it by bpf_spin_lock,
// the host by BPF_F_LOCK.
//
// Who holds one runs a bounded piece of a program that calls nothing, or copies one value; engines free it if the
// program is stopped. So waiting for it ends. It spins at first, then gives the processor away: lanes outnumber cores.
//
// Tested by: tests/unit/helpers_spin_lock_test.cc, maps_fields_test.cc, both under ThreadSanitizer too.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>

namespace forager::exec {

inline void lock_value(std::uint32_t& word) {
  constexpr unsigned kSpins = 64;
  const std::atomic_ref lock(word);
  for (unsigned tries = 1; lock.exchange(1, std::memory_order_acquire) != 0; ++tries) {
    while (lock.load(std::memory_order_relaxed) != 0) {
      if (++tries > kSpins) sched_yield();
    }
  }
}

inline void unlock_value(std::uint32_t& word) { std::atomic_ref(word).store(0, std::memory_order_release); }

}  // namespace forager::exec
