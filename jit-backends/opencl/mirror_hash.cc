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

#include "jit-backends/opencl/hash_layout.h"

namespace forager::jit::opencl {
namespace {

using Words = std::vector<std::byte>;

class HashMirror final : public Mirror, private HashLayout {
 public:
  HashMirror(const Table& table, exec::Map& map, const MirrorUse& use)
      : HashLayout(table, use.lanes), table_(table), map_(map), use_(use), lanes_(table.per_cpu ? use.lanes : 1) {}

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
    logged_ = value_at<std::uint32_t>(table, kLogged);
    replays_ = table_.lru && use_.strict && logged_ <= table_.log_entries();
    // Steps of the generation that are ours. Deletes make room for what is inserted.
    std::uint64_t own = replays_ ? replay(table) : take_changes(table, false);
    if (!replays_) own += take_changes(table, true);
    put_value(table, kLogged, std::uint32_t{0});
    put_value(table, kUsed, entries_);
    for (const std::uint32_t node : dead_) sweep(table, node);
    dead_.clear();
    if (generation_) *generation_ += own;
  }

 private:
  // Without making the entry younger.
  [[nodiscard]] std::byte* peek(const std::byte* key, unsigned lane = 0) const {
    exec::Elements* elements = map_.abilities().elements;
    const unsigned cpu = use_.cpu + lane;
    return static_cast<std::byte*>(elements != nullptr ? elements->peek(key, cpu) : map_.lookup(key, cpu));
  }

  // ---- from the host ----

  void make(std::span<std::byte> table, std::uint64_t at) {
    at_ = at;
    clear(table);
    dead_.clear();
    known_.assign(std::size_t{table_.mask} + 1, 0);
    owners_.clear();
    entries_ = 0;
    agrees_ = true;
    std::uint32_t nodes = 0;
    each_key(map_, [&](const std::byte* from) {
      if (nodes == table_.entries || peek(from) == nullptr) return;  // gone by now
      Words words(in_words(table_.key_size));
      std::copy_n(from, table_.key_size, words.begin());
      const auto number = add(table, words, nodes + 1);  // a walk may meet a key twice
      if (number) join(table, *number, ++nodes);
    });
    finish(table, nodes);
  }

  // From here on the node stands for the host's entry of its key.
  void join(std::span<std::byte> table, std::uint32_t number, std::uint32_t node) {
    if (known_[number] == 0) ++entries_;
    known_[number] = node;
    const std::size_t at = node_at(node);
    const auto [value, apart] = on_host(key(table, node).data());
    // A key that went meanwhile has zeros of its own, until the table is made anew.
    agrees_ = agrees_ && value != nullptr;
    const bool in_place = use_.shared && value != nullptr;
    if (value == nullptr)
      std::ranges::fill(table.subspan(at + table_.value_in_node(), lanes_ * table_.stride()), std::byte{0});
    if (!use_.shared) value_from_host(table, node);
    put_value(table, at + kPlace,
              in_place ? reinterpret_cast<std::uintptr_t>(value) : at_ + at + table_.value_in_node());
    put_value(table, at + kStride, in_place ? apart : table_.stride());
    put_value(table, at + kUse, std::uint32_t{0});
    if (table_.lru && value != nullptr) evict_from(table, number, value);
  }

  // A value, and how far apart the lanes' are; null if somebody took it away meanwhile.
  struct OnHost {
    std::byte* value;
    std::uint64_t apart;
  };
  [[nodiscard]] OnHost on_host(const std::byte* key) const {
    std::byte* value = peek(key);
    if (lanes_ == 1 || value == nullptr) return {value, 0};
    std::byte* second = peek(key, 1);
    if (second == nullptr || peek(key) != value) return {nullptr, 0};
    return {value, static_cast<std::uint64_t>(second - value)};
  }

