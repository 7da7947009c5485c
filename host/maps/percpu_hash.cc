// SPDX-License-Identifier: Apache-2.0
//
// PERCPU_HASH: keys to one value for each CPU (kernel/bpf/hashtab.c). HashTable holds the keys; a node's number is also
// the number of its values.
//
// Unlike HASH, an update of an existing key writes in place, as in Linux: a program keeps counting in its own CPU's
// value while the key lives. A program that inserts a key gives it its CPU's value and zero for all others. Host reads
// of such values are whole by ValueLocks, and the node's version tells that they still belong to the key.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc, maps_concurrency_test.cc.
#include <cerrno>

#include "maps/hash_attributes.h"
#include "maps/percpu_values.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

class PerCpuHashMap final : public exec::Map {
 public:
  explicit PerCpuHashMap(exec::MapSpec spec) : Map(std::move(spec)) {}

  [[nodiscard]] Result<> open(unsigned cpus) {
    HashShape shape = hash_shape(spec());
    shape.value_size = 0;
    if (auto opened = table_.open(shape); !opened) return opened;
    return values_.open(spec().value_size, std::uint64_t{table_.nodes()} + 1, cpus);
  }

  void* lookup(const void* key, unsigned cpu) override {
    const auto hit = table_.find(key);
    return hit ? values_.at(hit.node, cpu) : nullptr;
  }

  int update(const void* key, const void* value, std::uint64_t flags, unsigned cpu) override {
    return store(key, flags, [&](NodeId node, bool present) {
      if (present) return copy_in(values_.at(node, cpu), value, spec().value_size);
      values_.copy_one_in(node, cpu, value, spec().value_size);
    });
  }

  int write(const void* key, const void* value, std::uint64_t flags) override {
    return store(key, flags, [&](NodeId node, bool) { values_.copy_all_in(node, value); });
  }

  int erase(const void* key) override { return table_.erase(key); }

  int next_key(const void* key, void* next) override { return table_.next_key(key, next); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    while (const auto hit = table_.find(key)) {
      locks_.of(hit.node).read([&] { values_.copy_all_out(hit.node, value); });
      if (table_.unchanged(hit)) return 0;
    }
    return -ENOENT;
  }

  [[nodiscard]] exec::MapUsage usage() const override {
    return {table_.entries(), table_.bytes() + values_.bytes_for(table_.entries())};
  }

 private:
  // fill(node, present) writes the values of a key that is there already, or of a node that will be its entry.
  template <class Fill>
  int store(const void* key, std::uint64_t flags, Fill fill) {
    auto entry = table_.lock(key);
    const bool present = entry.node() != 0;
    if (const int error = check_presence(flags, present); error != 0) return error;
    const NodeId node = present ? entry.node() : table_.take(entry.near());
    if (node == 0) return -E2BIG;
    locks_.of(node).write([&] { fill(node, present); });
    if (!present) entry.insert(node, nullptr);
    return 0;
  }

  HashTable table_;
  PerCpuValues values_;
  ValueLocks locks_;
};

}  // namespace

MapResult make_percpu_hash(exec::MapSpec spec, unsigned cpus) {
  const std::uint64_t bytes = kKernelElement + round_up_words(spec.key_size) + round_up_words(spec.value_size) * cpus;
  if (auto checked = check_hash(spec, bytes); !checked) return std::unexpected(checked.error());
  const auto small = Checks(spec).at_most("value_size", spec.value_size, kMaxPerCpuValue, E2BIG).done();
  if (!small) return std::unexpected(small.error());
  auto map = std::make_shared<PerCpuHashMap>(std::move(spec));
  if (auto opened = map->open(cpus); !opened) return std::unexpected(opened.error());
  return map;
}

}  // namespace forager::maps
