// SPDX-License-Identifier: Apache-2.0
//
// CPUMAP: CPUs to redirect to, by their number (kernel/bpf/cpumap.c). A value is the length of the CPU's queue, struct
// bpf_cpumap_val of Linux: outside it has 4 bytes (qsize) or 8 (and the program to run there: its fd going in, its id
// coming out); in storage it is one 8-byte word, empty if qsize is 0.
//
// There are no queues here: which CPU takes a packet is the frame's redirect, and what happens then is its receiver's
// business.
//
// Tested by: tests/unit/maps_slots_test.cc, also against the kernel; maps_redirects_test.cc.
#include <cerrno>

#include "maps/attributes.h"
#include "maps/redirect_slots.h"

namespace forager::maps {
namespace {

constexpr std::uint32_t kMaxQueue = 16384;  // packets
constexpr std::uint64_t kMaxCpus = 8192;    // NR_CPUS of the largest kernels

class CpuMap final : public RedirectSlots {
 public:
  CpuMap(exec::MapSpec spec, unsigned cpus) : RedirectSlots(std::move(spec)), cpus_(cpus) {}

 private:
  // Linux looks at no program of an entry that is to go, and says ENOMEM whatever is wrong with another.
  int check(std::uint32_t cpu, EntryValue queue, const Find& find, exec::ProgramSlot& program) const override {
    if (queue.number > kMaxQueue) return -EOVERFLOW;
    if (cpu >= cpus_) return -ENODEV;
    if (queue.number == 0 || queue.program <= 0) return 0;
    return find(queue.program, program) != 0 ? -ENOMEM : 0;
  }

  unsigned cpus_;
};

}  // namespace

MapResult make_cpumap(exec::MapSpec spec, unsigned cpus) {
  const auto checked =
      Checks(spec)
          .equal("key_size", spec.key_size, 4)
          .require(spec.value_size == 4 || spec.value_size == 8, "value_size must be 4 (qsize) or 8 (and a program)")
          .at_most("max_entries", spec.max_entries, kMaxCpus, E2BIG)
          .done();
  return open_map<CpuMap>(checked, std::move(spec), cpus);
}

}  // namespace forager::maps
