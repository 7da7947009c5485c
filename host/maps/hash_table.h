// SPDX-License-Identifier: Apache-2.0
//
// HashTable: buckets, chains and entries, shared by every map type that hashes its keys.
//
// Shape. Each of 2^n buckets holds the number of its chain's first node, 0 if empty; a node is
//     u32 next | u32 version | [u32 mark, 4 bytes unused] | key | [value]        (key and value rounded up to 8 bytes)
// so an entry costs key + value + 8 bytes and 4 to 8 for its bucket. Mark is there if the shape asks for it.
//
// Writers lock the bucket's stripe: one of up to 256 locks. Readers lock and write nothing:
//   hit   A node's version is odd while it stands in a chain, and goes up when it joins or leaves one. A reader that
//   finds
//         its key between two equal odd versions found an entry that was there; the same two versions around a copy
//         of the value prove it whole.
//   miss  Under a reader's feet a node may leave the chain and come back elsewhere, and lead the reader past its key.
//         A stripe counts departures, after the node left the chain and before anything in it changes. A reader that
//         went from head to end between two equal counts met no such node and saw the chain as it was. (So chains
//         need no nulls markers, which would tell a move to another bucket, but not one within the bucket.)
// The first walk looks for a hit by version and touches no line but the bucket's and the node's; only where it finds
// nothing and the bucket is not empty, walks follow that are proved by the count. A reader tries again only if a writer
// got something done meanwhile: lookups are lock-free.
//
// Updating an existing key puts a new node in the old one's place, by one store: readers see the old entry or the new
// one, never both or neither. (A node counts as joined only after that store, lest a reader still on it from its former
// life see the new value before others can.) A program that holds the old value's address reads a whole old value until
// the node is used again. Linux does this for its preallocated maps, where the update's spare node comes from the CPU;
// here it comes from the stripe, so that replacing works in a full map too and takes no free node.
//
// Iteration is ordered by (bucket, key) and not by position in the chain; see cursors.h.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc, maps_concurrency_test.cc, maps_memory_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "exec/map.h"
#include "maps/cursors.h"
#include "maps/hash_function.h"
#include "maps/lock.h"
#include "maps/memory.h"
#include "maps/node_pool.h"
#include "maps/value_fields.h"
#include "maps/words.h"

namespace forager::maps {

struct HashShape {
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;  // bytes in the node; 0 if values stand elsewhere
  std::uint32_t max_entries = 0;
  bool zero_seed = false;
  bool marked = false;
  const ValueFields* fields = nullptr;  // of the values in nodes, null: none; outlives the table
};

class HashTable {
 public:
  // A node as a reader found it; node 0: no such key.
  struct Hit {
    NodeId node = 0;
    std::uint32_t version = 0;
    explicit operator bool() const { return node != 0; }
  };
  class Entry;

  [[nodiscard]] Result<> open(const HashShape& shape);

  // Lock-free.
  [[nodiscard]] Hit find(const void* key) const;
  // The same for keys whose size is known, for compiled programs.
  template <std::uint32_t kKeySize>
  [[nodiscard]] Hit find_sized(const void* key) const;
  // How compiled programs do it in place; null where keys are too long for that. Holds for the table's life.
  [[nodiscard]] const exec::HashWalk* in_place() const { return in_place_.nodes == nullptr ? nullptr : &in_place_; }
  [[nodiscard]] bool unchanged(Hit hit) const {
    return version(hit.node).load(std::memory_order_relaxed) == hit.version;
  }
  // Copies the value whole; false if there is no such key. Lock-free.
  [[nodiscard]] bool read(const void* key, void* value) const;
  [[nodiscard]] std::byte* value(NodeId node) const { return nodes_.at(node) + value_offset_; }
  void copy_value_in(NodeId node, const void* value) {
    if (shape_.fields != nullptr) return shape_.fields->copy_in(this->value(node), value);
    copy_in(this->value(node), value, shape_.value_size);
  }
  void copy_value_out(NodeId node, void* value) const {
    if (shape_.fields != nullptr) return shape_.fields->copy_out(value, this->value(node));
    copy_out(value, this->value(node), shape_.value_size);
  }

  // The locked place of a key, present or not.
  [[nodiscard]] Entry lock(const void* key);

