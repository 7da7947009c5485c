// SPDX-License-Identifier: Apache-2.0
//
// bpf_map_push_elem, _pop_elem and _peek_elem: programs on real maps, and the same programs on the kernel.
#include "kernel_run.h"
#include "maps/registry.h"

namespace forager::helpers {
namespace {

using namespace exec::testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using exec::MapSpec;
using isa::MapType;

MapSpec spec_of(MapType type) { return {.type = type, .value_size = 8, .max_entries = 2, .name = "values"}; }

std::string call(const std::string& helper, int value, int flags = 0) {
  return "*(u64 *)(r10 -8) = " + std::to_string(value) +
         "\nr1 = map[0] ll\nr2 = r10\nr2 += -8\nr3 = " + std::to_string(flags) + "\ncall bpf_map_" + helper + "_elem\n";
}
// Mixes what was returned, and the value, into r7.
constexpr const char* kMix = "r7 *= 31\nr7 += r0\nr1 = *(u64 *)(r10 -8)\nr7 *= 31\nr7 += r1\n";

std::string program_of(const std::vector<std::string>& calls) {
  std::string text = "r7 = 0\n";
  for (const std::string& one : calls) text += one + kMix;
  return text + "r0 = r7\nexit";
}

std::shared_ptr<exec::Map> make(MapType type) { return *maps::create(spec_of(type), 2); }

std::int32_t returned(const std::shared_ptr<exec::Map>& map, const std::string& text) {
  const exec::Frame frame = run({.maps = {map}}, text + "exit");
  EXPECT_EQ(trap_of(frame), "") << text;
  return static_cast<std::int32_t>(frame.return_value);
}

TEST(Values, AQueueGivesTheOldestAStackTheNewest) {
  for (const MapType type : {MapType::queue, MapType::stack}) {
    const auto map = make(type);
    const std::string value = "r0 = *(u64 *)(r10 -8)\n";
    EXPECT_EQ(returned(map, call("push", 5)), 0);
    EXPECT_EQ(returned(map, call("push", 6)), 0);
    EXPECT_EQ(returned(map, call("push", 7)), -E2BIG);
    EXPECT_EQ(returned(map, call("push", 7, BPF_NOEXIST)), -EINVAL);
    EXPECT_EQ(returned(map, call("peek", 0) + value), type == MapType::queue ? 5 : 6);
    EXPECT_EQ(returned(map, call("pop", 0) + value), type == MapType::queue ? 5 : 6);
    EXPECT_EQ(returned(map, call("pop", 0) + value), type == MapType::queue ? 6 : 5);
    EXPECT_EQ(returned(map, call("pop", 3)), -ENOENT);
    EXPECT_EQ(returned(map, call("pop", 3) + value), 0) << "zeroed";
  }
}

TEST(Values, ABloomFilterIsAskedByPeeking) {
  const auto map = make(MapType::bloom_filter);
  EXPECT_EQ(returned(map, call("peek", 5)), -ENOENT);
  EXPECT_EQ(returned(map, call("push", 5)), 0);
  EXPECT_EQ(returned(map, call("push", 5, BPF_EXIST)), -EINVAL);
  EXPECT_EQ(returned(map, call("peek", 5)), 0);
}

TEST(Values, AgreeWithTheKernel) {
  if (const std::string reason = no_kernel(); !reason.empty()) GTEST_SKIP() << reason;
  for (const MapType type : {MapType::queue, MapType::stack}) {
    for (const std::vector<std::string>& calls : std::vector<std::vector<std::string>>{
             {call("pop", 9), call("push", 1), call("push", 2), call("push", 3), call("pop", 9), call("pop", 9)},
             {call("push", 1), call("push", 2), call("push", 3, BPF_EXIST), call("peek", 9), call("pop", 9)},
             {call("push", 1, BPF_NOEXIST), call("push", 1, 3), call("push", 1, 4), call("peek", 9)}}) {
      KernelMap theirs(spec_of(type));
      ASSERT_TRUE(theirs.ok());
      const std::string text = program_of(calls);
      EXPECT_EQ(run_here(text, Bytes(60), {.maps = {make(type)}}), run_in_kernel(text, Bytes(60), {&theirs})) << text;
    }
  }
}

}  // namespace
}  // namespace forager::helpers
