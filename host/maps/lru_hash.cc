// SPDX-License-Identifier: Apache-2.0
//
// LRU_HASH: a hash map that never is full. Inserting into a map of max_entries makes room by dropping an entry that has
// not been used for long.
//
// Which one: a clock, where Linux (kernel/bpf/bpf_lru_list.c) keeps an active and an inactive list. Both remember one
// bit for each entry: used since last looked at. A hand goes round over the entries; one whose bit is set loses it and
// stays, the first without is dropped, and the new entry takes its place, last in line. As in Linux, lookups by
// programs and updates of an existing key set the bit; inserting does not, nor does a host's read. Hence entries
// that are used between two passes of the hand stay, and of the others the oldest goes first. A hand that has spared
// kMaxSpared entries drops the next one it meets, so that no insertion takes longer than that (Linux scans 128).
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
#include <sched.h>

#include <cerrno>

#include "maps/hash_attributes.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

constexpr std::uint32_t kMaxSpared = 128;

class LruHashMap final : public exec::Map {
 public:
  explicit LruHashMap(exec::MapSpec spec) : Map(std::move(spec)) {}

  [[nodiscard]] Result<> open() {
    HashShape shape = hash_shape(spec());
    shape.marked = true;
    return table_.open(shape);
  }

  void* lookup(const void* key, unsigned) override {
    const auto hit = table_.find(key);
    if (!hit) return nullptr;
    const auto used = table_.mark(hit.node);
    if (used.load(std::memory_order_relaxed) == 0) used.store(1, std::memory_order_relaxed);
    return table_.value(hit.node);
  }

  int update(const void* key, const void* value, std::uint64_t flags, unsigned) override {
    int result = 0;
    if (store(key, value, flags, 0, &result)) return result;
    // Another thread may insert the same key or free a node meanwhile: the second attempt decides anew.
    const NodeId node = drop_one();
    store(key, value, flags, node, &result);
    return result;
  }

  int erase(const void* key) override { return table_.erase(key); }

  int next_key(const void* key, void* next) override { return table_.next_key(key, next); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    return table_.read(key, value) ? 0 : -ENOENT;
  }

  int write(const void* key, const void* value, std::uint64_t flags) override { return update(key, value, flags, 0); }

  [[nodiscard]] exec::MapUsage usage() const override { return {table_.entries(), table_.bytes()}; }

 private:
  // One attempt, with a node in hand (0: none; a free one will do). False if it takes a node and there is none.
  // A node in hand that is not needed goes back to the pool.
  bool store(const void* key, const void* value, std::uint64_t flags, NodeId in_hand, int* result) {
    auto entry = table_.lock(key);
    const bool present = entry.node() != 0;
    *result = check_presence(flags, present);
    if (*result != 0 || present) {
      if (in_hand != 0) table_.give(in_hand, entry.near());
      if (*result == 0) table_.mark(entry.replace(value)).store(1, std::memory_order_relaxed);
      return true;
    }
    const NodeId node = in_hand != 0 ? in_hand : table_.take(entry.near());
    if (node == 0) return false;
    table_.mark(node).store(0, std::memory_order_relaxed);
    entry.insert(node, value);
    return true;
  }

  // A node out of use: a free one, or that of the entry that the hand drops.
  NodeId drop_one() {
    std::uint32_t spared = 0;
    for (std::uint32_t steps = 1;; ++steps) {
      const NodeId node = hand_.fetch_add(1, std::memory_order_relaxed) % table_.nodes() + 1;
      if (table_.live(node)) {
        const auto used = table_.mark(node);
        const bool spare = spared < kMaxSpared && used.load(std::memory_order_relaxed) != 0;
        if (spare) {
          used.store(0, std::memory_order_relaxed);
          ++spared;
        } else if (table_.evict(node)) {
          return node;
        }
      }
      if (steps % table_.nodes() != 0) continue;
      if (const NodeId free = table_.take(node); free != 0) return free;
      sched_yield();
    }
  }

  HashTable table_;
  std::atomic<std::uint32_t> hand_{0};
};

// Linux rounds up, so that each CPU's list has as many; down if that would overflow.
std::uint32_t round_to_cpus(std::uint32_t entries, unsigned cpus) {
  const std::uint64_t up = (std::uint64_t{entries} + cpus - 1) / cpus * cpus;
  return static_cast<std::uint32_t>(up > UINT32_MAX ? entries / cpus * cpus : up);
}

}  // namespace

MapResult make_lru_hash(exec::MapSpec spec, unsigned cpus) {
  if ((spec.flags & kNoCommonLru) != 0) spec.max_entries = round_to_cpus(spec.max_entries, cpus);
  const std::uint64_t bytes = kKernelElement + round_up_words(spec.key_size) + round_up_words(spec.value_size);
  if (auto checked = check_hash(spec, bytes); !checked) return std::unexpected(checked.error());
  auto map = std::make_shared<LruHashMap>(std::move(spec));
  if (auto opened = map->open(); !opened) return std::unexpected(opened.error());
  return map;
}

}  // namespace forager::maps
