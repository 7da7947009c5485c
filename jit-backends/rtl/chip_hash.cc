// SPDX-License-Identifier: Apache-2.0
//
// Hash tables on the chip. Nodes keep their keys from batch to batch: only what changed goes to the device.
#include "jit-backends/rtl/chip_hash.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>

#include "jit-backends/rtl/chip_table.h"

namespace forager::jit::rtl {
namespace {

using Bytes = std::vector<std::byte>;

struct HashState {
  std::uint32_t v0, v1, v2, v3;

  void round(std::uint32_t word) {
    v3 ^= word;
    v0 += v1;
    v1 = std::rotl(v1, 5) ^ v0;
    v0 = std::rotl(v0, 16);
    v2 += v3;
    v3 = std::rotl(v3, 8) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 7) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 13) ^ v2;
    v2 = std::rotl(v2, 16);
    v0 ^= word;
  }
};

class ChipHash final : public ChipTable {
 public:
  ChipHash(const ChipMap& map, exec::Map& host, const ChipPlace& place)
      : map_(map),
        host_(host),
        place_(place),
        key_bytes_(host.spec().key_size),
        value_bytes_(in_words(host.spec().value_size)),
        lanes_(map.per_cpu ? place.threads : 1),
        buckets_(place.row + map.bucket_row, map.link_row - map.bucket_row),
        links_(place.row + map.link_row, map.entry_row - map.link_row),
        entries_(place.row + map.entry_row, map.nodes << map.shift) {
    for (unsigned lane = 0; map.per_cpu && lane < lanes_; ++lane) {
      values_.emplace_back(place.row + map.value_row + lane * map.value_rows, map.value_rows);
    }
  }

  Result<> upload(sim::HostPort& board) override {
    take_host();
    const std::vector<std::uint32_t> free = free_nodes();
    Bytes buckets(buckets_.size()), links(links_.size()), entries(entries_.at(0), entries_.at(0) + entries_.size());
    std::vector<Bytes> values;
    values.reserve(values_.size());
    for (const ChipRows& rows : values_) values.emplace_back(rows.at(0), rows.at(0) + rows.size());
    for (const auto& [key, entry] : known_) {
      chain(key_words(key, key_bytes_), place_.seed, map_.mask, entry.node, buckets, links);
      std::memcpy(entries.data() + entry_at(entry.node), key.data(), key.size());
      for (unsigned lane = 0; lane < lanes_; ++lane) {
        Bytes& to = map_.per_cpu ? values[lane] : entries;
        std::memcpy(to.data() + map_.value_at(entry.node), entry.values.data() + std::size_t{lane} * value_bytes_,
                    value_bytes_);
      }
    }
    // The last is the spare, and not in the list.
    for (std::size_t i = 1; i + 1 < free.size(); ++i) put_link(links, free[i - 1], {.node = free[i]});
    Result<> done = buckets_.write(board, buckets);
    if (done) done = links_.write(board, links);
    const auto live = [&](std::uint32_t shift) {
      return [this, shift](std::size_t row) { return live_[row >> shift]; };
    };
    live_.assign(map_.nodes, false);
    for (const auto& [key, entry] : known_) live_[entry.node] = true;
    if (done) done = entries_.write(board, entries, live(map_.shift));
    for (std::size_t lane = 0; done && lane < values_.size(); ++lane) {
      done = values_[lane].write(board, values[lane], live(map_.value_shift));
    }
    if (!done) return done;
    return write_descriptor(board, map_, host_.spec(), place_,
                            {.free = free.size() > 1 ? free.front() : 0, .spare = free.back()});
  }

  Result<> download(sim::HostPort& board) override {
    Result<> done = buckets_.read(board);
    if (done) done = links_.read(board);
    if (!done) return done;
    const auto live = live_nodes();
    if (!live) return std::unexpected(live.error());
    if (auto read = read_entries(board, *live); !read) return read;
    std::map<Bytes, Entry> now;
    for (const std::uint32_t node : *live) now[key_of(node)] = {.node = node, .values = values_of(node)};
    if (now.size() != live->size()) return senseless("a key twice");
    give_host(now, *live);
    forget_others(now);
    known_ = std::move(now);
    return {};
  }

  Result<> download_marks(sim::HostPort& board) override {
    if (!map_.marked) return {};
    if (auto read = links_.read(board); !read) return read;
    for (const auto& [key, entry] : known_) use(key, entry.node);
    return {};
  }

