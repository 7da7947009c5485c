// SPDX-License-Identifier: Apache-2.0
//
// Cursors: which keys next_key() handed out lately, so that an iteration survives the deletion of its own cursor.
//
// Linux starts over when the key it is asked to go on from is gone. An iteration that meets a busy map may so never
// end. Yet programs rely on "a key that is not there gives the first one" to start an iteration. Both hold here: a key
// that next_key() itself returned, and that has been deleted since, is a cursor, and the iteration goes on behind
// where it stood; any other missing key starts at the first. For this, maps number their keys in an order that does not
// depend on what else is in the map, and remember the last kRemembered keys returned (as 64-bit fingerprints). A
// cursor is forgotten when it is used. Should more than kRemembered steps of other iterations fall between two of
// one whose cursor vanishes, that one starts over, as in Linux.
//
// So each step either goes strictly forward in a total order of keys, or no key was lost: the iteration ends, and
// a key that stays in the map is passed exactly once.
//
// Tested by: tests/unit/maps_iteration_test.cc.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace forager::maps {

class Cursors {
 public:
  void remember(std::uint64_t fingerprint) {
    const std::size_t slot = next_.fetch_add(1, std::memory_order_relaxed) % kRemembered;
    slots_[slot].store(fingerprint | 1, std::memory_order_relaxed);
  }

  // True, once, for a remembered fingerprint. The latest is looked at first: it is whose turn it usually is.
  [[nodiscard]] bool use(std::uint64_t fingerprint) {
    fingerprint |= 1;  // 0 is an empty slot
    const std::size_t next = next_.load(std::memory_order_relaxed);
    for (std::size_t back = 1; back <= kRemembered; ++back) {
      auto& slot = slots_[(next - back) % kRemembered];
      std::uint64_t expected = fingerprint;
      if (slot.load(std::memory_order_relaxed) == fingerprint &&
          slot.compare_exchange_strong(expected, 0, std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

 private:
  static constexpr std::size_t kRemembered = 64;

  std::array<std::atomic<std::uint64_t>, kRemembered> slots_{};
  std::atomic<std::size_t> next_{0};
};

}  // namespace forager::maps
