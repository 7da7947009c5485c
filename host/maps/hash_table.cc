// SPDX-License-Identifier: Apache-2.0
#include "maps/hash_table.h"

#include <linux/bpf.h>
#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <new>

namespace forager::maps {
namespace {

constexpr std::uint32_t kMaxStripes = 256;

HashSeed random_seed() {
  HashSeed seed;
  // Short reads do not happen for 16 bytes; before the pool is ready (early boot) the address space's layout must do.
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed) {
    seed.a = hashing::fold(reinterpret_cast<std::uintptr_t>(&seed), hashing::kFirst);
    seed.b = hashing::fold(seed.a, hashing::kSecond);
  }
  return seed;
}

}  // namespace

int check_presence(std::uint64_t flags, bool present) {
  if (flags > BPF_EXIST) return -EINVAL;
  if (present && flags == BPF_NOEXIST) return -EEXIST;
  if (!present && flags == BPF_EXIST) return -ENOENT;
  return 0;
}

// ---- making one --------------------------------------------------------------------------------------------------

Result<> HashTable::open(const HashShape& shape) {
  shape_ = shape;
  seed_ = shape.zero_seed ? HashSeed{} : random_seed();
  key_words_ = (shape.key_size + kWordBytes - 1) / kWordBytes;
  key_offset_ = shape.marked ? exec::HashWalk::kMarkedKey : exec::HashWalk::kKey;
  value_offset_ = key_offset_ + key_words_ * kWordBytes;
  const std::uint32_t buckets = std::bit_ceil(shape.max_entries);
  const std::uint32_t stripes = std::min(buckets, kMaxStripes);
  mask_ = buckets - 1;
  stripe_mask_ = stripes - 1;

  auto heads = Region::reserve(std::uint64_t{buckets} * 4);
  if (!heads) return std::unexpected(heads.error());
  buckets_ = std::move(*heads);
  auto locks = Region::reserve(std::uint64_t{stripes} * sizeof(Stripe));
  if (!locks) return std::unexpected(locks.error());
  stripes_ = std::move(*locks);
  const NodeShape node = {.bytes = value_offset_ + round_up_words(shape.value_size),
                          .capacity = shape.max_entries,
                          .reserved = stripes,
                          .link_offset = key_offset_};
  if (auto opened = nodes_.open(node); !opened) return opened;
  if (shape.key_size <= 2 * kWordBytes) in_place_ = walk_of(node.bytes);

  for (std::uint32_t i = 0; i < stripes; ++i) (new (&this->stripes()[i]) Stripe)->spare = shape.max_entries + 1 + i;
  return {};
}

exec::HashWalk HashTable::walk_of(std::uint64_t node_bytes) const {
  using exec::HashWalk;
  static_assert(HashWalk::kNext == kNextOffset && HashWalk::kVersion == kVersionOffset &&
                HashWalk::kMark == kMarkOffset);
  const bool two = shape_.key_size > kWordBytes;
  return {.first = seed_.a ^ hashing::kFirst,
          .second = two ? seed_.b ^ hashing::kSecond : hashing::kSecond,
          .seed = seed_.b,
          .third = hashing::kThird,
          .heads = reinterpret_cast<const std::uint32_t*>(buckets_.base()),
          .nodes = nodes_.at(0),
          .node_bytes = node_bytes,
          .mask = mask_,
          .value_offset = value_offset_,
          .marked = shape_.marked};
}

std::uint64_t HashTable::bytes() const { return buckets_.size() + stripes_.size() + nodes_.bytes() + sizeof *this; }

// ---- readers -----------------------------------------------------------------------------------------------------

std::uint64_t HashTable::hash_of(const void* key) const {
  return hash_words([&](std::size_t i) { return word_of(key, shape_.key_size, i); }, shape_.key_size, seed_);
}
std::uint64_t HashTable::hash_of(NodeId node) const {
  return hash_words([&](std::size_t i) { return key_word(node, i); }, shape_.key_size, seed_);
}

bool HashTable::holds(NodeId node, const void* key) const {
  for (std::size_t i = 0; i < key_words_; ++i) {
    if (key_word(node, i) != word_of(key, shape_.key_size, i)) return false;
  }
  return true;
}

