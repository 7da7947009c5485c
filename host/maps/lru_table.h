// SPDX-License-Identifier: Apache-2.0
//
// The two ways of hash maps to be full. BoundedTable refuses another key; LruTable makes room by dropping an entry that
// has not been used for long. Both are HashTables otherwise, and are written to in one step: store().
//
// Which entry goes: a clock, where Linux (kernel/bpf/bpf_lru_list.c) keeps an active and an inactive list. Both
// remember one bit for each entry: used since last looked at. A hand goes round over the entries; one whose bit is set
// loses it and stays, the first without is dropped, and the new entry takes its place, last in line. As in Linux,
// lookups by programs and updates of an existing key set the bit; inserting does not, nor does a host's read. Hence
// entries that are used between two passes of the hand stay, and of the others the oldest goes first. A hand that has
// spared kMaxSpared entries drops the next one it meets, so that no insertion takes longer than that (Linux scans 128).
// A lookup writes only where the bit is not set yet.
//
// Differences that a user can see: entries go one at a time, and only when max_entries are there (Linux frees in
// batches, into lists of each CPU, and may so drop entries earlier); an update of an existing key drops nobody.
// BPF_F_NO_COMMON_LRU is accepted and rounds max_entries to the CPUs as in Linux; the clock stays common.
//
// An inserter drops before it locks its own bucket: it never holds one bucket while it waits for another. Between the
// two its node is in nobody's hands but its own; if all nodes are (a map of few entries and many threads), it yields.
//
// Tested by: tests/unit/maps_lru_test.cc, maps_concurrency_test.cc.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "maps/direct.h"
#include "maps/hash_table.h"

namespace forager::maps {

// Keys until there are max_entries.
class BoundedTable {
 public:
  [[nodiscard]] Result<> open(const HashShape& shape) { return table_.open(shape); }
  [[nodiscard]] HashTable& table() { return table_; }
  [[nodiscard]] const HashTable& table() const { return table_; }

  // The entry of a key, for a program. kKeySize: as in direct.h.
  template <std::uint32_t kKeySize>
  [[nodiscard]] HashTable::Hit use(const void* key) const {
    return find_direct<kKeySize>(table_, key);
  }

  // Creates or changes the entry of a key, as far as flags (BPF_ANY, _NOEXIST, _EXIST) allow: 0 or a negative errno.
  // put(entry, fresh) inserts `fresh`, or changes the entry that is there if fresh is 0.
  template <class Put>
  [[nodiscard]] int store(const void* key, std::uint64_t flags, Put put) {
    auto entry = table_.lock(key);
    const bool present = entry.node() != 0;
    if (const int error = check_presence(flags, present); error != 0) return error;
    const NodeId fresh = present ? 0 : table_.take(entry.near());
    if (!present && fresh == 0) return -E2BIG;
    put(entry, fresh);
    return 0;
  }

 private:
  HashTable table_;
};

// Keys of which the coldest goes.
class LruTable {
 public:
  [[nodiscard]] Result<> open(HashShape shape) {
    shape.marked = true;
    return table_.open(shape);
  }
  [[nodiscard]] HashTable& table() { return table_; }
  [[nodiscard]] const HashTable& table() const { return table_; }

  template <std::uint32_t kKeySize>
  [[nodiscard]] HashTable::Hit use(const void* key) const {
    const auto hit = find_direct<kKeySize>(table_, key);
    if (!hit) return hit;
    const auto used = table_.mark(hit.node);
    if (used.load(std::memory_order_relaxed) == 0) used.store(1, std::memory_order_relaxed);
    return hit;
  }

  template <class Put>
  [[nodiscard]] int store(const void* key, std::uint64_t flags, Put put) {
    int result = 0;
    if (attempt(key, flags, 0, put, &result)) return result;
    // Another thread may insert the same key or free a node meanwhile: the second attempt decides anew.
    attempt(key, flags, drop_one(), put, &result);
    return result;
  }

 private:
  static constexpr std::uint32_t kMaxSpared = 128;

  // One attempt, with a node in hand (0: none; a free one will do). False if it takes a node and there is none.
  template <class Put>
  bool attempt(const void* key, std::uint64_t flags, NodeId in_hand, Put put, int* result) {
    auto entry = table_.lock(key);
    const bool present = entry.node() != 0;
    *result = check_presence(flags, present);
    if (*result != 0 || present) {
      if (in_hand != 0) table_.give(in_hand, entry.near());
      if (*result == 0) change(entry, put);
      return true;
    }
    const NodeId fresh = in_hand != 0 ? in_hand : table_.take(entry.near());
    if (fresh == 0) return false;
    table_.mark(fresh).store(0, std::memory_order_relaxed);
    put(entry, fresh);
    return true;
  }

  template <class Put>
  void change(HashTable::Entry& entry, Put put) {
    put(entry, NodeId{0});
    table_.mark(entry.node()).store(1, std::memory_order_relaxed);
  }

  // A node out of use: a free one, or that of the entry that the hand drops.
  [[nodiscard]] NodeId drop_one();

  HashTable table_;
  std::atomic<std::uint32_t> hand_{0};
};

// max_entries of a map with BPF_F_NO_COMMON_LRU: rounded up, so that each of Linux's lists, one for a CPU, has as many;
// down if that would overflow.
[[nodiscard]] inline std::uint32_t round_to_cpus(std::uint32_t entries, unsigned cpus) {
  const std::uint64_t up = (std::uint64_t{entries} + cpus - 1) / cpus * cpus;
  return static_cast<std::uint32_t>(up > UINT32_MAX ? entries / cpus * cpus : up);
}

}  // namespace forager::maps
