// SPDX-License-Identifier: Apache-2.0
//
// LPM_TRIE: the map type, on the trie of lpm_trie.h. Full is ENOSPC here, not E2BIG, as in Linux.
#include "maps/lpm_trie.h"

#include <linux/bpf.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <mutex>
#include <span>

#include "maps/attributes.h"
#include "maps/hash_function.h"
#include "maps/hash_table.h"
#include "maps/types.h"
#include "maps/words.h"

namespace forager::maps {
namespace {

// The first bit in memory becomes the most significant.
constexpr Word bits_in_order(Word word) {
  return std::endian::native == std::endian::little ? __builtin_bswap64(word) : word;
}

// The first 64 bits; most keys are IPv4 addresses, and a copy of a size that the compiler does not know is a call.
Word leading_bits(const Prefix& prefix) {
  if (prefix.size != 4) return bits_in_order(word_of(prefix.bytes, prefix.size, 0));
  return bits_in_order(word_of(prefix.bytes, 4, 0));
}

// Whether the first `length` bits of two numbers are the same.
bool same_up_to(Word left, Word right, std::uint32_t length) {
  return length == 0 || (left ^ right) >> (64 - length) == 0;
}

unsigned bit_of(const Prefix& prefix, std::uint32_t index) {
  return std::to_integer<unsigned>(prefix.bytes[index / 8]) >> (7 - index % 8) & 1;
}

}  // namespace

Result<> LpmTrie::open(std::uint32_t key_size, std::uint32_t value_size, std::uint32_t max_entries) {
  key_size_ = key_size;
  value_size_ = value_size;
  max_entries_ = max_entries;
  value_offset_ = kBytesOffset + static_cast<std::uint32_t>(round_up_words(key_size - 4));
  // Entries, an intermediate for all but one of them, and one that is about to replace another.
  index_bits_ = std::min({kMostBits, static_cast<std::uint32_t>(std::bit_width(max_entries)) - 1, 8 * (key_size - 4)});
  auto table = Region::reserve(std::uint64_t{slots()} * sizeof(Slot));
  if (!table) return std::unexpected(table.error());
  table_ = std::move(*table);
  const std::uint64_t nodes = std::min<std::uint64_t>(2 * std::uint64_t{max_entries}, UINT32_MAX - 1);
  return nodes_.open({.bytes = value_offset_ + round_up_words(value_size),
                      .capacity = static_cast<std::uint32_t>(nodes),
                      .reserved = 0,
                      .link_offset = 0});
}

Prefix LpmTrie::prefix_of(const void* key) const {
  Prefix prefix = {.bytes = static_cast<const std::byte*>(key) + 4, .size = key_size_ - 4};
  std::memcpy(&prefix.length, key, sizeof prefix.length);
  return prefix;
}

// Of a prefix that is shorter than the index: the first slot that it covers.
std::uint32_t LpmTrie::index_of(const Prefix& prefix) const {
  if (index_bits_ == 0) return 0;
  return static_cast<std::uint32_t>(leading_bits(prefix) >> (64 - index_bits_)) & ~(covers(prefix) - 1);
}

unsigned LpmTrie::bit(NodeId node, std::uint32_t index) const {
  const Word word = load_word(nodes_.at(node) + kBytesOffset + index / 64 * kWordBytes);
  return static_cast<unsigned>(bits_in_order(word) >> (63 - index % 64) & 1);
}

// How many leading bits node and prefix share, at most the shorter one's length.
std::uint32_t LpmTrie::matching(NodeId node, const Prefix& prefix) const {
  const std::uint32_t limit = std::min({length(node), prefix.length, prefix.size * 8});
  for (std::uint32_t at = 0; at < limit; at += 64) {
    const Word stored = load_word(nodes_.at(node) + kBytesOffset + at / 8);
    const Word differing = bits_in_order(stored ^ word_of(prefix.bytes, prefix.size, at / 64));
    if (differing != 0) return std::min(limit, at + static_cast<std::uint32_t>(std::countl_zero(differing)));
  }
  return limit;
}

// ---- readers -----------------------------------------------------------------------------------------------------

// Of a node on the prefix's way: whether its prefix is one of this prefix, whose first bits are `leading`.
bool LpmTrie::lies_above(NodeId node, std::uint32_t length, const Prefix& prefix, Word leading) const {
  if (length > 64) return matching(node, prefix) >= length;
  return length <= prefix.length &&
         same_up_to(bits_in_order(load_word(nodes_.at(node) + kBytesOffset)), leading, length);
}

// Right only if no node departs meanwhile. A node met out of order is such a one: stop, the caller will see.
NodeId LpmTrie::longest_match(const Prefix& prefix) const {
  const bool indexed = prefix.length >= index_bits_;
  Slot* const slot = indexed ? &this->slot(index_of(prefix)) : nullptr;
  NodeId found = indexed ? follow(&slot->covered) : 0;
  const Word leading = leading_bits(prefix);
  std::uint32_t least = 0;  // how long the next prefix is at least
  NodeId node = follow(indexed ? &slot->root : &root_);
  while (node != 0) {
    const std::uint32_t word = length_word(node).load(std::memory_order_acquire);
    const std::uint32_t length = word & ~kIntermediate;
    if (length < least || !lies_above(node, length, prefix, leading)) break;
    if ((word & kIntermediate) == 0) found = node;
    if (length >= prefix.length) break;
    node = child(node, bit_of(prefix, length));
    least = length + 1;
  }
  return found;
}

std::byte* LpmTrie::lookup(const void* key) const {
  const Prefix prefix = prefix_of(key);
  if (prefix.length > prefix.size * 8) return nullptr;
  for (;;) {
    const std::uint64_t before = departures_.load(std::memory_order_acquire);
    const NodeId node = longest_match(prefix);
    if (departures_.load(std::memory_order_relaxed) == before) return node == 0 ? nullptr : value(node);
  }
}

bool LpmTrie::read(const void* key, void* value) const {
  const Prefix prefix = prefix_of(key);
  if (prefix.length > prefix.size * 8) return false;
  for (;;) {
    const std::uint64_t before = departures_.load(std::memory_order_acquire);
    const NodeId node = longest_match(prefix);
    if (node != 0) copy_out(value, this->value(node), value_size_);
    if (departures_.load(std::memory_order_relaxed) == before) return node != 0;
  }
}

// ---- writers: all under lock_ ------------------------------------------------------------------------------------

LpmTrie::Place LpmTrie::place(const Prefix& prefix) const {
  Place place = {.link = root_of(prefix)};
  while ((place.node = follow(place.link)) != 0) {
    place.matching = matching(place.node, prefix);
    if (place.matching != length(place.node) || place.matching == prefix.length) break;
    if (!intermediate(place.node)) place.above = place.node;
    place.parent = place.node;
    place.parent_link = place.link;
    place.link = child_link(place.node, bit_of(prefix, place.matching));
  }
  return place;
}

bool LpmTrie::is_entry(const Place& place, const Prefix& prefix) const {
  return place.node != 0 && place.matching == prefix.length && length(place.node) == prefix.length &&
         !intermediate(place.node);
}

// In all slots that a prefix covers, puts one entry in the place of another, which may be none.
void LpmTrie::cover(const Prefix& prefix, NodeId before, NodeId after) {
  if (prefix.length >= index_bits_) return;
  const std::uint32_t first = index_of(prefix);
  for (Slot& slot : std::span(&this->slot(first), covers(prefix))) {
    if (Link(slot.covered).load(std::memory_order_relaxed) == before) point(&slot.covered, after);
  }
}

// After the node left the trie and the table, before anything in it changes.
void LpmTrie::depart(NodeId node) {
  departures_.store(departures_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  nodes_.give(node, 0);
}

// A node without children, in no one's sight yet; without a value it is an intermediate.
NodeId LpmTrie::make(const Prefix& prefix, const void* value) {
  const NodeId node = nodes_.take(0);
  if (node == 0) return 0;
  point(child_link(node, 0), 0);
  point(child_link(node, 1), 0);
  length_word(node).store(prefix.length | (value == nullptr ? kIntermediate : 0), std::memory_order_release);
  copy_in(nodes_.at(node) + kBytesOffset, prefix.bytes, prefix.size);
  if (value != nullptr) copy_in(this->value(node), value, value_size_);
  return node;
}

int LpmTrie::update(const void* key, const void* value, std::uint64_t flags) {
  const Prefix prefix = prefix_of(key);
  if (flags > BPF_EXIST || prefix.length > prefix.size * 8) return -EINVAL;
  const std::lock_guard guard(lock_);
  const Place place = this->place(prefix);
  const bool present = is_entry(place, prefix);
  if (const int error = check_presence(flags, present); error != 0) return error;
  if (!present && entries() == max_entries_) return -ENOSPC;
  const bool same_place = place.node != 0 && length(place.node) == place.matching;
  const int error = same_place ? replace(place, prefix, value) : insert(place, prefix, value);
  if (error == 0 && !present) entries_.fetch_add(1, std::memory_order_relaxed);
  if (error == 0) changes_.fetch_add(1, std::memory_order_release);
  return error;
}

// In place of an entry or intermediate of the same prefix.
int LpmTrie::replace(const Place& place, const Prefix& prefix, const void* value) {
  const NodeId fresh = make(prefix, value);
  if (fresh == 0) return -ENOMEM;
  point(child_link(fresh, 0), child(place.node, 0));
  point(child_link(fresh, 1), child(place.node, 1));
  point(place.link, fresh);
  cover(prefix, intermediate(place.node) ? place.above : place.node, fresh);
  depart(place.node);
  return 0;
}

int LpmTrie::insert(const Place& place, const Prefix& prefix, const void* value) {
  const NodeId fresh = make(prefix, value);
  if (fresh == 0) return -ENOMEM;
  if (place.node != 0 && place.matching < prefix.length) return insert_beside(place, prefix, fresh);
  // At the end of the way, or above the node there.
  if (place.node != 0) point(child_link(fresh, bit(place.node, place.matching)), place.node);
  point(place.link, fresh);
  cover(prefix, place.above, fresh);
  return 0;
}

// Node and key part below both: an intermediate joins them.
int LpmTrie::insert_beside(const Place& place, const Prefix& prefix, NodeId fresh) {
  const NodeId join = make({.length = place.matching, .bytes = prefix.bytes, .size = prefix.size}, nullptr);
  if (join == 0) {
    nodes_.give(fresh, 0);
    return -ENOMEM;
  }
  const unsigned side = bit_of(prefix, place.matching);
  point(child_link(join, side), fresh);
  point(child_link(join, 1 - side), place.node);
  point(place.link, join);
  cover(prefix, place.above, fresh);
  return 0;
}

int LpmTrie::erase(const void* key) {
  const Prefix prefix = prefix_of(key);
  if (prefix.length > prefix.size * 8) return -EINVAL;
  const std::lock_guard guard(lock_);
  const Place place = this->place(prefix);
  if (!is_entry(place, prefix)) return -ENOENT;
  cover(prefix, place.node, place.above);
  remove(place);
  entries_.fetch_sub(1, std::memory_order_relaxed);
  changes_.fetch_add(1, std::memory_order_release);
  return 0;
}

void LpmTrie::remove(const Place& place) {
  const NodeId node = place.node, left = child(node, 0), right = child(node, 1);
  if (left != 0 && right != 0) {
    length_word(node).store(length(node) | kIntermediate, std::memory_order_release);
    return;
  }
  const bool leaf = left == 0 && right == 0;
  if (leaf && place.parent != 0 && intermediate(place.parent)) {
    // The parent would be left with one child: that one takes its place.
    const unsigned side = child(place.parent, 0) == node ? 0 : 1;
    point(place.parent_link, child(place.parent, 1 - side));
    depart(place.parent);
  } else {
    point(place.link, left != 0 ? left : right);
  }
  depart(node);
}

// ---- iteration ---------------------------------------------------------------------------------------------------

// First in post-order of a subtree: a leaf, hence an entry.
NodeId LpmTrie::first_below(NodeId node) const {
  while (node != 0) {
    NodeId down = child(node, 0);
    if (down == 0) down = child(node, 1);
    if (down == 0) break;
    node = down;
  }
  return node;
}

// The same of all slots from one on.
NodeId LpmTrie::first_in_slots(std::uint32_t from) const {
  for (std::uint32_t index = from; index < slots(); ++index) {
    if (const NodeId root = follow(&slot(index).root); root != 0) return first_below(root);
  }
  return 0;
}

// The first entry of a trie behind a prefix in post-order, which need not be in it. The deepest candidate comes first.
NodeId LpmTrie::successor_in(std::uint32_t* root, const Prefix& prefix) const {
  NodeId candidate = 0;
  for (NodeId node = follow(root); node != 0;) {
    const std::uint32_t shared = matching(node, prefix);
    if (shared == prefix.length) break;  // all of the subtree lies inside the prefix, before it
    if (shared < length(node)) return bit_of(prefix, shared) == 0 ? first_below(node) : candidate;
    if (!intermediate(node)) candidate = node;
    const unsigned side = bit_of(prefix, shared);
    if (side == 0 && child(node, 1) != 0) candidate = first_below(child(node, 1));
    node = child(node, side);
  }
  return candidate;
}

// The one that comes first in post-order, of an entry in a slot and one that is shorter than the index; either may be
// none.
NodeId LpmTrie::earlier(NodeId longer, NodeId shorter) const {
  if (longer == 0 || shorter == 0) return longer != 0 ? longer : shorter;
  const std::uint32_t shared = matching(shorter, prefix_of(longer));
  return shared < length(shorter) && bit(shorter, shared) == 0 ? shorter : longer;
}

// What lies inside a prefix comes before it.
NodeId LpmTrie::successor(const Prefix& prefix) const {
  const std::uint32_t index = index_of(prefix);
  const bool indexed = prefix.length >= index_bits_;
  const NodeId same_slot = indexed ? successor_in(&slot(index).root, prefix) : 0;
  const NodeId longer = same_slot != 0 ? same_slot : first_in_slots(index + covers(prefix));
  return earlier(longer, successor_in(&root_, prefix));
}

std::uint64_t LpmTrie::fingerprint(const void* key) const {
  return hash_words([&](std::size_t i) { return word_of(key, key_size_, i); }, key_size_, {});
}

int LpmTrie::next_key(const void* key, void* next) {
  const std::lock_guard guard(lock_);
  bool known = false;
  Prefix prefix;
  if (key != nullptr) {
    prefix = prefix_of(key);
    const bool remembered = cursors_.use(fingerprint(key));
    known = prefix.length <= prefix.size * 8 && (remembered || is_entry(place(prefix), prefix));
  }
  const NodeId node = known ? successor(prefix) : earlier(first_in_slots(0), first_below(follow(&root_)));
  if (node == 0) return -ENOENT;
  const std::uint32_t length = this->length(node);
  std::memcpy(next, &length, sizeof length);
  copy_out(static_cast<std::byte*>(next) + 4, nodes_.at(node) + kBytesOffset, key_size_ - 4);
  cursors_.remember(fingerprint(next));
  return 0;
}

// ---- the map type ------------------------------------------------------------------------------------------------

namespace {

constexpr std::uint32_t kMaxPrefixBytes = 256;
constexpr std::uint64_t kKernelNode = 24;  // sizeof(struct lpm_trie_node)

class LpmTrieMap final : public exec::Map {
 public:
  explicit LpmTrieMap(exec::MapSpec spec) : Map(std::move(spec)) {}
  [[nodiscard]] Result<> open() { return trie_.open(spec().key_size, spec().value_size, spec().max_entries); }

  void* lookup(const void* key, unsigned) override { return trie_.lookup(key); }
  int update(const void* key, const void* value, std::uint64_t flags, unsigned) override {
    return trie_.update(key, value, flags);
  }
  int erase(const void* key) override { return trie_.erase(key); }
  int next_key(const void* key, void* next) override { return trie_.next_key(key, next); }
  int read(const void* key, void* value, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    return trie_.read(key, value) ? 0 : -ENOENT;
  }
  int write(const void* key, const void* value, std::uint64_t flags) override {
    return trie_.update(key, value, flags);
  }
  [[nodiscard]] std::optional<std::uint64_t> generation() const override { return trie_.changes(); }
  [[nodiscard]] exec::MapUsage usage() const override { return {trie_.entries(), trie_.bytes()}; }

 private:
  LpmTrie trie_;
};

}  // namespace

MapResult make_lpm_trie(exec::MapSpec spec, unsigned) {
  const auto checked = Checks(spec)
                           .at_least("key_size", spec.key_size, 4 + 1)
                           .at_most("key_size", spec.key_size, 4 + kMaxPrefixBytes, EINVAL)
                           .at_least("value_size", spec.value_size, 1)
                           .at_most("value_size", spec.value_size, kMaxKmalloc - kMaxPrefixBytes - kKernelNode, EINVAL)
                           .done();
  return open_map<LpmTrieMap>(checked, std::move(spec));
}

}  // namespace forager::maps
