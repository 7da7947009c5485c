// SPDX-License-Identifier: Apache-2.0
//
// NodePool: the entries of a hash table or trie, numbered, of one size, taken and given back.
//
// Nodes are type-stable: a number, once handed out, is a node of this pool for the pool's life, so a reader that still
// holds the number of a node given back reads a node, perhaps another key's, never foreign memory. (That is what lets
// lookups go without locks and without waiting for readers before reuse.) Numbers are 32 bits, half a pointer.
//
// Given-back nodes wait in a few lists, each under its own lock, so that threads seldom meet; a taker whose list is
// empty looks through the others before it takes a node never used. Hence memory in use never exceeds the most
// entries that ever stood in the map at a time, however long it is churned.
//
// Number 0 is no node. Numbers 1 to capacity come from take(); `reserved` more follow, which the owner deals out
// itself. The list link stands in the node at `link_offset`, a word that readers must not trust in a node out of use.
//
// Tested by: tests/unit/maps_memory_test.cc, maps_concurrency_test.cc.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "maps/lock.h"
#include "maps/memory.h"
#include "maps/words.h"

namespace forager::maps {

using NodeId = std::uint32_t;

struct NodeShape {
  std::uint64_t bytes = 0;  // of a node, a multiple of 8
  std::uint32_t capacity = 0;
  std::uint32_t reserved = 0;
  std::uint32_t link_offset = 0;  // multiple of 8
};

class NodePool {
 public:
  // ENOMEM.
  [[nodiscard]] Result<> open(const NodeShape& shape) {
    shape_ = shape;
    const std::uint64_t nodes = std::uint64_t{shape.capacity} + shape.reserved + 1;
    const bool overflows = shape.bytes > UINT64_MAX / 2 / nodes;
    auto region = Region::reserve(overflows ? UINT64_MAX : nodes * shape.bytes);
    if (!region) return std::unexpected(region.error());
    region_ = std::move(*region);
    return {};
  }

  [[nodiscard]] std::byte* at(NodeId id) const { return region_.base() + id * shape_.bytes; }
  // The node in which an address lies.
  [[nodiscard]] NodeId id_of(const void* inside) const {
    const auto offset = static_cast<std::uint64_t>(static_cast<const std::byte*>(inside) - region_.base());
    return static_cast<NodeId>(offset / shape_.bytes);
  }
  [[nodiscard]] std::uint32_t nodes() const { return shape_.capacity + shape_.reserved; }

  // A node out of use, or 0 if `capacity` are in use. `near` picks the list to try first.
  [[nodiscard]] NodeId take(std::uint64_t near) {
    for (std::size_t i = 0; i < kLists; ++i) {
      if (const NodeId id = pop(lists_[(near + i) % kLists]); id != 0) return id;
    }
    std::uint32_t used = touched_.load(std::memory_order_relaxed);
    while (used < shape_.capacity) {
      if (touched_.compare_exchange_weak(used, used + 1, std::memory_order_relaxed)) return used + 1;
    }
    return 0;
  }

  void give(NodeId id, std::uint64_t near) {
    List& list = lists_[near % kLists];
    const std::lock_guard guard(list.lock);
    store_word(at(id) + shape_.link_offset, list.head.load(std::memory_order_relaxed));
    list.head.store(id, std::memory_order_relaxed);
    list.length.store(list.length.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  [[nodiscard]] std::uint32_t in_use() const {
    std::uint32_t used = touched_.load(std::memory_order_relaxed);
    for (const List& list : lists_) used -= list.length.load(std::memory_order_relaxed);
    return used;
  }
  // Bytes that were ever handed out.
  [[nodiscard]] std::uint64_t bytes() const { return touched_.load(std::memory_order_relaxed) * shape_.bytes; }

 private:
  static constexpr std::size_t kLists = 16;
  struct alignas(64) List {
    Lock lock;
    std::atomic<NodeId> head{0};
    std::atomic<std::uint32_t> length{0};
  };

  NodeId pop(List& list) {
    if (list.head.load(std::memory_order_relaxed) == 0) return 0;
    const std::lock_guard guard(list.lock);
    const NodeId id = list.head.load(std::memory_order_relaxed);
    if (id == 0) return 0;
    list.head.store(static_cast<NodeId>(load_word(at(id) + shape_.link_offset)), std::memory_order_relaxed);
    list.length.store(list.length.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    return id;
  }

  NodeShape shape_;
  Region region_;
  std::atomic<std::uint32_t> touched_{0};
  std::array<List, kLists> lists_;
};

}  // namespace forager::maps
