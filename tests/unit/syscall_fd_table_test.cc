// SPDX-License-Identifier: Apache-2.0
// Descriptors and the objects behind them: duplication, closing, reuse of numbers, and what keeps an object.
#include <fcntl.h>

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

}  // namespace
}  // namespace forager::syscall::testing
