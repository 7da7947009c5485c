// SPDX-License-Identifier: Apache-2.0
//
// Queues, stacks and CPU maps that live on the host and in the kernel, and the types that have no twin.
#include <gmock/gmock.h>
#include <linux/bpf.h>

#include "jit-backends/linux/mirror.h"
#include "maps/registry.h"
#include "tests/unit/linux_support.h"

namespace forager {
namespace {

using isa::MapType;
using linux_test::Rig;
using linux_test::spec_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<exec::Map> values(MapType type, std::uint32_t entries = 4) {
  return *maps::create(spec_of(type, 0, 8, entries), 1);
}
int push(exec::Map& map, std::uint64_t value) { return map.write(nullptr, &value, BPF_ANY); }
// All values, as they are popped.
std::vector<std::uint64_t> popped(exec::Map& map) {
  std::vector<std::uint64_t> all;
  std::uint64_t value = 0;
  while (map.abilities().values->pop(&value) == 0) all.push_back(value);
  return all;
}

// Pops a value and pushes ten times it.
constexpr const char* kTenfold = R"(
  r1 = map[m0] ll
  r2 = r10
  r2 += -8
  call bpf_map_pop_elem
  if r0 != 0 goto out
  r3 = *(u64 *)(r10 - 8)
  r3 *= 10
  *(u64 *)(r10 - 8) = r3
  r1 = map[m0] ll
  r2 = r10
  r2 += -8
  r3 = 0
  call bpf_map_push_elem
out:
  r0 = 2
  exit
)";

TEST(LinuxQueues, ValuesMoveThereAndBackInTheirOrder) {
  FORAGER_NEEDS_KERNEL();
  for (const MapType type : {MapType::queue, MapType::stack}) {
    const auto map = values(type);
    for (std::uint64_t value = 1; value <= 3; ++value) ASSERT_EQ(push(*map, value), 0);
    Rig rig;
    rig.open(kTenfold, {map});
    rig.run();
    rig.run();
    if (type == MapType::queue) {
      EXPECT_THAT(popped(*map), ElementsAre(3, 10, 20));
    } else {
      EXPECT_THAT(popped(*map), ElementsAre(300, 2, 1));
    }
  }
}

TEST(LinuxQueues, AFullAndAnEmptyQueueStayWhatTheyAre) {
  FORAGER_NEEDS_KERNEL();
  const auto map = values(MapType::queue, 2);
  Rig rig;
  rig.open(kTenfold, {map});
  rig.run();
  EXPECT_THAT(popped(*map), ElementsAre());
  ASSERT_EQ(push(*map, 1), 0);
  ASSERT_EQ(push(*map, 2), 0);
  rig.run();
  EXPECT_THAT(popped(*map), ElementsAre(2, 10));
}

TEST(LinuxQueues, CpuMapsLeadToACpu) {
  FORAGER_NEEDS_KERNEL();
  const std::shared_ptr<exec::Map> map = *maps::create(spec_of(MapType::cpumap, 4, 4, 2), 1);
  const std::uint32_t cpu = 0, queue = 192;
  Rig rig;
  rig.open("r1 = map[m0] ll\nr2 = 0\nr3 = 1\ncall bpf_redirect_map\nexit\n", {map});
  EXPECT_EQ(rig.run().return_value, std::uint64_t{XDP_DROP});
  ASSERT_EQ(map->write(&cpu, &queue, BPF_ANY), 0);
  EXPECT_EQ(rig.run().return_value, std::uint64_t{XDP_REDIRECT});
}

TEST(LinuxQueues, OtherTypesSayWhyTheyHaveNoTwin) {
  using jit::linux_kernel::can_mirror;
  for (const MapType type :
       {MapType::bloom_filter, MapType::user_ringbuf, MapType::stack_trace, MapType::xskmap, MapType::cgroup_array}) {
    EXPECT_FALSE(can_mirror(type));
  }
  const std::shared_ptr<exec::Map> filter = *maps::create(spec_of(MapType::bloom_filter, 0, 8, 4), 1);
  const auto mirror = jit::linux_kernel::make_mirror(filter, {});
  ASSERT_FALSE(mirror);
  EXPECT_EQ(mirror.error().kind, ErrorKind::unsupported);
  EXPECT_THAT(mirror.error().text(), HasSubstr("cannot be read back"));
}

}  // namespace
}  // namespace forager
