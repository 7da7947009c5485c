// SPDX-License-Identifier: Apache-2.0
//
// HASH, LRU_HASH and their per-CPU kin where programs run. The table stays from launch to launch; it is made anew where
// the host's keys changed otherwise than by the device. Keys that the device deleted, or the host dropped, leave it
// here, where no packet is on its way over the slots.
#include <linux/bpf.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "jit-backends/opencl/mirror.h"

namespace forager::jit::opencl {
namespace {

using Bytes = std::vector<std::byte>;

// In the header.
constexpr std::size_t kUsed = 0, kFresh = 4, kFree = 8, kLeft = 16, kLogged = 20;
// In a node.
constexpr std::size_t kPlace = 0, kStride = 8, kNext = 16, kUse = 20;

class HashMirror final : public Mirror {
 public:
  HashMirror(const Table& table, exec::Map& map, const MirrorUse& use)
      : table_(table), map_(map), use_(use), lanes_(table.per_cpu ? use.lanes : 1) {}

  std::uint64_t bytes() const override { return table_.bytes(use_.lanes); }
  std::uint64_t place(std::uint64_t at, unsigned) const override { return at; }

  void put(std::span<std::byte> table, std::uint64_t at) override {
    const auto now = map_.generation();
    if (!agrees_ || !now || now != generation_) {
      generation_ = now;
      make(table, at);
    } else if (!use_.shared) {
      refresh(table);
    }
    if (!use_.shared && use_.changed) before_.assign(table.begin(), table.end());
  }

  void take(std::span<std::byte> table) override {
    if (!use_.changed) return;
    if (!use_.shared) take_values(table);
    std::uint64_t own = 0;  // steps of the generation that are ours
    const std::uint32_t logged = std::min(value_at<std::uint32_t>(table, kLogged), table_.log_entries());
    for (std::uint32_t i = 0; i < logged; ++i) {
      const auto entry = value_at<std::uint32_t>(table, table_.log_at() + std::size_t{4} * i);
      if ((entry & Table::kLogSlot) <= table_.mask) own += take_entry(table, entry);
    }
    put_value(table, kLogged, std::uint32_t{0});
    put_value(table, kUsed, entries_);
    for (const std::uint32_t node : dead_) sweep(table, node);
    dead_.clear();
    if (generation_) *generation_ += own;
  }

 private:
  struct Slot {
    std::uint32_t node = 0, flags = 0;
  };
  Slot slot(std::span<const std::byte> table, std::uint32_t number) const {
    return value_at<Slot>(table, table_.slot_at(number));
  }
  void put_slot(std::span<std::byte> table, std::uint32_t number, Slot slot) const {
    put_value(table, table_.slot_at(number), slot);
  }
  [[nodiscard]] std::size_t node_at(std::uint32_t node) const { return table_.node_at(node, use_.lanes); }
  // The value in the node, of a lane.
  std::span<std::byte> own_value(std::span<std::byte> table, std::uint32_t node, unsigned lane) const {
    return table.subspan(node_at(node) + table_.value_in_node() + lane * table_.stride(), table_.stride());
  }
  std::span<std::byte> key(std::span<std::byte> table, std::uint32_t node) const {
    return table.subspan(node_at(node) + Table::kKeyAt, in_words(table_.key_size));
  }
  // Without making the entry younger.
  [[nodiscard]] std::byte* peek(const std::byte* key, unsigned lane = 0) const {
    exec::Elements* elements = map_.abilities().elements;
    const unsigned cpu = use_.cpu + lane;
    return static_cast<std::byte*>(elements != nullptr ? elements->peek(key, cpu) : map_.lookup(key, cpu));
  }

  // ---- from the host ----

  void make(std::span<std::byte> table, std::uint64_t at) {
    at_ = at;
    std::memset(table.data(), 0, table_.log_at());
    dead_.clear();
    known_.assign(std::size_t{table_.mask} + 1, 0);
    owners_.clear();
    entries_ = 0;
    std::uint32_t nodes = 0;
    each_key(map_, [&](const std::byte* from) {
      if (nodes == table_.entries || peek(from) == nullptr) return;  // gone by now
      Bytes words(in_words(table_.key_size));
      std::copy_n(from, table_.key_size, words.begin());
      if (add(table, words, nodes + 1)) ++nodes;
    });
    put_value(table, kUsed, nodes);
    put_value(table, kFresh, nodes);
    put_value(table, kLeft, table_.nodes - nodes);
    agrees_ = true;
  }

