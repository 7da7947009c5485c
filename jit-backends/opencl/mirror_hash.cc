// SPDX-License-Identifier: Apache-2.0
//
// HASH in device memory. Tables are made anew for each batch, so that no slot of a deleted key lives longer than that.
#include <linux/bpf.h>

#include <cstring>
#include <map>
#include <optional>
#include <tuple>

#include "jit-backends/opencl/mirror.h"

namespace forager::jit::opencl {
namespace {

using Bytes = std::vector<std::byte>;
struct ByBytes {
  bool operator()(const Bytes& a, const Bytes& b) const {
    return a.size() == b.size() ? std::memcmp(a.data(), b.data(), a.size()) < 0 : a.size() < b.size();
  }
};

constexpr std::uint32_t kDead = 0xffffffff;

std::uint32_t word_at(std::span<const std::byte> table, std::size_t at) {
  std::uint32_t word = 0;
  std::memcpy(&word, table.data() + at, sizeof word);
  return word;
}

void put_word(std::span<std::byte> table, std::size_t at, std::uint32_t word) {
  std::memcpy(table.data() + at, &word, sizeof word);
}

class HashMirror final : public Mirror {
 public:
  HashMirror(const Table& table, exec::Map& map, const MirrorUse& use)
      : table_(table), map_(map), merge_(use.merge), cpu_(use.cpu) {}

  void put(std::span<std::byte> table) override {
    std::memset(table.data(), 0, table_.nodes_at());
    known_.clear();
    std::uint32_t nodes = 0;
    each_key(map_, [&](const std::byte* at) {
      std::byte* value = peek(at);
      if (value == nullptr || nodes == table_.entries) return;  // gone by now
      const Bytes key(at, at + in_words(table_.key_size));
      auto [entry, is_new] = known_.try_emplace(key);
      if (!is_new) return;
      entry->second.resize(in_words(table_.value_size));
      value_from_host(value, entry->second);
      put_entry(table, ++nodes, key, entry->second);
    });
    put_word(table, 0, nodes);
    put_free(table, nodes);
  }

  void take(std::span<const std::byte> table) override {
    const std::map<std::uint32_t, Bytes> live = live_nodes(table);
    std::map<Bytes, std::uint32_t, ByBytes> now;
    for (const auto& [node, key] : live) now.try_emplace(key, node);
    for (const auto& [key, value] : known_) {
      if (!now.contains(key)) std::ignore = map_.erase(key.data());
    }
    for (const auto& [node, key] : live) give(table, node, key);
  }

 private:
  // Without making the entry younger.
  [[nodiscard]] std::byte* peek(const std::byte* key) const {
    exec::Elements* elements = map_.abilities().elements;
    return static_cast<std::byte*>(elements != nullptr ? elements->peek(key, cpu_) : map_.lookup(key, cpu_));
  }

  void put_entry(std::span<std::byte> table, std::uint32_t node, const Bytes& key, const Bytes& value) const {
    std::uint32_t slot = hash_of_words(key) & table_.mask;
    while (word_at(table, table_.slots_at() + std::size_t{4} * slot) != 0) slot = (slot + 1) & table_.mask;
    put_word(table, table_.slots_at() + std::size_t{4} * slot, node);
    std::byte* to = table.data() + table_.node_at(node);
    std::ranges::copy(key, to);
    std::ranges::copy(value, to + key.size());
  }

  // The last is taken first, so that they go by rising number.
  void put_free(std::span<std::byte> table, std::uint32_t used) const {
    std::uint32_t count = 0;
    for (std::uint32_t node = table_.entries + 1; node > used; --node) {
      put_word(table, table_.free_at() + std::size_t{4} * count++, node);
    }
    put_word(table, 4, count);
  }

  // By number, which is the order in which an empty table was filled.
  [[nodiscard]] std::map<std::uint32_t, Bytes> live_nodes(std::span<const std::byte> table) const {
    std::map<std::uint32_t, Bytes> live;
    for (std::uint64_t slot = 0; slot <= table_.mask; ++slot) {
      const std::uint32_t node = word_at(table, table_.slots_at() + 4 * slot);
      if (node == 0 || node == kDead || node > table_.entries + 1) continue;
      const std::byte* at = table.data() + table_.node_at(node);
      live.try_emplace(node, at, at + in_words(table_.key_size));
    }
    return live;
  }

  void give(std::span<const std::byte> table, std::uint32_t node, const Bytes& key) {
    const std::size_t at = table_.node_at(node) + in_words(table_.key_size);
    const auto value = table.subspan(at, in_words(table_.value_size));
    const auto before = known_.find(key);
    const bool fresh = word_at(table, table_.fresh_at() + std::size_t{4} * (node - 1)) != 0;
    if (before == known_.end() || fresh) {
      if (before != known_.end()) std::ignore = map_.erase(key.data());    // and was inserted again
      std::ignore = map_.update(key.data(), value.data(), BPF_ANY, cpu_);  // fails if others fill the map by now
      return;
    }
    if (std::byte* host = peek(key.data()); host != nullptr) changes_to_host(before->second, value, host, merge_);
  }

  Table table_;
  exec::Map& map_;
  Merge merge_;
  unsigned cpu_;
  std::map<Bytes, Bytes, ByBytes> known_;  // keys and values, as put
};

}  // namespace

std::uint32_t hash_of_words(std::span<const std::byte> key) {
  std::uint64_t hash = 0x2545f4914f6cdd1d;
  for (std::size_t at = 0; at < key.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, key.data() + at, sizeof word);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  return static_cast<std::uint32_t>(hash);
}

std::unique_ptr<Mirror> make_hash_mirror(const Table& table, exec::Map& map, const MirrorUse& use) {
  return std::make_unique<HashMirror>(table, map, use);
}

}  // namespace forager::jit::opencl
