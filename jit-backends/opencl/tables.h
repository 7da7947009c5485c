// SPDX-License-Identifier: Apache-2.0
//
// Which maps stand in device memory while a batch runs, and what of them (runtime.cl has the layouts).
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
  none,       // no memory: no instruction names the map
  array,      // values by index
  hash,       // keys and values
  ports,      // a word for each index: whether a redirect leads somewhere
  port_keys,  // the keys for which it does, sorted
};

[[nodiscard]] constexpr std::uint64_t in_words(std::uint64_t bytes) { return (bytes + 7) & ~std::uint64_t{7}; }

struct Table {
  TableKind kind = TableKind::none;
  bool per_cpu = false;     // one for each lane, one behind the other
  bool in_place = false;    // hash: values of one CPU, which updates overwrite
  std::uint64_t bytes = 0;  // of one, a multiple of 64
  std::uint32_t key_size = 0, value_size = 0, entries = 0;
  std::uint32_t mask = 0;  // hash: one less than its slots

  [[nodiscard]] std::uint64_t stride() const { return in_words(value_size); }
  [[nodiscard]] std::uint64_t bytes_for(unsigned lanes) const { return per_cpu ? bytes * lanes : bytes; }
  // Hash: where its parts begin, and bytes of a node. Nodes count from 1, and there is one more than entries.
  [[nodiscard]] std::uint64_t slots_at() const { return 16; }
  [[nodiscard]] std::uint64_t free_at() const { return slots_at() + 4 * (std::uint64_t{mask} + 1); }
  [[nodiscard]] std::uint64_t fresh_at() const { return free_at() + 4 * (std::uint64_t{entries} + 1); }
  [[nodiscard]] std::uint64_t nodes_at() const { return in_words(fresh_at() + 4 * (std::uint64_t{entries} + 1)); }
  [[nodiscard]] std::uint64_t node_bytes() const { return in_words(key_size) + in_words(value_size); }
  [[nodiscard]] std::uint64_t node_at(std::uint32_t node) const { return nodes_at() + (node - 1) * node_bytes(); }
};

// Nothing if the device has no table for such maps.
[[nodiscard]] std::optional<Table> table_of(const program::MapSpec& spec);
// By index; those that no instruction names have none.
[[nodiscard]] std::vector<Table> tables_of(const verifier::VerifiedProgram& program);

}  // namespace forager::jit::opencl
