// SPDX-License-Identifier: Apache-2.0
//
// bpf_get_stackid and bpf_get_stack: whose stack, how much of it, and what the flags refuse.
#include <linux/bpf.h>

#include "exec/task.h"
#include "exec_testing.h"
#include "maps/registry.h"

namespace forager::helpers {
namespace {

using exec::testing::plain_environment;
using exec::testing::Rig;
using exec::testing::trap_of;
using isa::MapType;

constexpr isa::ProgType kType = isa::ProgType::raw_tracepoint;

exec::Task task_with(std::size_t kernel, std::size_t user) {
  exec::Task task;
  for (std::size_t i = 0; i < kernel; ++i) task.kernel_stack.push_back(0xffff0000 + i);
  for (std::size_t i = 0; i < user; ++i) task.user_stack.push_back(0x1000 + i);
  return task;
}

// r0 of a program run on an event of such a task.
std::int64_t returned(const std::vector<exec::testing::MapRef>& maps, const std::string& text, const exec::Task& task,
                      bool from_environment = false) {
  exec::Environment environment = plain_environment();
  if (from_environment) environment.task = [&] { return task; };
  const auto device = exec::testing::open_device({.type = kType, .maps = maps, .environment = &environment}, text);
  exec::Frame frame;
  if (!from_environment) frame.task = std::make_shared<const exec::Task>(task);
  if (device == nullptr) return 0;
  EXPECT_TRUE(device->run({&frame, 1}));
  EXPECT_EQ(trap_of(frame), "") << text;
  return static_cast<std::int32_t>(frame.return_value);
}

// ---- ids ---------------------------------------------------------------------------------------------------------

std::shared_ptr<exec::Map> stack_map() {
  return *maps::create(
      {.type = MapType::stack_trace, .key_size = 4, .value_size = 8 * 8, .max_entries = 64, .name = "stacks"}, 2);
}
std::string stackid(std::uint64_t flags) {
  return "r2 = map[0] ll\nr3 = " + std::to_string(flags) + "\ncall bpf_get_stackid\nexit";
}

TEST(StackIds, NameTheStackThatTheFlagsAskFor) {
  const auto map = stack_map();
  const exec::Task task = task_with(4, 3);
  for (const bool environment : {false, true}) {
    const std::int64_t kernel = returned({map}, stackid(0), task, environment);
    const std::int64_t user = returned({map}, stackid(BPF_F_USER_STACK | 1), task, environment);
    ASSERT_GE(kernel, 0);
    ASSERT_GE(user, 0);
    std::array<std::uint64_t, 8> stack{};
    ASSERT_EQ(map->read(&kernel, stack.data(), 0), 0);
    EXPECT_EQ(stack, (std::array<std::uint64_t, 8>{0xffff0000, 0xffff0001, 0xffff0002, 0xffff0003}));
    ASSERT_EQ(map->read(&user, stack.data(), 0), 0);
    EXPECT_EQ(stack, (std::array<std::uint64_t, 8>{0x1001, 0x1002}));
  }
  EXPECT_EQ(map->usage().entries, 2U);
}

TEST(StackIds, AreRefusedAsLinuxDoes) {
  const auto map = stack_map();
  EXPECT_EQ(returned({map}, stackid(0), task_with(0, 3)), -EFAULT) << "no stack";
  EXPECT_EQ(returned({map}, stackid(3), task_with(3, 0)), -EFAULT) << "all of it skipped";
  EXPECT_EQ(returned({map}, stackid(BPF_F_USER_BUILD_ID), task_with(3, 3)), -EINVAL);
}

// ---- stacks ------------------------------------------------------------------------------------------------------

// r0 = the result; the buffer of 32 bytes is copied to the map afterwards.
std::string get_stack(std::uint64_t flags, int size) {
  return "r2 = r10\nr2 += -32\nr3 = " + std::to_string(size) + "\nr4 = " + std::to_string(flags) +
         "\n*(u64 *)(r10 -8) = 7\n*(u64 *)(r10 -16) = 7\n*(u64 *)(r10 -24) = 7\n*(u64 *)(r10 -32) = 7\n"
         "call bpf_get_stack\nr6 = r0\n*(u32 *)(r10 -36) = 0\nr1 = map[0] ll\nr2 = r10\nr2 += -36\nr3 = r10\n"
         "r3 += -32\nr4 = 0\ncall bpf_map_update_elem\nr0 = r6\nexit";
}
using Words = std::array<std::uint64_t, 4>;

struct Stack {
  std::int64_t result = 0;
  Words words{};
  friend bool operator==(const Stack&, const Stack&) = default;
};
Stack stack_of(const exec::Task& task, std::uint64_t flags, int size = 32) {
  const auto map = exec::testing::make_array(32);
  Stack stack{.result = returned({map}, get_stack(flags, size), task)};
  const std::uint32_t key = 0;
  EXPECT_EQ(map->read(&key, stack.words.data(), 0), 0);
  return stack;
}

TEST(Stacks, AreWrittenAsFarAsThereIsRoom) {
  const exec::Task task = task_with(2, 9);
  EXPECT_EQ(stack_of(task, 0), (Stack{16, {0xffff0000, 0xffff0001}}));
  EXPECT_EQ(stack_of(task, 1), (Stack{8, {0xffff0001}}));
  EXPECT_EQ(stack_of(task, 2), (Stack{0, {}})) << "just nothing is left";
  EXPECT_EQ(stack_of(task, 3), (Stack{-EFAULT, {}}));
  EXPECT_EQ(stack_of(task, BPF_F_USER_STACK | 2), (Stack{32, {0x1002, 0x1003, 0x1004, 0x1005}}));
  EXPECT_EQ(stack_of(task, BPF_F_USER_STACK | 2, 16), (Stack{16, {0x1002, 0x1003, 7, 7}}));
}

TEST(Stacks, BuildIdsFallBackToAddresses) {
  const Stack stack = stack_of(task_with(2, 9), BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
  EXPECT_EQ(stack, (Stack{32, {BPF_STACK_BUILD_ID_IP, 0, 0, 0x1000}}));
}

TEST(Stacks, ARefusedCallLeavesZeros) {
  const exec::Task task = task_with(2, 2);
  EXPECT_EQ(stack_of(task, 1ULL << 12), (Stack{-EINVAL, {}}));
  EXPECT_EQ(stack_of(task, BPF_F_USER_BUILD_ID), (Stack{-EINVAL, {}})) << "of user space only";
  EXPECT_EQ(stack_of(task, 0, 12).result, -EINVAL);
  EXPECT_EQ(stack_of(task, BPF_F_USER_STACK | BPF_F_USER_BUILD_ID, 24).result, -EINVAL);
}

}  // namespace
}  // namespace forager::helpers