// The usual key sizes get loops without a loop inside.
HashTable::Hit HashTable::search(std::uint32_t bucket, Proof proof, const void* key) const {
  if (key_words_ == 1) {
    const Word word = word_of(key, shape_.key_size, 0);
    return walk(bucket, proof, [&](NodeId node) { return key_word(node, 0) == word; });
  }
  if (key_words_ == 2) {
    const Word first = word_of(key, shape_.key_size, 0), second = word_of(key, shape_.key_size, 1);
    return walk(bucket, proof, [&](NodeId node) { return key_word(node, 0) == first && key_word(node, 1) == second; });
  }
  return walk(bucket, proof, [&](NodeId node) { return holds(node, key); });
}

HashTable::Hit HashTable::find(const void* key) const {
  const std::uint32_t bucket = bucket_of(hash_of(key));
  if (const Hit hit = search(bucket, Proof::version, key)) return hit;
  const std::atomic<std::uint32_t>& departures = stripe_of(bucket).departures;
  while (head(bucket).load(std::memory_order_acquire) != 0) {
    const std::uint32_t seen = departures.load(std::memory_order_acquire);
    const Hit hit = search(bucket, Proof::departures, key);
    if (departures.load(std::memory_order_relaxed) == seen) return hit;
  }
  return {};
}

bool HashTable::read(const void* key, void* value) const {
  while (const Hit hit = find(key)) {
    copy_value_out(hit.node, value);
    if (unchanged(hit)) return true;
  }
  return false;
}

// ---- writers: all under the stripe's lock ------------------------------------------------------------------------

// What points to a node of the bucket's chain.
std::atomic_ref<std::uint32_t> HashTable::link_to(std::uint32_t bucket, NodeId node) const {
  NodeId previous = head(bucket).load(std::memory_order_relaxed);
  if (previous == node) return head(bucket);
  while (next(previous).load(std::memory_order_relaxed) != node)
    previous = next(previous).load(std::memory_order_relaxed);
  return next(previous);
}

void HashTable::unlink(std::uint32_t bucket, NodeId node) {
  link_to(bucket, node).store(next(node).load(std::memory_order_relaxed), std::memory_order_release);
  depart(stripe_of(bucket), node);
}

