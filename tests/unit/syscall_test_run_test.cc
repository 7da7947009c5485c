// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_TEST_RUN beyond one packet and its verdict, ours beside the kernel's: fragments, live frames, and programs
// that get a context only. syscall_prog_test has the rest, syscall_test_run_kernel_test generated packets.
#include <netinet/in.h>
#include <sys/socket.h>

#include "exec/verdict.h"
#include "skb_run.h"

namespace forager::syscall::testing {
namespace {

constexpr std::uint32_t kMostLinear = 3520, kMostFragments = 17 * 4096, kMostLive = 3408;
constexpr const char* kLinearBytes = "r2 = *(u32 *)(r1 +0)\nr0 = *(u32 *)(r1 +4)\nr0 -= r2\nexit";
constexpr const char* kBytes = "call bpf_xdp_get_buff_len\nexit";

class TestRun : public BpfTest {
 protected:
  int load_text(std::string_view text, unsigned type = BPF_PROG_TYPE_XDP, unsigned flags = 0, unsigned attach = 0) {
    const Code code = code_of(text);
    bpf_attr attr = prog_attr(code, type);
    attr.prog_flags = flags;
    attr.expected_attach_type = attach;
    return load(attr);
  }
  static bpf_attr run_attr(int fd, const Bytes& in) {
    bpf_attr attr = empty_attr();
    attr.test.prog_fd = static_cast<__u32>(fd);
    attr.test.data_in = in.empty() ? 0 : address_of(in.data());
    attr.test.data_size_in = static_cast<__u32>(in.size());
    return attr;
  }
  template <class Context>
  static void give_context(bpf_attr& attr, const Context& context) {
    attr.test.ctx_in = address_of(&context);
    attr.test.ctx_size_in = sizeof context;
  }
  long run(bpf_attr& attr) { return bpf(BPF_PROG_TEST_RUN, attr); }
  // What the attributes of a run come to, once changed.
  long run_with(int fd, const Bytes& in, auto change) {
    bpf_attr attr = run_attr(fd, in);
    change(attr);
    return run(attr);
  }
};
FORAGER_ON_BOTH(TestRun);

// ---- fragments ------------------------------------------------------------------------------------------------------

TEST_P(TestRun, LongPacketsHaveALinearPartAndFragments) {
  for (const unsigned flags : {0U, unsigned{BPF_F_XDP_HAS_FRAGS}}) {
    const Bytes in(9000);
    bpf_attr attr = run_attr(load_text(kLinearBytes, BPF_PROG_TYPE_XDP, flags), in);
    ASSERT_EQ(run(attr), 0);
    EXPECT_EQ(attr.test.retval, kMostLinear);
    EXPECT_EQ(attr.test.data_size_out, 9000U);
    attr = run_attr(load_text(kBytes, BPF_PROG_TYPE_XDP, flags), in);
    ASSERT_EQ(run(attr), 0);
    EXPECT_EQ(attr.test.retval, 9000U);
  }
}

TEST_P(TestRun, SeventeenFragmentsAreMost) {
  const int fd = load_text(kBytes);
  bpf_attr attr = run_attr(fd, Bytes(kMostLinear + kMostFragments));
  const Bytes most(kMostLinear + kMostFragments), more(most.size() + 1);
  attr = run_attr(fd, most);
  ASSERT_EQ(run(attr), 0);
  EXPECT_EQ(attr.test.retval, most.size());
  attr = run_attr(fd, more);
  EXPECT_EQ(run(attr), -ENOMEM);
  attr.test.data_size_in = UINT32_MAX;
  EXPECT_LT(run(attr), 0) << "a size that nobody has";
}

TEST_P(TestRun, ContextsSayWhatIsLinear) {
  if (!answers_as(6, 18)) GTEST_SKIP() << "not before 6.18";
  const int fd = load_text(kLinearBytes);
  const Bytes in(200);
  for (const std::uint32_t end : {0U, 10U, 100U, 200U}) {
    xdp_md context{}, after{};
    context.data_end = end;
    bpf_attr attr = run_attr(fd, in);
    give_context(attr, context);
    attr.test.ctx_out = address_of(&after);
    attr.test.ctx_size_out = sizeof after;
    ASSERT_EQ(run(attr), 0);
    EXPECT_EQ(attr.test.retval, end);
    EXPECT_EQ(after.data_end, end);
    EXPECT_EQ(attr.test.data_size_out, 200U);
  }
}

TEST_P(TestRun, LongerContextsAreThoseOfALaterKernel) {
  const int fd = load_text(kLinearBytes);
  const Bytes in(64);
  Bytes context(5000);
  context[offsetof(xdp_md, data_end)] = 64;
  const auto sized = [&](std::uint32_t bytes) {
    return run_with(fd, in, [&](bpf_attr& attr) {
      attr.test.ctx_in = address_of(context.data());
      attr.test.ctx_size_in = bytes;
    });
  };
  EXPECT_EQ(sized(sizeof(xdp_md)), 0);
  EXPECT_EQ(sized(sizeof(xdp_md) + 8), 0) << "zeros";
  EXPECT_EQ(sized(5000), -E2BIG) << "more than a page";
  context[sizeof(xdp_md) + 3] = 1;
  EXPECT_EQ(sized(sizeof(xdp_md) + 8), -E2BIG);
}

// ---- live frames ----------------------------------------------------------------------------------------------------

class LiveFrames : public TestRun {
 protected:
  // A program that counts its runs in a map, and ends with `text`.
  int counter(const std::string& text, unsigned flags = 0) {
    map_ = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 16, 1));
    Code code = code_of("r6 = r1\nr7 = 0 ll\nr1 = 1\nlock *(u64 *)(r7 +0) += r1\n" + text);
    code[1].src_reg = BPF_PSEUDO_MAP_VALUE;
    code[1].imm = map_;
    bpf_attr attr = prog_attr(code);
    attr.prog_flags = flags;
    return load(attr);
  }
  std::array<std::uint64_t, 2> counted() {
    std::array<std::uint64_t, 2> value{};
    const __u32 zero = 0;
    EXPECT_EQ(bpf(BPF_MAP_LOOKUP_ELEM, element_attr(map_, &zero, &value)), 0);
    return value;
  }
  long run_live(int fd, const Bytes& in, unsigned repeat = 0, unsigned batch = 0) {
    return run_with(fd, in, [&](bpf_attr& attr) {
      attr.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
      attr.test.repeat = repeat;
      attr.test.batch_size = batch;
    });
  }

