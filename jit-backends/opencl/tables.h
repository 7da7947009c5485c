// SPDX-License-Identifier: Apache-2.0
//
// Which maps have a table where programs run, and what of it (cl/arrays.cl, cl/hash.cl have the layouts).
//
// A hash table is: a header of 64 bytes (entries, nodes that were in use ever, the stack of free nodes, their number,
// entries of the log), slots of 8 bytes, the log of 4 bytes (twice as many as slots), and the nodes. A node is: where
// its value stands (8 bytes), how far apart lanes' values are (8), the next node (4), what became of it (4), the key
// in whole words, and room for the value (of per-CPU maps, one for each lane). There are more nodes than entries, since
// updates take another node and deleted keys keep theirs for a while; once half of those are left, packets stop.
//
// Tested by: tests/unit/opencl_maps_test.cc.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "verifier/verify.h"

namespace forager::jit::opencl {

enum class TableKind : std::uint8_t {
  none,         // no memory: no instruction names the map
  array,        // values by index
  hash,         // keys and values
  ports,        // a word for each index: whether a redirect leads somewhere
  port_keys,    // the keys for which it does, sorted
  programs,     // a word for each index: a program of the kernel, 0 for none
  inner_array,  // 8 bytes for each index: a map's descriptor, 0 for none
  inner_hash,   // a hash table whose values are that
  lpm,          // prefixes and values (cl/lpm.cl)
  list,         // QUEUE and STACK (cl/values.cl)
  bloom,        // BLOOM_FILTER (the same)
  ring,         // RINGBUF (cl/rings.cl)
  perf,         // PERF_EVENT_ARRAY (the same)
};

[[nodiscard]] constexpr std::uint64_t in_words(std::uint64_t bytes) { return (bytes + 7) & ~std::uint64_t{7}; }

struct Table {
  TableKind kind = TableKind::none;
  bool per_cpu = false;  // each lane has values of its own
  bool lru = false;      // hash: the host drops keys
  bool newest = false;   // list: a STACK
  std::uint32_t key_size = 0, value_size = 0, entries = 0;
  std::uint32_t mask = 0, nodes = 0;  // hash: one less than its slots; nodes
  std::uint32_t index_bits = 0;       // lpm: of an address, that its index has

  static constexpr std::uint64_t kSlotsAt = 64, kKeyAt = 24;
  static constexpr std::uint64_t kHeader = 64;              // of the other kinds
  static constexpr std::uint64_t kPerfLogBytes = 0x80000;   // of a lane
  static constexpr std::uint32_t kLive = 1, kDirty = 2;     // upper half of a slot; above, how often it changed
  static constexpr std::uint32_t kWasUsed = 1, kIsNew = 2;  // what became of a node
  // Of the log: an entry was used, or deleted; else inserted or updated. Below, the slot.
  static constexpr std::uint32_t kLogUse = 1U << 31, kLogDelete = 1U << 30, kLogSlot = kLogDelete - 1;

  [[nodiscard]] bool is_hash() const { return kind == TableKind::hash || kind == TableKind::inner_hash; }
  [[nodiscard]] std::uint64_t stride() const { return in_words(value_size); }
  [[nodiscard]] std::uint64_t slot_at(std::uint64_t slot) const { return kSlotsAt + 8 * slot; }
  [[nodiscard]] std::uint64_t log_at() const { return slot_at(std::uint64_t{mask} + 1); }
  [[nodiscard]] std::uint32_t log_entries() const { return 2 * (mask + 1); }
  [[nodiscard]] std::uint64_t nodes_at() const { return log_at() + std::uint64_t{4} * log_entries(); }
  [[nodiscard]] std::uint64_t value_in_node() const { return kKeyAt + in_words(key_size); }
  [[nodiscard]] std::uint64_t node_bytes(unsigned lanes) const {
    return value_in_node() + stride() * (per_cpu ? lanes : 1);
  }
  // Nodes count from 1.
  [[nodiscard]] std::uint64_t node_at(std::uint32_t node, unsigned lanes) const {
    return nodes_at() + (node - 1) * node_bytes(lanes);
  }
  [[nodiscard]] std::uint64_t prefixes_at() const {
    return kHeader + in_words(4 * ((std::uint64_t{1} << index_bits) + 1));
  }
  [[nodiscard]] std::uint64_t prefix_bytes() const { return 16 + in_words(key_size - 4); }
  [[nodiscard]] std::uint64_t perf_log_at() const { return kHeader + std::uint64_t{8} * entries; }
  // Of nodes that are left; below, packets stop.
  [[nodiscard]] std::uint32_t margin() const { return (nodes - entries) / 2; }
  // All of it, a multiple of 64; of a filter and an LPM_TRIE, what stands before bits and values.
  [[nodiscard]] std::uint64_t bytes(unsigned lanes) const;
};

inline constexpr std::uint32_t kMostEntries = 1U << 28;  // of a map

// Whether the device has a table for such maps.
[[nodiscard]] bool has_table(isa::MapType type);
// Nothing if it has none, or none so large.
[[nodiscard]] std::optional<Table> table_of(const program::MapSpec& spec);
// By index; those that no instruction names have none.
[[nodiscard]] std::vector<Table> tables_of(const verifier::VerifiedProgram& program);

}  // namespace forager::jit::opencl
