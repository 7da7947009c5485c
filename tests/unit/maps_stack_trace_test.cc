// SPDX-License-Identifier: Apache-2.0
//
// STACK_TRACE: ids, collisions and what user space reads; and that the ids are the kernel's, by stacks that it took.
#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <numeric>
#include <set>

#include "maps/jhash.h"
#include "maps_testing.h"
#include "program/text.h"

namespace forager::maps::testing {
namespace {

using Stack = std::vector<std::uint64_t>;

MapSpec spec_of(std::uint32_t frames, std::uint32_t max_entries, std::uint32_t flags = 0) {
  const std::uint32_t each = (flags & BPF_F_STACK_BUILD_ID) != 0 ? 32 : 8;
  return {.type = MapType::stack_trace,
          .key_size = 4,
          .value_size = each * frames,
          .max_entries = max_entries,
          .flags = flags};
}

class StackMap {
 public:
  explicit StackMap(const MapSpec& spec) : map_(make(spec)) {}
  std::int64_t put(const Stack& stack, std::uint64_t flags = 0) { return map_->abilities().stacks->put(stack, flags); }
  // The addresses of a stack, zeros at its end left out; nothing if there is none.
  std::optional<Stack> get(std::int64_t id) {
    Stack stack(map_->spec().value_size / 8);
    const auto key = static_cast<std::uint32_t>(id);
    if (map_->read(&key, stack.data(), 0) != 0) return std::nullopt;
    while (!stack.empty() && stack.back() == 0) stack.pop_back();
    return stack;
  }
  Map& map() { return *map_; }

