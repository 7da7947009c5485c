// SPDX-License-Identifier: Apache-2.0
// The batch commands of bpf(2): counts, cursors and errno values, ours beside the kernel's.
#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <map>

#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

constexpr unsigned kHash = BPF_MAP_TYPE_HASH, kArray = BPF_MAP_TYPE_ARRAY;

struct BatchCall {
  const void* in = nullptr;
  void* out = nullptr;
  void* keys = nullptr;
  void* values = nullptr;
  __u32 count = 0;
  __u64 elem_flags = 0;
};

class BatchCommands : public BpfTest {
 protected:
  // The command's answer; `call.count` becomes what the command reports.
  long batch(int command, int fd, BatchCall& call, __u64 flags = 0) {
    bpf_attr attr = empty_attr();
    attr.batch.map_fd = static_cast<__u32>(fd);
    attr.batch.in_batch = address_of(call.in);
    attr.batch.out_batch = address_of(call.out);
    attr.batch.keys = address_of(call.keys);
    attr.batch.values = address_of(call.values);
    attr.batch.count = call.count;
    attr.batch.elem_flags = call.elem_flags;
    attr.batch.flags = flags;
    const long result = bpf(command, attr);
    call.count = attr.batch.count;
    return result;
  }
  long batch(int command, int fd, BatchCall&& call, __u64 flags = 0) { return batch(command, fd, call, flags); }
  // Keys 0 to count - 1 with ten times themselves.
  long fill(int fd, __u32 count) {
    std::vector<__u32> keys(count);
    std::vector<__u64> values(count);
    for (__u32 i = 0; i < count; ++i) {
      keys[i] = i;
      values[i] = 10 * i;
    }
    BatchCall call = {.keys = keys.data(), .values = values.data(), .count = count};
    const long error = batch(BPF_MAP_UPDATE_BATCH, fd, call);
    EXPECT_EQ(call.count, count);
    return error;
  }
  int hash(unsigned entries, unsigned type = kHash) { return create_map(map_attr(type, 4, 8, entries)); }
  long lookup(int fd, __u32 key, __u64& value) { return bpf(BPF_MAP_LOOKUP_ELEM, element_attr(fd, &key, &value)); }
};
FORAGER_ON_BOTH(BatchCommands);

// What each type has: LOOKUP, LOOKUP_AND_DELETE, UPDATE, DELETE. A count of 0 tells it without doing anything.
TEST_P(BatchCommands, TypesHaveTheirCommands) {
  struct {
    bpf_attr attr;
    std::array<long, 4> answers;
  } cases[] = {
      {map_attr(kHash, 4, 8, 4), {0, 0, 0, 0}},
      {map_attr(BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 4), {0, 0, 0, 0}},
      {map_attr(BPF_MAP_TYPE_LRU_HASH, 4, 8, 4), {0, 0, 0, 0}},
      {map_attr(BPF_MAP_TYPE_LRU_PERCPU_HASH, 4, 8, 4), {0, 0, 0, 0}},
      {map_attr(BPF_MAP_TYPE_QUEUE, 0, 8, 4), {-524, -524, -524, -524}},
      {map_attr(kArray, 4, 8, 4), {0, -524, 0, -524}},
      {map_attr(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 4), {0, -524, 0, -524}},
      {map_attr(BPF_MAP_TYPE_LPM_TRIE, 8, 8, 4, BPF_F_NO_PREALLOC), {0, -524, 0, 0}},
      {map_attr(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4), {-524, -524, -524, -524}},
      {map_attr(BPF_MAP_TYPE_DEVMAP, 4, 4, 4), {-524, -524, -524, -524}},
      {map_attr(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096), {-524, -524, -524, -524}},
  };
  constexpr int kCommands[] = {BPF_MAP_LOOKUP_BATCH, BPF_MAP_LOOKUP_AND_DELETE_BATCH, BPF_MAP_UPDATE_BATCH,
                               BPF_MAP_DELETE_BATCH};
  for (auto& one : cases) {
    const int fd = create_map(one.attr);
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(batch(kCommands[i], fd, {}), one.answers[i]) << "type " << one.attr.map_type << " command " << i;
    }
  }
}

