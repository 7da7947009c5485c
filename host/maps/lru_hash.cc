// SPDX-License-Identifier: Apache-2.0
//
// LRU_HASH: a hash map that never is full. Inserting into a map of max_entries makes room by dropping an entry that has
// not been used for long; lru_table.h says which.
//
// Tested by: tests/unit/maps_lru_test.cc, maps_concurrency_test.cc.
#include <cerrno>

#include "maps/buckets.h"
#include "maps/hash_attributes.h"
#include "maps/lru_table.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

class LruHashMap final : public exec::Map, public exec::Elements, public TableBuckets {
 public:
  explicit LruHashMap(exec::MapSpec spec) : Map(std::move(spec)), fields_(this->spec()) { abilities_.elements = this; }
  [[nodiscard]] Result<> open() {
    HashShape shape = hash_shape(spec());
    if (fields_.any()) shape.fields = &fields_;
    if (fields_.timers()) keys_.table().on_departure([this](std::byte* value) { release_value(value); });
    return keys_.open(shape);
  }

  template <std::uint32_t kKeySize>
  void* look(const void* key, unsigned) {
    const auto hit = keys_.use<kKeySize>(key);
    return hit ? keys_.table().value(hit.node) : nullptr;
  }
  void* lookup(const void* key, unsigned cpu) override { return look<0>(key, cpu); }
  exec::DirectLookup direct_lookup(unsigned) override { return direct_by_key_size(*this, &keys_.table()); }

  int update(const void* key, const void* value, std::uint64_t flags, unsigned) override {
    return keys_.store(key, flags, [value](HashTable::Entry& entry, NodeId fresh) {
      fresh == 0 ? void(entry.replace(value)) : entry.insert(fresh, value);
    });
  }

  int erase(const void* key) override { return keys_.table().erase(key); }

  int next_key(const void* key, void* next) override { return keys_.table().next_key(key, next); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    return keys_.table().read(key, value) ? 0 : -ENOENT;
  }

  int write(const void* key, const void* value, std::uint64_t flags) override { return update(key, value, flags, 0); }

  int take(const void* key, void* value, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    return keys_.table().take_out(key, [&](NodeId node) { keys_.table().copy_value_out(node, value); });
  }

  // exec::Elements
  int next(const void* key, void* next) override { return keys_.table().next_in_order(key, next); }
  void* peek(const void* key, unsigned) override {
    const auto hit = keys_.table().find(key);
    return hit ? keys_.table().value(hit.node) : nullptr;
  }
  void key_of(const void* value, void* key) const override {
    keys_.table().copy_key(keys_.table().node_of(value), key);
  }

  [[nodiscard]] std::optional<std::uint64_t> generation() const override { return keys_.table().changes(); }
  [[nodiscard]] exec::MapUsage usage() const override { return {keys_.table().entries(), keys_.table().bytes()}; }

 private:
  [[nodiscard]] const HashTable& key_table() const override { return keys_.table(); }

  ValueFields fields_;
  LruTable keys_;
};

}  // namespace

MapResult make_lru_hash(exec::MapSpec spec, unsigned cpus) {
  if ((spec.flags & kNoCommonLru) != 0) spec.max_entries = round_to_cpus(spec.max_entries, cpus);
  const std::uint64_t bytes = kKernelElement + round_up_words(spec.key_size) + round_up_words(spec.value_size);
  const auto checked = check_hash(spec, bytes);
  return open_map<LruHashMap>(checked, std::move(spec));
}

}  // namespace forager::maps
