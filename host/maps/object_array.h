// SPDX-License-Identifier: Apache-2.0
//
// ObjectArray: what PROG_ARRAY and ARRAY_OF_MAPS share (kernel/bpf/arraymap.c fd_array_map_*): objects by index, which
// the host names by descriptors and reads back as ids. A descriptor means nothing here, so bpf(2) resolves it and fills
// the slot through the type's table; write() knows no object and answers EBADF. Programs reach no slot by lookup().
//
// Tested by: tests/unit/maps_objects_test.cc, maps_of_maps_test.cc.
#pragma once

#include <linux/bpf.h>

#include <cstring>

#include "maps/array_keys.h"
#include "maps/attributes.h"
#include "maps/object_slots.h"

namespace forager::maps {

// kObject: the member of Slot that is null in an empty one.
template <class Slot, auto kObject>
class ObjectArray : public exec::Map {
 public:
  [[nodiscard]] Result<> open() { return slots_.open(spec().max_entries); }

  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EOPNOTSUPP; }
  int erase(const void* key) override { return slots_.clear(index_of(key)); }
  int next_key(const void* key, void* next) override { return next_index(key, next, spec().max_entries); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    const Slot slot = slots_.get(index_of(key));
    if (slot.*kObject == nullptr) return -ENOENT;
    std::memcpy(value, &slot.id, sizeof slot.id);
    return 0;
  }

  int write(const void* key, const void*, std::uint64_t flags) override {
    if (flags != BPF_ANY) return -EINVAL;
    return index_of(key) < spec().max_entries ? -EBADF : -E2BIG;
  }

  [[nodiscard]] std::optional<std::uint64_t> generation() const override {
    return slots_.changes().load(std::memory_order_acquire);
  }
  [[nodiscard]] exec::MapUsage usage() const override { return {slots_.used(), slots_.bytes() + sizeof *this}; }

 protected:
  explicit ObjectArray(exec::MapSpec spec) : Map(std::move(spec)) {}
  [[nodiscard]] ObjectSlots<Slot>& slots() { return slots_; }
  [[nodiscard]] const ObjectSlots<Slot>& slots() const { return slots_; }

 private:
  ObjectSlots<Slot> slots_;
};

[[nodiscard]] inline Result<> check_object_array(const program::MapSpec& spec) {
  return Checks(spec)
      .equal("key_size", spec.key_size, 4)
      .equal("value_size", spec.value_size, 4)
      .allocates(std::uint64_t{spec.max_entries} * sizeof(void*))
      .done();
}

}  // namespace forager::maps