  void value_from_host(std::span<std::byte> table, std::uint32_t node) const {
    for (unsigned lane = 0; lane < lanes_; ++lane) {
      std::byte* host = peek(key(table, node).data(), lane);
      if (host != nullptr) opencl::value_from_host(host, value(table, node, lane));
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
    if (!replays_ && (dropped.flags & Table::kDirty) != 0) return;  // what the device made of the key comes yet
    put_slot(table, *at, {dropped.node, 0});
    dead_.push_back(dropped.node);
  }

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

  // ---- to the host ----

  // Words of values that were there before, and are.
  void take_values(std::span<std::byte> table) {
    for (std::uint32_t number = 0; number <= table_.mask; ++number) {
      const std::uint32_t node = known_[number];
      const Slot now = slot(table, number);
      if (node == 0 || (now.flags & Table::kLive) == 0 || !is_known(table, number, now.node)) continue;
      for (unsigned lane = 0; lane < lanes_; ++lane) {
        std::byte* host = peek(key(table, node).data(), lane);
        const auto after = value(table, node, lane), before = value(std::span(before_), node, lane);
        if (host != nullptr) changes_to_host(before, after, host, use_.merge);
      }
    }
  }

  [[nodiscard]] std::uint32_t entry_of_log(std::span<std::byte> table, std::uint32_t number) const {
    return value_at<std::uint32_t>(table, table_.log_at() + std::size_t{4} * number);
  }

  std::uint64_t replay(std::span<std::byte> table) {
    std::uint64_t own = 0;
    for (std::uint32_t i = 0; i < logged_; ++i) own += take_entry(table, entry_of_log(table, i));
    return own;
  }

  // Of slots whose key is there, or of the others. Where one packet did more than the log has room for, all are looked
  // at.
  std::uint64_t take_changes(std::span<std::byte> table, bool live) {
    std::uint64_t own = 0;
    const auto is_live = [&](std::uint32_t number) { return (slot(table, number).flags & Table::kLive) != 0; };
    for (std::uint32_t i = 0; i < std::min(logged_, table_.log_entries()); ++i) {
      const std::uint32_t entry = entry_of_log(table, i), number = entry & Table::kLogSlot;
      if (number <= table_.mask && is_live(number) == live) own += take_entry(table, entry);
    }
    for (std::uint32_t number = 0; number <= table_.mask && logged_ > table_.log_entries(); ++number) {
      const bool dirty = (slot(table, number).flags & Table::kDirty) != 0;
      if (dirty && is_live(number) == live) own += take_entry(table, number);
    }
    return own;
  }

  // How many steps of the map's generation this was. Of LRU maps in strict order the log has all changes; of others
  // each slot once, and what it came to in the end counts.
  std::uint64_t take_entry(std::span<std::byte> table, std::uint32_t entry) {
    const std::uint32_t number = entry & Table::kLogSlot;
    if (number > table_.mask) return 0;
    const Slot now = slot(table, number);
    if (!is_node(now.node)) return 0;
    if ((entry & Table::kLogUse) != 0) return use(table, now);
    const bool live = replays_ ? (entry & Table::kLogDelete) == 0 : (now.flags & Table::kLive) != 0;
    put_slot(table, number, {now.node, live ? Table::kLive : 0});
    if (live) return !replays_ && is_known(table, number, now.node) ? 0 : store(table, number, now.node);
    dead_.push_back(now.node);
    if (known_[number] == 0) return 0;
    forget(number);
    return map_.erase(key(table, now.node).data()) == 0 ? 1 : stale();
  }

  // A node may be used again, for the same key too.
  bool is_known(std::span<std::byte> table, std::uint32_t number, std::uint32_t node) const {
    return node == known_[number] && (value_at<std::uint32_t>(table, node_at(node) + kUse) & Table::kIsNew) == 0;
  }

  void forget(std::uint32_t number) {
    known_[number] = 0;
    --entries_;
  }

  std::uint64_t use(std::span<std::byte> table, Slot now) {
    const std::size_t at = node_at(now.node) + kUse;
    put_value(table, at, value_at<std::uint32_t>(table, at) & ~Table::kWasUsed);
    std::ignore = map_.lookup(key(table, now.node).data(), use_.cpu);  // may have been deleted since
    return 0;
  }

  std::uint64_t store(std::span<std::byte> table, std::uint32_t number, std::uint32_t node) {
    const bool replaces = known_[number] != 0;
    if (replaces && table_.per_cpu) std::ignore = map_.erase(key(table, node).data());  // values of all CPUs are new
    const auto first = value(table, node, 0), words = key(table, node);
    Words own(first.begin(), first.end()), name(words.begin(), words.end());
    if (map_.update(name.data(), own.data(), BPF_ANY, use_.cpu) != 0) return stale();  // others filled the map
    for (unsigned lane = 1; lane < lanes_; ++lane) {
      std::byte* host = peek(name.data(), lane);
      const Words none(table_.stride());
      if (host != nullptr) changes_to_host(none, value(table, node, lane), host, Merge::store);
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
  bool replays_ = false;      // the log has all changes, in their order
  std::uint32_t logged_ = 0;  // changes since the last time: the log may have fewer
  std::optional<std::uint64_t> generation_;
  std::uint64_t at_ = 0, evicted_ = 0;
  std::uint32_t entries_ = 0;                                   // known ones
  std::vector<std::uint32_t> known_;                            // by slot: the node of a key that the host has
  std::unordered_map<const std::byte*, std::uint32_t> owners_;  // LRU: whose the host's values are, by node
  std::vector<std::uint32_t> dead_;                             // nodes of keys that are gone
  Words before_;
};

}  // namespace

std::unique_ptr<Mirror> make_hash_mirror(const Table& table, exec::Map& map, const MirrorUse& use) {
  return std::make_unique<HashMirror>(table, map, use);
}

}  // namespace forager::jit::opencl
