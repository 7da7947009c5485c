// SPDX-License-Identifier: Apache-2.0
// Elements that are not a key and bytes: values without keys, descriptors, what may be taken. Ours beside the kernel's.
#include <fcntl.h>

#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

class ElementKinds : public BpfTest {
 protected:
  long element(int command, int fd, const void* key, const void* value, __u64 flags = 0) {
    return bpf(command, element_attr(fd, key, value, flags));
  }
  long push(int fd, __u64 value, __u64 flags = 0) { return element(BPF_MAP_UPDATE_ELEM, fd, nullptr, &value, flags); }
  // The value, or a negative errno.
  long value_by(int command, int fd, __u64 flags = 0) {
    __u64 value = 0;
    const long error = element(command, fd, nullptr, &value, flags);
    return error != 0 ? error : static_cast<long>(value);
  }
  long peek(int fd) { return value_by(BPF_MAP_LOOKUP_ELEM, fd); }
  long pop(int fd) { return value_by(BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd); }
};
FORAGER_ON_BOTH(ElementKinds);

TEST_P(ElementKinds, QueuesArePushedPeekedAndPopped) {
  const int fd = create_map(map_attr(BPF_MAP_TYPE_QUEUE, 0, 8, 2));
  EXPECT_EQ(peek(fd), -ENOENT);
  EXPECT_EQ(pop(fd), -ENOENT);
  EXPECT_EQ(push(fd, 1), 0);
  EXPECT_EQ(push(fd, 2), 0);
  EXPECT_EQ(push(fd, 3), -E2BIG);
  EXPECT_EQ(push(fd, 3, BPF_EXIST), 0) << "in place of the oldest";
  EXPECT_EQ(push(fd, 4, BPF_NOEXIST), -EINVAL);
  EXPECT_EQ(peek(fd), 2);
  EXPECT_EQ(pop(fd), 2);
  EXPECT_EQ(pop(fd), 3);
}

TEST_P(ElementKinds, StacksGiveTheLastFirst) {
  const int fd = create_map(map_attr(BPF_MAP_TYPE_STACK, 0, 8, 2));
  EXPECT_EQ(push(fd, 1), 0);
  EXPECT_EQ(push(fd, 2), 0);
  EXPECT_EQ(peek(fd), 2);
  EXPECT_EQ(pop(fd), 2);
  EXPECT_EQ(pop(fd), 1);
}

TEST_P(ElementKinds, ValuesWithoutKeysWantNone) {
  const __u32 key = 0;
  __u64 value = 0;
  for (const unsigned type : {BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_STACK, BPF_MAP_TYPE_BLOOM_FILTER}) {
    const int fd = create_map(map_attr(type, 0, 8, 2));
    for (const int command : {BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_LOOKUP_AND_DELETE_ELEM}) {
      EXPECT_EQ(element(command, fd, &key, &value), -EINVAL) << type;
    }
    EXPECT_EQ(element(BPF_MAP_UPDATE_ELEM, fd, nullptr, nullptr), -EFAULT);
    const long none = type == BPF_MAP_TYPE_BLOOM_FILTER ? -EOPNOTSUPP : -EINVAL;
    EXPECT_EQ(element(BPF_MAP_DELETE_ELEM, fd, nullptr, nullptr), none) << type;
    EXPECT_EQ(element(BPF_MAP_GET_NEXT_KEY, fd, nullptr, &value), none) << type;
    EXPECT_EQ(value_by(BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd, BPF_F_LOCK), -EINVAL);
  }
}

TEST_P(ElementKinds, FiltersAreAskedAboutAValue) {
  const int fd = create_map(map_attr(BPF_MAP_TYPE_BLOOM_FILTER, 0, 8, 100));
  __u64 value = 42;
  EXPECT_EQ(element(BPF_MAP_LOOKUP_ELEM, fd, nullptr, &value), -ENOENT);
  EXPECT_EQ(push(fd, 42), 0);
  EXPECT_EQ(element(BPF_MAP_LOOKUP_ELEM, fd, nullptr, &value), 0);
  EXPECT_EQ(value, 42U);
  EXPECT_EQ(element(BPF_MAP_LOOKUP_ELEM, fd, nullptr, nullptr), -EFAULT);
  EXPECT_EQ(pop(fd), -524);
}

