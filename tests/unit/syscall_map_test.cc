// SPDX-License-Identifier: Apache-2.0
// The map commands of bpf(2): results and errno values, ours beside the kernel's.
#include "syscall_testing.h"

#include <fcntl.h>

namespace forager::syscall::testing {
namespace {

class MapCommands : public BpfTest {
 protected:
  int array(unsigned flags = 0) { return create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 4, flags)); }
  int hash(unsigned entries = 4) { return create_map(map_attr(BPF_MAP_TYPE_HASH, 4, 8, entries)); }
  long update(int fd, __u32 key, __u64 value, __u64 flags = 0) {
    return bpf(BPF_MAP_UPDATE_ELEM, element_attr(fd, &key, &value, flags));
  }
  long lookup(int fd, __u32 key, __u64& value) { return bpf(BPF_MAP_LOOKUP_ELEM, element_attr(fd, &key, &value)); }
  long erase(int fd, __u32 key) { return bpf(BPF_MAP_DELETE_ELEM, element_attr(fd, &key, nullptr)); }
  long freeze(int fd) {
    bpf_attr attr = empty_attr();
    attr.map_fd = static_cast<__u32>(fd);
    return bpf(BPF_MAP_FREEZE, attr);
  }
};
FORAGER_ON_BOTH(MapCommands);

TEST_P(MapCommands, CreationChecksAttributes) {
  struct {
    bpf_attr attr;
    long error;
  } cases[] = {
      {map_attr(0, 4, 8, 4), -EINVAL},
      {map_attr(9999, 4, 8, 4), -EINVAL},
      {map_attr(BPF_MAP_TYPE_ARRAY, 8, 8, 4), -EINVAL},
      {map_attr(BPF_MAP_TYPE_ARRAY, 4, 0, 4), -EINVAL},
      {map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 0), -EINVAL},
      {map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 4, BPF_F_RDONLY | BPF_F_WRONLY), -EINVAL},
      {map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 4, BPF_F_NO_PREALLOC), -EINVAL},
      {map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 4, 1U << 30), -EINVAL},
      {map_attr(BPF_MAP_TYPE_HASH, 0, 8, 4), -EINVAL},
      {map_attr(BPF_MAP_TYPE_HASH, 4, 8, 4, BPF_F_MMAPABLE), -EINVAL},
      {map_attr(BPF_MAP_TYPE_RINGBUF, 4, 0, 4096), -EINVAL},
      {map_attr(BPF_MAP_TYPE_RINGBUF, 0, 0, 1000), -EINVAL},
      {map_attr(BPF_MAP_TYPE_PROG_ARRAY, 4, 8, 4), -EINVAL},
      {map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 4, 0, "a-b"), -EINVAL},
      {map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 4, 0, "a b"), -EINVAL},
  };
  for (auto& one : cases) EXPECT_EQ(bpf(BPF_MAP_CREATE, one.attr), one.error) << "case " << &one - cases;
}

// map_token_fd (Linux 6.9) stands 12 bytes behind the beginning of map_extra.
TEST_P(MapCommands, TokensAreNotToBeHad) {
  if (!answers_as(6, 9)) GTEST_SKIP() << "a kernel without tokens";
  constexpr std::size_t kTokenAt = offsetof(bpf_attr, map_extra) + 12;
  constexpr unsigned kTokenFlag = 1U << 16;
  const auto create = [&](int token, unsigned flags) {
    bpf_attr attr = map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 4, flags);
    std::memcpy(reinterpret_cast<char*>(&attr) + kTokenAt, &token, sizeof token);
    const long fd = bpf(BPF_MAP_CREATE, attr);
    return fd >= 0 ? close(static_cast<int>(fd)) : fd;
  };
  EXPECT_EQ(create(9999, kTokenFlag), -EBADF);
  EXPECT_EQ(create(array(), kTokenFlag), -EINVAL);
  EXPECT_EQ(create(9999, 0), 0) << "nobody asked for it";
}

TEST_P(MapCommands, NumaNodesThatThereAreNotAreRefused) {
  bpf_attr attr = map_attr(BPF_MAP_TYPE_HASH, 4, 8, 4, BPF_F_NUMA_NODE);
  create_map(attr);
  attr.numa_node = 4096;
  EXPECT_EQ(bpf(BPF_MAP_CREATE, attr), -EINVAL);
  attr.map_flags = 0;
  create_map(attr);
}

