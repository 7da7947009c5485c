// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/mirror.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace forager::jit::opencl {
namespace {

constexpr std::size_t kWord = 8;

template <class T>
struct [[gnu::may_alias]] HostCell {
  T value;
};
template <class T>
T* cell(std::byte* at) {
  return &reinterpret_cast<HostCell<T>*>(at)->value;
}

template <class T>
T value_at(std::span<const std::byte> bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <class T>
void add_to_host(std::span<const std::byte> before, std::span<const std::byte> after, std::byte* host) {
  for (std::size_t at = 0; at < after.size(); at += sizeof(T)) {
    const T added = value_at<T>(after, at) - value_at<T>(before, at);
    if (added != 0) __atomic_fetch_add(cell<T>(host + at), added, __ATOMIC_RELAXED);
  }
}

void store_on_host(std::span<const std::byte> before, std::span<const std::byte> after, std::byte* host) {
  for (std::size_t at = 0; at < after.size(); at += kWord) {
    const auto is = value_at<std::uint64_t>(after, at);
    if (is != value_at<std::uint64_t>(before, at))
      __atomic_store_n(cell<std::uint64_t>(host + at), is, __ATOMIC_RELAXED);
  }
}

// Values one after the other, for each lane.
class ArrayMirror final : public Mirror {
 public:
  ArrayMirror(const Table& table, exec::Map& map, const MirrorUse& use) : table_(table), merge_(use.merge) {
    const unsigned copies = table.per_cpu ? use.lanes : 1;
    values_.reserve(std::size_t{copies} * table.entries);
    for (unsigned lane = 0; lane < copies; ++lane) {
      for (std::uint32_t key = 0; key < table.entries; ++key) {
        values_.push_back(static_cast<std::byte*>(map.lookup(&key, use.cpu + lane)));
      }
    }
  }

  void put(std::span<std::byte> table) override {
    for (std::size_t i = 0; i < values_.size(); ++i) value_from_host(values_[i], table.subspan(at(i), table_.stride()));
    before_.assign(table.begin(), table.end());
  }

  void take(std::span<const std::byte> table) override {
    const std::span<const std::byte> before(before_);
    for (std::size_t i = 0; i < values_.size(); ++i) {
      changes_to_host(before.subspan(at(i), table_.stride()), table.subspan(at(i), table_.stride()), values_[i],
                      merge_);
    }
  }

 private:
  [[nodiscard]] std::size_t at(std::size_t value) const {
    return value / table_.entries * table_.bytes + value % table_.entries * table_.stride();
  }

  Table table_;
  Merge merge_;
  std::vector<std::byte*> values_;  // in the host's memory
  std::vector<std::byte> before_;
};

// Where redirects may go; the host carries them out itself.
class PortMirror : public Mirror {
 public:
  PortMirror(const Table& table, exec::Map& map, const MirrorUse& use) : table_(table), map_(map), cpu_(use.cpu) {}

  void put(std::span<std::byte> table) override {
    for (std::uint32_t key = 0; key < table_.entries; ++key) {
      const std::uint32_t there = leads_somewhere(&key) ? 1 : 0;
      std::memcpy(table.data() + sizeof there * key, &there, sizeof there);
    }
  }
  void take(std::span<const std::byte>) override {}

 protected:
  [[nodiscard]] bool leads_somewhere(const void* key) const {
    if (exec::RedirectTable* redirects = map_.abilities().redirects; redirects != nullptr) {
      return redirects->get(key).has_value();
    }
    return map_.lookup(key, cpu_) != nullptr;
  }

  Table table_;
  exec::Map& map_;
  unsigned cpu_;
};

class PortKeysMirror final : public PortMirror {
 public:
  using PortMirror::PortMirror;

  void put(std::span<std::byte> table) override {
    std::vector<std::uint32_t> keys;
    each_key(map_, [&](const std::byte* key) {
      if (!leads_somewhere(key)) return;
      std::memcpy(&keys.emplace_back(), key, sizeof(std::uint32_t));
    });
    std::ranges::sort(keys);
    keys.resize(std::min<std::size_t>(keys.size(), table_.entries));
    const auto count = static_cast<std::uint32_t>(keys.size());
    std::memcpy(table.data(), &count, sizeof count);
    std::memcpy(table.data() + sizeof count, keys.data(), keys.size() * sizeof count);
  }
};

}  // namespace

void value_from_host(std::byte* host, std::span<std::byte> to) {
  for (std::size_t at = 0; at < to.size(); at += kWord) {
    const std::uint64_t word = __atomic_load_n(cell<std::uint64_t>(host + at), __ATOMIC_RELAXED);
    std::memcpy(to.data() + at, &word, kWord);
  }
}

void changes_to_host(std::span<const std::byte> before, std::span<const std::byte> after, std::byte* host,
                     Merge merge) {
  switch (merge) {
    case Merge::store:
      return store_on_host(before, after, host);
    case Merge::add64:
      return add_to_host<std::uint64_t>(before, after, host);
    case Merge::add32:
      return add_to_host<std::uint32_t>(before, after, host);
  }
}

// Atomics of one kind change it and nothing else does; it remains to be seen which, and whether all have one width.
Merge merge_of(const verifier::VerifiedProgram& program, std::uint32_t map) {
  if (program.map_uses()[map] != verifier::MapUse::commutative) return Merge::store;
  bool wide = false, narrow = false;
  for (std::size_t at = 0; at < program.facts().size(); ++at) {
    const isa::Op op = program.program().instructions()[at].op;
    if (!program.facts()[at].reachable || isa::row(op).form != isa::Form::atomic) continue;
    const verifier::AccessFact& access = program.facts()[at].access;
    if (access.map != map && access.map != program::kNone) continue;
    if (op != isa::Op::atomic_add64 && op != isa::Op::atomic_add32) return Merge::store;
    (op == isa::Op::atomic_add64 ? wide : narrow) = true;
  }
  if (wide == narrow) return Merge::store;
  return wide ? Merge::add64 : Merge::add32;
}

void each_key(exec::Map& map, const std::function<void(const std::byte* key)>& visit) {
  std::vector<std::byte> key(in_words(map.spec().key_size)), last;
  int more = map.next_key(nullptr, key.data());
  for (std::uint32_t i = 0; more == 0 && i < map.spec().max_entries; ++i) {
    last = key;
    visit(key.data());
    more = map.next_key(last.data(), key.data());
  }
}

std::unique_ptr<Mirror> make_mirror(const Table& table, exec::Map& map, const MirrorUse& use) {
  switch (table.kind) {
    case TableKind::none:
      return nullptr;
    case TableKind::array:
      return std::make_unique<ArrayMirror>(table, map, use);
    case TableKind::hash:
      return make_hash_mirror(table, map, use);
    case TableKind::ports:
      return std::make_unique<PortMirror>(table, map, use);
    case TableKind::port_keys:
      return std::make_unique<PortKeysMirror>(table, map, use);
  }
  return nullptr;
}

}  // namespace forager::jit::opencl
