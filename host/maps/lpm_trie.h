// SPDX-License-Identifier: Apache-2.0
//
// LpmTrie: prefixes of bits, and the longest that matches an address (kernel/bpf/lpm_trie.c).
//
// Binary tries without one-way branches: a node holds a prefix, its children prefixes that are longer by at least a
// bit, child 0 those that go on with 0. A node is an entry or, where two entries part at a bit that no entry ends at,
// an *intermediate* with two children. A node is
//     u32 child[2] | u32 prefix length, top bit: intermediate | u32 unused | prefix bytes | value    (words, padded)
//
// A walk from the first bit would cost a cache miss for each of some 16 levels. So the first kMostBits bits (fewer in a
// small map: no more slots than entries) are an index into a table: prefixes of at least so many bits stand in a trie
// of their slot, shorter ones in a trie of their own. A slot is
//     u32 trie's first node | u32 the longest entry among the shorter prefixes that its addresses match, 0 if none
// so a lookup reads one slot and walks one small trie (a large one only where many prefixes share their first 16 bits).
// A shorter entry that comes, goes or is replaced is written into all slots that it covers: 65,536 of them for a
// default route, few or none for most.
//
// Writers exclude each other. Each change of a trie is one store to one link (or, for an entry with two children that
// is deleted, to its length word), and one to each slot: readers see the map before or after it, address by address.
// Readers neither lock nor write. What they must fear is a node that left the trie and is used again while they stand
// on it; departures counts those, after the node left and before anything in it changes, and a reader whose count is
// the same before and after was right. A reader tries again only if an entry was deleted or replaced meanwhile.
//
// Iteration is in post-order, as in Linux: longer prefixes before the shorter ones they lie in. The order of two
// prefixes depends on them alone, so it goes on from a key that is gone (cursors.h).
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc (order too), maps_concurrency_test.cc.
#pragma once

#include <atomic>
#include <cstdint>

#include "maps/cursors.h"
#include "maps/lock.h"
#include "maps/node_pool.h"

namespace forager::maps {

// A key: u32 prefix length and then bytes, first bit most significant; bits past the prefix do not count.
struct Prefix {
  std::uint32_t length = 0;
  const std::byte* bytes = nullptr;
  std::uint32_t size = 0;  // bytes
};

class LpmTrie {
 public:
  // Sizes in bytes; ENOMEM.
  [[nodiscard]] Result<> open(std::uint32_t key_size, std::uint32_t value_size, std::uint32_t max_entries);

  // Lock-free. The value of the longest entry that is a prefix of the key, or nullptr.
  [[nodiscard]] std::byte* lookup(const void* key) const;
  // The same, copied whole; false if there is none.
  [[nodiscard]] bool read(const void* key, void* value) const;

  // As bpf_map_update_elem and _delete_elem: -EINVAL, -ENOENT, -EEXIST, -ENOSPC (full), -ENOMEM.
  [[nodiscard]] int update(const void* key, const void* value, std::uint64_t flags);
  [[nodiscard]] int erase(const void* key);
  // As exec::Map::next_key.
  [[nodiscard]] int next_key(const void* key, void* next);

