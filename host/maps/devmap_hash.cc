// SPDX-License-Identifier: Apache-2.0
//
// DEVMAP_HASH: ports by any 32-bit key (kernel/bpf/devmap.c). HashTable with devmap values, and Linux's own answers:
// BPF_EXIST inserts a key that is not there, and a value without a port is refused rather than a deletion.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc.
#include <linux/bpf.h>

#include "maps/devmap_value.h"
#include "maps/hash_table.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

constexpr std::uint64_t kMaxPorts = 1U << 31;

class DevHashMap final : public exec::Map {
 public:
  explicit DevHashMap(exec::MapSpec spec) : Map(std::move(spec)) {}

  [[nodiscard]] Result<> open() {
    return table_.open({.key_size = 4, .value_size = kWordBytes, .max_entries = spec().max_entries});
  }

  void* lookup(const void* key, unsigned) override {
    const auto hit = table_.find(key);
    return hit ? table_.value(hit.node) : nullptr;
  }

  int update(const void* key, const void* value, std::uint64_t flags, unsigned) override {
    const DevmapValue port = devmap_value(value, spec().value_size);
    if (flags > BPF_EXIST || port.ifindex == 0) return -EINVAL;
    auto entry = table_.lock(key);
    const bool present = entry.node() != 0;
    if (present && flags == BPF_NOEXIST) return -EEXIST;
    if (const int error = check_devmap_value(port); error != 0) return error;
    const Word word = devmap_word(port);
    if (present) {
      entry.replace(&word);
      return 0;
    }
    const NodeId node = table_.take(entry.near());
    if (node == 0) return -E2BIG;
    entry.insert(node, &word);
    return 0;
  }

  int erase(const void* key) override { return table_.erase(key); }

  int next_key(const void* key, void* next) override { return table_.next_key(key, next); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    Word word = 0;
    if (flags != 0) return -EINVAL;
    if (!table_.read(key, &word)) return -ENOENT;
    std::memcpy(value, &word, spec().value_size);
    return 0;
  }

  int write(const void* key, const void* value, std::uint64_t flags) override { return update(key, value, flags, 0); }

  [[nodiscard]] exec::MapUsage usage() const override { return {table_.entries(), table_.bytes()}; }

 private:
  HashTable table_;
};

}  // namespace

MapResult make_devmap_hash(exec::MapSpec spec, unsigned) {
  const auto checked = check_devmap(spec).at_most("max_entries", spec.max_entries, kMaxPorts, EINVAL).done();
  spec.flags |= kReadOnlyProg;
  return open_map<DevHashMap>(checked, std::move(spec));
}

}  // namespace forager::maps
