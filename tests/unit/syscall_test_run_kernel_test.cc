// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_TEST_RUN of XDP programs on packets of several buffers, on our bpf(2) and on the kernel's: generated sizes,
// contexts, output buffers and helper calls. Error, return value, sizes, packet out and context out must be equal. The
// seeds are fixed.
//
// No tail shrinks by 2^31 bytes here: Linux 6.18 negates that number, and spoils its own memory.
#include <algorithm>
#include <random>

#include "skb_run.h"

namespace forager::syscall::testing {
namespace {

using Random = std::mt19937;

template <class T>
T pick(Random& random, std::initializer_list<T> from) {
  return from.begin()[random() % from.size()];
}

struct XdpTest {
  std::string text;
  unsigned load_flags = 0;
  Bytes packet;
  std::uint32_t size_out = 0;
  bool has_out = true, has_context = false, has_context_out = false;
  xdp_md context{};
  unsigned repeat = 0;

  friend std::ostream& operator<<(std::ostream& out, const XdpTest& test) {
    return out << fmt::format("{}\npacket {}, size out {} ({}), repeat {}, context {}: data {}, end {}", test.text,
                              test.packet.size(), test.size_out, test.has_out, test.repeat, test.has_context,
                              test.context.data, test.context.data_end);
  }
};

struct XdpOutcome {
  long error = 0;
  std::uint32_t retval = 0, size_out = 0, context_size_out = 0;
  Bytes data;
  std::array<std::uint8_t, sizeof(xdp_md)> context{};
  friend bool operator==(const XdpOutcome&, const XdpOutcome&) = default;
  friend std::ostream& operator<<(std::ostream& out, const XdpOutcome& outcome) {
    xdp_md context{};
    std::memcpy(&context, outcome.context.data(), sizeof context);
    std::size_t sum = 0;
    for (std::size_t i = 0; i < outcome.data.size(); ++i) sum = sum * 31 + outcome.data[i];
    return out << fmt::format("error {}, returned {}, size out {}, context {} bytes: data {}, end {}; data hash {:x}",
                              outcome.error, static_cast<std::int32_t>(outcome.retval), outcome.size_out,
                              outcome.context_size_out, context.data, context.data_end, sum);
  }
};

XdpOutcome run_xdp(System& system, const XdpTest& test) {
  const Code code = code_of(test.text);
  std::string log(1 << 16, '\0');
  bpf_attr load = prog_attr(code);
  load.prog_flags = test.load_flags;
  load.log_buf = address_of(log.data());
  load.log_size = static_cast<__u32>(log.size());
  load.log_level = 1;
  const long fd = system.bpf(BPF_PROG_LOAD, &load, sizeof load);
  EXPECT_GE(fd, 0) << log.c_str() << "\n" << test.text;
  if (fd < 0) return {.error = fd};
  XdpOutcome outcome{.data = Bytes(1 << 17, 0xee)};
  bpf_attr attr = empty_attr();
  attr.test.prog_fd = static_cast<__u32>(fd);
  attr.test.data_in = address_of(test.packet.data());
  attr.test.data_size_in = static_cast<__u32>(test.packet.size());
  attr.test.data_out = test.has_out ? address_of(outcome.data.data()) : 0;
  attr.test.data_size_out = test.size_out;
  attr.test.repeat = test.repeat;
  if (test.has_context) {
    attr.test.ctx_in = address_of(&test.context);
    attr.test.ctx_size_in = sizeof test.context;
  }
  if (test.has_context_out) {
    attr.test.ctx_out = address_of(outcome.context.data());
    attr.test.ctx_size_out = sizeof test.context;
  }
  outcome.error = system.bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr);
  outcome.retval = attr.test.retval;
  outcome.size_out = attr.test.data_size_out;
  outcome.context_size_out = attr.test.ctx_size_out;
  (void)system.close(static_cast<int>(fd));
  return outcome;
}

// ---- programs ----

constexpr const char* kFold = "r7 *= 31\nr7 += r0\n";

std::string adjust(const char* which, int by) {
  return fmt::format("r1 = r6\nr2 = {}\ncall bpf_xdp_adjust_{}\n{}", by, which, kFold);
}

std::string adjust_something(Random& random) {
  const int near = static_cast<int>(random() % 12000) - 6000;
  switch (random() % 4) {
    case 0:
      return adjust("head", pick(random, {0, 1, -1, -216, -217, 14, 3506, 3507, near, near % 300}));
    case 1:
      return adjust("meta", pick(random, {0, -4, 4, -8, -216, -3, -252}));
    default:
      return adjust("tail",
                    pick(random, {0, 1, -1, 100, -100, 4095, 4096, 4097, -4096, -70000, 70000, near, near, near}));
  }
}

std::string copy_bytes(Random& random) {
  const int offset = pick<int>(random, {0, 3512, 3516, 3520, 7612, 8990, 0xfff8, 0xffff, 0x10000,
                                        static_cast<int>(random() % 12000), static_cast<int>(random() % 70000)});
  const unsigned size = 1 + random() % 16;
  const std::string arguments = fmt::format("r1 = r6\nr2 = {}\nr3 = r10\nr3 += -16\nr4 = {}\n", offset, size);
  if (random() % 2 == 0) {
    return fmt::format("*(u64 *)(r10 -16) = {}\n*(u64 *)(r10 -8) = {}\n{}call bpf_xdp_store_bytes\n{}",
                       random() % 0x7fffffff, random() % 0x7fffffff, arguments, kFold);
  }
  return fmt::format(
      "*(u64 *)(r10 -16) = 0\n*(u64 *)(r10 -8) = 0\n{}call bpf_xdp_load_bytes\n{}r0 = *(u64 *)(r10 -16)\n{}"
      "r0 = *(u64 *)(r10 -8)\n{}",
      arguments, kFold, kFold, kFold);
}

std::string check_mtu(Random& random) {
  const int limit = 65536 + 14 - 3520;
  return fmt::format(
      "*(u32 *)(r10 -4) = {}\nr1 = r6\nr2 = {}\nr3 = r10\nr3 += -4\nr4 = {}\nr5 = 0\ncall bpf_check_mtu\n{}"
      "r0 = *(u32 *)(r10 -4)\n{}",
      pick(random, {0, 0, 65536, 65537}), pick(random, {0, 1}), pick(random, {0, limit, limit + 1, limit - 100}), kFold,
      kFold);
}

std::string look(Random& random) {
  switch (random() % 3) {
    case 0:
      return std::string("r1 = r6\ncall bpf_xdp_get_buff_len\n") + kFold;
    case 1:
      return std::string("r0 = *(u32 *)(r6 +4)\nr1 = *(u32 *)(r6 +0)\nr0 -= r1\n") + kFold;
    default:  // the linear part's first bytes, by pointer
      return "r1 = *(u32 *)(r6 +0)\nr2 = *(u32 *)(r6 +4)\nr3 = r1\nr3 += 14\nif r3 > r2 goto +4\n"
             "r0 = *(u64 *)(r1 +4)\nr7 *= 31\nr7 += r0\n*(u8 *)(r1 +13) = 77\n";
  }
}

std::string random_program(Random& random) {
  std::string text = "r6 = r1\nr7 = 0\n";
  for (unsigned steps = 1 + random() % 8; steps > 0; --steps) {
    constexpr std::string (*kSteps[])(Random&) = {adjust_something, adjust_something, copy_bytes,
                                                  copy_bytes,       check_mtu,        look};
    text += kSteps[random() % std::size(kSteps)](random);
  }
  return text + "r0 = r7\nexit";
}

XdpTest random_test(Random& random) {
  XdpTest test{.text = random_program(random)};
  constexpr std::uint32_t kMost = 3520 + 17 * 4096;
  const std::uint32_t size = pick<std::uint32_t>(
      random, {13, 14, 64, 3519, 3520, 3521, 7616, 7617, 9000, kMost, kMost + 1, 100000,
               static_cast<std::uint32_t>(random() % 12000), static_cast<std::uint32_t>(random() % 80000)});
  test.packet.resize(size);
  std::ranges::generate(test.packet, [&] { return static_cast<std::uint8_t>(random()); });
  test.load_flags = random() % 4 == 0 ? 0 : BPF_F_XDP_HAS_FRAGS;
  test.repeat = pick(random, {0U, 1U, 1U, 1U, 1U, 1U, 1U, 3U});  // several take the kernel long to prepare
  test.has_out = random() % 8 != 0;
  const auto around = static_cast<std::uint32_t>(random() % (size + 300));
  test.size_out = pick<std::uint32_t>(random, {0, 1 << 17, 1 << 17, 1 << 17, around, size > 3520 ? size - 3520 : 10});
  test.has_context = random() % 2 == 0;
  test.has_context_out = random() % 2 == 0;
  test.context.data = pick<std::uint32_t>(random, {0, 0, 0, 4, 8, 100, 216, 220, 252, 2});
  test.context.data_end =
      pick<std::uint32_t>(random, {size, size, size, 0, 10, 14, 100, 3520, 3524, size / 2, size + 1, around});
  return test;
}

class TestRunInKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!why_no_kernel().empty()) GTEST_SKIP() << why_no_kernel();
    if (!kernel_is(6, 18)) GTEST_SKIP() << "Linux takes the linear part's size since 6.18";
  }
  TestRunInKernel() { ours.process.runtime.environment.fib.interfaces.push_back({.ifindex = 1, .mtu = 65536}); }
  OurSystem ours;
  KernelSystem theirs;
};

TEST_F(TestRunInKernel, PacketsOfSeveralBuffersAgree) {
  Random random(20);
  unsigned ran = 0, refused = 0, cut = 0, fragmented = 0;
  for (int round = 0; round < 800; ++round) {
    const XdpTest test = random_test(random);
    const XdpOutcome expected = run_xdp(theirs, test);
    ASSERT_EQ(run_xdp(ours, test), expected) << test;
    ++(expected.error == 0 ? ran : expected.error == -ENOSPC ? cut : refused);
    fragmented += expected.error == 0 && test.packet.size() > 3520 + 252 ? 1 : 0;
  }
  EXPECT_GT(ran, 200U);
  EXPECT_GT(refused, 40U);
  EXPECT_GT(cut, 40U);
  EXPECT_GT(fragmented, 100U);
}

}  // namespace
}  // namespace forager::syscall::testing
