// SPDX-License-Identifier: Apache-2.0
//
// CPUMAP: CPUs to redirect to, by their number (kernel/bpf/cpumap.c). A value is the length of the CPU's queue, struct
// bpf_cpumap_val of Linux: outside it has 4 bytes (qsize) or 8 (and the program to run there: its fd going in, its id
// coming out); in storage it is one 8-byte word, empty if qsize is 0.
//
// There are no queues here: which CPU takes a packet is the frame's redirect, and what happens then is its receiver's
// business. A program on that CPU is refused, as DEVMAP refuses one on the way out.
//
// Tested by: tests/unit/maps_slots_test.cc, also against the kernel.
#include <cerrno>

#include "maps/attributes.h"
#include "maps/slot_map.h"

namespace forager::maps {
namespace {

constexpr std::uint32_t kMaxQueue = 16384;  // packets
constexpr std::uint64_t kMaxCpus = 8192;    // NR_CPUS of the largest kernels

struct CpumapValue {
  std::uint32_t qsize = 0;
  std::int32_t program = 0;  // fd in, id out; none if not positive
};
static_assert(sizeof(CpumapValue) == kWordBytes);

class CpuMap final : public SlotMap {
 public:
  CpuMap(exec::MapSpec spec, unsigned cpus) : SlotMap(std::move(spec)), cpus_(cpus) {}

  int update(const void* key, const void* value, std::uint64_t flags, unsigned) override {
    const std::uint32_t cpu = index_of(key);
    if (const int error = check_index_update(cpu, flags, spec().max_entries); error != 0) return error;
    CpumapValue queue;
    std::memcpy(&queue, value, spec().value_size);
    if (queue.qsize > kMaxQueue) return -EOVERFLOW;
    if (cpu >= cpus_) return -ENODEV;
    if (queue.qsize != 0 && queue.program > 0) return -EOPNOTSUPP;
    slots().set(cpu, queue.qsize);
    return 0;
  }

 private:
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