 private:
  std::shared_ptr<Map> map_;
};

Stack stack_of(std::uint64_t first, std::size_t size) {
  Stack stack(size);
  std::iota(stack.begin(), stack.end(), 0xffffffff80000000 + first * 1000);
  return stack;
}

// Two different stacks with the same bucket in a map of so many.
std::pair<Stack, Stack> colliding(std::uint32_t buckets) {
  std::map<std::uint32_t, Stack> seen;
  for (std::uint64_t n = 1;; ++n) {
    const Stack stack = stack_of(n, 3);
    const auto [at, fresh] = seen.try_emplace(jhash(stack.data(), stack.size() * 8, 0) % buckets, stack);
    if (!fresh) return {at->second, stack};
  }
}

TEST(MapsStackTrace, OneStackHasOneId) {
  StackMap stacks(spec_of(16, 64));
  const std::int64_t id = stacks.put(stack_of(1, 5));
  ASSERT_GE(id, 0);
  EXPECT_EQ(stacks.put(stack_of(1, 5)), id);
  EXPECT_EQ(stacks.put(stack_of(1, 5), BPF_F_USER_STACK), id);
  EXPECT_EQ(stacks.get(id), stack_of(1, 5));
  EXPECT_EQ(stacks.map().usage().entries, 1U);
}

TEST(MapsStackTrace, FramesAreSkippedAndCutAtTheMapsDepth) {
  StackMap stacks(spec_of(4, 64));
  const Stack whole = stack_of(1, 10);
  EXPECT_EQ(stacks.get(stacks.put(whole, 2)), Stack(whole.begin() + 2, whole.begin() + 6));
  EXPECT_EQ(stacks.get(stacks.put(whole, 8)), Stack(whole.begin() + 8, whole.end()));
  EXPECT_EQ(stacks.put(whole, 10), -EFAULT);
  EXPECT_EQ(stacks.put(whole, 255), -EFAULT);
  EXPECT_EQ(stacks.put({}), -EFAULT);
}

TEST(MapsStackTrace, NoStackIsDeeperThanLinuxs) {
  StackMap stacks(spec_of(127, 64));
  EXPECT_EQ(stacks.get(stacks.put(stack_of(1, 1000)))->size(), 127U);
  EXPECT_EQ(stacks.get(stacks.put(stack_of(1, 1000), 100))->size(), 27U);
  EXPECT_EQ(stacks.put(stack_of(1, 1000), 127), -EFAULT);
}

TEST(MapsStackTrace, ACollisionIsRefusedUnlessTheIdIsReused) {
  StackMap stacks(spec_of(4, 8));
  const auto [first, second] = colliding(8);
  const std::int64_t id = stacks.put(first);
  EXPECT_EQ(stacks.put(second), -EEXIST);
  EXPECT_EQ(stacks.get(id), first);
  EXPECT_EQ(stacks.put(second, BPF_F_REUSE_STACKID), id);
  EXPECT_EQ(stacks.get(id), second);
  EXPECT_EQ(stacks.map().usage().entries, 1U);
}

TEST(MapsStackTrace, ComparingFastComparesHashesOnly) {
  StackMap stacks(spec_of(4, 8));
  const auto [first, second] = colliding(8);
  const std::int64_t id = stacks.put(first);
  EXPECT_EQ(stacks.put(first, BPF_F_FAST_STACK_CMP), id);
  EXPECT_EQ(stacks.put(second, BPF_F_FAST_STACK_CMP), -EEXIST) << "the bucket is the same, the hash is not";
}

TEST(MapsStackTrace, OtherFlagsAreRefused) {
  StackMap stacks(spec_of(4, 8));
  EXPECT_EQ(stacks.put(stack_of(1, 3), 1ULL << 12), -EINVAL);
  EXPECT_EQ(stacks.put(stack_of(1, 3), BPF_F_USER_BUILD_ID), -EINVAL);
  EXPECT_GE(stacks.put(stack_of(1, 3), BPF_F_USER_STACK | BPF_F_FAST_STACK_CMP | BPF_F_REUSE_STACKID | 1), 0);
}

// Five stacks fit into the eight buckets of a map of five; one that would need a sixth node finds none.
TEST(MapsStackTrace, HoldsMaxEntriesInAPowerOfTwoOfBuckets) {
  StackMap stacks(spec_of(4, 5));
  std::set<std::int64_t> ids;
  std::uint64_t n = 0;
  while (ids.size() < 5) {
    const std::int64_t id = stacks.put(stack_of(++n, 3));
    ASSERT_TRUE(id >= 0 || id == -EEXIST);
    ASSERT_LT(id, 8);
    if (id >= 0) ids.insert(id);
  }
  bool refused = false;
  for (int i = 0; i < 100; ++i) {
    const std::int64_t id = stacks.put(stack_of(++n, 3));
    ASSERT_TRUE(id == -ENOMEM || id == -EEXIST) << id;
    refused = refused || id == -ENOMEM;
  }
  EXPECT_TRUE(refused);
  EXPECT_EQ(stacks.put(stack_of(++n, 3), BPF_F_REUSE_STACKID), -ENOMEM) << "the new one comes before the old one goes";
}

TEST(MapsStackTrace, BuildIdsFallBackToAddresses) {
  StackMap stacks(spec_of(4, 8, BPF_F_STACK_BUILD_ID));
  const std::int64_t id = stacks.put(stack_of(1, 2));
  ASSERT_GE(id, 0);
  EXPECT_EQ(stacks.put(stack_of(1, 2)), id);
  std::array<bpf_stack_build_id, 4> frames{};
  ASSERT_EQ(stacks.map().read(&id, frames.data(), 0), 0);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(frames[i].status, BPF_STACK_BUILD_ID_IP);
    EXPECT_EQ(frames[i].ip, stack_of(1, 2)[i]);
  }
  EXPECT_EQ(frames[2].status, BPF_STACK_BUILD_ID_EMPTY);
  EXPECT_EQ(frames[2].ip, 0U);
}

TEST(MapsStackTrace, UserSpaceListsReadsAndDeletes) {
  StackMap stacks(spec_of(4, 64));
  std::map<std::uint32_t, Stack> expected;
  for (std::uint64_t n = 0; n < 20; ++n) {
    const std::int64_t id = stacks.put(stack_of(n, 3), BPF_F_REUSE_STACKID);
    ASSERT_GE(id, 0);
    expected[static_cast<std::uint32_t>(id)] = stack_of(n, 3);
  }
  std::map<std::uint32_t, Stack> listed;
  std::uint32_t key = 0;
  for (int error = stacks.map().next_key(nullptr, &key); error == 0; error = stacks.map().next_key(&key, &key)) {
    listed[key] = *stacks.get(key);
  }
  EXPECT_EQ(listed, expected);
  const std::uint32_t first = expected.begin()->first, outside = 64;
  Stack taken(4);
  EXPECT_EQ(stacks.map().take(&first, taken.data(), 0), 0);
  taken.pop_back();
  EXPECT_EQ(taken, expected.begin()->second);
  EXPECT_EQ(stacks.map().take(&first, taken.data(), 0), -ENOENT);
  EXPECT_EQ(stacks.map().erase(&first), -ENOENT);
  EXPECT_EQ(stacks.map().erase(&outside), -E2BIG);
  EXPECT_EQ(stacks.map().read(&outside, taken.data(), 0), -ENOENT);
  EXPECT_EQ(stacks.map().usage().entries, expected.size() - 1);
}

TEST(MapsStackTrace, MemoryDoesNotGrow) {
  StackMap stacks(spec_of(8, 16));
  const std::uint64_t empty = stacks.map().usage().bytes;
  for (std::uint64_t n = 0; n < 20000; ++n) {
    (void)stacks.put(stack_of(n, 8), BPF_F_REUSE_STACKID);
    const auto key = static_cast<std::uint32_t>(n % 16);
    (void)stacks.map().erase(&key);
  }
  EXPECT_LE(stacks.map().usage().entries, 16U);
  EXPECT_LE(stacks.map().usage().bytes, empty + 16 * (8 + 64));
}

// Buckets in a std::map, stacks as they are kept: the map's depth, the flags and the nodes that are left.
class StackModel {
 public:
  explicit StackModel(const MapSpec& spec) : spec_(spec), buckets_(std::bit_ceil(spec.max_entries)) {}
  std::int64_t put(Stack stack, std::uint64_t flags) {
    const std::size_t skip = flags & BPF_F_SKIP_FIELD_MASK;
    stack.resize(std::min({stack.size(), spec_.value_size / 8 + skip, std::size_t{127}}));
    if (stack.size() <= skip) return -EFAULT;
    stack.erase(stack.begin(), stack.begin() + static_cast<std::ptrdiff_t>(skip));
    const std::uint32_t hash = jhash(stack.data(), stack.size() * 8, 0), id = hash % buckets_;
    const auto old = held.find(id);
    if (old != held.end() && (flags & BPF_F_FAST_STACK_CMP) != 0 &&
        jhash(old->second.data(), old->second.size() * 8, 0) == hash) {
      return id;
    }
    if (old != held.end() && old->second == stack) return id;
    if (old != held.end() && (flags & BPF_F_REUSE_STACKID) == 0) return -EEXIST;
    if (held.size() == spec_.max_entries) return -ENOMEM;
    held[id] = stack;
    return id;
  }