TEST_P(BatchCommands, FlagsAndRightsAreChecked) {
  const int fd = hash(4), array = create_map(map_attr(kArray, 4, 8, 4));
  for (const int command : {BPF_MAP_LOOKUP_BATCH, BPF_MAP_UPDATE_BATCH, BPF_MAP_DELETE_BATCH}) {
    EXPECT_EQ(batch(command, fd, {.elem_flags = 1}), -EINVAL);
    EXPECT_EQ(batch(command, fd, {.elem_flags = BPF_F_LOCK}), -EINVAL) << "no lock in the values";
    EXPECT_EQ(batch(command, -1, {}), -EBADF);
  }
  EXPECT_EQ(batch(BPF_MAP_LOOKUP_BATCH, fd, {.count = 1}, 1), -EINVAL);
  EXPECT_EQ(batch(BPF_MAP_LOOKUP_BATCH, array, {}, 1), 0) << "a flag that nobody looks at";
  const int reader = create_map(map_attr(kHash, 4, 8, 4, BPF_F_RDONLY));
  EXPECT_EQ(batch(BPF_MAP_UPDATE_BATCH, reader, {}), -EPERM);
  EXPECT_EQ(batch(BPF_MAP_LOOKUP_AND_DELETE_BATCH, reader, {}), -EPERM);
  const int writer = create_map(map_attr(kHash, 4, 8, 4, BPF_F_WRONLY));
  EXPECT_EQ(batch(BPF_MAP_LOOKUP_BATCH, writer, {}), -EPERM);
  EXPECT_EQ(batch(BPF_MAP_DELETE_BATCH, writer, {}), 0);
}

TEST_P(BatchCommands, UpdatesStopAtTheFirstError) {
  const int fd = hash(2);
  __u32 keys[] = {1, 2, 3};
  __u64 values[] = {10, 20, 30};
  BatchCall call = {.keys = keys, .values = values, .count = 3};
  EXPECT_EQ(batch(BPF_MAP_UPDATE_BATCH, fd, call), -E2BIG);
  EXPECT_EQ(call.count, 2U);
  __u64 value = 0;
  EXPECT_EQ(lookup(fd, 2, value), 0);
  EXPECT_EQ(value, 20U);
  call = {.keys = keys, .values = nullptr, .count = 3};
  EXPECT_EQ(batch(BPF_MAP_UPDATE_BATCH, fd, call), -EFAULT);
  EXPECT_EQ(call.count, 0U);
}

TEST_P(BatchCommands, DeletionsStopAtTheFirstError) {
  const int fd = hash(8);
  ASSERT_EQ(fill(fd, 4), 0);
  __u32 keys[] = {2, 3, 77, 1};
  BatchCall call = {.keys = keys, .count = 4};
  EXPECT_EQ(batch(BPF_MAP_DELETE_BATCH, fd, call), -ENOENT);
  EXPECT_EQ(call.count, 2U);
  __u64 value = 0;
  EXPECT_EQ(lookup(fd, 3, value), -ENOENT);
  EXPECT_EQ(lookup(fd, 1, value), 0);
}

TEST_P(BatchCommands, ArraysAreWalkedByTheirLastKey) {
  const int fd = create_map(map_attr(kArray, 4, 8, 5));
  ASSERT_EQ(fill(fd, 5), 0);
  __u32 keys[5] = {}, cursor = 99;
  __u64 values[5] = {};
  BatchCall call = {.out = &cursor, .keys = keys, .values = values, .count = 3};
  EXPECT_EQ(batch(BPF_MAP_LOOKUP_BATCH, fd, call), 0);
  EXPECT_EQ(call.count, 3U);
  EXPECT_EQ(cursor, 2U);
  EXPECT_EQ(values[2], 20U);
  call = {.in = &cursor, .out = &cursor, .keys = keys, .values = values, .count = 3};
  EXPECT_EQ(batch(BPF_MAP_LOOKUP_BATCH, fd, call), -ENOENT) << "the end";
  EXPECT_EQ(call.count, 2U);
  EXPECT_EQ(keys[1], 4U);
  EXPECT_EQ(values[1], 40U);
  EXPECT_EQ(cursor, 4U);
  call = {.in = &cursor, .out = &cursor, .keys = keys, .values = values, .count = 3};
  EXPECT_EQ(batch(BPF_MAP_LOOKUP_BATCH, fd, call), -ENOENT);
  EXPECT_EQ(call.count, 0U);
}

