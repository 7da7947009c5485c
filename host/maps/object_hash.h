// SPDX-License-Identifier: Apache-2.0
//
// ObjectHash<T>: objects by any key. HashTable finds the key's node, and the object stands in the SharedSlot that has
// the node's number, since a node's own value may be overwritten under a reader's eyes and an object must not be.
//
// Lookups lock nothing. An object is put into a slot before its key joins the table and leaves it before the key does:
// a reader that finds a slot empty came upon a deletion, and one that finds the key's version unchanged afterwards has
// the key's own object.
//
// Tested by: tests/unit/maps_of_maps_test.cc, maps_sockets_test.cc, maps_objects_concurrency_test.cc.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "maps/hash_table.h"
#include "maps/memory.h"
#include "maps/shared_slot.h"

namespace forager::maps {

template <class T>
class ObjectHash {
 public:
  ObjectHash() = default;
  ObjectHash(const ObjectHash&) = delete;
  ObjectHash& operator=(const ObjectHash&) = delete;
  ~ObjectHash() {
    std::uint32_t left = used();
    for (NodeId node = 1; left != 0 && node <= table_.nodes(); ++node) left -= at(node).clear() ? 1U : 0U;
  }

  // ENOMEM. Of the shape, value_size means nothing.
  [[nodiscard]] Result<> open(HashShape shape) {
    shape.value_size = 0;
    if (auto opened = table_.open(shape); !opened) return opened;
    auto region = Region::reserve((std::uint64_t{table_.nodes()} + 1) * sizeof(Slot));
    if (!region) return std::unexpected(region.error());
    slots_ = std::move(*region);
    return {};
  }

  // 0, -E2BIG if it is full, -ENOMEM, or what `flags` (BPF_ANY, BPF_NOEXIST, BPF_EXIST) say of the key.
  [[nodiscard]] int set(const void* key, T object, std::uint64_t flags) {
    typename Slot::Fresh fresh(std::move(object));
    if (!fresh) return -ENOMEM;
    typename Slot::Retired old;  // goes after the lock
    auto entry = table_.lock(key);
    const bool present = entry.node() != 0;
    if (const int error = check_presence(flags, present); error != 0) return error;
    const NodeId node = present ? entry.node() : table_.take(entry.near());
    if (node == 0) return -E2BIG;
    std::ignore = at(node).put(fresh, old, [](bool) { return 0; });
    if (present) {
      replaced_.fetch_add(1, std::memory_order_release);
    } else {
      entry.insert(node, nullptr);
    }
    return 0;
  }

  // 0 or -ENOENT.
  [[nodiscard]] int erase(const void* key) {
    typename Slot::Retired old;
    auto entry = table_.lock(key);
    if (entry.node() == 0) return -ENOENT;
    old = at(entry.node()).clear();
    entry.remove();
    return 0;
  }

  // Removes every key whose object is(object) says yes to.
  template <class Is>
  void erase_all(Is is) {
    std::vector<std::byte> keys;
    for (std::uint32_t bucket = 0; used() != 0 && bucket < buckets(); ++bucket) {
      const std::uint32_t count = keys_in(bucket, keys);
      for (std::uint32_t i = 0; i < count; ++i) erase_if(keys.data() + i * (keys.size() / count), is);
    }
  }

  // A default T if there is no such key.
  [[nodiscard]] T get(const void* key) const {
    while (const auto hit = table_.find(key)) {
      T object = at(hit.node).get();
      if (table_.unchanged(hit)) return object;
    }
    return T{};
  }

  [[nodiscard]] int next_key(const void* key, void* next) { return table_.next_key(key, next); }

  [[nodiscard]] std::uint32_t buckets() const { return table_.buckets(); }  // as of Buckets
  std::uint32_t keys_in(std::uint32_t bucket, std::vector<std::byte>& keys) { return table_.keys_in(bucket, keys); }

  // As exec::Map::generation.
  [[nodiscard]] std::uint64_t changes() const { return table_.changes() + replaced_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint32_t used() const { return table_.entries(); }
  [[nodiscard]] std::uint64_t bytes() const { return table_.bytes() + used() * (Slot::kObjectBytes + sizeof(Slot)); }

 private:
  using Slot = SharedSlot<T>;

  template <class Is>
  void erase_if(const void* key, Is is) {
    typename Slot::Retired old;
    auto entry = table_.lock(key);
    if (entry.node() == 0) return;
    old = at(entry.node()).clear_if(is);
    if (old) entry.remove();
  }

  [[nodiscard]] Slot& at(NodeId node) const { return reinterpret_cast<Slot*>(slots_.base())[node]; }

  HashTable table_;
  Region slots_;
  std::atomic<std::uint64_t> replaced_{0};  // objects of keys that stayed
};

}  // namespace forager::maps
