// SPDX-License-Identifier: Apache-2.0
#include "tests/rtl/map_twins.h"

#include <linux/bpf.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "jit-backends/rtl/chip_hash.h"
#include "jit-backends/rtl/chip_table.h"
#include "maps/registry.h"

namespace forager::rtl {
namespace {

using isa::MapType;
using jit::rtl::CoreMap;

constexpr std::uint32_t kPrefixAt = 4;  // in a trie's key, behind its length

bool drops_oldest(MapType type) { return type == MapType::lru_hash || type == MapType::lru_percpu_hash; }
bool is_trie(MapType type) { return type == MapType::lpm_trie; }

exec::MapSpec spec_of(const Shape& shape, const Twin* inner, std::uint32_t entries) {
  exec::MapSpec spec = {.type = shape.type,
                        .key_size = shape.key_size,
                        .value_size = shape.value_size,
                        .max_entries = entries,
                        .flags = is_trie(shape.type) ? std::uint32_t{BPF_F_NO_PREALLOC} : 0U,
                        .name = "values"};
  if (inner != nullptr) spec.inner = std::make_shared<const exec::MapSpec>(inner->chip()->spec());
  return spec;
}

// What user space reads; nothing of maps that have no values for it.
std::map<Bytes, Bytes> entries_of(exec::Map& map) {
  std::map<Bytes, Bytes> all;
  Bytes key(map.spec().key_size), last, value(exec::host_value_size(map.spec(), kThreads));
  for (int more = map.next_key(nullptr, key.data()); more == 0; more = map.next_key(last.data(), key.data())) {
    last = key;
    if (map.read(key.data(), value.data(), 0) == 0) all[key] = value;
  }
  return all;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  return out << "type " << static_cast<unsigned>(shape.type) << ", keys of " << shape.key_size << ", values of "
             << shape.value_size << ", " << shape.max_entries << " entries, " << shape.keys << " keys";
}

// The model of an LRU map is never full: who goes is the other's to say.
Twin::Twin(const Shape& shape, std::uint32_t number, std::uint32_t seed, Random& random, const Twin* inner)
    : shape_(shape), number_(number) {
  const std::uint32_t model_entries = drops_oldest(shape.type) ? 2 * shape.max_entries : shape.max_entries;
  chip_ = maps::create(spec_of(shape, inner, shape.max_entries), kThreads).value();
  host_ = maps::create(spec_of(shape, inner, model_entries), kThreads).value();
  kind_ = jit::rtl::chip_kind(chip_->spec());
  for (unsigned i = 0; i < shape.keys; ++i) {
    Bytes key = make_key(random);
    for (unsigned tries = 0; i % 2 == 0 && tries < 1000 && !collides(key, seed); ++tries) key = make_key(random);
    keys_.push_back(std::move(key));
  }
}

bool Twin::collides(const Bytes& key, std::uint32_t seed) const {
  if (kind_->kind != CoreMap::Hash) return true;
  Bytes words(jit::rtl::in_words(shape_.key_size));
  std::ranges::copy(key, words.begin());
  const std::uint32_t hash = jit::rtl::chip_hash(jit::rtl::key_words(words, shape_.key_size), seed);
  return (hash & (std::bit_ceil(shape_.max_entries) - 1)) < 2;
}

// Indices lie about the table's end; prefixes are alike, and some say to be longer than they are.
Bytes Twin::make_key(Random& random) const {
  Bytes key(shape_.key_size);
  std::ranges::generate(key, [&] { return static_cast<std::byte>(random()); });
  const std::uint32_t bits = 8 * (shape_.key_size - kPrefixAt);
  auto first = static_cast<std::uint32_t>(random());
  if (is_trie(shape_.type)) {
    for (std::size_t i = kPrefixAt; i < key.size(); ++i) key[i] &= std::byte{0x81};
    first = random() % 16 == 0 ? first : first % (bits + 9);
  } else if (kind_->kind != CoreMap::Hash) {
    first = random() % 16 == 0 ? first : first % (shape_.max_entries + 2);
  } else {
    return key;
  }
  std::memcpy(key.data(), &first, sizeof first);
  return key;
}

Bytes Twin::some_key(Random& random) const { return keys_[random() % keys_.size()]; }

Bytes Twin::some_value(Random& random) const {
  Bytes value(shape_.value_size);
  std::ranges::generate(value, [&] { return static_cast<std::byte>(random()); });
  return value;
}

void Twin::change(Random& random) {
  const Bytes key = some_key(random);
  const bool erases = random() % 4 == 0;
  Bytes value(exec::host_value_size(chip_->spec(), kThreads));
  std::ranges::generate(value, [&] { return static_cast<std::byte>(random()); });
  if (kind_->redirects) {
    const auto number = static_cast<std::uint32_t>(1 + random() % 100);
    std::memcpy(value.data(), &number, sizeof number);
  }
  const bool full = drops_oldest(shape_.type) && entries().size() == shape_.max_entries;
  for (const MapRef& map : {chip_, host_}) {
    if (erases || full) {
      std::ignore = map->erase(key.data());
    } else {
      std::ignore = map->write(key.data(), value.data(), BPF_ANY);
    }
  }
}

std::map<Bytes, Bytes> Twin::entries() const { return entries_of(*chip_); }
bool Twin::same() const { return entries_of(*chip_) == entries_of(*host_); }

void Twin::follow_evictions() const {
  const auto stay = entries();
  for (const auto& [key, value] : entries_of(*host_)) {
    if (!stay.contains(key)) std::ignore = host_->erase(key.data());
  }
}

bool Twin::sound(MapEngine& engine, const jit::rtl::ChipMap& tables) const {
  if (tables.kind != CoreMap::Hash || tables.redirects || tables.nested) return true;
  constexpr unsigned kBucketRow = 3, kLinkRow = 4, kEntryRow = 5, kFree = 9, kSpare = 10;  // words of the descriptor
  std::array<std::uint32_t, 16> words{};
  std::memcpy(words.data(), engine.row(kTableRow + number_), sizeof words);
  const std::byte* links = engine.row(words[kLinkRow]);
  std::vector<bool> seen(tables.nodes, false);
  bool marks = true;
  const auto walk = [&](std::uint32_t node, bool live) {
    while (node != 0 && node < tables.nodes && !seen[node]) {
      seen[node] = true;
      const std::byte* entry = engine.row(words[kEntryRow] + (node << tables.shift));
      const bool used = used_.contains(Bytes(entry, entry + shape_.key_size));
      const jit::rtl::Link link = jit::rtl::link_at(links, node);
      if (live && tables.marked) marks &= (link.used == jit::rtl::kUsed) == used;
      node = link.node;
    }
    return node == 0;
  };
  bool ends = true;
  for (std::uint32_t i = 0; i <= tables.mask; ++i) {
    ends &= walk(jit::rtl::link_at(engine.row(words[kBucketRow]), i).node, true);
  }
  ends &= walk(words[kFree], false);
  if (words[kSpare] == 0 || words[kSpare] >= tables.nodes || seen[words[kSpare]]) return false;
  seen[words[kSpare]] = true;
  return ends && marks && std::count(seen.begin() + 1, seen.end(), false) == 0;
}

}  // namespace forager::rtl