  std::map<std::uint32_t, Stack> held;

 private:
  MapSpec spec_;
  std::uint32_t buckets_;
};

TEST(MapsStackTrace, AnswersLikeTheModel) {
  for (const std::uint32_t entries : {1U, 5U, 16U, 100U}) {
    const MapSpec spec = spec_of(6, entries);
    StackMap stacks(spec);
    StackModel model(spec);
    Random random(entries);
    for (int i = 0; i < 3000; ++i) {
      SCOPED_TRACE(std::to_string(entries) + " entries, step " + std::to_string(i));
      const auto key = static_cast<std::uint32_t>(below(random, entries * 2 + 2));
      const auto expected = model.held.find(key);
      const bool there = expected != model.held.end();
      if (below(random, 4) == 0) {
        const int absent = key < std::bit_ceil(entries) ? -ENOENT : -E2BIG;
        ASSERT_EQ(stacks.map().erase(&key), there ? 0 : absent);
        model.held.erase(key);
      } else if (below(random, 3) == 0) {
        ASSERT_EQ(stacks.get(key), there ? std::optional(expected->second) : std::nullopt);
      } else {
        constexpr std::uint64_t kFlags[] = {0, 0, BPF_F_REUSE_STACKID, BPF_F_FAST_STACK_CMP, BPF_F_USER_STACK};
        const std::uint64_t flags = kFlags[below(random, std::size(kFlags))] | below(random, 3);
        const Stack stack = stack_of(below(random, entries * 2), below(random, 9));
        ASSERT_EQ(stacks.put(stack, flags), model.put(stack, flags));
      }
      ASSERT_EQ(stacks.map().usage().entries, model.held.size());
    }
  }
}

// ---- the kernel's ------------------------------------------------------------------------------------------------

TEST(MapsStackTrace, AnEmptyMapAnswersLikeTheKernels) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  const MapSpec spec = spec_of(4, 5);
  OurMap ours(make(spec), 2);
  KernelMap kernels(spec, 2);
  const Bytes value(32, 'x');
  for (const std::uint32_t id : {0U, 4U, 5U, 7U, 8U, UINT32_MAX}) {
    const Bytes key = bytes_of(id);
    EXPECT_EQ(ours.read(key, 0), kernels.read(key, 0)) << id;
    EXPECT_EQ(ours.erase(key), kernels.erase(key)) << id;
    EXPECT_EQ(ours.next(key), kernels.next(key)) << id;
    EXPECT_EQ(ours.write(key, value, 0), kernels.write(key, value, 0)) << id;
  }
  EXPECT_EQ(ours.next({}), kernels.next({}));
}

