// SPDX-License-Identifier: Apache-2.0
//
// DEVMAP: ports by index (kernel/bpf/devmap.c), for bpf_redirect_map. A slot is one word, empty if its ifindex is 0.
// Programs read only: BPF_F_RDONLY_PROG is set, as Linux sets it.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc.
#include "maps/devmap_value.h"
#include "maps/slot_map.h"

namespace forager::maps {
namespace {

class DevMap final : public SlotMap {
 public:
  explicit DevMap(exec::MapSpec spec) : SlotMap(std::move(spec)) {}

  int update(const void* key, const void* value, std::uint64_t flags, unsigned) override {
    const std::uint32_t index = index_of(key);
    if (const int error = check_index_update(index, flags, spec().max_entries); error != 0) return error;
    const DevmapValue port = devmap_value(value, spec().value_size);
    if (const int error = check_devmap_value(port); error != 0) return error;
    slots().set(index, port.ifindex == 0 ? 0 : devmap_word(port));
    return 0;
  }
};

}  // namespace

MapResult make_devmap(exec::MapSpec spec, unsigned) {
  const auto checked = check_devmap(spec).allocates(std::uint64_t{spec.max_entries} * kWordBytes).done();
  spec.flags |= kReadOnlyProg;
  return open_map<DevMap>(checked, std::move(spec));
}

}  // namespace forager::maps
