// SPDX-License-Identifier: Apache-2.0
//
// HashLayout: a hash table (tables.h) as the host reads and writes it, between launches.
//
// Tested by: tests/unit/opencl_maps_test.cc.
#pragma once

#include <optional>

#include "jit-backends/opencl/mirror.h"

namespace forager::jit::opencl {

class HashLayout {
 public:
  using Bytes = std::span<std::byte>;
  struct Slot {
    std::uint32_t node = 0, flags = 0;
  };
  // In the header.
  static constexpr std::size_t kUsed = 0, kFresh = 4, kFree = 8, kLeft = 16, kLogged = 20;
  // In a node.
  static constexpr std::size_t kPlace = 0, kStride = 8, kNext = 16, kUse = 20;

  HashLayout(const Table& table, unsigned lanes) : table_(table), lanes_(lanes) {}

  [[nodiscard]] Slot slot(Bytes table, std::uint32_t number) const {
    return value_at<Slot>(table, table_.slot_at(number));
  }
  void put_slot(Bytes table, std::uint32_t number, Slot slot) const { put_value(table, table_.slot_at(number), slot); }
  [[nodiscard]] bool is_node(std::uint32_t node) const { return node != 0 && node <= table_.nodes; }
  [[nodiscard]] std::size_t node_at(std::uint32_t node) const { return table_.node_at(node, lanes_); }
  [[nodiscard]] Bytes key(Bytes table, std::uint32_t node) const {
    return table.subspan(node_at(node) + Table::kKeyAt, in_words(table_.key_size));
  }
  // The value in the node, of a lane.
  [[nodiscard]] Bytes value(Bytes table, std::uint32_t node, unsigned lane) const {
    return table.subspan(node_at(node) + table_.value_in_node() + lane * table_.stride(), table_.stride());
  }

  void clear(Bytes table) const;
  // After clear(), and so many times add().
  void finish(Bytes table, std::uint32_t nodes) const;
  // A key in whole words gets a node, and a slot, whose number it gives; nothing if it has one already.
  std::optional<std::uint32_t> add(Bytes table, std::span<const std::byte> words, std::uint32_t node) const;
  // The slot that has a node.
  [[nodiscard]] std::optional<std::uint32_t> find(Bytes table, std::uint32_t node) const;
  // Where the way to a node's key begins.
  [[nodiscard]] std::uint32_t home(Bytes table, std::uint32_t node) const;
  // To the free nodes.
  void give(Bytes table, std::uint32_t node) const;

 private:
  Table table_;
  unsigned lanes_;
};

}  // namespace forager::jit::opencl
