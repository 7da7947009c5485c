// SPDX-License-Identifier: Apache-2.0
//
// DEVMAP: ports by index (kernel/bpf/devmap.c), for bpf_redirect_map. A slot is one word, empty if its ifindex is 0.
// Programs read only: BPF_F_RDONLY_PROG is set, as Linux sets it.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc, maps_redirects_test.cc.
#include "maps/devmap_value.h"
#include "maps/redirect_slots.h"

namespace forager::maps {
namespace {

class DevMap final : public RedirectSlots {
 public:
  explicit DevMap(exec::MapSpec spec) : RedirectSlots(std::move(spec)) {}

 private:
  int check(std::uint32_t, EntryValue value, const Find& find, exec::ProgramSlot& program) const override {
    return find_devmap_program(value, find, program);
  }
};

}  // namespace

MapResult make_devmap(exec::MapSpec spec, unsigned) {
  const auto checked = check_devmap(spec).allocates(std::uint64_t{spec.max_entries} * kWordBytes).done();
  spec.flags |= kReadOnlyProg;
  return open_map<DevMap>(checked, std::move(spec));
}

}  // namespace forager::maps
