// SPDX-License-Identifier: Apache-2.0
//
// PROG_ARRAY: programs by index, for bpf_tail_call (kernel/bpf/arraymap.c). The host writes a program's fd, which
// bpf(2) resolves before it calls ProgramTable::set, and reads its id. Programs reach a slot through ProgramTable::get
// only.
//
// Tested by: tests/unit/maps_objects_test.cc.
#include "maps/object_array.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

class ProgArrayMap final : public ObjectArray<exec::ProgramSlot, &exec::ProgramSlot::program>,
                           private exec::ProgramTable {
 public:
  explicit ProgArrayMap(exec::MapSpec spec) : ObjectArray(std::move(spec)) { abilities_.programs = this; }

 private:
  int set(std::uint32_t index, exec::ProgramSlot slot) override {
    if (slot.program != nullptr) return slots().set(index, std::move(slot));
    const int cleared = slots().clear(index);
    return cleared == -ENOENT ? 0 : cleared;
  }
  [[nodiscard]] exec::ProgramSlot get(std::uint32_t index) const override { return slots().get(index); }
  [[nodiscard]] const std::atomic<std::uint64_t>& changes() const override { return slots().changes(); }
};

}  // namespace

MapResult make_prog_array(exec::MapSpec spec, unsigned) {
  const auto checked = check_object_array(spec);
  return open_map<ProgArrayMap>(checked, std::move(spec));
}

}  // namespace forager::maps
