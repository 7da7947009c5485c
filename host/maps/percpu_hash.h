// SPDX-License-Identifier: Apache-2.0
//
// PerCpuHashMap: keys to one value for each CPU (kernel/bpf/hashtab.c), for PERCPU_HASH and LRU_PERCPU_HASH. Keys is
// BoundedTable or LruTable; a node's number in it is also the number of its values.
//
// Unlike HASH, an update of an existing key writes in place, as in Linux: a program keeps counting in its own CPU's
// value while the key lives. A program that inserts a key gives it its CPU's value and zero for all others. Host reads
// of such values are whole by ValueLocks, and the node's version tells that they still belong to the key.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc, maps_lru_test.cc, maps_concurrency_test.cc.
#pragma once

#include <cerrno>
#include <memory>

#include "maps/buckets.h"
#include "maps/hash_attributes.h"
#include "maps/lru_table.h"
#include "maps/percpu_values.h"
#include "maps/types.h"

namespace forager::maps {

template <class Keys>
class PerCpuHashMap final : public exec::Map, public exec::Elements, public TableBuckets {
 public:
  explicit PerCpuHashMap(exec::MapSpec spec) : Map(std::move(spec)) { abilities_.elements = this; }

  [[nodiscard]] Result<> open(unsigned cpus) {
    HashShape shape = hash_shape(spec());
    shape.value_size = 0;
    if (auto opened = keys_.open(shape); !opened) return opened;
    return values_.open(spec().value_size, std::uint64_t{keys_.table().nodes()} + 1, cpus);
  }

  template <std::uint32_t kKeySize>
  void* look(const void* key, unsigned cpu) {
    const auto hit = keys_.template use<kKeySize>(key);
    return hit ? values_.at(hit.node, cpu) : nullptr;
  }
  void* lookup(const void* key, unsigned cpu) override { return look<0>(key, cpu); }
  exec::DirectLookup direct_lookup(unsigned) override { return direct_by_key_size(*this, nullptr); }

  int update(const void* key, const void* value, std::uint64_t flags, unsigned cpu) override {
    return store(key, flags, [&](NodeId node, bool present) {
      if (present) return copy_in(values_.at(node, cpu), value, spec().value_size);
      values_.copy_one_in(node, cpu, value, spec().value_size);
    });
  }

  int write(const void* key, const void* value, std::uint64_t flags) override {
    return store(key, flags, [&](NodeId node, bool) { values_.copy_all_in(node, value); });
  }

  int erase(const void* key) override { return keys_.table().erase(key); }

  int next_key(const void* key, void* next) override { return keys_.table().next_key(key, next); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    while (const auto hit = keys_.table().find(key)) {
      locks_.of(hit.node).read([&] { values_.copy_all_out(hit.node, value); });
      if (keys_.table().unchanged(hit)) return 0;
    }
    return -ENOENT;
  }

  int take(const void* key, void* value, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    return keys_.table().take_out(
        key, [&](NodeId node) { locks_.of(node).read([&] { values_.copy_all_out(node, value); }); });
  }

  // exec::Elements
  int next(const void* key, void* next) override { return keys_.table().next_in_order(key, next); }
  void* peek(const void* key, unsigned cpu) override {
    const auto hit = keys_.table().find(key);
    return hit ? values_.at(hit.node, cpu) : nullptr;
  }
  void key_of(const void* value, void* key) const override {
    keys_.table().copy_key(static_cast<NodeId>(values_.number_of(value)), key);
  }

  [[nodiscard]] std::optional<std::uint64_t> generation() const override { return keys_.table().changes(); }
  [[nodiscard]] exec::MapUsage usage() const override {
    const std::uint32_t entries = keys_.table().entries();
    return {entries, keys_.table().bytes() + values_.bytes_for(entries)};
  }

 private:
  [[nodiscard]] const HashTable& key_table() const override { return keys_.table(); }

  // fill(node, present) writes the values of a key that is there already, or of a node that will be its entry.
  template <class Fill>
  int store(const void* key, std::uint64_t flags, Fill fill) {
    return keys_.store(key, flags, [&](HashTable::Entry& entry, NodeId fresh) {
      const NodeId node = fresh != 0 ? fresh : entry.node();
      locks_.of(node).write([&] { fill(node, fresh == 0); });
      if (fresh != 0) entry.insert(fresh, nullptr);
    });
  }

  Keys keys_;
  PerCpuValues values_;
  ValueLocks locks_;
};

template <class Keys>
[[nodiscard]] MapResult make_percpu_hash_map(exec::MapSpec spec, unsigned cpus) {
  const std::uint64_t bytes = kKernelElement + round_up_words(spec.key_size) + round_up_words(spec.value_size) * cpus;
  if (auto checked = check_hash(spec, bytes); !checked) return std::unexpected(checked.error());
  const auto small = Checks(spec).at_most("value_size", spec.value_size, kMaxPerCpuValue, E2BIG).done();
  if (!small) return std::unexpected(small.error());
  auto map = std::make_shared<PerCpuHashMap<Keys>>(std::move(spec));
  if (auto opened = map->open(cpus); !opened) return std::unexpected(opened.error());
  return map;
}

}  // namespace forager::maps