// Runs a raw tracepoint program that returns the id of the stack that it was run on; a negative errno if it cannot.
int stack_id_in_kernel(int map, std::uint64_t flags) {
  auto slots = program::assemble("r2 = map[0] ll\nr3 = " + std::to_string(flags) + "\ncall bpf_get_stackid\nexit",
                                 std::vector<std::string>{"stacks"});
  EXPECT_TRUE(slots);
  for (isa::Slot& slot : *slots) {
    if (slot.opcode != 0x18) continue;
    slot.src = BPF_PSEUDO_MAP_FD;
    slot.imm = map;
  }
  union bpf_attr load = {};
  load.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
  load.insns = reinterpret_cast<std::uintptr_t>(slots->data());
  load.insn_cnt = static_cast<std::uint32_t>(slots->size());
  load.license = reinterpret_cast<std::uintptr_t>("GPL");
  const int program = kernel_bpf(BPF_PROG_LOAD, load);
  if (program < 0) return program;
  union bpf_attr run = {};
  run.test.prog_fd = static_cast<std::uint32_t>(program);
  const int error = kernel_bpf(BPF_PROG_TEST_RUN, run);
  close(program);
  return error != 0 ? error : static_cast<int>(run.test.retval);
}

TEST(MapsStackTrace, IdsAreTheKernels) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  for (const std::uint32_t entries : {1U, 100U, 1U << 16}) {
    for (const std::uint32_t flags : {0U, 2U}) {
      const MapSpec spec = spec_of(64, entries);
      const int fd = kernel_create(spec);
      ASSERT_GE(fd, 0);
      const int id = stack_id_in_kernel(fd, flags);
      if (id < 0) {
        close(fd);
        GTEST_SKIP() << "the kernel gives no stack: " << id;
      }
      const auto key = static_cast<std::uint32_t>(id);
      Stack stack(64);
      union bpf_attr lookup = {};
      lookup.map_fd = static_cast<std::uint32_t>(fd);
      lookup.key = reinterpret_cast<std::uintptr_t>(&key);
      lookup.value = reinterpret_cast<std::uintptr_t>(stack.data());
      EXPECT_EQ(kernel_bpf(BPF_MAP_LOOKUP_ELEM, lookup), 0);
      close(fd);
      while (!stack.empty() && stack.back() == 0) stack.pop_back();
      ASSERT_FALSE(stack.empty());
      StackMap ours(spec);
      EXPECT_EQ(ours.put(stack), id) << "of " << stack.size() << " frames, in " << entries << " entries";
    }
  }
}

}  // namespace
}  // namespace forager::maps::testing