  // Nodes for entries that are to come; 0 if max_entries are in use.
  [[nodiscard]] NodeId take(std::uint64_t near) { return nodes_.take(near); }
  void give(NodeId node, std::uint64_t near) { nodes_.give(node, near); }

  // The mark of a node, free for the owner's use (shape.marked).
  [[nodiscard]] std::atomic_ref<std::uint32_t> mark(NodeId node) const { return field(node, kMarkOffset); }
  // Number of nodes, all stripes' spares included: they are 1 to nodes().
  [[nodiscard]] std::uint32_t nodes() const { return nodes_.nodes(); }
  [[nodiscard]] bool live(NodeId node) const { return (version(node).load(std::memory_order_relaxed) & 1) != 0; }
  // Takes a live node out of its chain and returns true, unless it is gone by then.
  [[nodiscard]] bool evict(NodeId node);

  // Called with each value that leaves a chain, while its stripe is locked, before anybody else gets the memory.
  void on_departure(std::function<void(std::byte*)> call) { on_departure_ = std::move(call); }

  // As exec::Map::erase and next_key.
  [[nodiscard]] int erase(const void* key);
  // As exec::Map::take; copy(node) takes the value out.
  template <class Copy>
  [[nodiscard]] int take_out(const void* key, Copy copy);
  [[nodiscard]] int next_key(const void* key, void* next);
  // As exec::Elements::next.
  [[nodiscard]] int next_in_order(const void* key, void* next);
  void copy_key(NodeId node, void* key) const { copy_out(key, key_at(node), shape_.key_size); }
  // The node that a value stands in.
  [[nodiscard]] NodeId node_of(const void* value) const { return nodes_.id_of(value); }

  // As of Buckets.
  [[nodiscard]] std::uint32_t buckets() const { return mask_ + 1; }
  [[nodiscard]] std::uint32_t keys_in(std::uint32_t bucket, std::vector<std::byte>& keys) const;

  [[nodiscard]] std::uint32_t entries() const { return nodes_.in_use(); }
  // As exec::Map::generation.
  [[nodiscard]] std::uint64_t changes() const;
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  struct alignas(64) Stripe {
    Lock lock;
    NodeId spare = 0;                          // for the next replacement; guarded by lock
    std::atomic<std::uint32_t> departures{0};  // nodes that left this stripe's chains
    std::atomic<std::uint32_t> arrivals{0};    // ... and that joined them
  };
  static constexpr std::uint32_t kNextOffset = 0, kVersionOffset = 4, kMarkOffset = 8;

  [[nodiscard]] std::atomic_ref<std::uint32_t> field(NodeId node, std::uint32_t offset) const {
    return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(nodes_.at(node) + offset));
  }
  [[nodiscard]] std::atomic_ref<std::uint32_t> next(NodeId node) const { return field(node, kNextOffset); }
  [[nodiscard]] std::atomic_ref<std::uint32_t> version(NodeId node) const { return field(node, kVersionOffset); }
  [[nodiscard]] std::atomic_ref<std::uint32_t> head(std::uint32_t bucket) const {
    return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(buckets_.base() + std::size_t{bucket} * 4));
  }
  [[nodiscard]] std::byte* key_at(NodeId node) const { return nodes_.at(node) + key_offset_; }
  [[nodiscard]] Word key_word(NodeId node, std::size_t i) const { return load_word(key_at(node) + i * kWordBytes); }

  [[nodiscard]] exec::HashWalk walk_of(std::uint64_t node_bytes) const;
  [[nodiscard]] std::uint64_t hash_of(const void* key) const;
  [[nodiscard]] std::uint64_t hash_of(NodeId node) const;
  [[nodiscard]] std::uint32_t bucket_of(std::uint64_t hash) const { return static_cast<std::uint32_t>(hash) & mask_; }
  [[nodiscard]] Stripe& stripe_of(std::uint32_t bucket) const { return stripes()[bucket & stripe_mask_]; }
  [[nodiscard]] Stripe* stripes() const { return reinterpret_cast<Stripe*>(stripes_.base()); }

  enum class Proof : std::uint8_t { version, departures };  // who proves a hit: the walk, or its caller
  template <class Matches>
  [[nodiscard]] Hit walk(std::uint32_t bucket, Proof proof, Matches matches) const;
  [[nodiscard]] Hit search(std::uint32_t bucket, Proof proof, const void* key) const;
  [[nodiscard]] bool holds(NodeId node, const void* key) const;
  [[nodiscard]] std::atomic_ref<std::uint32_t> link_to(std::uint32_t bucket, NodeId node) const;
  void unlink(std::uint32_t bucket, NodeId node);
  void depart(Stripe& stripe, NodeId node);

  [[nodiscard]] bool before(NodeId a, NodeId b) const;
  [[nodiscard]] bool after(NodeId a, const void* key) const;
  [[nodiscard]] int first_from(std::uint32_t bucket, const void* after_key, void* next);
  [[nodiscard]] NodeId least_node(std::uint32_t bucket, const void* after_key) const;
  [[nodiscard]] bool least_in(std::uint32_t bucket, const void* after_key, void* next);

  HashShape shape_;
  exec::HashWalk in_place_;
  HashSeed seed_;
  std::uint32_t key_words_ = 0;
  std::uint32_t key_offset_ = 8;
  std::uint32_t value_offset_ = 0;
  std::uint32_t mask_ = 0;
  std::uint32_t stripe_mask_ = 0;
  Region buckets_;
  Region stripes_;
  NodePool nodes_;
  Cursors cursors_;
  std::function<void(std::byte*)> on_departure_;
};

