// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/mirror.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "jit-backends/opencl/batch.h"

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
  ArrayMirror(const Table& table, exec::Map& map, const MirrorUse& use) : table_(table), use_(use) {
    lanes_ = table.per_cpu ? use.lanes : 1;
    values_.reserve(std::size_t{lanes_} * table.entries);
    for (unsigned lane = 0; lane < lanes_; ++lane) {
      for (std::uint32_t key = 0; key < table.entries; ++key) {
        values_.push_back(static_cast<std::byte*>(map.lookup(&key, use.cpu + lane)));
      }
    }
    in_place_ = use.shared && is_even();
  }

  std::uint64_t bytes() const override { return in_place_ ? 0 : table_.bytes(use_.lanes); }

  void put(std::span<std::byte> table, std::uint64_t) override {
    if (in_place_) return;
    for (std::size_t i = 0; i < values_.size(); ++i) value_from_host(values_[i], of(table, i));
    if (use_.changed) before_.assign(table.begin(), table.end());
  }

  void take(std::span<std::byte> table) override {
    if (in_place_ || !use_.changed) return;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      changes_to_host(of(std::span(before_), i), of(table, i), values_[i], use_.merge);
    }
  }

  std::uint64_t place(std::uint64_t at, unsigned lane) const override {
    const std::size_t first = std::size_t{table_.per_cpu ? lane : 0} * table_.entries;
    return in_place_ ? reinterpret_cast<std::uintptr_t>(values_[first]) : at + first * table_.stride();
  }

 private:
  std::span<std::byte> of(std::span<std::byte> table, std::size_t value) const {
    return table.subspan(value * table_.stride(), table_.stride());
  }
  // Values of a lane are one stride apart on the host too.
  [[nodiscard]] bool is_even() const {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const std::size_t first = i / table_.entries * table_.entries;
      if (values_[i] != values_[first] + (i - first) * table_.stride()) return false;
    }
    return true;
  }

  Table table_;
  MirrorUse use_;
  unsigned lanes_ = 1;
  bool in_place_ = false;
  std::vector<std::byte*> values_;  // in the host's memory
  std::vector<std::byte> before_;
};

// Where redirects may go; the host carries them out itself.
class PortMirror : public Mirror {
 public:
  PortMirror(const Table& table, exec::Map& map, const MirrorUse& use) : table_(table), map_(map), cpu_(use.cpu) {
    const isa::MapType type = map.spec().type;
    holds_ports_ = type == isa::MapType::devmap || type == isa::MapType::devmap_hash;
  }

  std::uint64_t bytes() const override { return table_.bytes(1); }
  std::uint64_t place(std::uint64_t at, unsigned) const override { return at; }
  void put(std::span<std::byte> table, std::uint64_t) override {
    for (std::uint32_t key = 0; key < table_.entries; ++key) put_value(table, sizeof key * key, target_of(key));
  }
  void take(std::span<std::byte>) override {}

 protected:
  // An entry with a program is the host's business. What is no port has its key for a number.
  [[nodiscard]] std::uint32_t target_of(std::uint32_t key) const {
    if (exec::RedirectTable* redirects = map_.abilities().redirects; redirects != nullptr) {
      const auto entry = redirects->get(&key);
      if (!entry) return 0;
      return entry->program.program ? kTargetOfHost : known(holds_ports_ ? entry->number : key);
    }
    const void* value = map_.lookup(&key, cpu_);
    if (value == nullptr) return 0;
    std::uint32_t port = key;
    if (holds_ports_) std::memcpy(&port, value, sizeof port);
    return known(port);
  }

  Table table_;
  exec::Map& map_;

 private:
  static std::uint32_t known(std::uint32_t number) {
    return number <= kTargetMost ? number << kTargetShift | kTargetKnown : kTargetOfHost;
  }

  unsigned cpu_;
  bool holds_ports_ = false;
};

class PortKeysMirror final : public PortMirror {
 public:
  using PortMirror::PortMirror;

  void put(std::span<std::byte> table, std::uint64_t) override {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> targets;
    each_key(map_, [&](const std::byte* bytes) {
      std::uint32_t key = 0;
      std::memcpy(&key, bytes, sizeof key);
      if (const std::uint32_t target = target_of(key); target != 0) targets.emplace_back(key, target);
    });
    std::ranges::sort(targets);
    targets.resize(std::min<std::size_t>(targets.size(), table_.entries));
    put_value(table, 0, static_cast<std::uint32_t>(targets.size()));
    for (std::size_t i = 0; i < targets.size(); ++i) {
      put_value(table, kWordBytes * (1 + i), targets[i].first);
      put_value(table, kWordBytes * (1 + table_.entries + i), targets[i].second);
    }
  }

 private:
  static constexpr std::size_t kWordBytes = sizeof(std::uint32_t);
};

// Which program of the kernel a slot has: the kernel is another once that changes.
class ProgramMirror final : public Mirror {
 public:
  ProgramMirror(const Table& table, const MirrorUse& use) : table_(table), programs_(use.programs) {
    programs_.resize(table.entries, 0);
  }
  std::uint64_t bytes() const override { return table_.bytes(1); }
  std::uint64_t place(std::uint64_t at, unsigned) const override { return at; }
  void put(std::span<std::byte> table, std::uint64_t) override {
    std::memcpy(table.data(), programs_.data(), programs_.size() * sizeof programs_.front());
  }
  void take(std::span<std::byte>) override {}

 private:
  Table table_;
  std::vector<std::uint32_t> programs_;
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
    case TableKind::programs:
      return std::make_unique<ProgramMirror>(table, use);
    case TableKind::inner_array:
    case TableKind::inner_hash:
      return make_inner_mirror(table, use);
    case TableKind::lpm:
      return make_lpm_mirror(table, map, use);
    case TableKind::list:
      return make_list_mirror(table, map);
    case TableKind::bloom:
      return make_bloom_mirror(table, map, use);
    case TableKind::ring:
      return make_ring_mirror(table, map, use);
    case TableKind::perf:
      return make_perf_mirror(table, map, use);
  }
  return nullptr;
}

}  // namespace forager::jit::opencl