 private:
  int map_ = -1;
};
FORAGER_ON_BOTH(LiveFrames);

constexpr const char* kDrop = "r0 = 1\nexit";

TEST_P(LiveFrames, RunAsOftenAsIsAskedFor) {
  const Bytes in(64);
  struct {
    unsigned repeat, batch;
    std::uint64_t runs;
  } const kCases[] = {{0, 0, 1}, {1, 0, 1}, {10, 0, 10}, {100, 7, 100}, {1000, 256, 1000}, {3, 100, 3}};
  for (const auto& each : kCases) {
    const int fd = counter(kDrop);
    EXPECT_EQ(run_live(fd, in, each.repeat, each.batch), 0);
    EXPECT_EQ(counted()[0], each.runs);
  }
}

TEST_P(LiveFrames, BatchesHaveALimitAndNeedTheFlag) {
  const int fd = counter(kDrop);
  EXPECT_EQ(run_live(fd, Bytes(64), 1, 257), -E2BIG);
  const Bytes in(64);
  EXPECT_EQ(run_with(fd, in, [](bpf_attr& attr) { attr.test.batch_size = 1; }), -EINVAL);
  EXPECT_EQ(run_with(fd, in, [](bpf_attr& attr) { attr.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES | 1; }), -EINVAL);
}

