// SPDX-License-Identifier: Apache-2.0
//
// Helpers of the program types that see no packet, on events of our own making; helpers_event_kernel_test.cc compares
// those that the kernel can be asked about.
#include <linux/bpf.h>
#include <netinet/in.h>

#include "exec/event.h"
#include "exec/host_helpers.h"
#include "exec/skb.h"
#include "exec_testing.h"

namespace forager::helpers {
namespace {

using exec::Event;
using exec::Frame;
using exec::Task;
using exec::testing::Bytes;
using exec::testing::FakePerf;
using exec::testing::FakeSink;
using exec::testing::make_map;
using exec::testing::open_device;
using exec::testing::Rig;
using exec::testing::trap_of;
using ::testing::ElementsAre;
using Type = isa::ProgType;

std::vector<std::byte> raw(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// A frame that says nothing yet, with an event and a task that can be filled in.
struct Happening {
  Frame frame;
  std::shared_ptr<Event> event = std::make_shared<Event>();
  std::shared_ptr<Task> task = std::make_shared<Task>();

  explicit Happening(const Bytes& packet = {}) : frame(*Frame::make(exec::testing::as_bytes(packet))) {
    frame.event = event;
    frame.task = task;
  }
  void put(std::size_t offset, std::uint32_t value) {
    std::memcpy(frame.context.data() + offset, &value, sizeof value);
  }
  std::uint32_t get(std::size_t offset) const {
    std::uint32_t value = 0;
    std::memcpy(&value, frame.context.data() + offset, sizeof value);
    return value;
  }
};

std::int32_t returned(const Rig& rig, const std::string& text, Happening& happening) {
  const auto device = open_device(rig, text + "\nexit");
  if (device == nullptr) return 0;
  const auto report = device->run({&happening.frame, 1});
  EXPECT_TRUE(report) << report.error().text();
  EXPECT_EQ(trap_of(happening.frame), "") << text;
  return static_cast<std::int32_t>(happening.frame.return_value);
}

std::int32_t returned(Type type, const std::string& text, Happening& happening) {
  return returned({.type = type}, text, happening);
}

// ---- contexts ----

TEST(Context, OfATracepointIsItsRecord) {
  Bytes record(4000);
  record[3000] = 77;
  Happening happening(record);
  EXPECT_EQ(returned(Type::tracepoint, "r0 = *(u32 *)(r1 +3000)", happening), 77);
  // The kernel's verifier does not know how long the record will be; whoever reads behind it is stopped.
  const auto device = open_device({.type = Type::tracepoint}, "r0 = *(u32 *)(r1 +4000)\nexit");
  ASSERT_TRUE(device->run({&happening.frame, 1}));
  EXPECT_NE(trap_of(happening.frame), "");
  EXPECT_EQ(happening.frame.return_value, 0U);
}

TEST(Context, OfAProbeCanBeReadByAddress) {
  Happening happening;
  happening.put(112, 4711);  // rdi
  const std::string text =
      "r3 = r1\nr3 += 112\nr1 = r10\nr1 += -8\nr2 = 8\ncall bpf_probe_read_kernel\nr0 = *(u64 *)(r10 -8)";
  EXPECT_EQ(returned(Type::kprobe, text, happening), 4711);
}

// ---- who ran ----

TEST(CurrentTask, IsTheEvents) {
  Happening happening;
  happening.task->pid_tgid = std::uint64_t{7} << 32 | 8;
  happening.task->uid_gid = std::uint64_t{100} << 32 | 1000;
  happening.task->cgroup_id = 42;
  happening.task->cgroup_ancestors = {1, 41, 42};
  EXPECT_EQ(returned(Type::kprobe, "call bpf_get_current_pid_tgid\nr0 >>= 32", happening), 7);
  EXPECT_EQ(returned(Type::kprobe, "call bpf_get_current_pid_tgid", happening), 8);
  EXPECT_EQ(returned(Type::kprobe, "call bpf_get_current_uid_gid\nr0 >>= 32", happening), 100);
  EXPECT_EQ(returned(Type::kprobe, "call bpf_get_current_cgroup_id", happening), 42);
  const std::string ancestor = "\ncall bpf_get_current_ancestor_cgroup_id";
  EXPECT_EQ(returned(Type::kprobe, "r1 = 1" + ancestor, happening), 41);
  EXPECT_EQ(returned(Type::kprobe, "r1 = 3" + ancestor, happening), 0);
  EXPECT_EQ(returned(Type::kprobe, "r1 = -1" + ancestor, happening), 0);
  const std::string same = "call bpf_get_current_task\nr6 = r0\ncall bpf_get_current_task\nr0 -= r6";
  EXPECT_EQ(returned(Type::kprobe, same, happening), 0);
}

TEST(CurrentTask, IsTheEnvironmentsWithoutAnEvent) {
  exec::Environment environment = exec::testing::plain_environment();
  environment.task = [] {
    Task task;
    task.pid_tgid = 5;
    return task;
  };
  Happening happening;
  happening.frame.task = nullptr;
  EXPECT_EQ(returned({.environment = &environment}, "call bpf_get_current_pid_tgid", happening), 5);
}

TEST(CurrentTask, HasACommThatIsCutAndPadded) {
  Happening happening;
  std::memcpy(happening.task->comm.data(), "worker", 6);
  const auto byte = [&](int size, int index) {
    const std::string text =
        "*(u64 *)(r10 -24) = -1\n*(u64 *)(r10 -16) = -1\n*(u64 *)(r10 -8) = -1\nr1 = r10\nr1 += -24\n"
        "r2 = " +
        std::to_string(size) + "\ncall bpf_get_current_comm\nr0 = *(u8 *)(r10 " + std::to_string(index - 24) + ")";
    return returned(Type::kprobe, text, happening);
  };
  EXPECT_EQ(byte(16, 5), 'r');
  EXPECT_EQ(byte(16, 15), 0);
  EXPECT_EQ(byte(24, 23), 0);
  EXPECT_EQ(byte(4, 2), 'r');
  EXPECT_EQ(byte(4, 3), 0);
  EXPECT_EQ(byte(4, 4), 255);  // not touched
}

TEST(CurrentTask, IsUnderTheCgroupsAboveIt) {
  const auto map = make_map(isa::MapType::cgroup_array, 4, 4, 4);
  const auto index_of = [&](std::uint32_t index, std::uint64_t cgroup) {
    std::array<std::uint64_t, 1> value{cgroup};
    ASSERT_EQ(map->update(&index, value.data(), 0, 0), 0);
  };
  index_of(0, 41);
  index_of(1, 99);
  Happening happening;
  happening.task->cgroup_id = 42;
  happening.task->cgroup_ancestors = {1, 41, 42};
  const Rig rig{.type = Type::kprobe, .maps = {map}};
  const auto under = [&](int index) {
    const std::string number = std::to_string(index);
    return returned(rig, "r1 = map[0] ll\nr2 = " + number + "\ncall bpf_current_task_under_cgroup", happening);
  };
  EXPECT_EQ(under(0), 1);
  EXPECT_EQ(under(1), 0);
  EXPECT_EQ(under(2), -EAGAIN);
  EXPECT_EQ(under(4), -E2BIG);

  happening.frame = *exec::make_skb(std::vector<std::byte>(64), Type::sched_cls);
  happening.frame.task = happening.task;
  const Rig classifier{.type = Type::sched_cls, .maps = {map}};
  const auto packet_under = [&](int index) {
    const std::string number = std::to_string(index);
    return returned(classifier, "r2 = map[0] ll\nr3 = " + number + "\ncall bpf_skb_under_cgroup", happening);
  };
  EXPECT_EQ(packet_under(0), 1);
  EXPECT_EQ(packet_under(1), 0);
  EXPECT_EQ(packet_under(2), -EAGAIN);
  EXPECT_EQ(packet_under(4), -E2BIG);
  happening.frame.socket = nullptr;
  EXPECT_EQ(packet_under(0), -ENOENT) << "whose packet is it?";
}

TEST(CurrentTask, HasTheClassOfItsNetwork) {
  Happening happening;
  happening.task->classid = 0x10005;
  EXPECT_EQ(returned(Type::kprobe, "call bpf_get_cgroup_classid", happening), 0x10005);
}

TEST(CurrentTask, IsNeverSignalled) {
  Happening happening;
  happening.task->pid_tgid = std::uint64_t{70} << 32 | 71;
  EXPECT_EQ(returned(Type::kprobe, "r1 = 9\ncall bpf_send_signal", happening), 0);
  ASSERT_EQ(happening.event->effects.signals.size(), 1U);
  EXPECT_EQ(happening.event->effects.signals[0].number, 9U);
  EXPECT_FALSE(happening.event->effects.signals[0].thread);
  EXPECT_EQ(returned(Type::kprobe, "r1 = 0\ncall bpf_send_signal_thread", happening), 0);
  EXPECT_EQ(happening.event->effects.signals.size(), 1U);  // number 0 only asks
  EXPECT_EQ(returned(Type::kprobe, "r1 = 65\ncall bpf_send_signal", happening), -EINVAL);
  happening.task->pid_tgid = std::uint64_t{1} << 32 | 1;
  EXPECT_EQ(returned(Type::kprobe, "r1 = 9\ncall bpf_send_signal", happening), -EPERM);
}

// ---- memory ----

std::string read_text(std::string_view helper, std::uint64_t address, int size) {
  return "*(u64 *)(r10 -8) = -1\nr1 = r10\nr1 += -8\nr2 = " + std::to_string(size) +
         "\nr3 = " + std::to_string(static_cast<std::int64_t>(address)) + " ll\ncall bpf_" + std::string(helper);
}

TEST(TracedMemory, IsReadFromThePiecesOfTheEvent) {
  constexpr std::uint64_t kKernel = 0xffff888000001000, kUser = 0x7f0000001000;
  Happening happening;
  happening.task->memory = {{.address = kKernel, .user = false, .bytes = raw("abcd")},
                            {.address = kKernel + 4, .user = false, .bytes = raw("ef-zz")},
                            {.address = kUser, .user = true, .bytes = raw("user")}};
  happening.task->memory[1].bytes[2] = std::byte{0};
  const auto first = [&](const std::string& text) {
    return returned(Type::kprobe, text + "\nr0 = *(u64 *)(r10 -8)", happening);
  };
  EXPECT_EQ(first(read_text("probe_read_kernel", kKernel + 2, 4)), 0x66656463);  // over the seam
  EXPECT_EQ(first(read_text("probe_read_user", kUser, 4)), 0x72657375);
  EXPECT_EQ(first(read_text("probe_read", kUser, 4)), 0x72657375);
  EXPECT_EQ(first(read_text("probe_read", kKernel, 4)), 0x64636261);
  EXPECT_EQ(returned(Type::kprobe, read_text("probe_read_user", kUser, 5), happening), -EFAULT);
  EXPECT_EQ(first(read_text("probe_read_user", kUser, 5)), static_cast<std::int32_t>(0x00000000));
  EXPECT_EQ(returned(Type::kprobe, read_text("probe_read_user", kKernel, 4), happening), -EFAULT);
  EXPECT_EQ(returned(Type::kprobe, read_text("probe_read_kernel", kUser, 4), happening), -ERANGE);
  EXPECT_EQ(returned(Type::kprobe, read_text("probe_read_kernel_str", kKernel, 8), happening), 7);
  EXPECT_EQ(returned(Type::kprobe, read_text("probe_read_str", kKernel, 3), happening), 3);
  EXPECT_EQ(first(read_text("probe_read_str", kKernel, 3)), static_cast<std::int32_t>(0xff006261));
  EXPECT_EQ(returned(Type::kprobe, read_text("probe_read_user_str", kUser, 8), happening), -EFAULT);
}

TEST(TracedMemory, IsNeverWritten) {
  Happening happening;
  happening.task->memory = {{.address = 0x1000, .user = true, .bytes = raw("user")}};
  const std::string text = "*(u64 *)(r10 -8) = 0\nr1 = 0x1000\nr2 = r10\nr2 += -8\nr3 = 4\ncall bpf_probe_write_user";
  EXPECT_EQ(returned(Type::kprobe, text, happening), -EPERM);
  EXPECT_EQ(happening.task->memory[0].bytes, raw("user"));
}

// ---- probes ----

TEST(Probe, KnowsItsFunctionAndItsCookie) {
  Happening happening;
  happening.event->function = 0x1234;
  happening.event->cookie = 99;
  EXPECT_EQ(returned(Type::kprobe, "call bpf_get_func_ip", happening), 0x1234);
  EXPECT_EQ(returned(Type::kprobe, "call bpf_get_attach_cookie", happening), 99);
}

TEST(Probe, OverridesAReturnOnPaper) {
  Happening happening;
  EXPECT_EQ(returned(Type::kprobe, "r2 = -12\ncall bpf_override_return", happening), 0);
  EXPECT_EQ(happening.event->effects.override_return, static_cast<std::uint64_t>(-12));
  EXPECT_EQ(happening.get(80), static_cast<std::uint32_t>(-12));  // rax
}

TEST(Probe, OutputTakesNoPacketAlong) {
  const auto perf = std::make_shared<FakePerf>(1);
  const auto sink = std::make_shared<FakeSink>();
  ASSERT_EQ(perf->set(0, sink), 0);
  const Rig rig{.type = Type::tracepoint, .maps = {perf}};
  const std::string call = "r4 = r10\nr4 += -8\nr5 = 8\n*(u64 *)(r10 -8) = 5\nr2 = map[0] ll\n";
  Happening happening(Bytes(64));
  EXPECT_EQ(returned(rig, call + "r3 = 0x100000000 ll\ncall bpf_perf_event_output", happening), -EINVAL);
  EXPECT_EQ(returned(rig, call + "r3 = 0xffffffff ll\ncall bpf_perf_event_output", happening), 0);
  EXPECT_THAT(sink->samples, ElementsAre(Bytes{5, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(PerfEvent, HasACounterAndBranches) {
  Happening happening;
  const std::string read = "r2 = r10\nr2 += -24\nr3 = 24\ncall bpf_perf_prog_read_value";
  EXPECT_EQ(returned(Type::perf_event, read, happening), -EOPNOTSUPP);
  happening.event->counter = {.counter = 11, .enabled_ns = 22, .running_ns = 33};
  EXPECT_EQ(returned(Type::perf_event, read + "\nr0 = *(u64 *)(r10 -16)", happening), 22);

  const std::string branches =
      "*(u64 *)(r10 -24) = 0\nr2 = r10\nr2 += -24\nr3 = 24\nr4 = 0\ncall bpf_read_branch_records";
  EXPECT_EQ(returned(Type::perf_event, branches, happening), -ENOENT);
  happening.event->branches.assign(48, std::byte{7});
  EXPECT_EQ(returned(Type::perf_event, branches, happening), 24);
  EXPECT_EQ(returned(Type::perf_event, branches + "\nr0 = *(u8 *)(r10 -24)", happening), 7);
  EXPECT_EQ(returned(Type::perf_event, "r2 = 0\nr3 = 0\nr4 = 1\ncall bpf_read_branch_records", happening), 48);
}

// ---- cgroups ----

TEST(Cgroup, ReturnValueIsTheEvents) {
  Happening happening;
  happening.event->retval = -EACCES;
  EXPECT_EQ(
      returned(Type::cgroup_device, "call bpf_get_retval\nr1 = r0\nr0 = 0\nif r1 != -13 goto +1\nr0 = 1", happening),
      1);
  EXPECT_EQ(returned(Type::cgroup_device, "r1 = -5\ncall bpf_set_retval\nr0 = 1", happening), 1);
  EXPECT_EQ(happening.event->retval, -5);
}

// A call of the helper itself, with a text of its own.
class SysctlCalls {
 public:
  explicit SysctlCalls(Happening& happening) { run_.frame = &happening.frame; }

  std::int64_t call(exec::HelperId helper, std::string& text, std::uint64_t flags = 0) {
    const auto function = table()[static_cast<std::size_t>(helper)];
    const auto address = reinterpret_cast<std::uintptr_t>(text.data());
    return static_cast<std::int64_t>(function(run_, 0, address, text.size(), flags, 0));
  }

 private:
  exec::RunContext run_;
};

TEST(Cgroup, SysctlIsReadAndReplaced) {
  using Id = exec::HelperId;
  Happening happening;
  happening.event->sysctl = {.name = "net/ipv4/tcp_mem", .current = "1 2 3", .fresh = "4 5"};
  SysctlCalls sysctl(happening);
  std::string room(16, 'x');
  EXPECT_EQ(sysctl.call(Id::sysctl_get_name, room), -E2BIG);
  EXPECT_EQ(room, std::string("net/ipv4/tcp_me") + '\0');
  EXPECT_EQ(sysctl.call(Id::sysctl_get_name, room, BPF_F_SYSCTL_BASE_NAME), 7);
  EXPECT_STREQ(room.c_str(), "tcp_mem");
  EXPECT_EQ(sysctl.call(Id::sysctl_get_name, room, 2), -EINVAL);
  EXPECT_EQ(sysctl.call(Id::sysctl_get_current_value, room), 5);
  EXPECT_EQ(room, std::string("1 2 3") + std::string(11, '\0'));
  std::string fresh = "9";
  EXPECT_EQ(sysctl.call(Id::sysctl_get_new_value, room), -EINVAL);  // it is a read
  EXPECT_EQ(sysctl.call(Id::sysctl_set_new_value, fresh), -EINVAL);
  happening.put(0, 1);
  EXPECT_EQ(sysctl.call(Id::sysctl_get_new_value, room), 3);
  EXPECT_EQ(sysctl.call(Id::sysctl_set_new_value, fresh), 0);
  EXPECT_EQ(happening.event->sysctl->fresh, "9");
  EXPECT_TRUE(happening.event->effects.sysctl_replaced);
}

TEST(Cgroup, SysctlProgramsSeeWhetherItIsAWrite) {
  Happening happening;
  happening.put(0, 1);
  happening.event->sysctl = {.name = "kernel/x", .current = "1", .fresh = "2"};
  EXPECT_EQ(returned(Type::cgroup_sysctl, "r0 = *(u32 *)(r1 +0)\nr0 &= 1", happening), 1);
  const std::string renew =
      "*(u32 *)(r10 -4) = 57\nr2 = r10\nr2 += -4\nr3 = 1\ncall bpf_sysctl_set_new_value\n*(u32 *)(r6 +4) = 0\nr0 = 1";
  EXPECT_EQ(returned(Type::cgroup_sysctl, "r6 = r1\n" + renew, happening), 1);
  EXPECT_EQ(happening.event->sysctl->fresh, "9");
}

TEST(Cgroup, BindIsRecorded) {
  Happening happening;
  const Rig rig{.type = Type::cgroup_sock_addr, .unverified = true};
  const auto bind = [&](int family, int size) {
    return returned(rig,
                    "*(u64 *)(r10 -32) = " + std::to_string(family) +
                        "\n*(u64 *)(r10 -24) = 0\n*(u64 *)(r10 -16) = 0\n*(u64 *)(r10 -8) = 0\nr2 = r10\n"
                        "r2 += -32\nr3 = " +
                        std::to_string(size) + "\ncall bpf_bind",
                    happening);
  };
  EXPECT_EQ(bind(AF_INET, 15), -EINVAL);
  EXPECT_EQ(bind(AF_UNIX, 32), -EAFNOSUPPORT);
  EXPECT_EQ(bind(AF_INET, 16), 0);
  EXPECT_EQ(happening.event->effects.bound.size(), 16U);
  EXPECT_EQ(bind(AF_INET6, 23), -EINVAL);
  EXPECT_EQ(bind(AF_INET6, 28), 0);
}

// ---- TCP connections ----

constexpr std::size_t kOp = offsetof(bpf_sock_ops, op), kFull = offsetof(bpf_sock_ops, is_fullsock),
                      kFlags = offsetof(bpf_sock_ops, bpf_sock_ops_cb_flags);

TEST(SockOps, CallbackFlagsStandInTheContext) {
  Happening happening;
  const std::string set = "r2 = 0x103\ncall bpf_sock_ops_cb_flags_set";
  EXPECT_EQ(returned({.type = Type::sock_ops, .unverified = true}, set, happening), -EINVAL);
  happening.put(kFull, 1);
  EXPECT_EQ(returned({.type = Type::sock_ops, .unverified = true}, set, happening), 0x100);  // what is unknown
  EXPECT_EQ(happening.get(kFlags), 3U);
}

// A TCP header with options: MSS, a NOP, an experiment with the magic number 0xabcd, the end.
Bytes header_with_options() {
  Bytes header(20);
  header.insert(header.end(), {2, 4, 5, 180, 1, 254, 5, 0xab, 0xcd, 9});
  return header;
}

TEST(SockOps, HeaderOptionsAreFound) {
  Happening happening(header_with_options());
  happening.put(kOp, BPF_SOCK_OPS_PARSE_HDR_OPT_CB);
  const auto load = [&](std::uint64_t wanted, int size, int flags) {
    const std::string text = "r1 = " + std::to_string(wanted) +
                             " ll\n*(u64 *)(r10 -8) = r1\nr1 = r6\nr2 = r10\nr2 += -8\nr3 = " + std::to_string(size) +
                             "\nr4 = " + std::to_string(flags) + "\ncall bpf_load_hdr_opt";
    return returned({.type = Type::sock_ops, .unverified = true}, "r6 = r1\n" + text, happening);
  };
  EXPECT_EQ(load(2, 8, 0), 4);
  EXPECT_EQ(load(2, 2, 0), -ENOSPC);
  EXPECT_EQ(load(3, 8, 0), -ENOMSG);
  EXPECT_EQ(load(1, 8, 0), -EINVAL);
  EXPECT_EQ(load(0xcdab04fe, 8, 0), 5);
  EXPECT_EQ(load(0xffab04fe, 8, 0), -ENOMSG);
  EXPECT_EQ(load(0xcdab05fe, 8, 0), -EINVAL);
  EXPECT_EQ(load(2, 8, 1), -ENOENT);  // no SYN was saved
  happening.event->saved_syn.assign(24, std::byte{0});
  happening.event->saved_syn[20] = std::byte{2};
  happening.event->saved_syn[21] = std::byte{4};
  EXPECT_EQ(load(2, 8, 1), 4);
}

TEST(SockOps, HeaderOptionsAreReservedAndStored) {
  Happening happening(header_with_options());
  const auto call = [&](const std::string& text) {
    return returned({.type = Type::sock_ops, .unverified = true}, text, happening);
  };
  const std::string store = "*(u64 *)(r10 -8) = 0x77030c\nr2 = r10\nr2 += -8\nr3 = 3\nr4 = 0\ncall bpf_store_hdr_opt";
  const std::string reserve = "r2 = 39\nr3 = 0\ncall bpf_reserve_hdr_opt";
  EXPECT_EQ(call(store), -EPERM);
  EXPECT_EQ(call(reserve), -EPERM);
  happening.put(kOp, BPF_SOCK_OPS_HDR_OPT_LEN_CB);
  EXPECT_EQ(call(reserve), 0);
  EXPECT_EQ(happening.event->effects.option_bytes, 39U);
  EXPECT_EQ(call("r6 = r1\n" + reserve + "\nr1 = r6\nr2 = 2\nr3 = 0\ncall bpf_reserve_hdr_opt"), -ENOSPC);
  happening.put(kOp, BPF_SOCK_OPS_WRITE_HDR_OPT_CB);
  happening.event->effects = {};
  EXPECT_EQ(call(store), 0);
  EXPECT_EQ(happening.frame.packet().size(), 33U);
  EXPECT_EQ(happening.frame.packet().back(), std::byte{0x77});
  EXPECT_EQ(call(store), -EEXIST);
}

}  // namespace
}  // namespace forager::helpers