TEST_P(MapCommands, NamesEndWithinTheirField) {
  bpf_attr attr = map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 4);
  std::memset(attr.map_name, 'x', sizeof attr.map_name);
  EXPECT_EQ(bpf(BPF_MAP_CREATE, attr), -EINVAL);
  attr.map_name[15] = '\0';
  EXPECT_STREQ(info_of<bpf_map_info>(create_map(attr)).name, "xxxxxxxxxxxxxxx");
}

TEST_P(MapCommands, ValuesGoInAndOut) {
  const int fd = hash();
  __u64 value = 0;
  EXPECT_EQ(lookup(fd, 1, value), -ENOENT);
  EXPECT_EQ(update(fd, 1, 100), 0);
  EXPECT_EQ(lookup(fd, 1, value), 0);
  EXPECT_EQ(value, 100U);
  EXPECT_EQ(update(fd, 1, 101, BPF_NOEXIST), -EEXIST);
  EXPECT_EQ(update(fd, 2, 101, BPF_EXIST), -ENOENT);
  EXPECT_EQ(update(fd, 1, 101, 3), -EINVAL);
  EXPECT_EQ(update(fd, 1, 101, BPF_F_LOCK), -EINVAL);
  EXPECT_EQ(erase(fd, 1), 0);
  EXPECT_EQ(erase(fd, 1), -ENOENT);
}

TEST_P(MapCommands, ArraysHaveAllTheirKeys) {
  const int fd = array();
  __u64 value = 1;
  EXPECT_EQ(lookup(fd, 3, value), 0);
  EXPECT_EQ(value, 0U);
  EXPECT_EQ(lookup(fd, 4, value), -ENOENT);
  EXPECT_EQ(update(fd, 4, 1), -E2BIG);
  EXPECT_EQ(update(fd, 0, 1, BPF_NOEXIST), -EEXIST);
  EXPECT_EQ(erase(fd, 0), -EINVAL);
}

TEST_P(MapCommands, FullHashRefuses) {
  const int fd = hash(2);
  EXPECT_EQ(update(fd, 1, 1), 0);
  EXPECT_EQ(update(fd, 2, 2), 0);
  EXPECT_EQ(update(fd, 3, 3), -E2BIG);
}

TEST_P(MapCommands, KeysAreWalked) {
  const int fd = array();
  __u32 next = 77;
  bpf_attr attr = element_attr(fd, nullptr, &next);
  EXPECT_EQ(bpf(BPF_MAP_GET_NEXT_KEY, attr), 0);
  EXPECT_EQ(next, 0U);
  const __u32 last = 3;
  attr = element_attr(fd, &last, &next);
  EXPECT_EQ(bpf(BPF_MAP_GET_NEXT_KEY, attr), -ENOENT);
}

TEST_P(MapCommands, LookupAndDeleteTakesTheElement) {
  const int fd = hash();
  const __u32 key = 5;
  __u64 value = 0;
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM, element_attr(fd, &key, &value)), -ENOENT);
  ASSERT_EQ(update(fd, key, 9), 0);
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM, element_attr(fd, &key, &value)), 0);
  EXPECT_EQ(value, 9U);
  EXPECT_EQ(lookup(fd, key, value), -ENOENT);
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM, element_attr(array(), &key, &value)), -524);
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM, element_attr(fd, &key, &value, 8)), -EINVAL);
}

TEST_P(MapCommands, DescriptorsAreChecked) {
  const __u32 key = 0;
  __u64 value = 0;
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(-1, &key, &value)), -EBADF);
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(9999, &key, &value)), -EBADF);
  const int other = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(other, &key, &value)), -EINVAL);
  ::close(other);
  const Code code = return_2();
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(load(prog_attr(code)), &key, &value)), -EINVAL);
}

TEST_P(MapCommands, BadAddressesAreFaults) {
  const int fd = array();
  const __u32 key = 0;
  __u64 value = 0;
  bpf_attr attr = element_attr(fd, nullptr, &value);
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, attr), -EFAULT);
  attr.key = bad_address();
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, attr), -EFAULT);
  attr = element_attr(fd, &key, nullptr);
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, attr), -EFAULT);
  EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, attr), -EFAULT);
  attr.value = bad_address();
  EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, attr), -EFAULT);
  attr = element_attr(fd, &key, "read-only memory");
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, attr), -EFAULT);
}

TEST_P(MapCommands, RangesThatEndOutsideAreFaults) {
  const long page = sysconf(_SC_PAGESIZE);
  auto* memory =
      static_cast<char*>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(memory, MAP_FAILED);
  ASSERT_EQ(mprotect(memory + page, page, PROT_NONE), 0);
  const int fd = array();
  const __u32 key = 0;
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(fd, &key, memory + page - 8)), 0);
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(fd, &key, memory + page - 7)), -EFAULT);
  EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, element_attr(fd, &key, memory + page - 8)), 0);
  EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, element_attr(fd, &key, memory + page - 1)), -EFAULT);
  munmap(memory, 2 * page);
}

