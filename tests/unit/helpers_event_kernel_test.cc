// SPDX-License-Identifier: Apache-2.0
//
// Helpers that ask who runs and what memory there is, against the running kernel's: raw tracepoint programs by
// BPF_PROG_TEST_RUN, on behalf of this process on both sides.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "exec/event.h"
#include "kernel_run.h"
#include "runtime/environment.h"

namespace forager::helpers {
namespace {

using namespace exec::testing;  // NOLINT(google-build-using-namespace): the kit of these tests

constexpr std::size_t kArguments = 12;  // of a raw tracepoint
using Arguments = std::array<std::uint64_t, kArguments>;

class EventsKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = no_kernel(); !reason.empty()) GTEST_SKIP() << reason;
  }

  // r0 in the kernel, and here with these pieces of memory.
  void expect_equal(const std::string& text, const Arguments& arguments = {}) {
    EXPECT_EQ(here(text + "\nexit", arguments), in_kernel(text + "\nexit", arguments))
        << text << fmt::format("\nargument 1: {:#x}", arguments[1]);
  }

  static std::int32_t in_kernel(const std::string& text, const Arguments& arguments) {
    std::string log;
    const Descriptor program = try_load_in_kernel(text, {}, log, BPF_PROG_TYPE_RAW_TRACEPOINT);
    EXPECT_GE(program.get(), 0) << log.c_str() << text;
    bpf_attr attr{};
    attr.test.prog_fd = static_cast<__u32>(program.get());
    attr.test.ctx_in = reinterpret_cast<std::uintptr_t>(arguments.data());
    attr.test.ctx_size_in = sizeof arguments;
    EXPECT_EQ(kernel_bpf(BPF_PROG_TEST_RUN, attr), 0) << std::strerror(errno);
    return static_cast<std::int32_t>(attr.test.retval);
  }

  std::int32_t here(const std::string& text, const Arguments& arguments) {
    exec::Environment environment = plain_environment();
    environment.task = runtime::current_task;
    const auto device = open_device({.type = isa::ProgType::raw_tracepoint, .environment = &environment}, text);
    if (device == nullptr) return 0;
    exec::Frame frame = *exec::Frame::make({});
    std::memcpy(frame.context.data(), arguments.data(), sizeof arguments);
    const auto task = std::make_shared<exec::Task>(runtime::current_task());
    task->memory = memory_;
    frame.task = task;
    EXPECT_TRUE(device->run({&frame, 1}));
    EXPECT_EQ(trap_of(frame), "") << text;
    return static_cast<std::int32_t>(frame.return_value);
  }

  std::vector<exec::TracedMemory> memory_;
};

// r0 becomes a mix of itself and the 64 bytes at the bottom of the stack frame that the helper wrote to.
constexpr const char* kMixBuffer =
    "\nr0 *= 31\nr1 = *(u64 *)(r10 -64)\nr0 += r1\nr0 *= 31\nr1 = *(u64 *)(r10 -56)\nr0 += r1\nr0 *= 31\n"
    "r1 = *(u64 *)(r10 -48)\nr0 += r1\nr0 *= 31\nr1 = *(u64 *)(r10 -40)\nr0 += r1\nr1 = r0\nr1 >>= 32\nr0 ^= r1";
constexpr const char* kFillBuffer =
    "r6 = r1\n*(u64 *)(r10 -64) = -1\n*(u64 *)(r10 -56) = -1\n*(u64 *)(r10 -48) = -1\n*(u64 *)(r10 -40) = -1\n";

TEST_F(EventsKernel, TaskIsThisProcess) {
  expect_equal("call bpf_get_current_pid_tgid\nr1 = r0\nr1 >>= 32\nr0 ^= r1");
  expect_equal("call bpf_get_current_pid_tgid");
  expect_equal("call bpf_get_current_uid_gid\nr1 = r0\nr1 >>= 32\nr1 *= 7\nr0 ^= r1");
  expect_equal("call bpf_get_attach_cookie");
}

TEST_F(EventsKernel, CommIsCutAndPaddedAlike) {
  std::array<char, 16> old{};
  ::prctl(PR_GET_NAME, old.data());
  for (const char* name : {"", "x", "fifteen letters"}) {
    ::prctl(PR_SET_NAME, name);
    for (const int size : {1, 2, 8, 15, 16, 17, 32}) {
      expect_equal(kFillBuffer + fmt::format("r1 = r10\nr1 += -64\nr2 = {}\ncall bpf_get_current_comm", size) +
                   kMixBuffer);
    }
  }
  ::prctl(PR_SET_NAME, old.data());
}

TEST_F(EventsKernel, PidNamespaceIsNamedByItsFile) {
  struct stat file{};
  ASSERT_EQ(::stat("/proc/self/ns/pid", &file), 0);
  const std::uint64_t inode = file.st_ino;
  const std::uint64_t device = file.st_dev;
  for (const std::uint64_t other : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32}) {
    for (const int size : {4, 8, 16}) {
      expect_equal(kFillBuffer +
                   fmt::format("r1 = {} ll\nr2 = {} ll\nr3 = r10\nr3 += -64\nr4 = {}\n"
                               "call bpf_get_ns_current_pid_tgid",
                               device ^ other, inode, size) +
                   kMixBuffer);
    }
  }
}

// The addresses of every kind, whose contents the event brings along where there are any.
TEST_F(EventsKernel, MemoryIsReadAlike) {
  alignas(8) static char text[32] = "seventeen letters";
  static_assert(sizeof text == 32);
  memory_ = {{.address = reinterpret_cast<std::uintptr_t>(text), .user = true, .bytes = {}}};
  const auto bytes = std::as_bytes(std::span(text));
  memory_[0].bytes.assign(bytes.begin(), bytes.end());
  const std::vector<std::uint64_t> addresses = {reinterpret_cast<std::uintptr_t>(text),
                                                reinterpret_cast<std::uintptr_t>(text) + 12,
                                                0,
                                                8,
                                                0x7fffffffe000,
                                                0x7ffffffff000,
                                                0x7fffffffffff,
                                                0x800000000000,
                                                0xffff7fffffffffff,
                                                0xffff800000000000,
                                                0xffffffffffffff00,
                                                ~std::uint64_t{0}};
  for (const char* helper : {"probe_read_user", "probe_read_user_str", "probe_read_kernel", "probe_read_kernel_str",
                             "probe_read", "probe_read_str"}) {
    for (const std::uint64_t address : addresses) {
      for (const int size : {0, 1, 5, 8, 18, 20}) {
        expect_equal(kFillBuffer +
                         fmt::format("r1 = r10\nr1 += -64\nr2 = {}\nr3 = *(u64 *)(r6 +8)\ncall bpf_{}", size, helper) +
                         kMixBuffer,
                     {0, address});
      }
    }
  }
}

// Its own stack and context are the kernel's memory.
TEST_F(EventsKernel, OwnMemoryIsReadAlike) {
  for (const char* helper : {"probe_read_user", "probe_read_kernel", "probe_read_kernel_str", "probe_read"}) {
    for (const char* from : {"r3 = r10\nr3 += -32\n", "r3 = r6\nr3 += 8\n"}) {
      expect_equal(
          kFillBuffer +
              fmt::format("*(u64 *)(r10 -32) = 0x414243\nr1 = r10\nr1 += -64\nr2 = 8\n{}call bpf_{}", from, helper) +
              kMixBuffer,
          {1, 0x4647, 3});
    }
  }
}

}  // namespace
}  // namespace forager::helpers