// Holds the stripe's lock; makes no other entry of the table wait for it longer than a few stores.
class HashTable::Entry {
 public:
  Entry(HashTable& table, const void* key, std::uint64_t hash);

  [[nodiscard]] NodeId node() const { return node_; }  // 0 if the key is absent
  [[nodiscard]] std::uint64_t near() const { return bucket_; }

  // Makes `node` the entry of this absent key. A null value means that the value stands elsewhere, written already.
  void insert(NodeId node, const void* value);
  // Puts a new value in place of this present key's; returns the node that holds it.
  NodeId replace(const void* value);
  // Removes this present key.
  void remove();

 private:
  void fill(NodeId node, const void* value);
  void join(NodeId node, NodeId next, std::atomic_ref<std::uint32_t> link);

  HashTable& table_;
  const void* key_;
  std::uint32_t bucket_;
  Stripe& stripe_;
  std::unique_lock<Lock> guard_;
  NodeId node_;
};

template <class Matches>
HashTable::Hit HashTable::walk(std::uint32_t bucket, Proof proof, Matches matches) const {
  NodeId node = head(bucket).load(std::memory_order_acquire);
  while (node != 0) {
    const Hit hit = {.node = node, .version = version(node).load(std::memory_order_acquire)};
    if (matches(node) && (proof == Proof::departures || ((hit.version & 1) != 0 && unchanged(hit)))) return hit;
    node = next(node).load(std::memory_order_acquire);
  }
  return {};
}

template <std::uint32_t kKeySize>
HashTable::Hit HashTable::find_sized(const void* key) const {
  constexpr std::size_t kWords = (kKeySize + kWordBytes - 1) / kWordBytes;
  std::array<Word, kWords> words;
  for (std::size_t i = 0; i < kWords; ++i) words[i] = word_of(key, kKeySize, i);
  const std::uint32_t bucket = bucket_of(hash_words([&](std::size_t i) { return words[i]; }, kKeySize, seed_));
  const Hit hit = walk(bucket, Proof::version, [&](NodeId node) {
    bool same = true;
    for (std::size_t i = 0; i < kWords; ++i) same = same && key_word(node, i) == words[i];
    return same;
  });
  if (hit) [[likely]]
    return hit;
  return head(bucket).load(std::memory_order_acquire) == 0 ? hit : find(key);
}

template <class Copy>
int HashTable::take_out(const void* key, Copy copy) {
  Entry entry = lock(key);
  if (entry.node() == 0) return -ENOENT;
  copy(entry.node());
  entry.remove();
  return 0;
}

// 0, or -EINVAL, -EEXIST, -ENOENT: what BPF_ANY, BPF_NOEXIST and BPF_EXIST say of a key that is there or not.
[[nodiscard]] int check_presence(std::uint64_t flags, bool present);

}  // namespace forager::maps
