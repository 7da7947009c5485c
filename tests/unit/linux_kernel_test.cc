// SPDX-License-Identifier: Apache-2.0
//
// The backend's system calls: owners that release, names and errors in words, and how a program is loaded when the
// kernel says no, by a kernel that the test plays.
#include "jit-backends/linux/kernel.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "tests/unit/linux_support.h"

namespace forager::jit::linux_kernel {
namespace {

using testing::HasSubstr;

TEST(LinuxRaw, AnswersLikeTheSystem) {
  EXPECT_EQ(raw_syscall(SYS_getpid), getpid());
  EXPECT_EQ(raw_syscall(SYS_close, -1), -EBADF);
}

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(LinuxRaw, FdClosesOnce) {
  int number = -1;
  {
    Fd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    number = first.get();
    Fd second(std::move(first));
    EXPECT_EQ(second.get(), number);
    EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what a moved-from Fd is
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(LinuxRaw, MappingReportsErrno) {
  Mapping mapping;
  EXPECT_EQ(mapping.map(Fd(), 4096, false), -EBADF);
  EXPECT_EQ(mapping.base(), nullptr);
}

TEST(LinuxNames, KeepToTheKernelsAlphabet) {
  EXPECT_EQ(object_name("xdp_lb.rodata"), "xdp_lb.rodata");
  EXPECT_EQ(object_name("a name/with-others"), "a_name_with_oth");
  EXPECT_EQ(object_name(""), "");
}

TEST(LinuxNames, SayErrnos) {
  EXPECT_EQ(errno_text(-EPERM), "EPERM (Operation not permitted)");
  EXPECT_EQ(errno_text(-524), "error 524");
  const auto failure = refused("open the door", "bpf", -EPERM);
  EXPECT_EQ(failure.error().text(), "cannot open the door: bpf(2) said EPERM (Operation not permitted)");
  EXPECT_EQ(failure.error().kind, ErrorKind::system);
}

TEST(LinuxMachine, HasCpus) {
  EXPECT_GE(possible_cpus(), 1U);
  EXPECT_LT(lowest_cpu(), possible_cpus());
}

// A kernel that refuses every program, its log wanting `kNeeded` bytes.
constexpr std::uint32_t kNeeded = 3'000'000;
std::vector<std::uint32_t> log_sizes;
long refuse_with_long_log(long, long, long attr_address, long, long, long, long) {
  const auto& attr = *reinterpret_cast<const bpf_attr*>(attr_address);
  log_sizes.push_back(attr.log_size);
  if (attr.log_size == 0) return -EACCES;
  if (attr.log_size < kNeeded) return -ENOSPC;
  std::strcpy(reinterpret_cast<char*>(attr.log_buf), "the reason\n");
  return -EACCES;
}

TEST(LinuxLoad, AsksForTheLogOnlyAfterNoAndGrowsItsBuffer) {
  log_sizes.clear();
  std::string log;
  EXPECT_EQ(load_program({.name = "p", .prog_type = BPF_PROG_TYPE_XDP}, log, refuse_with_long_log), -EACCES);
  EXPECT_EQ(log, "the reason\n");
  ASSERT_GE(log_sizes.size(), 3U);
  EXPECT_EQ(log_sizes[0], 0U);
  EXPECT_GT(log_sizes[2], log_sizes[1]);
  EXPECT_GE(log_sizes.back(), kNeeded);
}

int attempts = 0;
long busy_twice(long, long, long, long, long, long, long) { return ++attempts <= 2 ? -EAGAIN : -EPERM; }

TEST(LinuxLoad, TriesAgainWhenTheKernelIsBusy) {
  attempts = 0;
  std::string log;
  EXPECT_EQ(load_program({.name = "p"}, log, busy_twice), -EPERM);
  EXPECT_GE(attempts, 3);
}

TEST(LinuxMaps, AreCreatedWithoutFlagsThatAreNotTheirs) {
  FORAGER_NEEDS_KERNEL();
  auto spec = linux_test::spec_of(isa::MapType::array, 4, 4, 1, BPF_F_RDONLY);
  auto map = create_map(spec);
  ASSERT_TRUE(map) << map.error().text();
  const std::uint32_t key = 0;
  std::uint32_t value = 77;
  EXPECT_EQ(map_update(*map, &key, &value), 0);
  value = 0;
  EXPECT_EQ(map_lookup(*map, &key, &value), 0);
  EXPECT_EQ(value, 77U);
  EXPECT_EQ(map_freeze(*map), 0);
  EXPECT_EQ(map_update(*map, &key, &value), -EPERM);
}

TEST(LinuxMaps, SayWhatTheKernelRefused) {
  FORAGER_NEEDS_KERNEL();
  const auto map = create_map(linux_test::spec_of(isa::MapType::array, 8, 4, 1));
  ASSERT_FALSE(map);
  EXPECT_THAT(map.error().text(), HasSubstr("map 'm'"));
  EXPECT_EQ(map.error().error, EINVAL);
}

TEST(LinuxMaps, GiveBatches) {
  FORAGER_NEEDS_KERNEL();
  auto map = create_map(linux_test::spec_of(isa::MapType::array, 4, 4, 10));
  ASSERT_TRUE(map) << map.error().text();
  std::array<std::uint32_t, 6> keys{};
  std::array<std::uint32_t, 6> values{};
  std::uint64_t token = 0;
  std::uint32_t count = 6;
  EXPECT_EQ(map_lookup_batch(*map, nullptr, &token, keys.data(), values.data(), count), 0);
  EXPECT_EQ(count, 6U);
  EXPECT_EQ(map_lookup_batch(*map, &token, &token, keys.data(), values.data(), count), -ENOENT);
  EXPECT_EQ(count, 4U);
  EXPECT_EQ(keys[3], 9U);
}

}  // namespace
}  // namespace forager::jit::linux_kernel
