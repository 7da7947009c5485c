// SPDX-License-Identifier: Apache-2.0
//
// HASH: keys to values, at most max_entries (kernel/bpf/hashtab.c). HashTable does the work; this file says what Linux
// answers. BPF_F_NO_PREALLOC makes no difference but that the map may be larger than the machine's memory: entries
// come from pages that exist once they are used, and are reused at once after a delete, as with preallocated maps.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc, maps_concurrency_test.cc, maps_memory_test.cc.
#include <cerrno>

#include "maps/hash_attributes.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

class HashMap final : public exec::Map {
 public:
  explicit HashMap(exec::MapSpec spec) : Map(std::move(spec)) {}
  [[nodiscard]] Result<> open() { return table_.open(hash_shape(spec())); }

  void* lookup(const void* key, unsigned) override {
    const auto hit = table_.find(key);
    return hit ? table_.value(hit.node) : nullptr;
  }

  int update(const void* key, const void* value, std::uint64_t flags, unsigned) override {
    auto entry = table_.lock(key);
    const bool present = entry.node() != 0;
    if (const int error = check_presence(flags, present); error != 0) return error;
    if (present) {
      entry.replace(value);
      return 0;
    }
    const NodeId node = table_.take(entry.near());
    if (node == 0) return -E2BIG;
    entry.insert(node, value);
    return 0;
  }

  int erase(const void* key) override { return table_.erase(key); }

  int next_key(const void* key, void* next) override { return table_.next_key(key, next); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    return table_.read(key, value) ? 0 : -ENOENT;
  }

  int write(const void* key, const void* value, std::uint64_t flags) override { return update(key, value, flags, 0); }

  [[nodiscard]] exec::MapUsage usage() const override { return {table_.entries(), table_.bytes()}; }

 private:
  HashTable table_;
};

}  // namespace

MapResult make_hash(exec::MapSpec spec, unsigned) {
  const std::uint64_t bytes = kKernelElement + round_up_words(spec.key_size) + round_up_words(spec.value_size);
  if (auto checked = check_hash(spec, bytes); !checked) return std::unexpected(checked.error());
  auto map = std::make_shared<HashMap>(std::move(spec));
  if (auto opened = map->open(); !opened) return std::unexpected(opened.error());
  return map;
}

}  // namespace forager::maps
