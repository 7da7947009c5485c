// SPDX-License-Identifier: Apache-2.0
//
// PROG_ARRAY: programs by index, for bpf_tail_call (kernel/bpf/arraymap.c). The host writes a program's fd and reads
// its id. An fd means nothing here, so bpf(2) resolves it and calls ProgramTable::set; write() knows no program and
// answers EBADF. Programs reach a slot through ProgramTable::get only.
//
// Tested by: tests/unit/maps_objects_test.cc.
#include "maps/array_keys.h"
#include "maps/attributes.h"
#include "maps/object_slots.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

class ProgArrayMap final : public exec::Map, private exec::ProgramTable {
 public:
  explicit ProgArrayMap(exec::MapSpec spec) : Map(std::move(spec)) { abilities_.programs = this; }
  [[nodiscard]] Result<> open() { return slots_.open(spec().max_entries); }

  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EOPNOTSUPP; }
  int erase(const void* key) override { return slots_.clear(index_of(key)); }
  int next_key(const void* key, void* next) override { return next_index(key, next, spec().max_entries); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    const exec::ProgramSlot slot = slots_.get(index_of(key));
    if (slot.program == nullptr) return -ENOENT;
    std::memcpy(value, &slot.id, sizeof slot.id);
    return 0;
  }

  int write(const void* key, const void*, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    return index_of(key) < spec().max_entries ? -EBADF : -E2BIG;
  }

  [[nodiscard]] exec::MapUsage usage() const override { return {slots_.used(), slots_.bytes() + sizeof *this}; }

 private:
  int set(std::uint32_t index, exec::ProgramSlot slot) override {
    if (slot.program != nullptr) return slots_.set(index, std::move(slot));
    const int cleared = slots_.clear(index);
    return cleared == -ENOENT ? 0 : cleared;
  }
  [[nodiscard]] exec::ProgramSlot get(std::uint32_t index) const override { return slots_.get(index); }

  ObjectSlots<exec::ProgramSlot> slots_;
};

}  // namespace

MapResult make_prog_array(exec::MapSpec spec, unsigned) {
  const auto checked = Checks(spec)
                           .equal("key_size", spec.key_size, 4)
                           .equal("value_size", spec.value_size, 4)
                           .allocates(std::uint64_t{spec.max_entries} * sizeof(void*))
                           .done();
  if (!checked) return std::unexpected(checked.error());
  auto map = std::make_shared<ProgArrayMap>(std::move(spec));
  if (auto opened = map->open(); !opened) return std::unexpected(opened.error());
  return map;
}

}  // namespace forager::maps
