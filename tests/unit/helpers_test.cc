// SPDX-License-Identifier: Apache-2.0
//
// Helpers that the kernel cannot judge here: the registry, clocks, output, the routing tables, traces.
#include <linux/bpf.h>

#include "exec/host_helpers.h"
#include "exec_testing.h"
#include "helpers/format.h"

namespace forager::helpers {
namespace {

using exec::Environment;
using exec::Frame;
using exec::testing::Bytes;
using exec::testing::FakePerf;
using exec::testing::FakeRing;
using exec::testing::FakeSink;
using exec::testing::make_map;
using exec::testing::Rig;
using exec::testing::run;
using exec::testing::trap_of;
using ::testing::ElementsAre;

std::int32_t returned(const Rig& rig, const std::string& text, const Bytes& packet = Bytes(60)) {
  const Frame frame = run(rig, text + "\nexit", packet);
  EXPECT_EQ(trap_of(frame), "") << text;
  return static_cast<std::int32_t>(frame.return_value);
}

// ---- the registry ----

TEST(Registry, HasAFunctionExactlyWhereItSaysSo) {
  for (std::size_t id = 0; id < table().size(); ++id) {
    EXPECT_EQ(table()[id] != nullptr, exec::host_helpers().test(id)) << id;
  }
  EXPECT_GT(exec::host_helpers().count(), 20U);
  EXPECT_EQ(table()[12], nullptr);  // tail_call is the engine's
}

// ---- maps ----

TEST(Maps, UpdateAndDeleteReturnTheMapsErrors) {
  const Rig rig{.maps = {make_map(isa::MapType::hash, 4, 8, 4)}};
  const std::string args = "*(u64 *)(r10 -8) = 7\nr1 = map[0] ll\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -8\n";
  EXPECT_EQ(returned(rig, args + "call bpf_map_delete_elem"), -ENOENT);
  EXPECT_EQ(returned(rig, args + "r4 = 9\ncall bpf_map_update_elem"), -EINVAL);
  EXPECT_EQ(returned(rig, args + "r4 = 0\ncall bpf_map_update_elem"), 0);
  EXPECT_EQ(returned(rig, args + "call bpf_map_delete_elem"), 0);
}

TEST(Maps, EachCpuHasItsLane) {
  const auto map = make_map(isa::MapType::percpu_array, 4, 8, 1, 2);
  const std::string lookup = "*(u32 *)(r10 -4) = 0\nr1 = map[0] ll\nr2 = r10\nr2 += -4\n";
  const std::string add = "call bpf_map_lookup_elem\nif r0 == 0 goto +1\n*(u64 *)(r0 +0) = 9\nr0 = 0";
  EXPECT_EQ(returned({.maps = {map}, .cpu = 1}, lookup + add), 0);
  EXPECT_EQ(map->first(0), 0U);
  EXPECT_EQ(map->first(1), 9U);
  const std::string other = "call bpf_map_lookup_percpu_elem\nif r0 == 0 goto +1\nr0 = *(u64 *)(r0 +0)";
  EXPECT_EQ(returned({.maps = {map}}, lookup + "r3 = 1\n" + other), 9);
  EXPECT_EQ(returned({.maps = {map}}, lookup + "r3 = 2\n" + other), 0);  // no such CPU
}

// ---- time and place ----

TEST(Time, ComesFromTheEnvironment) {
  Environment environment = exec::testing::plain_environment();
  environment.monotonic_ns = [] { return std::uint64_t{10'000'001}; };
  environment.boot_ns = [] { return std::uint64_t{20}; };
  environment.tai_ns = [] { return std::uint64_t{30}; };
  const Rig rig{.environment = &environment, .cpu = 1};
  EXPECT_EQ(returned(rig, "call bpf_ktime_get_ns"), 10'000'001);
  EXPECT_EQ(returned(rig, "call bpf_ktime_get_coarse_ns"), 8'000'000);
  EXPECT_EQ(returned(rig, "call bpf_ktime_get_boot_ns"), 20);
  EXPECT_EQ(returned(rig, "call bpf_ktime_get_tai_ns"), 30);
  EXPECT_EQ(returned(rig, "call bpf_jiffies64"), -75'000 + 2);
  EXPECT_EQ(returned({}, "call bpf_ktime_get_ns"), 0);
  EXPECT_EQ(returned(rig, "call bpf_get_smp_processor_id"), 1);
  EXPECT_EQ(returned(rig, "call bpf_get_numa_node_id"), 0);
}

// ---- redirects ----

TEST(Redirect, LeavesItsTargetInTheFrame) {
  Frame frame = run({}, "r1 = 7\nr2 = 0\ncall bpf_redirect\nexit");
  EXPECT_EQ(frame.results().redirect.ifindex, 7U);
  const auto ports = make_map(isa::MapType::devmap_hash, 4, 8, 4);
  const std::uint32_t key = 3;
  const std::uint64_t value = 5;  // ifindex 5, no program
  ASSERT_EQ(ports->update(&key, &value, 0, 0), 0);
  frame = run({.maps = {ports}}, "r1 = map[0] ll\nr2 = 3\nr3 = 0\ncall bpf_redirect_map\nexit");
  EXPECT_EQ(frame.results().redirect.ifindex, 5U);
  EXPECT_EQ(frame.results().redirect.map_type, static_cast<std::uint32_t>(isa::MapType::devmap_hash));
  frame = run({.maps = {ports}},
              "r1 = map[0] ll\nr2 = 3\nr3 = 0\ncall bpf_redirect_map\nr1 = map[0] ll\nr2 = 4\nr3 = 2\n"
              "call bpf_redirect_map\nexit");
  EXPECT_EQ(frame.results().redirect.ifindex, 0U);
  EXPECT_EQ(frame.return_value, 2U);
  frame = run({.maps = {ports}}, "r1 = map[0] ll\nr2 = 4\nr3 = 8\ncall bpf_redirect_map\nexit");
  EXPECT_EQ(frame.results().redirect.flags, static_cast<std::uint64_t>(BPF_F_BROADCAST));
  EXPECT_EQ(frame.return_value, 4U);
}

// CPU 0 is a place to go to; what tells it from none is the map's type.
TEST(Redirect, NamesCpusAndSocketsByTheirKey) {
  for (const isa::MapType type : {isa::MapType::cpumap, isa::MapType::xskmap}) {
    const auto targets = make_map(type, 4, 4, 4);
    const std::uint32_t key = 0, value = 192;
    ASSERT_EQ(targets->update(&key, &value, 0, 0), 0);
    Frame frame = run({.maps = {targets}}, "r1 = map[0] ll\nr2 = 0\nr3 = 2\ncall bpf_redirect_map\nexit");
    EXPECT_EQ(frame.return_value, 4U);
    EXPECT_EQ(frame.results().redirect.ifindex, key);
    EXPECT_EQ(frame.results().redirect.map_type, static_cast<std::uint32_t>(type));
    frame = run({.maps = {targets}}, "r1 = map[0] ll\nr2 = 3\nr3 = 2\ncall bpf_redirect_map\nexit");
    EXPECT_EQ(frame.return_value, 2U);
    EXPECT_EQ(frame.results().redirect.map_type, 0U);
    frame = run({.maps = {targets}}, "r1 = map[0] ll\nr2 = 0\nr3 = 8\ncall bpf_redirect_map\nexit");
    EXPECT_EQ(frame.return_value, 0U) << "broadcasting is for ports";
  }
}

// ---- perf events ----

TEST(PerfOutput, AppendsThePacketThatTheFlagsAskFor) {
  const auto events = std::make_shared<FakePerf>(2);
  const auto sink = std::make_shared<FakeSink>();
  ASSERT_EQ(events->set(1, sink), 0);
  const Rig rig{.maps = {events}, .cpu = 1};
  Bytes packet(60);
  packet[0] = 0xaa;
  const auto output = [](const std::string& flags) {
    return "*(u64 *)(r10 -8) = 0x11223344\nr2 = map[0] ll\nr3 = " + flags + " ll\nr4 = r10\nr4 += -8\nr5 = 4\n" +
           "call bpf_perf_event_output";
  };
  EXPECT_EQ(returned(rig, output("0x1ffffffff"), packet), 0);  // this CPU, one byte of the packet
  EXPECT_EQ(returned(rig, output("1"), packet), 0);
  EXPECT_THAT(sink->samples, ElementsAre(Bytes{0x44, 0x33, 0x22, 0x11, 0xaa}, Bytes{0x44, 0x33, 0x22, 0x11}));
  EXPECT_EQ(returned(rig, output("0"), packet), -ENOENT);
  EXPECT_EQ(returned(rig, output("2"), packet), -E2BIG);
  EXPECT_EQ(returned(rig, output("0x3d00000001"), packet), -EFAULT);  // 61 bytes of 60
  EXPECT_EQ(returned(rig, output("0x10000000000001"), packet), -EINVAL);
  EXPECT_EQ(sink->samples.size(), 2U);
}

// ---- ring buffers ----

TEST(RingOutput, PassesDataFlagsAndRefusals) {
  const auto ring = std::make_shared<FakeRing>(16);
  const Rig rig{.maps = {ring}};
  const auto output = [](int size, int flags) {
    return "*(u64 *)(r10 -24) = 1\n*(u64 *)(r10 -16) = 2\n*(u64 *)(r10 -8) = 3\nr1 = map[0] ll\nr2 = r10\nr2 += "
           "-24\nr3 = " +
           std::to_string(size) + "\nr4 = " + std::to_string(flags) + "\ncall bpf_ringbuf_output";
  };
  EXPECT_EQ(returned(rig, output(1, BPF_RB_NO_WAKEUP)), 0);
  EXPECT_EQ(ring->last_flags, static_cast<std::uint64_t>(BPF_RB_NO_WAKEUP));
  EXPECT_EQ(returned(rig, output(24, 0)), -EAGAIN);
  EXPECT_EQ(returned(rig, output(1, 4)), -EINVAL);
  EXPECT_THAT(ring->committed, ElementsAre(Bytes{1}));
  const std::string reserve =
      "r1 = map[0] ll\nr2 = 8\nr3 = 1\ncall bpf_ringbuf_reserve\n"
      "if r0 == 0 goto +4\nr1 = r0\nr2 = 0\ncall bpf_ringbuf_discard\nr0 = 1";
  EXPECT_EQ(returned(rig, reserve), 0);  // flags must be 0
  EXPECT_EQ(returned(rig, "r1 = map[0] ll\nr2 = 1\ncall bpf_ringbuf_query"), 16);
}

// ---- routing ----

Environment routed() {
  Environment environment = exec::testing::plain_environment();
  const auto ipv4 = [](int a, int b, int c, int d) {
    return exec::Address{static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b), static_cast<std::uint8_t>(c),
                         static_cast<std::uint8_t>(d)};
  };
  environment.fib.interfaces = {
      {.ifindex = 1, .mac = {1}}, {.ifindex = 2, .mac = {2}, .mtu = 1400}, {.ifindex = 3, .forwarding = false}};
  environment.fib.routes = {
      {.prefix = ipv4(10, 0, 0, 0), .prefix_length = 8, .ifindex = 2, .metric = 42},
      {.prefix = ipv4(10, 9, 0, 0), .prefix_length = 16, .via = ipv4(10, 0, 0, 9), .ifindex = 2},
      {.prefix = ipv4(10, 8, 0, 0), .prefix_length = 16, .type = exec::FibRouteType::blackhole},
      {.ipv6 = true, .prefix = {0x20}, .prefix_length = 8, .ifindex = 2},
  };
  environment.fib.neighbours = {{.address = ipv4(10, 0, 0, 9), .mac = {0xbb}, .ifindex = 2},
                                {.ipv6 = true, .address = {0x20, 1}, .mac = {0xcc}, .ifindex = 2}};
  return environment;
}

struct Lookup {
  std::int64_t answer = 0;
  bpf_fib_lookup query{};
};

// Straight through the table: the query in and out is what counts.
Lookup look_up(bpf_fib_lookup query, std::uint64_t flags = 0, std::uint64_t size = sizeof(bpf_fib_lookup)) {
  const Environment environment = routed();
  exec::RunContext context{.environment = &environment};
  const auto call = table()[static_cast<std::size_t>(exec::HelperId::fib_lookup)];
  Lookup lookup{.query = query};
  lookup.answer =
      static_cast<std::int64_t>(call(context, 0, reinterpret_cast<std::uint64_t>(&lookup.query), size, flags, 0));
  return lookup;
}

bpf_fib_lookup to_ipv4(std::uint8_t b, std::uint8_t d, std::uint16_t length = 100, std::uint32_t ifindex = 1) {
  bpf_fib_lookup query{};
  query.family = 2;
  query.ifindex = ifindex;
  query.tot_len = length;
  query.ipv4_dst = 10U | static_cast<std::uint32_t>(b) << 8 | static_cast<std::uint32_t>(d) << 24;
  return query;
}

TEST(FibLookup, FillsInTheNextHop) {
  const Lookup found = look_up(to_ipv4(9, 7));
  EXPECT_EQ(found.answer, BPF_FIB_LKUP_RET_SUCCESS);
  EXPECT_EQ(found.query.ifindex, 2U);
  EXPECT_EQ(found.query.dmac[0], 0xbb);
  EXPECT_EQ(found.query.smac[0], 2);
  EXPECT_EQ(found.query.ipv4_dst, 10U | 9U << 24);
  EXPECT_EQ(found.query.mtu_result, 1400);
}

TEST(FibLookup, SaysWhyNot) {
  EXPECT_EQ(look_up(to_ipv4(1, 7)).answer, BPF_FIB_LKUP_RET_NO_NEIGH);
  EXPECT_EQ(look_up(to_ipv4(1, 7)).query.rt_metric, 42U);
  EXPECT_EQ(look_up(to_ipv4(1, 7), BPF_FIB_LOOKUP_SKIP_NEIGH).answer, BPF_FIB_LKUP_RET_SUCCESS);
  EXPECT_EQ(look_up(to_ipv4(8, 7)).answer, BPF_FIB_LKUP_RET_BLACKHOLE);
  EXPECT_EQ(look_up(to_ipv4(9, 7, 1401)).answer, BPF_FIB_LKUP_RET_FRAG_NEEDED);
  EXPECT_EQ(look_up(to_ipv4(9, 7, 1401)).query.mtu_result, 1400);
  EXPECT_EQ(look_up(to_ipv4(9, 7, 100, 3)).answer, BPF_FIB_LKUP_RET_FWD_DISABLED);
  EXPECT_EQ(look_up(to_ipv4(9, 7, 100, 9)).answer, -ENODEV);
  EXPECT_EQ(look_up(to_ipv4(9, 7, 100, 1), BPF_FIB_LOOKUP_OUTPUT).answer, BPF_FIB_LKUP_RET_NOT_FWDED);
  EXPECT_EQ(look_up(to_ipv4(9, 7, 100, 2), BPF_FIB_LOOKUP_OUTPUT).answer, BPF_FIB_LKUP_RET_SUCCESS);
  EXPECT_EQ(look_up(to_ipv4(9, 7), 64).answer, -EINVAL);
  EXPECT_EQ(look_up(to_ipv4(9, 7), 0, sizeof(bpf_fib_lookup) - 1).answer, -EINVAL);
  bpf_fib_lookup other = to_ipv4(9, 7);
  other.family = 3;
  EXPECT_EQ(look_up(other).answer, -EAFNOSUPPORT);
}

TEST(FibLookup, ForwardsNoLocalIpv6) {
  bpf_fib_lookup query{};
  query.family = 10;
  query.ifindex = 1;
  const auto answer_to = [&](std::uint8_t first, std::uint8_t second) {
    std::memset(query.ipv6_dst, 0, 16);
    const std::uint8_t head[] = {first, second};
    std::memcpy(query.ipv6_dst, head, 2);
    return look_up(query).answer;
  };
  EXPECT_EQ(answer_to(0x20, 1), BPF_FIB_LKUP_RET_SUCCESS);
  EXPECT_EQ(answer_to(0xff, 2), BPF_FIB_LKUP_RET_NOT_FWDED);
  EXPECT_EQ(answer_to(0xfe, 0x80), BPF_FIB_LKUP_RET_NOT_FWDED);
  EXPECT_EQ(answer_to(0x30, 1), BPF_FIB_LKUP_RET_NOT_FWDED);
}

// ---- traces ----

TEST(Trace, LinesReachTheEnvironmentWithTheirCpu) {
  std::vector<std::string> lines;
  Environment environment = exec::testing::plain_environment();
  environment.trace = [&](unsigned cpu, std::string_view line) {
    lines.push_back(std::to_string(cpu) + ":" + std::string(line));
  };
  const Rig rig{.environment = &environment, .cpu = 1};
  // "v=%d\n" and, behind it, "hi" for %s
  const std::string store = "*(u64 *)(r10 -16) = 0\nr1 = 0x0a64253d76 ll\n*(u64 *)(r10 -16) = r1\n";
  EXPECT_EQ(returned(rig, store + "r1 = r10\nr1 += -16\nr2 = 6\nr3 = -4\ncall bpf_trace_printk"), 5);
  const std::string text =
      "*(u64 *)(r10 -16) = 0x7325\n*(u64 *)(r10 -8) = 0x6968\nr1 = r10\nr1 += -16\nr2 = 3\nr3 = r10\n";
  EXPECT_EQ(returned(rig, text + "r3 += -8\ncall bpf_trace_printk"), 2);
  EXPECT_EQ(returned(rig, text + "r3 += 8\ncall bpf_trace_printk"), 0);  // no memory: prints nothing
  EXPECT_THAT(lines, ElementsAre("1:v=-4", "1:hi"));
}

TEST(Trace, VariableArgumentsAreAnArray) {
  std::vector<std::string> lines;
  Environment environment = exec::testing::plain_environment();
  environment.trace = [&](unsigned, std::string_view line) { lines.emplace_back(line); };
  const Rig rig{.environment = &environment};
  const std::string store =
      "*(u64 *)(r10 -32) = 0x64256425\n*(u64 *)(r10 -24) = 1\n*(u64 *)(r10 -16) = 2\n"
      "r1 = r10\nr1 += -32\nr2 = 5\nr3 = r10\nr3 += -24\n";
  EXPECT_EQ(returned(rig, store + "r4 = 16\ncall bpf_trace_vprintk"), 2);
  EXPECT_EQ(returned(rig, store + "r4 = 8\ncall bpf_trace_vprintk"), -EINVAL);
  EXPECT_EQ(returned(rig, store + "r4 = 12\ncall bpf_trace_vprintk"), -EINVAL);
  std::string thirteen;
  for (int at = -112; at < -32; at += 8) thirteen += "*(u64 *)(r10 " + std::to_string(at) + ") = 0\n";
  EXPECT_EQ(returned(rig, thirteen + store + "r3 += -88\nr4 = 104\ncall bpf_trace_vprintk"), -EINVAL);
  EXPECT_THAT(lines, ElementsAre("12"));
}

// ---- formats that need memory or differ from the kernel's ----

class FakeMemory : public exec::ProgramMemory {
 public:
  bool read(std::uint64_t address, std::span<std::byte> to) const override {
    static constexpr std::string_view kText("hello\0\x0a\x01\x02\xff", 10);
    if (address < 0x1000 || address + to.size() > 0x1000 + kText.size()) return false;
    std::memcpy(to.data(), kText.data() + (address - 0x1000), to.size());
    return true;
  }
};

std::string formatted(std::string_view text, std::uint64_t argument) {
  const FakeMemory memory;
  exec::RunContext context;
  context.memory = &memory;
  std::string out;
  return format(context, text, std::span(&argument, 1), out) == 0 ? out : "refused";
}

TEST(Format, FollowsPointers) {
  EXPECT_EQ(formatted("[%s]", 0x1000), "[hello]");
  EXPECT_EQ(formatted("[%8s]", 0x1000), "[   hello]");
  EXPECT_EQ(formatted("[%pks]", 0x1002), "[llo]");
  EXPECT_EQ(formatted("[%s]", 7), "[]");
  EXPECT_EQ(formatted("%pI4", 0x1006), "10.1.2.255");
  EXPECT_EQ(formatted("%pi4", 0x1006), "010.001.002.255");
  EXPECT_EQ(formatted("%pI4", 7), "0.0.0.0");
  EXPECT_EQ(formatted("%pI6", 7), "0000:0000:0000:0000:0000:0000:0000:0000");
  EXPECT_EQ(formatted("%pi6", 7), "00000000000000000000000000000000");
  EXPECT_EQ(formatted("%p", 0x1234), "0000000000001234");
  EXPECT_EQ(formatted("%px.", 0x1234), "0000000000001234.");
  EXPECT_EQ(formatted("%sx", 0x1000), "refused");
  EXPECT_EQ(formatted("%999999999999d", 1).size(), 1024U);
}

TEST(Format, TextEndsAtItsZero) {
  EXPECT_EQ(text_of(std::as_bytes(std::span("ab\0c"))).value_or("none"), "ab");
  EXPECT_FALSE(text_of(std::as_bytes(std::span("ab", 2))));
}

}  // namespace
}  // namespace forager::helpers
