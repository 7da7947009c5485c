// SPDX-License-Identifier: Apache-2.0
// Descriptors and the objects behind them: duplication, closing, reuse of numbers, and what keeps an object.
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/wait.h>

#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

class FdTableTest : public ::testing::Test {
 protected:
  int make(bpf_attr attr, int command = BPF_MAP_CREATE) {
    const long fd = system_.bpf(command, &attr, sizeof attr);
    EXPECT_GE(fd, 0);
    return static_cast<int>(fd);
  }
  int array(unsigned flags = 0) { return make(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 4, flags)); }
  bool known(int fd) { return system_.process.fds.find(fd).has_value(); }
  [[nodiscard]] bool any_map() { return system_.process.runtime.maps().next(0).has_value(); }

  OurSystem system_;
};

TEST_F(FdTableTest, ObjectsGoWithTheirDescriptor) {
  const int fd = array();
  EXPECT_TRUE(any_map());
  EXPECT_EQ(system_.close(fd), 0);
  EXPECT_FALSE(any_map());
  EXPECT_EQ(system_.process.fds.find(fd).error(), -EBADF);
  EXPECT_EQ(system_.close(fd), -EBADF);
}

TEST_F(FdTableTest, DuplicatesKeepTheObject) {
  const int fd = array();
  const int copy = dup(fd), another = fcntl(fd, F_DUPFD_CLOEXEC, 100);
  EXPECT_EQ(system_.close(fd), 0);
  EXPECT_TRUE(known(copy));
  EXPECT_EQ(system_.close(copy), 0);
  EXPECT_TRUE(known(another));
  EXPECT_TRUE(any_map());
  EXPECT_EQ(system_.close(another), 0);
  EXPECT_FALSE(any_map());
}

TEST_F(FdTableTest, ReusedNumbersNameNothing) {
  const int fd = array();
  const int other = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ASSERT_EQ(dup2(other, fd), fd);  // closes the map's descriptor behind our back
  EXPECT_EQ(system_.process.fds.find(fd).error(), -EINVAL);
  EXPECT_TRUE(any_map()) << "nobody has noticed yet";
  system_.process.fds.sweep();
  EXPECT_FALSE(any_map());
  EXPECT_EQ(system_.close(fd), 0) << "an ordinary file";
  EXPECT_EQ(system_.close(other), 0);
}

TEST_F(FdTableTest, ListsDoNotShowWhatIsGone) {
  const int fd = array();
  ::close(fd);
  bpf_attr attr = empty_attr();
  EXPECT_EQ(system_.bpf(BPF_MAP_GET_NEXT_ID, &attr, sizeof attr), -ENOENT);
}