// After the node left the chain, before anything in it changes. It keeps its next: readers may be on it.
void HashTable::depart(Stripe& stripe, NodeId node) {
  stripe.departures.store(stripe.departures.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  version(node).store(version(node).load(std::memory_order_relaxed) + 1, std::memory_order_release);
  if (on_departure_) on_departure_(value(node));
}

bool HashTable::evict(NodeId node) {
  const Hit seen = {.node = node, .version = version(node).load(std::memory_order_acquire)};
  const std::uint32_t bucket = bucket_of(hash_of(node));
  if ((seen.version & 1) == 0 || !unchanged(seen)) return false;
  const std::lock_guard guard(stripe_of(bucket).lock);
  if (!unchanged(seen)) return false;
  unlink(bucket, node);
  return true;
}

HashTable::Entry HashTable::lock(const void* key) { return {*this, key, hash_of(key)}; }

HashTable::Entry::Entry(HashTable& table, const void* key, std::uint64_t hash)
    : table_(table),
      key_(key),
      bucket_(table.bucket_of(hash)),
      stripe_(table.stripe_of(bucket_)),
      guard_(stripe_.lock),
      node_(table.search(bucket_, Proof::version, key).node) {}

// The node is in no chain, its version even.
void HashTable::Entry::fill(NodeId node, const void* value) {
  copy_in(table_.key_at(node), key_, table_.shape_.key_size);
  if (value != nullptr) table_.copy_value_in(node, value);
}

void HashTable::Entry::join(NodeId node, NodeId next, std::atomic_ref<std::uint32_t> link) {
  table_.next(node).store(next, std::memory_order_release);
  link.store(node, std::memory_order_release);
  const auto version = table_.version(node);
  version.store(version.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  stripe_.arrivals.store(stripe_.arrivals.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void HashTable::Entry::insert(NodeId node, const void* value) {
  fill(node, value);
  const auto head = table_.head(bucket_);
  join(node, head.load(std::memory_order_relaxed), head);
  node_ = node;
}

NodeId HashTable::Entry::replace(const void* value) {
  const NodeId fresh = stripe_.spare;
  fill(fresh, value);
  join(fresh, table_.next(node_).load(std::memory_order_relaxed), table_.link_to(bucket_, node_));
  table_.depart(stripe_, node_);
  stripe_.spare = node_;
  return node_ = fresh;
}

void HashTable::Entry::remove() {
  table_.unlink(bucket_, node_);
  table_.give(node_, near());
  node_ = 0;
}

std::uint64_t HashTable::changes() const {
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i <= stripe_mask_; ++i) {
    const Stripe& stripe = stripes()[i];
    sum += stripe.departures.load(std::memory_order_acquire) + stripe.arrivals.load(std::memory_order_acquire);
  }
  return sum;
}

// ---- iteration ---------------------------------------------------------------------------------------------------

bool HashTable::before(NodeId a, NodeId b) const {
  for (std::size_t i = 0; i < key_words_; ++i) {
    const Word left = key_word(a, i), right = key_word(b, i);
    if (left != right) return left < right;
  }
  return false;
}

bool HashTable::after(NodeId a, const void* key) const {
  for (std::size_t i = 0; i < key_words_; ++i) {
    const Word left = key_word(a, i), right = word_of(key, shape_.key_size, i);
    if (left != right) return left > right;
  }
  return false;
}

// The node of the bucket's least key after `after_key` (null: the least of all); 0 if there is none.
NodeId HashTable::least_node(std::uint32_t bucket, const void* after_key) const {
  NodeId least = 0;
  for (NodeId node = head(bucket).load(std::memory_order_acquire); node != 0;
       node = next(node).load(std::memory_order_acquire)) {
    if (after_key != nullptr && !after(node, after_key)) continue;
    if (least == 0 || before(node, least)) least = node;
  }
  return least;
}

// Copies that key to `next`; false if there is none. Like find(), it is sure of what it saw if no node left meanwhile;
// where writers leave it no peace, it takes their lock.
bool HashTable::least_in(std::uint32_t bucket, const void* after_key, void* next) {
  constexpr int kTries = 8;
  const auto copy_least = [&] {
    const NodeId least = least_node(bucket, after_key);
    if (least != 0) copy_out(next, key_at(least), shape_.key_size);
    return least != 0;
  };
  const std::atomic<std::uint32_t>& departures = stripe_of(bucket).departures;
  for (int i = 0; i < kTries; ++i) {
    if (head(bucket).load(std::memory_order_acquire) == 0) return false;
    const std::uint32_t seen = departures.load(std::memory_order_acquire);
    const bool found = copy_least();
    if (departures.load(std::memory_order_relaxed) == seen) return found;
  }
  const std::lock_guard guard(stripe_of(bucket).lock);
  return copy_least();
}

std::uint32_t HashTable::keys_in(std::uint32_t bucket, std::vector<std::byte>& keys) const {
  keys.clear();
  if (head(bucket).load(std::memory_order_acquire) == 0) return 0;
  const std::lock_guard guard(stripe_of(bucket).lock);
  std::uint32_t count = 0;
  for (NodeId node = head(bucket).load(std::memory_order_relaxed); node != 0;
       node = this->next(node).load(std::memory_order_relaxed)) {
    keys.resize(keys.size() + shape_.key_size);
    copy_out(&keys[count++ * std::size_t{shape_.key_size}], key_at(node), shape_.key_size);
  }
  return count;
}

int HashTable::erase(const void* key) {
  auto entry = lock(key);
  if (entry.node() == 0) return -ENOENT;
  entry.remove();
  return 0;
}

// Copies the first key of this bucket and those behind it, in this one only what comes after `after_key`.
int HashTable::first_from(std::uint32_t bucket, const void* after_key, void* next) {
  for (; bucket <= mask_; ++bucket, after_key = nullptr) {
    if (least_in(bucket, after_key, next)) return 0;
  }
  return -ENOENT;
}

int HashTable::next_in_order(const void* key, void* next) {
  if (key != nullptr && key == next) {  // a walk that is done again must still know where it began
    const auto* bytes = static_cast<const std::byte*>(key);
    return next_in_order(std::vector(bytes, bytes + shape_.key_size).data(), next);
  }
  return first_from(key == nullptr ? 0 : bucket_of(hash_of(key)), key, next);
}

int HashTable::next_key(const void* key, void* next) {
  if (key != nullptr) {
    const bool remembered = cursors_.use(hash_of(key));
    if (!remembered && !find(key)) key = nullptr;
  }
  const int error = next_in_order(key, next);
  if (error == 0) cursors_.remember(hash_of(static_cast<const void*>(next)));
  return error;
}

}  // namespace forager::maps