TEST_P(MapCommands, DescriptorsHaveDirections) {
  const __u32 key = 0;
  __u64 value = 0;
  const int reader = array(BPF_F_RDONLY);
  EXPECT_EQ(lookup(reader, key, value), 0);
  EXPECT_EQ(update(reader, key, 1), -EPERM);
  const int writer = array(BPF_F_WRONLY);
  EXPECT_EQ(update(writer, key, 1), 0);
  EXPECT_EQ(lookup(writer, key, value), -EPERM);
}

TEST_P(MapCommands, FrozenMapsAreReadOnly) {
  const int fd = array();
  __u64 value = 1;
  EXPECT_EQ(update(fd, 0, 7), 0);
  EXPECT_EQ(freeze(fd), 0);
  EXPECT_EQ(update(fd, 0, 8), -EPERM);
  EXPECT_EQ(lookup(fd, 0, value), 0);
  EXPECT_EQ(value, 7U);
  EXPECT_EQ(freeze(-1), -EBADF);
}

TEST_P(MapCommands, ProgramArraysShowIds) {
  const int fd = create_map(map_attr(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 2));
  const Code code = return_2();
  const int program = load(prog_attr(code));
  __u32 key = 1, value = static_cast<__u32>(program);
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(fd, &key, &value)), -ENOENT);
  EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, element_attr(fd, &key, &value)), 0);
  __u32 id = 0;
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(fd, &key, &id)), 0);
  EXPECT_EQ(id, info_of<bpf_prog_info>(program).id);
  const Code filter = return_2();
  const auto other = static_cast<__u32>(load(prog_attr(filter, BPF_PROG_TYPE_SOCKET_FILTER)));
  EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, element_attr(fd, &key, &other)), -EINVAL) << "another type";
  EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, element_attr(fd, &key, &value, BPF_EXIST)), -EINVAL);
  EXPECT_EQ(bpf(BPF_MAP_DELETE_ELEM, element_attr(fd, &key, nullptr)), 0);
  EXPECT_EQ(bpf(BPF_MAP_DELETE_ELEM, element_attr(fd, &key, nullptr)), -ENOENT);
  key = 2;
  EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, element_attr(fd, &key, &value)), -E2BIG);
  EXPECT_EQ(bpf(BPF_MAP_DELETE_ELEM, element_attr(fd, &key, nullptr)), -E2BIG);
  const __u32 none = 9999;
  key = 0;
  EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, element_attr(fd, &key, &none)), -EBADF);
}

TEST_P(MapCommands, PerfArraysTakePerfEventsOnly) {
  const int fd = create_map(map_attr(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 2));
  __u32 key = 0, value = 9999;
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(fd, &key, &value)), -524);
  EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, element_attr(fd, &key, &value)), -EBADF);
  value = static_cast<__u32>(fd);
  EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, element_attr(fd, &key, &value)), -EBADF);
  EXPECT_EQ(bpf(BPF_MAP_DELETE_ELEM, element_attr(fd, &key, nullptr)), -ENOENT);
}

TEST_P(MapCommands, RingBuffersHaveNoElements) {
  const int fd = create_map(map_attr(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096));
  const __u32 key = 0;
  __u64 value = 0;
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(fd, nullptr, &value)), -524);
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(fd, &key, &value)), -EINVAL);
  EXPECT_EQ(bpf(BPF_MAP_GET_NEXT_KEY, element_attr(fd, nullptr, &value)), -524);
}

TEST_P(MapCommands, UnusedAttributesMustBeZero) {
  const int fd = array();
  const __u32 key = 0;
  __u64 value = 0;
  bpf_attr attr = element_attr(fd, &key, &value);
  attr.test.flags = 1;  // behind the last field of an element command
  EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, attr), -EINVAL);
  attr = element_attr(fd, &key, &value);
  EXPECT_EQ(bpf(BPF_MAP_DELETE_ELEM, attr), -EINVAL) << "deletion has no value";
}

TEST_P(MapCommands, AttributesOfALaterKernelMustBeZero) {
  struct {
    bpf_attr attr;
    char later[512];
  } wide;
  std::memset(&wide, 0, sizeof wide);
  wide.attr = map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 4);
  const long fd = bpf(BPF_MAP_CREATE, wide.attr, sizeof wide);
  EXPECT_GE(fd, 0);
  (void)close(static_cast<int>(fd));
  wide.later[511] = 1;
  EXPECT_EQ(bpf(BPF_MAP_CREATE, wide.attr, sizeof wide), -E2BIG);
  EXPECT_EQ(bpf(BPF_MAP_CREATE, wide.attr, 5000), -E2BIG) << "more than a page";
}