TEST_F(FdTableTest, DescriptorsAreNotInherited) {
  const int fd = array(), mapped = array(BPF_F_MMAPABLE);
  EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(fcntl(mapped, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(system_.close(fd), 0);
  EXPECT_EQ(system_.close(mapped), 0);
}

TEST_F(FdTableTest, MappableArraysAreTheirOwnMemory) {
  const int fd = array(BPF_F_MMAPABLE);
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* plain = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);  // the kernel's mmap, not ours
  ASSERT_NE(plain, MAP_FAILED);
  static_cast<__u64*>(plain)[1] = 77;
  const __u32 key = 1;
  __u64 value = 0;
  bpf_attr attr = element_attr(fd, &key, &value);
  EXPECT_EQ(system_.bpf(BPF_MAP_LOOKUP_ELEM, &attr, sizeof attr), 0);
  EXPECT_EQ(value, 77U);
  EXPECT_EQ(system_.close(fd), 0);
  EXPECT_FALSE(any_map()) << "the map's own descriptor does not count";
  EXPECT_EQ(static_cast<__u64*>(plain)[1], 77U) << "the memory stays while it is mapped";
  munmap(plain, page);
}

TEST_F(FdTableTest, NoDescriptorLeaks) {
  const auto lowest_free = [] {
    const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(fd);
    return fd;
  };
  const int before = lowest_free();
  const Code code = return_2();
  for (int i = 0; i < 3; ++i) {
    for (const int fd : {array(), array(BPF_F_MMAPABLE), array(BPF_F_RDONLY), make(prog_attr(code), BPF_PROG_LOAD),
                         make(map_attr(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096))}) {
      EXPECT_EQ(system_.close(fd), 0);
    }
    bpf_attr refused = map_attr(BPF_MAP_TYPE_ARRAY, 3, 8, 4);
    EXPECT_EQ(system_.bpf(BPF_MAP_CREATE, &refused, sizeof refused), -EINVAL);
  }
  EXPECT_EQ(lowest_free(), before);
}

// Where all that makes descriptors go is seen, numbers are remembered.
class Remembered : public FdTableTest {
 protected:
  Remembered() { fds().see_closes(); }
  FdTable& fds() { return system_.process.fds; }
  // A map of one value, used once and so remembered. Hash maps have no descriptor but this.
  int map_of(__u64 value, unsigned type = BPF_MAP_TYPE_HASH, unsigned flags = 0) {
    const int fd = make(map_attr(type, 4, 8, 1, flags));
    EXPECT_EQ(call(BPF_MAP_UPDATE_ELEM, fd, value), 0);
    EXPECT_EQ(value_of(fd), static_cast<long>(value));
    return fd;
  }
  // The value, or a negative errno.
  long value_of(int fd) {
    __u64 value = 0;
    const long error = call(BPF_MAP_LOOKUP_ELEM, fd, value);
    return error != 0 ? error : static_cast<long>(value);
  }
  long call(int command, int fd, __u64& value) {
    const __u32 key = 0;
    bpf_attr attr = element_attr(fd, &key, &value);
    return system_.bpf(command, &attr, sizeof attr);
  }
  static int null_file() { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }
};

TEST_F(Remembered, NumbersAreForgottenWhenTheyAreClosed) {
  const int fd = map_of(1);
  EXPECT_EQ(system_.close(fd), 0);
  EXPECT_EQ(value_of(fd), -EBADF);
  EXPECT_FALSE(any_map());
  const int file = null_file();
  ASSERT_EQ(file, fd) << "the lowest free number";
  EXPECT_EQ(value_of(fd), -EINVAL);
  EXPECT_EQ(system_.close(file), 0);
  EXPECT_EQ(map_of(2), fd);
  EXPECT_EQ(value_of(fd), 2);
}

TEST_F(Remembered, DuplicatesReplaceWhatTheyLieOver) {
  const int one = map_of(1), two = map_of(2), file = null_file();
  EXPECT_EQ(fds().dup_over(two, one, O_CLOEXEC), one);
  EXPECT_EQ(value_of(one), 2);
  EXPECT_EQ(fds().dup_over(file, two, O_CLOEXEC), two);
  EXPECT_EQ(value_of(two), -EINVAL);
  EXPECT_EQ(value_of(one), 2) << "a descriptor of its own";
  EXPECT_EQ(fds().dup_over(9999, one, 0), -EBADF);
  EXPECT_EQ(value_of(one), 2) << "nothing happened";
  EXPECT_EQ(fds().dup_over(file, one, O_CLOEXEC), one);
  EXPECT_FALSE(any_map());
  for (const int fd : {one, two, file}) EXPECT_EQ(system_.close(fd), 0);
}

TEST_F(Remembered, RangesAreClosedButForTheMapsOwn) {
  const int first = map_of(1), second = map_of(2), mappable = map_of(3, BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE);
  const int copy = fcntl(mappable, F_DUPFD_CLOEXEC, 200);
  EXPECT_EQ(fds().close_range(static_cast<unsigned>(first), 199, 0), 0);
  for (const int fd : {first, second, mappable}) EXPECT_EQ(value_of(fd), -EBADF);
  EXPECT_EQ(value_of(copy), 3) << "its memory is there";
  EXPECT_EQ(fds().close_range(0, 9, CLOSE_RANGE_CLOEXEC), 0) << "closes nothing";
  EXPECT_EQ(fds().close_range(9, 0, 0), -EINVAL);
  EXPECT_EQ(system_.close(copy), 0);
  EXPECT_FALSE(any_map());
}

TEST_F(Remembered, MapsOwnDescriptorsAreNotToBeHad) {
  const int fd = map_of(1, BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE);
  const int own = (*fds().find<runtime::MapUser>(fd))->object()->map->memory().fd;
  EXPECT_EQ(fds().close(own), -EBADF);
  EXPECT_EQ(fds().dup_over(fd, own, 0), -EBUSY);
  EXPECT_EQ(value_of(fd), 1);
}

TEST_F(Remembered, WhatVanishedUnseenIsFoundWhenItMatters) {
  const int fd = map_of(1);
  ::close(fd);
  EXPECT_EQ(map_of(2), fd) << "a new map of ours takes the number over";
  EXPECT_EQ(value_of(fd), 2);
  const int file = null_file();
  ASSERT_EQ(dup2(file, fd), fd);
  fds().sweep();
  EXPECT_EQ(value_of(fd), -EINVAL);
  for (const int each : {file, fd}) EXPECT_EQ(system_.close(each), 0);
}

TEST_F(Remembered, DirectionsToo) {
  const int fd = make(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_RDONLY));
  __u64 value = 1;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(value_of(fd), 0);
    EXPECT_EQ(call(BPF_MAP_UPDATE_ELEM, fd, value), -EPERM);
  }
}

TEST_F(Remembered, ChildrenHaveTheirParentsDescriptors) {
  const int fd = map_of(1), other = map_of(2);
  const pid_t child = fork();
  if (child == 0) {
    const bool good = value_of(fd) == 1 && system_.close(fd) == 0 && value_of(fd) == -EBADF && value_of(other) == 2;
    _exit(good ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(value_of(fd), 1) << "the parent's own stays open";
}

}  // namespace
}  // namespace forager::syscall::testing