class BatchedHashes : public BatchCommands {
 protected:
  // All elements, in batches of `step`, by `command`.
  std::map<__u32, __u64> walk(int fd, __u32 step, int command) {
    std::map<__u32, __u64> seen;
    std::vector<__u32> keys(step);
    std::vector<__u64> values(step);
    __u32 cursor = 0;
    long error = 0;
    for (int calls = 0; error == 0 && calls < 1000; ++calls) {
      BatchCall call = {.in = calls == 0 ? nullptr : &cursor,
                        .out = &cursor,
                        .keys = keys.data(),
                        .values = values.data(),
                        .count = step};
      error = batch(command, fd, call);
      EXPECT_LE(call.count, step);
      for (__u32 i = 0; i < call.count; ++i) EXPECT_TRUE(seen.emplace(keys[i], values[i]).second) << "seen twice";
    }
    EXPECT_EQ(error, -ENOENT) << "how a walk ends";
    return seen;
  }
  static std::map<__u32, __u64> expected(__u32 count) {
    std::map<__u32, __u64> all;
    for (__u32 i = 0; i < count; ++i) all[i] = 10 * i;
    return all;
  }
};
FORAGER_ON_BOTH(BatchedHashes);

TEST_P(BatchedHashes, AreWalkedByBuckets) {
  for (const unsigned type : {kHash, unsigned{BPF_MAP_TYPE_LRU_HASH}}) {
    const int fd = hash(2048, type);
    ASSERT_EQ(fill(fd, 500), 0);
    EXPECT_EQ(walk(fd, 64, BPF_MAP_LOOKUP_BATCH), expected(500));
    EXPECT_EQ(walk(fd, 1000, BPF_MAP_LOOKUP_BATCH), expected(500));
    EXPECT_EQ(walk(fd, 64, BPF_MAP_LOOKUP_AND_DELETE_BATCH), expected(500));
    EXPECT_TRUE(walk(fd, 64, BPF_MAP_LOOKUP_BATCH).empty());
  }
}

TEST_P(BatchedHashes, RoomIsNeededForAWholeBucket) {
  const int fd = hash(4096);
  ASSERT_EQ(fill(fd, 4096), 0);
  __u32 key = 0, cursor = 0;
  __u64 value = 0;
  bool refused = false;
  long error = 0;
  const void* in = nullptr;
  for (int calls = 0; error == 0 && calls < 8192; ++calls) {
    BatchCall call = {.in = in, .out = &cursor, .keys = &key, .values = &value, .count = 1};
    error = batch(BPF_MAP_LOOKUP_BATCH, fd, call);
    in = &cursor;
    refused |= error == -ENOSPC && call.count == 0;
  }
  EXPECT_TRUE(refused) << "among 4096 keys in as many buckets two meet";
}

TEST_P(BatchedHashes, CursorsBeyondTheBucketsEnd) {
  const int fd = hash(4);
  ASSERT_EQ(fill(fd, 2), 0);
  __u32 keys[4] = {}, cursor = 4;
  __u64 values[4] = {};
  BatchCall call = {.in = &cursor, .out = &cursor, .keys = keys, .values = values, .count = 4};
  EXPECT_EQ(batch(BPF_MAP_LOOKUP_BATCH, fd, call), -ENOENT);
  EXPECT_EQ(call.count, 0U);
  call = {.out = nullptr, .keys = keys, .values = values, .count = 4};
  EXPECT_EQ(batch(BPF_MAP_LOOKUP_BATCH, fd, call), -EFAULT) << "nowhere for the cursor";
  call = {.out = &cursor, .keys = keys, .values = nullptr, .count = 4};
  EXPECT_EQ(batch(BPF_MAP_LOOKUP_BATCH, fd, call), -EFAULT);
  EXPECT_EQ(call.count, 0U);
}

TEST_P(BatchedHashes, PerCpuValuesAreWhole) {
  const int fd = hash(16, BPF_MAP_TYPE_PERCPU_HASH);
  const auto cpus = static_cast<unsigned>(libbpf_num_possible_cpus());
  std::vector<__u32> keys = {7, 8};
  std::vector<__u64> values(2 * std::size_t{cpus}), seen(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 100 + i;
  BatchCall call = {.keys = keys.data(), .values = values.data(), .count = 2};
  ASSERT_EQ(batch(BPF_MAP_UPDATE_BATCH, fd, call), 0);
  __u32 cursor = 0;
  call = {.out = &cursor, .keys = keys.data(), .values = seen.data(), .count = 2};
  ASSERT_EQ(batch(BPF_MAP_LOOKUP_AND_DELETE_BATCH, fd, call), -ENOENT);
  EXPECT_EQ(call.count, 2U);
  if (keys[0] == 8) std::rotate(seen.begin(), seen.begin() + cpus, seen.end());
  EXPECT_EQ(seen, values);
}

}  // namespace
}  // namespace forager::syscall::testing