  // As exec::Map::generation.
  [[nodiscard]] std::uint64_t changes() const { return changes_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint32_t entries() const { return entries_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t bytes() const { return nodes_.bytes() + table_.size() + sizeof *this; }

 private:
  static constexpr std::uint32_t kIntermediate = 1U << 31;
  static constexpr std::uint32_t kLengthOffset = 8, kBytesOffset = 16;
  using Link = std::atomic_ref<std::uint32_t>;

  // Bits that index the table.
  static constexpr std::uint32_t kMostBits = 16;

  struct Slot {
    std::uint32_t root;     // a link
    std::uint32_t covered;  // a link
  };

  // Where a key is, or would be: the first node on its way that does not lie strictly above it, and the links to it.
  struct Place {
    std::uint32_t* link = nullptr;  // holds node
    NodeId node = 0;                // 0: the way ends here
    std::uint32_t matching = 0;     // bits that node and key have in common
    NodeId parent = 0;
    std::uint32_t* parent_link = nullptr;  // holds parent
    NodeId above = 0;                      // the last entry on the way to node
  };

  [[nodiscard]] Prefix prefix_of(const void* key) const;
  [[nodiscard]] static NodeId follow(std::uint32_t* link) { return Link(*link).load(std::memory_order_acquire); }
  static void point(std::uint32_t* link, NodeId node) { Link(*link).store(node, std::memory_order_release); }
  [[nodiscard]] std::uint32_t* child_link(NodeId node, unsigned bit) const {
    return reinterpret_cast<std::uint32_t*>(nodes_.at(node) + bit * 4);
  }
  [[nodiscard]] NodeId child(NodeId node, unsigned bit) const { return follow(child_link(node, bit)); }
  [[nodiscard]] Link length_word(NodeId node) const {
    return Link(*reinterpret_cast<std::uint32_t*>(nodes_.at(node) + kLengthOffset));
  }
  [[nodiscard]] std::uint32_t length(NodeId node) const {
    return length_word(node).load(std::memory_order_acquire) & ~kIntermediate;
  }
  [[nodiscard]] bool intermediate(NodeId node) const {
    return (length_word(node).load(std::memory_order_relaxed) & kIntermediate) != 0;
  }
  [[nodiscard]] std::byte* value(NodeId node) const { return nodes_.at(node) + value_offset_; }
  [[nodiscard]] unsigned bit(NodeId node, std::uint32_t index) const;
  [[nodiscard]] std::uint32_t matching(NodeId node, const Prefix& prefix) const;

  [[nodiscard]] std::uint32_t slots() const { return 1U << index_bits_; }
  [[nodiscard]] Slot& slot(std::uint32_t index) const { return reinterpret_cast<Slot*>(table_.base())[index]; }
  [[nodiscard]] std::uint32_t index_of(const Prefix& prefix) const;
  // How many slots the prefix covers: one, if it stands in the slot's trie.
  [[nodiscard]] std::uint32_t covers(const Prefix& prefix) const {
    return prefix.length >= index_bits_ ? 1 : 1U << (index_bits_ - prefix.length);
  }
  [[nodiscard]] std::uint32_t* root_of(const Prefix& prefix) const {
    return prefix.length >= index_bits_ ? &slot(index_of(prefix)).root : &root_;
  }
  void cover(const Prefix& prefix, NodeId before, NodeId after);

  [[nodiscard]] bool lies_above(NodeId node, std::uint32_t length, const Prefix& prefix, std::uint64_t leading) const;
  [[nodiscard]] NodeId longest_match(const Prefix& prefix) const;
  [[nodiscard]] Place place(const Prefix& prefix) const;
  [[nodiscard]] bool is_entry(const Place& place, const Prefix& prefix) const;

  [[nodiscard]] NodeId make(const Prefix& prefix, const void* value);
  [[nodiscard]] int insert(const Place& place, const Prefix& prefix, const void* value);
  [[nodiscard]] int insert_beside(const Place& place, const Prefix& prefix, NodeId fresh);
  [[nodiscard]] int replace(const Place& place, const Prefix& prefix, const void* value);
  void remove(const Place& place);
  void depart(NodeId node);

  [[nodiscard]] NodeId first_below(NodeId node) const;
  [[nodiscard]] NodeId first_in_slots(std::uint32_t from) const;
  [[nodiscard]] NodeId successor_in(std::uint32_t* root, const Prefix& prefix) const;
  [[nodiscard]] NodeId successor(const Prefix& prefix) const;
  [[nodiscard]] NodeId earlier(NodeId longer, NodeId shorter) const;
  [[nodiscard]] Prefix prefix_of(NodeId node) const {
    return {.length = length(node), .bytes = nodes_.at(node) + kBytesOffset, .size = key_size_ - 4};
  }
  [[nodiscard]] std::uint64_t fingerprint(const void* key) const;

  std::uint32_t key_size_ = 0;
  std::uint32_t value_size_ = 0;
  std::uint32_t max_entries_ = 0;
  std::uint32_t value_offset_ = 0;
  std::uint32_t index_bits_ = 0;
  Region table_;
  NodePool nodes_;
  Lock lock_;
  mutable std::uint32_t root_ = 0;  // a link, accessed as one: the trie of prefixes shorter than index_bits_
  std::atomic<std::uint32_t> entries_{0};
  std::atomic<std::uint64_t> departures_{0};
  std::atomic<std::uint64_t> changes_{0};
  Cursors cursors_;
};

}  // namespace forager::maps