  bool add(std::span<std::byte> table, const Bytes& words, std::uint32_t node) {
    std::uint32_t number = hash_of_words(words) & table_.mask;
    for (; slot(table, number).node != 0; number = (number + 1) & table_.mask) {
      if (std::ranges::equal(key(table, slot(table, number).node), words)) return false;  // a walk may meet a key twice
    }
    put_slot(table, number, {node, Table::kLive});
    std::ranges::copy(words, key(table, node).begin());
    join(table, number, node);
    return true;
  }

  // From here on the node stands for the host's entry of its key.
  void join(std::span<std::byte> table, std::uint32_t number, std::uint32_t node) {
    if (known_[number] == 0) ++entries_;
    known_[number] = node;
    const std::size_t at = node_at(node);
    std::byte* value = peek(key(table, node).data());
    if (value == nullptr) return void(agrees_ = false);
    std::uint64_t place = at_ + at + table_.value_in_node(), stride = table_.stride();
    if (use_.shared) {
      place = reinterpret_cast<std::uintptr_t>(value);
      stride = lanes_ > 1 ? static_cast<std::uint64_t>(peek(key(table, node).data(), 1) - value) : 0;
    } else {
      value_from_host(table, node);
    }
    put_value(table, at + kPlace, place);
    put_value(table, at + kStride, stride);
    put_value(table, at + kUse, std::uint32_t{0});
    if (table_.lru) evict_from(table, number, value);
  }

  void value_from_host(std::span<std::byte> table, std::uint32_t node) const {
    for (unsigned lane = 0; lane < lanes_; ++lane) {
      std::byte* host = peek(key(table, node).data(), lane);
      if (host != nullptr) opencl::value_from_host(host, own_value(table, node, lane));
    }
  }

  void refresh(std::span<std::byte> table) const {
    for (const std::uint32_t node : known_) {
      if (node != 0) value_from_host(table, node);
    }
  }

  // An entry that the host dropped gave its memory to the one that came.
  void evict_from(std::span<std::byte> table, std::uint32_t number, const std::byte* value) {
    const auto [owner, is_new] = owners_.try_emplace(value, known_[number]);
    const std::uint32_t before = std::exchange(owner->second, known_[number]);
    if (is_new || before == known_[number]) return;
    const auto at = find(table, before);
    if (!at || known_[*at] != before || peek(key(table, before).data()) != nullptr) return;  // it had moved
    forget(*at);
    ++evicted_;
    const Slot dropped = slot(table, *at);
    if (!use_.strict && (dropped.flags & Table::kDirty) != 0) return;  // what the device made of the key comes yet
    put_slot(table, *at, {dropped.node, 0});
    dead_.push_back(dropped.node);
  }

  // The slot that has a node.
  std::optional<std::uint32_t> find(std::span<std::byte> table, std::uint32_t node) const {
    std::uint32_t number = home(table, node);
    for (std::uint32_t i = 0; i <= table_.mask; ++i, number = (number + 1) & table_.mask) {
      const std::uint32_t there = slot(table, number).node;
      if (there == node) return number;
      if (there == 0) break;
    }
    return std::nullopt;
  }
  std::uint32_t home(std::span<std::byte> table, std::uint32_t node) const {
    return hash_of_words(key(table, node)) & table_.mask;
  }
  [[nodiscard]] bool is_node(std::uint32_t node) const { return node != 0 && node <= table_.nodes; }

  // Empties the slot of a key that is gone. What stands behind it and could stand there moves up, so that no way to a
  // key leads over an empty slot.
  void sweep(std::span<std::byte> table, std::uint32_t node) {
    const auto at = find(table, node);
    if (!at || (slot(table, *at).flags & Table::kLive) != 0) return;
    std::uint32_t hole = *at, next = hole;
    for (std::uint32_t i = 0; i < table_.mask; ++i) {
      next = (next + 1) & table_.mask;
      const Slot there = slot(table, next);
      if (!is_node(there.node)) break;
      const std::uint32_t way = (next - home(table, there.node)) & table_.mask;
      if (way < ((next - hole) & table_.mask)) continue;
      put_slot(table, hole, there);
      known_[hole] = known_[next];
      hole = next;
    }
    put_slot(table, hole, {});
    known_[hole] = 0;
    give(table, node);
  }