TEST_P(MapCommands, AttributesMayBeShort) {
  bpf_attr attr = map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 4, 0xffffffff);
  const long fd = bpf(BPF_MAP_CREATE, attr, offsetof(bpf_attr, map_flags));
  EXPECT_GE(fd, 0) << "what is not given counts as zero";
  (void)close(static_cast<int>(fd));
  EXPECT_EQ(bpf(BPF_MAP_CREATE, attr, 0), -EINVAL);
}

TEST_P(MapCommands, UnknownCommandsAreInvalid) {
  bpf_attr attr = empty_attr();
  EXPECT_EQ(bpf(9999, attr), -EINVAL);
  EXPECT_EQ(bpf(-1, attr), -EINVAL);
  EXPECT_EQ(system().bpf(BPF_MAP_CREATE, nullptr, sizeof attr), -EFAULT);
  EXPECT_EQ(system().bpf(BPF_MAP_CREATE, reinterpret_cast<bpf_attr*>(bad_address()), sizeof attr), -EFAULT);
}

TEST_P(MapCommands, InfoTellsWhatWasCreated) {
  const auto info =
      info_of<bpf_map_info>(create_map(map_attr(BPF_MAP_TYPE_HASH, 12, 20, 30, BPF_F_NO_PREALLOC, "abc")));
  EXPECT_EQ(info.type, unsigned{BPF_MAP_TYPE_HASH});
  EXPECT_EQ(info.key_size, 12U);
  EXPECT_EQ(info.value_size, 20U);
  EXPECT_EQ(info.max_entries, 30U);
  EXPECT_EQ(info.map_flags, unsigned{BPF_F_NO_PREALLOC});
  EXPECT_STREQ(info.name, "abc");
  EXPECT_GT(info.id, 0U);
  EXPECT_EQ(info.btf_id, 0U);
}

TEST_P(MapCommands, DirectionsBelongToTheDescriptor) {
  EXPECT_EQ(info_of<bpf_map_info>(array(BPF_F_RDONLY)).map_flags, 0U);
  EXPECT_EQ(info_of<bpf_map_info>(array(BPF_F_RDONLY_PROG)).map_flags, unsigned{BPF_F_RDONLY_PROG});
}

TEST_P(MapCommands, InfoLengthIsNegotiated) {
  struct {
    bpf_map_info info;
    char later[600];
  } wide;
  std::memset(&wide, 0, sizeof wide);
  bpf_attr attr = empty_attr();
  attr.info.bpf_fd = static_cast<__u32>(array());
  attr.info.info = address_of(&wide);
  attr.info.info_len = 8;
  EXPECT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, attr), 0);
  EXPECT_EQ(attr.info.info_len, 8U);
  EXPECT_GT(wide.info.id, 0U);
  EXPECT_EQ(wide.info.key_size, 0U) << "beyond what was asked";
  attr.info.info_len = sizeof wide;
  EXPECT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, attr), 0);
  EXPECT_LT(attr.info.info_len, sizeof wide);
  wide.later[599] = 1;
  attr.info.info_len = sizeof wide;
  EXPECT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, attr), -E2BIG);
  attr.info.info = bad_address();
  attr.info.info_len = 8;
  EXPECT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, attr), -EFAULT);
}

TEST_P(MapCommands, MappedArraysShareMemory) {
  const int fd = array(BPF_F_MMAPABLE);
  const auto length = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const long mapped = system().mmap(length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ASSERT_GT(mapped, 0);
  auto* values = reinterpret_cast<__u64*>(mapped);
  EXPECT_EQ(update(fd, 2, 42), 0);
  EXPECT_EQ(values[2], 42U);
  values[3] = 43;
  __u64 value = 0;
  EXPECT_EQ(lookup(fd, 3, value), 0);
  EXPECT_EQ(value, 43U);

  EXPECT_EQ(freeze(fd), -EBUSY) << "a writable mapping";
  munmap(values, length);
  EXPECT_EQ(freeze(fd), 0);
  EXPECT_EQ(system().mmap(length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), -EPERM);
  const long again = system().mmap(length, PROT_READ, MAP_SHARED, fd, 0);
  ASSERT_GT(again, 0);
  munmap(reinterpret_cast<void*>(again), length);
}

TEST_P(MapCommands, MappingsAreChecked) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const int read_write = PROT_READ | PROT_WRITE;
  EXPECT_EQ(system().mmap(page, PROT_READ, MAP_SHARED, array(), 0), -EINVAL) << "not BPF_F_MMAPABLE";
  EXPECT_EQ(system().mmap(page, PROT_READ, MAP_SHARED, hash(), 0), -524);
  const int fd = array(BPF_F_MMAPABLE);
  EXPECT_EQ(system().mmap(page, PROT_READ, MAP_PRIVATE, fd, 0), -EINVAL);
  EXPECT_EQ(system().mmap(2 * page, PROT_READ, MAP_SHARED, fd, 0), -EINVAL) << "beyond the values";
  EXPECT_EQ(system().mmap(page, read_write, MAP_SHARED, array(BPF_F_MMAPABLE | BPF_F_RDONLY), 0), -EACCES);
  EXPECT_EQ(system().mmap(page, read_write, MAP_SHARED, array(BPF_F_MMAPABLE | BPF_F_RDONLY_PROG), 0), -EACCES);
  const Code code = return_2();
  EXPECT_EQ(system().mmap(page, PROT_READ, MAP_SHARED, load(prog_attr(code)), 0), -ENODEV);
}