// Which types can be taken from is told by what an empty map answers.
TEST_P(ElementKinds, SomeCanBeTaken) {
  struct {
    bpf_attr attr;
    long answer;
  } cases[] = {
      {map_attr(BPF_MAP_TYPE_HASH, 4, 8, 4), -ENOENT},
      {map_attr(BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 4), -ENOENT},
      {map_attr(BPF_MAP_TYPE_LRU_HASH, 4, 8, 4), -ENOENT},
      {map_attr(BPF_MAP_TYPE_LRU_PERCPU_HASH, 4, 8, 4), -ENOENT},
      {map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 4), -524},
      {map_attr(BPF_MAP_TYPE_LPM_TRIE, 8, 8, 4, BPF_F_NO_PREALLOC), -524},
      {map_attr(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4), -524},
      {map_attr(BPF_MAP_TYPE_CGROUP_ARRAY, 4, 4, 4), -524},
      {map_attr(BPF_MAP_TYPE_DEVMAP_HASH, 4, 4, 4), -524},
      {map_attr(BPF_MAP_TYPE_CPUMAP, 4, 4, 4), -524},
  };
  for (auto& one : cases) {
    const __u64 key = 0;
    __u64 values[64] = {};
    const int fd = create_map(one.attr);
    EXPECT_EQ(element(BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd, &key, values), one.answer) << one.attr.map_type;
  }
}

TEST_P(ElementKinds, DescriptorsAreOfTheRightKind) {
  const __u32 key = 0;
  __u64 value = 0;
  const int file = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const int cgroups = create_map(map_attr(BPF_MAP_TYPE_CGROUP_ARRAY, 4, 4, 2));
  EXPECT_EQ(element(BPF_MAP_UPDATE_ELEM, cgroups, &key, &file), -EBADF);
  EXPECT_EQ(element(BPF_MAP_LOOKUP_ELEM, cgroups, &key, &value), -524);
  EXPECT_EQ(element(BPF_MAP_DELETE_ELEM, cgroups, &key, nullptr), -ENOENT);
  const int sockets = create_map(map_attr(BPF_MAP_TYPE_XSKMAP, 4, 4, 2));
  EXPECT_EQ(element(BPF_MAP_UPDATE_ELEM, sockets, &key, &file), -ENOTSOCK);
  EXPECT_EQ(element(BPF_MAP_LOOKUP_ELEM, sockets, &key, &value), -EOPNOTSUPP);
  ::close(file);
}

// Keys and values larger than what a call keeps in its frame.
TEST_P(ElementKinds, LargeElementsAreElementsToo) {
  constexpr unsigned kKey = 500, kValue = 5000;
  const int fd = create_map(map_attr(BPF_MAP_TYPE_HASH, kKey, kValue, 4));
  const std::vector<char> key(kKey, 'k'), value(kValue, 'v');
  std::vector<char> seen(kValue), next(kKey);
  EXPECT_EQ(element(BPF_MAP_UPDATE_ELEM, fd, key.data(), value.data()), 0);
  EXPECT_EQ(element(BPF_MAP_LOOKUP_ELEM, fd, key.data(), seen.data()), 0);
  EXPECT_EQ(seen, value);
  EXPECT_EQ(element(BPF_MAP_GET_NEXT_KEY, fd, nullptr, next.data()), 0);
  EXPECT_EQ(next, key);
  EXPECT_EQ(element(BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd, key.data(), seen.data()), 0);
  EXPECT_EQ(element(BPF_MAP_DELETE_ELEM, fd, key.data(), nullptr), -ENOENT);
}

TEST_P(ElementKinds, FrozenMapsAreNotFrozenAgain) {
  const int fd = create_map(map_attr(BPF_MAP_TYPE_QUEUE, 0, 8, 2));
  bpf_attr attr = empty_attr();
  attr.map_fd = static_cast<__u32>(fd);
  EXPECT_EQ(push(fd, 1), 0);
  EXPECT_EQ(bpf(BPF_MAP_FREEZE, attr), 0);
  EXPECT_EQ(bpf(BPF_MAP_FREEZE, attr), -EPERM);
  EXPECT_EQ(push(fd, 2), -EPERM);
  EXPECT_EQ(pop(fd), -EPERM);
  EXPECT_EQ(peek(fd), 1);
}

}  // namespace
}  // namespace forager::syscall::testing