TEST_P(LiveFrames, GiveNothingBackWithAContext) {
  const int fd = counter(kDrop);
  const Bytes in(64);
  Bytes out(64, 0xee);
  xdp_md context{};
  context.data_end = 64;
  const auto live = [&](auto change) {
    return run_with(fd, in, [&](bpf_attr& attr) {
      attr.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
      change(attr);
    });
  };
  const auto with_context = [&](bpf_attr& attr) { give_context(attr, context); };
  const auto data_out = [&](bpf_attr& attr) {
    attr.test.data_out = address_of(out.data());
    attr.test.data_size_out = 64;
  };
  const auto context_out = [&](bpf_attr& attr) {
    attr.test.ctx_out = address_of(&context);
    attr.test.ctx_size_out = sizeof context;
  };
  EXPECT_EQ(live(with_context), 0);
  EXPECT_EQ(live(context_out), -EINVAL);
  EXPECT_EQ(live([&](bpf_attr& attr) { with_context(attr), data_out(attr); }), -EINVAL);
  EXPECT_EQ(live(data_out), 0) << "without a context";
  EXPECT_EQ(out, in);
}

TEST_P(LiveFrames, AreOneBufferWithALargerHead) {
  const int fd = counter(kDrop);
  EXPECT_EQ(run_live(fd, Bytes(13)), -EINVAL);
  EXPECT_EQ(run_live(fd, Bytes(kMostLive)), 0);
  EXPECT_EQ(run_live(fd, Bytes(kMostLive + 1)), -EINVAL);
  const auto with_context = [&](std::uint32_t metadata, std::uint32_t bytes, std::uint32_t end) {
    xdp_md context{};
    context.data = metadata;
    context.data_end = end;
    const Bytes in(bytes);
    return run_with(fd, in, [&](bpf_attr& attr) {
      attr.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
      give_context(attr, context);
    });
  };
  EXPECT_EQ(with_context(8, kMostLive + 8, kMostLive + 8), 0);
  EXPECT_EQ(with_context(8, kMostLive + 9, kMostLive + 9), -EINVAL);
  EXPECT_EQ(with_context(216, 400, 400), 0);
  EXPECT_EQ(with_context(220, 400, 400), -EINVAL);
  EXPECT_EQ(with_context(0, 64, 63), -EINVAL) << "all of it must be linear";
}

TEST_P(LiveFrames, BeginWithTheirFirstEdgesAndLastBytes) {
  // Adds the packet's length, moves the head by 4.
  const int lengths = counter(
      "r1 = *(u32 *)(r6 +4)\nr2 = *(u32 *)(r6 +0)\nr1 -= r2\nlock *(u64 *)(r7 +8) += r1\nr1 = r6\nr2 = 4\n"
      "call bpf_xdp_adjust_head\nr0 = 1\nexit");
  ASSERT_EQ(run_live(lengths, Bytes(64), 100), 0);
  EXPECT_EQ(counted()[1], 6400U);
  // Adds the first byte, and then counts it up: each of 64 frames sees how often it was used.
  const int bytes = counter(
      "r2 = *(u32 *)(r6 +0)\nr3 = *(u32 *)(r6 +4)\nr4 = r2\nr4 += 14\nif r4 > r3 goto +4\nr1 = *(u8 *)(r2 +0)\n"
      "r5 = r1\nr5 += 1\n*(u8 *)(r2 +0) = r5\nlock *(u64 *)(r7 +8) += r1\nr0 = 1\nexit");
  ASSERT_EQ(run_live(bytes, Bytes(64), 64), 0);
  EXPECT_EQ(counted()[1], 0U);
  ASSERT_EQ(run_live(bytes, Bytes(64), 1000), 0);
  EXPECT_EQ(counted()[1], 64U * (14 * 15 / 2) + 40 * 15);
}