  // To the free nodes.
  void give(std::span<std::byte> table, std::uint32_t node) const {
    const auto head = value_at<std::uint64_t>(table, kFree);
    put_value(table, node_at(node) + kNext, static_cast<std::uint32_t>(head));
    put_value(table, kFree, ((head >> 32) + 1) << 32 | node);
    put_value(table, kLeft, value_at<std::uint32_t>(table, kLeft) + 1);
  }

  // ---- to the host ----

  // Words of values that were there before, and are.
  void take_values(std::span<std::byte> table) {
    for (std::uint32_t number = 0; number <= table_.mask; ++number) {
      const std::uint32_t node = known_[number];
      const Slot now = slot(table, number);
      if (node == 0 || now.node != node || (now.flags & Table::kLive) == 0) continue;
      for (unsigned lane = 0; lane < lanes_; ++lane) {
        std::byte* host = peek(key(table, node).data(), lane);
        const auto after = own_value(table, node, lane), before = own_value(std::span(before_), node, lane);
        if (host != nullptr) changes_to_host(before, after, host, use_.merge);
      }
    }
  }

  // How many steps of the map's generation this was. Of LRU maps in strict order the log has all changes; of others
  // each slot once, and what it came to in the end counts.
  std::uint64_t take_entry(std::span<std::byte> table, std::uint32_t entry) {
    const std::uint32_t number = entry & Table::kLogSlot;
    const Slot now = slot(table, number);
    if (!is_node(now.node)) return 0;
    if ((entry & Table::kLogUse) != 0) return use(table, now);
    const bool replay = table_.lru && use_.strict;
    const bool live = replay ? (entry & Table::kLogDelete) == 0 : (now.flags & Table::kLive) != 0;
    put_slot(table, number, {now.node, live ? Table::kLive : 0});
    if (live) return !replay && now.node == known_[number] ? 0 : store(table, number, now.node);
    dead_.push_back(now.node);
    if (known_[number] == 0) return 0;
    forget(number);
    return map_.erase(key(table, now.node).data()) == 0 ? 1 : stale();
  }

  void forget(std::uint32_t number) {
    known_[number] = 0;
    --entries_;
  }

  std::uint64_t use(std::span<std::byte> table, Slot now) {
    put_value(table, node_at(now.node) + kUse, std::uint32_t{0});
    std::ignore = map_.lookup(key(table, now.node).data(), use_.cpu);  // may have been deleted since
    return 0;
  }

  std::uint64_t store(std::span<std::byte> table, std::uint32_t number, std::uint32_t node) {
    const bool replaces = known_[number] != 0;
    if (replaces && table_.per_cpu) std::ignore = map_.erase(key(table, node).data());  // values of all CPUs are new
    Bytes value(own_value(table, node, 0).begin(), own_value(table, node, 0).end());
    Bytes name(key(table, node).begin(), key(table, node).end());
    if (map_.update(name.data(), value.data(), BPF_ANY, use_.cpu) != 0) return stale();  // others filled the map
    for (unsigned lane = 1; lane < lanes_; ++lane) {
      std::byte* host = peek(name.data(), lane);
      const auto words = own_value(table, node, lane);
      const Bytes none(words.size());
      if (host != nullptr) changes_to_host(none, words, host, Merge::store);
    }
    evicted_ = 0;
    join(table, number, node);
    return (replaces ? 2 : 1) + evicted_;
  }

  // What is here is not what the host has.
  std::uint64_t stale() {
    agrees_ = false;
    return 0;
  }

  Table table_;
  exec::Map& map_;
  MirrorUse use_;
  unsigned lanes_;
  bool agrees_ = false;
  std::optional<std::uint64_t> generation_;
  std::uint64_t at_ = 0, evicted_ = 0;
  std::uint32_t entries_ = 0;                                   // known ones
  std::vector<std::uint32_t> known_;                            // by slot: the node of a key that the host has
  std::unordered_map<const std::byte*, std::uint32_t> owners_;  // LRU: whose the host's values are, by node
  std::vector<std::uint32_t> dead_;                             // nodes of keys that are gone
  Bytes before_;
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