TEST_P(MapCommands, RingsShowTheirDataTwice) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const int fd = create_map(map_attr(BPF_MAP_TYPE_RINGBUF, 0, 0, static_cast<unsigned>(page)));
  const long consumer = system().mmap(page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  const long producer = system().mmap(3 * page, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(page));
  ASSERT_GT(consumer, 0);
  ASSERT_GT(producer, 0);
  EXPECT_EQ(*reinterpret_cast<__u64*>(producer), 0U);
  EXPECT_EQ(std::memcmp(reinterpret_cast<void*>(producer + static_cast<long>(page)),
                        reinterpret_cast<void*>(producer + 2 * static_cast<long>(page)), page),
            0);
  EXPECT_EQ(system().mmap(page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(page)), -EPERM);
  EXPECT_EQ(system().mmap(4 * page, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(page)), -EINVAL);
  munmap(reinterpret_cast<void*>(consumer), page);
  munmap(reinterpret_cast<void*>(producer), 3 * page);
}

// What may stand in maps of maps is checked as by Linux.
class MapsOfMaps : public BpfTest {
 protected:
  bpf_attr outer_attr(int inner, unsigned type = BPF_MAP_TYPE_ARRAY_OF_MAPS) {
    bpf_attr attr = map_attr(type, 4, 4, 2);
    attr.inner_map_fd = static_cast<__u32>(inner);
    return attr;
  }
  int inner(unsigned value_size = 8, unsigned type = BPF_MAP_TYPE_HASH) {
    return create_map(map_attr(type, 4, value_size, 4));
  }
  long put(int outer, __u32 key, int map, __u64 flags = 0) {
    return bpf(BPF_MAP_UPDATE_ELEM, element_attr(outer, &key, &map, flags));
  }
};
FORAGER_ON_BOTH(MapsOfMaps);

TEST_P(MapsOfMaps, NeedAnExampleOfWhatTheyHold) {
  create_map(outer_attr(inner()));
  create_map(outer_attr(inner(), BPF_MAP_TYPE_HASH_OF_MAPS));
  const int closed = inner();
  EXPECT_EQ(close(closed), 0);
  EXPECT_EQ(bpf(BPF_MAP_CREATE, outer_attr(closed)), -EBADF);
  const Code code = return_2();
  EXPECT_EQ(bpf(BPF_MAP_CREATE, outer_attr(load(prog_attr(code)))), -EINVAL);
  EXPECT_EQ(bpf(BPF_MAP_CREATE, outer_attr(create_map(outer_attr(inner())))), -EINVAL) << "one level only";
  EXPECT_EQ(bpf(BPF_MAP_CREATE, outer_attr(create_map(map_attr(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 2)))), -524)
      << "ENOTSUPP";
}

TEST_P(MapsOfMaps, TakeMapsLikeTheExample) {
  const int outer = create_map(outer_attr(inner()));
  EXPECT_EQ(put(outer, 1, inner()), 0);
  EXPECT_EQ(put(outer, 1, inner(16)), -EINVAL) << "another value size";
  EXPECT_EQ(put(outer, 1, inner(8, BPF_MAP_TYPE_LRU_HASH)), -EINVAL) << "another type";
  EXPECT_EQ(put(outer, 1, -1), -EBADF);
  EXPECT_EQ(put(outer, 2, inner()), -E2BIG);
  EXPECT_EQ(put(outer, 1, inner(), BPF_NOEXIST), -EINVAL);
}

}  // namespace
}  // namespace forager::syscall::testing