TEST_P(LiveFrames, AnswerWithTheDataAndNoVerdict) {
  const int fd = counter("r1 = r6\nr2 = 4\ncall bpf_xdp_adjust_head\nr0 = 1\nexit");
  const Bytes in(64);
  bpf_attr attr = run_attr(fd, in);
  attr.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  attr.test.repeat = 5;
  ASSERT_EQ(run(attr), 0);
  EXPECT_EQ(attr.test.retval, 0U);
  EXPECT_EQ(attr.test.data_size_out, 64U);
}

// Where frames go: ours alone, since the kernel's would leave by the machine's loopback.
struct LiveVerdict {
  const char* text;
  exec::Fate fate;
};

TEST(LiveFramesHere, GoWhereTheirVerdictsSay) {
  constexpr LiveVerdict kVerdicts[] = {
      {"r0 = 0\nexit", exec::Fate::dropped},
      {"r0 = 1\nexit", exec::Fate::dropped},
      {"r0 = 2\nexit", exec::Fate::passed},
      {"r0 = 3\nexit", exec::Fate::returned},
      {"r0 = 4\nexit", exec::Fate::dropped},
      {"r0 = 77\nexit", exec::Fate::dropped},
      {"r1 = 7\nr2 = 0\ncall bpf_redirect\nexit", exec::Fate::redirected},
      {"r1 = 8\nr2 = 0\ncall bpf_redirect\nexit", exec::Fate::dropped},  // no such port
  };
  for (const LiveVerdict& each : kVerdicts) {
    OurSystem system;
    system.process.runtime.settings.ports = {1, 7};
    std::vector<std::size_t> taken;
    system.process.runtime.settings.on_live_frame = [&](const exec::Frame& frame) {
      taken.push_back(frame.packet().size());
    };
    const Code code = code_of(each.text);
    bpf_attr load = prog_attr(code);
    const Bytes in(64);
    bpf_attr attr = empty_attr();
    attr.test.prog_fd = static_cast<__u32>(system.bpf(BPF_PROG_LOAD, &load, sizeof load));
    attr.test.data_in = address_of(in.data());
    attr.test.data_size_in = 64;
    attr.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    attr.test.repeat = 100;
    ASSERT_EQ(system.bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr), 0) << each.text;
    EXPECT_EQ(system.process.runtime.live_frames[static_cast<std::size_t>(each.fate)], 100U) << each.text;
    EXPECT_EQ(taken, std::vector<std::size_t>(each.fate == exec::Fate::dropped ? 0 : 100, 64)) << each.text;
    (void)system.close(static_cast<int>(attr.test.prog_fd));
  }
}

// ---- programs that get a context only -------------------------------------------------------------------------------

// What neither raw tracepoints nor SYSCALL programs take.
constexpr void (*kStrange[])(bpf_attr&) = {
    [](bpf_attr& attr) { attr.test.data_in = 1; },      [](bpf_attr& attr) { attr.test.data_out = 1; },
    [](bpf_attr& attr) { attr.test.ctx_size_out = 1; }, [](bpf_attr& attr) { attr.test.duration = 1; },
    [](bpf_attr& attr) { attr.test.repeat = 1; },       [](bpf_attr& attr) { attr.test.batch_size = 1; },
};

TEST_P(TestRun, RawTracepointsGetTheirArguments) {
  const int fd = load_text("r0 = *(u64 *)(r1 +8)\nexit", BPF_PROG_TYPE_RAW_TRACEPOINT);
  const std::array<std::uint64_t, 13> arguments{100, 101};
  struct {
    std::uint32_t bytes;
    long error;
  } const kCases[] = {{0, -EINVAL}, {15, -EINVAL}, {16, 0}, {17, 0}, {96, 0}, {97, -EINVAL}, {104, -EINVAL}};
  for (const auto& each : kCases) {
    bpf_attr attr = run_attr(fd, {});
    attr.test.ctx_in = each.bytes == 0 ? 0 : address_of(&arguments);
    attr.test.ctx_size_in = each.bytes;
    EXPECT_EQ(run(attr), each.error) << each.bytes;
    EXPECT_EQ(attr.test.retval, each.error == 0 ? 101U : 0U);
  }
  bpf_attr attr = run_attr(fd, {});
  attr.test.ctx_in = bad_address();
  attr.test.ctx_size_in = 16;
  EXPECT_EQ(run(attr), -EFAULT);
}

