// SPDX-License-Identifier: Apache-2.0
//
// HASH: keys to values, at most max_entries (kernel/bpf/hashtab.c). HashTable does the work; this file says what Linux
// answers. BPF_F_NO_PREALLOC makes no difference but that the map may be larger than the machine's memory: entries
// come from pages that exist once they are used, and are reused at once after a delete, as with preallocated maps.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc, maps_concurrency_test.cc, maps_memory_test.cc.
#include <cerrno>

#include "maps/buckets.h"
#include "maps/direct.h"
#include "maps/hash_attributes.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

class HashMap final : public exec::Map, public TableBuckets, public exec::Elements {
 public:
  explicit HashMap(exec::MapSpec spec) : Map(std::move(spec)), fields_(this->spec()) { abilities_.elements = this; }
  [[nodiscard]] Result<> open() {
    HashShape shape = hash_shape(spec());
    if (fields_.any()) shape.fields = &fields_;
    if (fields_.timers()) table_.on_departure([this](std::byte* value) { release_value(value); });
    return table_.open(shape);
  }

  template <std::uint32_t kKeySize>
  void* look(const void* key, unsigned) {
    const auto hit = find_direct<kKeySize>(table_, key);
    return hit ? table_.value(hit.node) : nullptr;
  }
  void* lookup(const void* key, unsigned cpu) override { return look<0>(key, cpu); }
  exec::DirectLookup direct_lookup(unsigned) override { return direct_by_key_size(*this, &table_); }

  // With BPF_F_LOCK, a value that is there already is overwritten in place.
  int update(const void* key, const void* value, std::uint64_t flags, unsigned) override {
    auto entry = table_.lock(key);
    const bool present = entry.node() != 0;
    if (const int error = fields_.check_lock(flags); error != 0) return error;
    if (const int error = check_presence(flags & ~kLock, present); error != 0) return error;
    if (present && (flags & kLock) != 0) {
      write_locked(entry.node(), value);
      return 0;
    }
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
    if (!fields_.any()) {
      if (flags != 0) return -EINVAL;
      return table_.read(key, value) ? 0 : -ENOENT;
    }
    if (const int error = fields_.check_read(flags); error != 0) return error;
    return read_with_fields(key, value, flags) ? 0 : -ENOENT;
  }

  int write(const void* key, const void* value, std::uint64_t flags) override { return update(key, value, flags, 0); }

  int take(const void* key, void* value, std::uint64_t flags) override {
    if (const int error = fields_.check_read(flags); error != 0) return error;
    return table_.take_out(key, [&](NodeId node) { copy_guarded(node, value, flags); });
  }

  // exec::Elements
  int next(const void* key, void* next) override { return table_.next_in_order(key, next); }
  void* peek(const void* key, unsigned cpu) override { return lookup(key, cpu); }
  void key_of(const void* value, void* key) const override { table_.copy_key(table_.node_of(value), key); }

  [[nodiscard]] std::optional<std::uint64_t> generation() const override { return table_.changes(); }
  [[nodiscard]] exec::MapUsage usage() const override { return {table_.entries(), table_.bytes()}; }

 private:
  [[nodiscard]] const HashTable& key_table() const override { return table_; }

  // Values with a lock may be overwritten in place, so that a node's version alone does not prove a copy whole.
  void write_locked(NodeId node, const void* value) {
    fields_.guard(table_.value(node), kLock,
                  [&] { locks_.of(node).write([&] { table_.copy_value_in(node, value); }); });
  }
  void copy_guarded(NodeId node, void* value, std::uint64_t flags) {
    fields_.guard(table_.value(node), flags,
                  [&] { locks_.of(node).read([&] { table_.copy_value_out(node, value); }); });
  }
  // With BPF_F_LOCK the bucket stays locked: the lock of a node that another key got meanwhile is none of ours.
  bool read_with_fields(const void* key, void* value, std::uint64_t flags) {
    if ((flags & kLock) != 0) {
      const auto entry = table_.lock(key);
      if (entry.node() != 0) copy_guarded(entry.node(), value, flags);
      return entry.node() != 0;
    }
    while (const auto hit = table_.find(key)) {
      copy_guarded(hit.node, value, 0);
      if (table_.unchanged(hit)) return true;
    }
    return false;
  }

  ValueFields fields_;
  HashTable table_;
  ValueLocks locks_;  // of values that are overwritten in place
};

}  // namespace

MapResult make_hash(exec::MapSpec spec, unsigned) {
  const std::uint64_t bytes = kKernelElement + round_up_words(spec.key_size) + round_up_words(spec.value_size);
  const auto checked = check_hash(spec, bytes);
  return open_map<HashMap>(checked, std::move(spec));
}

}  // namespace forager::maps