 private:
  // A key, in whole words; its values for each thread.
  struct Entry {
    std::uint32_t node = 0;
    Bytes values;
  };

  [[nodiscard]] std::size_t entry_at(std::uint32_t node) const {
    return (std::size_t{node} << map_.shift) * sim::kRowBytes;
  }
  [[nodiscard]] Bytes key_of(std::uint32_t node) const {
    return {entries_.at(entry_at(node)), entries_.at(entry_at(node) + in_words(key_bytes_))};
  }
  [[nodiscard]] Bytes values_of(std::uint32_t node) const {
    Bytes values(std::size_t{value_bytes_} * lanes_);
    for (unsigned lane = 0; lane < lanes_; ++lane) {
      const ChipRows& rows = map_.per_cpu ? values_[lane] : entries_;
      std::memcpy(values.data() + std::size_t{lane} * value_bytes_, rows.at(map_.value_at(node)), value_bytes_);
    }
    return values;
  }

  // ---- what the host has ----

  void take_host() {
    std::map<Bytes, Entry> now;
    each_key(host_, [&](std::span<const std::byte> there) {
      const Bytes key(there.begin(), there.end());
      if (auto entry = host_entry(key)) now[key] = std::move(*entry);
      return now.size() + 2 < map_.nodes;
    });
    known_ = std::move(now);
    name_nodes();
  }

  // Nothing if the key is gone by now.
  [[nodiscard]] std::optional<Entry> host_entry(const Bytes& key) {
    Entry entry{.node = 0, .values = Bytes(std::size_t{value_bytes_} * lanes_)};
    for (unsigned lane = 0; lane < lanes_; ++lane) {
      std::byte* value = peek(host_, key.data(), place_.cpu + lane);
      if (value == nullptr) return std::nullopt;
      value_from_host(value, {entry.values.data() + std::size_t{lane} * value_bytes_, value_bytes_});
    }
    if (const auto found = known_.find(key); found != known_.end()) entry.node = found->second.node;
    return entry;
  }

  // Gives keys that are new to the device nodes that nobody has.
  void name_nodes() {
    std::vector<bool> taken(map_.nodes, false);
    for (const auto& [key, entry] : known_) taken[entry.node] = true;
    std::uint32_t next = 1;
    for (auto& [key, entry] : known_) {
      if (entry.node != 0) continue;
      while (taken[next]) ++next;
      taken[next] = true;
      entry.node = next;
    }
  }

  [[nodiscard]] std::vector<std::uint32_t> free_nodes() const {
    std::vector<bool> taken(map_.nodes, false);
    for (const auto& [key, entry] : known_) taken[entry.node] = true;
    std::vector<std::uint32_t> free;
    for (std::uint32_t node = 1; node < map_.nodes; ++node) {
      if (!taken[node]) free.push_back(node);
    }
    return free;
  }

  // ---- what the device has ----

  [[nodiscard]] std::unexpected<Diagnostic> senseless(std::string_view what) const {
    return fail(ErrorKind::bug, EIO,
                fmt::format("the device's table of map {} makes no sense: it has {}", host_.spec().name, what));
  }

  // Nodes in chains, by number: the order in which a table that was empty was filled.
  [[nodiscard]] Result<std::vector<std::uint32_t>> live_nodes() const {
    std::vector<bool> seen(map_.nodes, false);
    for (std::uint32_t bucket = 0; bucket <= map_.mask; ++bucket) {
      std::uint32_t node = link_at(buckets_.at(0), bucket).node;
      while (node != 0) {
        if (node >= map_.nodes || seen[node]) return senseless(fmt::format("node {}, or has it twice", node));
        seen[node] = true;
        node = link_at(links_.at(0), node).node;
      }
    }
    std::vector<std::uint32_t> live;
    for (std::uint32_t node = 1; node < map_.nodes; ++node) {
      if (seen[node]) live.push_back(node);
    }
    return live;
  }

  // Neighbours together.
  Result<> read_entries(sim::HostPort& board, const std::vector<std::uint32_t>& live) {
    for (std::size_t from = 0; from < live.size();) {
      std::size_t to = from + 1;
      while (to < live.size() && live[to] == live[to - 1] + 1) ++to;
      const auto count = static_cast<std::uint32_t>(to - from);
      if (auto read = entries_.read(board, live[from] << map_.shift, count << map_.shift); !read) return read;
      for (ChipRows& rows : values_) {
        if (auto read = rows.read(board, live[from] << map_.value_shift, count << map_.value_shift); !read) return read;
      }
      from = to;
    }
    return {};
  }