TEST_P(TestRun, RawTracepointsRunOnTheCpuThatIsAskedFor) {
  const int fd = load_text("call bpf_get_smp_processor_id\nexit", BPF_PROG_TYPE_RAW_TRACEPOINT);
  EXPECT_EQ(run_with(fd, {}, [](bpf_attr& attr) { attr.test.cpu = 1; }), -EINVAL);
  for (const unsigned cpu : {0U, 1U}) {
    bpf_attr attr = run_attr(fd, {});
    attr.test.flags = BPF_F_TEST_RUN_ON_CPU;
    attr.test.cpu = cpu;
    if (run(attr) == -ENXIO) continue;  // a machine of one CPU
    EXPECT_EQ(attr.test.retval, cpu);
  }
  EXPECT_EQ(run_with(fd, {},
                     [](bpf_attr& attr) {
                       attr.test.flags = BPF_F_TEST_RUN_ON_CPU;
                       attr.test.cpu = 100'000;
                     }),
            -ENXIO);
  for (const auto change : kStrange) EXPECT_EQ(run_with(fd, {}, change), -EINVAL);
}

TEST_P(TestRun, SyscallProgramsGetMemoryAndGiveItBack) {
  const int fd = load_text("r0 = *(u64 *)(r1 +8)\n*(u64 *)(r1 +0) = r0\nexit", BPF_PROG_TYPE_SYSCALL, BPF_F_SLEEPABLE);
  std::array<std::uint64_t, 3> memory{100, 101, 102};
  bpf_attr attr = run_attr(fd, {});
  give_context(attr, memory);
  attr.test.ctx_size_in = 15;
  EXPECT_EQ(run(attr), -EINVAL);
  attr.test.ctx_size_in = sizeof memory;
  ASSERT_EQ(run(attr), 0);
  EXPECT_EQ(attr.test.retval, 101U);
  EXPECT_EQ(memory, (std::array<std::uint64_t, 3>{101, 101, 102}));
}

TEST_P(TestRun, SyscallProgramsNeedNoMemory) {
  const int fd = load_text("r0 = 5\nexit", BPF_PROG_TYPE_SYSCALL, BPF_F_SLEEPABLE);
  bpf_attr attr = run_attr(fd, {});
  ASSERT_EQ(run(attr), 0);
  EXPECT_EQ(attr.test.retval, 5U);
  for (const auto change : kStrange) EXPECT_EQ(run_with(fd, {}, change), -EINVAL);
  EXPECT_EQ(run_with(fd, {}, [](bpf_attr& test) { test.test.flags = 1; }), -EINVAL);
  const Bytes memory(UINT16_MAX + 1);
  const auto sized = [&](std::uint32_t bytes) {
    return run_with(fd, {}, [&](bpf_attr& test) {
      test.test.ctx_in = address_of(memory.data());
      test.test.ctx_size_in = bytes;
    });
  };
  EXPECT_EQ(sized(UINT16_MAX), 0);
  EXPECT_EQ(sized(UINT16_MAX + 1), -EINVAL);
}

TEST_P(TestRun, SocketLookupsSeeAddresses) {
  constexpr const char* kFields =
      "r0 = *(u32 *)(r1 +8)\nr2 = *(u32 *)(r1 +16)\nr0 += r2\nr2 = *(u32 *)(r1 +40)\nr0 += r2\n"
      "r2 = *(u32 *)(r1 +20)\nr0 += r2\nr2 = *(u32 *)(r1 +60)\nr0 += r2\nif r0 == 1162 goto +2\nr0 = 0\nexit\nr0 = "
      "1\nexit";
  const int fd = load_text(kFields, BPF_PROG_TYPE_SK_LOOKUP, 0, BPF_SK_LOOKUP);
  const auto looked = [&](auto change) {
    bpf_sk_lookup context{}, after{};
    context.family = AF_INET;
    context.remote_ip4 = 50;
    context.local_ip4 = 110;
    context.remote_ip6[0] = 9;  // of the other family
    context.local_port = 1000;
    context.protocol = IPPROTO_TCP;
    change(context);
    bpf_attr attr = run_attr(fd, {});
    give_context(attr, context);
    attr.test.ctx_out = address_of(&after);
    attr.test.ctx_size_out = sizeof after;
    attr.test.repeat = 2;
    const long error = run(attr);
    return error != 0 ? error : long{attr.test.retval};
  };
  EXPECT_EQ(looked([](bpf_sk_lookup&) {}), 1);
  EXPECT_EQ(looked([](bpf_sk_lookup& context) { context.family = AF_INET6; }), 0);
  EXPECT_EQ(looked([](bpf_sk_lookup& context) { context.family = AF_UNIX; }), -EAFNOSUPPORT);
  EXPECT_EQ(looked([](bpf_sk_lookup& context) { context.local_port = 65536; }), -ERANGE);
  EXPECT_EQ(looked([](bpf_sk_lookup& context) { context.ingress_ifindex = 1; }), -EINVAL);
  EXPECT_EQ(looked([](bpf_sk_lookup& context) { context.cookie = 1; }), -EINVAL);
  EXPECT_EQ(run_with(fd, {}, [](bpf_attr&) {}), -EINVAL) << "no context";
  EXPECT_EQ(run_with(fd, Bytes(64), [](bpf_attr&) {}), -EINVAL);
}

TEST(TestRunHere, SocketLookupsTellWhichSocketWasChosen) {
  OurSystem system;
  // Of the map of sockets the only one, if it is there.
  const bpf_attr sockets = map_attr(BPF_MAP_TYPE_SOCKMAP, 4, 8, 1);
  bpf_attr create = sockets;
  const long map = system.bpf(BPF_MAP_CREATE, &create, sizeof create);
  ASSERT_GE(map, 0);
  const int real = ::socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(::listen(real, 1), 0);
  const __u32 zero = 0;
  const __u64 value = static_cast<__u64>(real);
  bpf_attr update = element_attr(map, &zero, &value);
  ASSERT_EQ(system.bpf(BPF_MAP_UPDATE_ELEM, &update, sizeof update), 0);
  Code code = code_of(
      "r6 = r1\n*(u32 *)(r10 -4) = 0\nr1 = 0 ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto +7\n"
      "r7 = r0\nr1 = r6\nr2 = r7\nr3 = 0\ncall bpf_sk_assign\nr1 = r7\ncall bpf_sk_release\nr0 = 1\nexit");
  code[2].src_reg = BPF_PSEUDO_MAP_FD;
  code[2].imm = static_cast<int>(map);
  bpf_attr load = prog_attr(code, BPF_PROG_TYPE_SK_LOOKUP);
  load.expected_attach_type = BPF_SK_LOOKUP;
  const long fd = system.bpf(BPF_PROG_LOAD, &load, sizeof load);
  ASSERT_GE(fd, 0);
  bpf_sk_lookup context{}, after{};
  context.family = AF_INET;
  context.protocol = IPPROTO_TCP;
  bpf_attr attr = empty_attr();
  attr.test.prog_fd = static_cast<__u32>(fd);
  attr.test.ctx_in = address_of(&context);
  attr.test.ctx_size_in = sizeof context;
  attr.test.ctx_out = address_of(&after);
  attr.test.ctx_size_out = sizeof after;
  attr.test.repeat = 3;
  ASSERT_EQ(system.bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr), 0);
  EXPECT_EQ(attr.test.retval, 1U);
  EXPECT_NE(after.cookie, 0U);
  EXPECT_EQ(attr.test.ctx_size_out, sizeof after);
  for (const long open : {map, fd}) (void)system.close(static_cast<int>(open));
  ::close(real);
}

}  // namespace
}  // namespace forager::syscall::testing