  // What stands in nodes that are in no chain, nobody knows.
  void forget_others(const std::map<Bytes, Entry>& now) {
    std::vector<bool> live(map_.nodes, false);
    for (const auto& [key, entry] : now) live[entry.node] = true;
    for (std::uint32_t node = 0; node < map_.nodes; ++node) {
      if (live[node]) continue;
      entries_.forget(node << map_.shift, 1U << map_.shift);
      for (ChipRows& rows : values_) rows.forget(node << map_.value_shift, 1U << map_.value_shift);
    }
  }

  void give_host(const std::map<Bytes, Entry>& now, const std::vector<std::uint32_t>& live) {
    for (const auto& [key, entry] : known_) {
      if (!now.contains(key)) std::ignore = host_.erase(key.data());
    }
    for (const std::uint32_t node : live) {
      const Bytes key = key_of(node);
      const Entry& entry = now.at(key);
      const auto before = known_.find(key);
      Bytes old(entry.values.size());
      if (before != known_.end()) {
        old = before->second.values;
      } else if (host_.update(key.data(), entry.values.data(), BPF_ANY, place_.cpu) != 0) {
        continue;  // somebody else's keys fill the map by now
      } else {
        std::ranges::copy_n(entry.values.begin(), value_bytes_, old.begin());
      }
      give_values(key, old, entry.values);
      use(key, node);
    }
  }

  void use(const Bytes& key, std::uint32_t node) {
    if (map_.marked && link_at(links_.at(0), node).used != 0) std::ignore = host_.lookup(key.data(), place_.cpu);
  }

  void give_values(const Bytes& key, const Bytes& before, const Bytes& after) {
    for (unsigned lane = 0; lane < lanes_; ++lane) {
      const std::size_t at = std::size_t{lane} * value_bytes_;
      std::byte* value = peek(host_, key.data(), place_.cpu + lane);
      if (value == nullptr) return;
      changes_to_host({before.data() + at, value_bytes_}, {after.data() + at, value_bytes_}, value);
    }
  }

  ChipMap map_;
  exec::Map& host_;
  ChipPlace place_;
  std::uint32_t key_bytes_, value_bytes_;
  unsigned lanes_;
  ChipRows buckets_, links_, entries_;
  std::vector<ChipRows> values_;  // per-CPU maps
  std::map<Bytes, Entry> known_;  // on both sides, as of the last transfer
  std::vector<bool> live_;        // nodes, as of the last upload
};

}  // namespace

std::uint32_t chip_hash(std::span<const std::byte> key, std::uint32_t seed) {
  HashState state{.v0 = 0x736f6d65 ^ seed, .v1 = 0x646f7261, .v2 = 0x6c796765 ^ seed, .v3 = 0x74656462};
  for (std::size_t at = 0; at < key.size(); at += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, key.data() + at, sizeof word);
    state.round(word);
  }
  state.round(0);
  state.round(0);
  return state.v1 ^ state.v3;
}

Link link_at(const std::byte* table, std::uint32_t index) {
  std::uint32_t word = 0;
  std::memcpy(&word, table + std::size_t{index} * kLinkBytes, sizeof word);
  return {.node = word & 0xffffffU, .used = static_cast<std::uint8_t>(word >> 24)};
}

void put_link(std::vector<std::byte>& table, std::uint32_t index, Link link) {
  const std::uint32_t word = link.node | std::uint32_t{link.used} << 24;
  std::memcpy(table.data() + std::size_t{index} * kLinkBytes, &word, sizeof word);
}

std::span<const std::byte> key_words(std::span<const std::byte> key, std::uint32_t key_bytes) {
  return key.first((key_bytes + 3) / 4 * 4);
}

void chain(std::span<const std::byte> key, std::uint32_t seed, std::uint32_t mask, std::uint32_t node,
           std::vector<std::byte>& buckets, std::vector<std::byte>& links) {
  const std::uint32_t bucket = chip_hash(key, seed) & mask;
  put_link(links, node, {.node = link_at(buckets.data(), bucket).node});
  put_link(buckets, bucket, {.node = node});
}

std::unique_ptr<ChipTable> make_chip_hash(const ChipMap& map, exec::Map& host, const ChipPlace& place) {
  return std::make_unique<ChipHash>(map, host, place);
}

}  // namespace forager::jit::rtl
