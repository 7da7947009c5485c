// SPDX-License-Identifier: Apache-2.0
// Programs on virtual events: perf events, many probes at once, raw tracepoints; what observers ask of them;
// statistics.
#include <linux/perf_event.h>

#include "runtime/fire.h"
#include "syscall/attributes.h"
#include "syscall/perf_event.h"
#include "syscall/probe_event.h"
#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

using runtime::Place;
using runtime::PlaceKind;

template <class Part>
bpf_attr attr_of(const Part& part) {
  bpf_attr attr = empty_attr();
  std::memcpy(&attr, &part, sizeof part);
  return attr;
}

class Probes : public ::testing::Test {
 protected:
  ~Probes() override {
    for (const long fd : opened_) (void)system_.close(static_cast<int>(fd));
  }
  long keep(long fd) {
    EXPECT_GE(fd, 0) << std::strerror(static_cast<int>(-fd));
    if (fd >= 0) opened_.push_back(fd);
    return fd;
  }
  long bpf(int command, bpf_attr attr) { return system_.bpf(command, &attr, sizeof attr); }
  long program(unsigned type, unsigned attach_type = 0) {
    const Code code = return_2();
    bpf_attr attr = prog_attr(code, type);
    attr.expected_attach_type = attach_type;
    return keep(bpf(BPF_PROG_LOAD, attr));
  }
  long open(const perf_event_attr& attr) {
    return open_perf_event(system_.process, address_of(&attr), -1, 0).value_or(-ENOSYS);
  }
  static perf_event_attr probe_attr(unsigned type, const char* where, __u64 offset = 0, __u64 config = 0) {
    perf_event_attr attr{};
    attr.size = sizeof attr;
    attr.type = type;
    attr.config = config;
    attr.config1 = address_of(where);
    attr.config2 = offset;
    return attr;
  }
  long control(long fd, unsigned long request, __u64 argument = 0) {
    return control_probe_event(system_.process, static_cast<int>(fd), request, argument).value_or(-ENOSYS);
  }
  std::size_t programs_at(const Place& place) { return system_.process.runtime.points().effective(place).size(); }
  long perf_link(long fd, long event, __u64 cookie = 0) {
    LinkAttributes part{.prog_fd = static_cast<__u32>(fd),
                        .target = static_cast<__u32>(event),
                        .attach_type = BPF_PERF_EVENT,
                        .flags = 0};
    part.perf_cookie = cookie;
    return bpf(BPF_LINK_CREATE, attr_of(part));
  }
  template <class Info>
  long ask(long fd, Info& info) {
    bpf_attr attr = empty_attr();
    attr.info.bpf_fd = static_cast<__u32>(fd);
    attr.info.info_len = sizeof info;
    attr.info.info = address_of(&info);
    return bpf(BPF_OBJ_GET_INFO_BY_FD, attr);
  }

  OurSystem system_;
  std::vector<long> opened_;
};

// ---- perf events
// -----------------------------------------------------------------------------------------------------

TEST_F(Probes, ProgramsRunAtEventsThatHoldThem) {
  const Place place = Place::probe(PlaceKind::kprobe, "do_unlinkat");
  const long kprobe = program(BPF_PROG_TYPE_KPROBE);
  const long event = open(probe_attr(kKprobeType, "do_unlinkat"));
  ASSERT_GE(event, 0);
  EXPECT_EQ(control(event, PERF_EVENT_IOC_SET_BPF, static_cast<__u64>(program(BPF_PROG_TYPE_TRACEPOINT))), -EINVAL);
  EXPECT_EQ(control(event, PERF_EVENT_IOC_SET_BPF, 9999), -EBADF);
  EXPECT_EQ(control(event, PERF_EVENT_IOC_SET_BPF, static_cast<__u64>(kprobe)), 0);
  EXPECT_EQ(control(event, PERF_EVENT_IOC_SET_BPF, static_cast<__u64>(kprobe)), -EEXIST);
  EXPECT_EQ(programs_at(place), 1U);
  EXPECT_EQ(control(event, PERF_EVENT_IOC_DISABLE), 0);
  EXPECT_EQ(programs_at(place), 0U);
  EXPECT_EQ(control(event, PERF_EVENT_IOC_ENABLE), 0);
  EXPECT_EQ(programs_at(place), 1U);
  EXPECT_EQ(control(event, PERF_EVENT_IOC_REFRESH), -ENOTTY);
  EXPECT_EQ(system_.close(static_cast<int>(event)), 0);
  EXPECT_EQ(programs_at(place), 0U);
}

TEST_F(Probes, LinksHoldEventsAndSayWhichTheyAre) {
  const long event = open(probe_attr(kUprobeType, "/bin/true", 0x40, __u64{0x10} << 32 | 1));
  const long link = keep(perf_link(program(BPF_PROG_TYPE_KPROBE), event, 77));
  EXPECT_EQ(perf_link(program(BPF_PROG_TYPE_KPROBE), event), -EEXIST);
  EXPECT_EQ(perf_link(program(BPF_PROG_TYPE_KPROBE), link), -EBADF) << "a link is no event";
  EXPECT_EQ(system_.close(static_cast<int>(event)), 0);
  const Place place = Place::probe(PlaceKind::uretprobe, "/bin/true", 0x40);
  ASSERT_EQ(programs_at(place), 1U);
  EXPECT_EQ(system_.process.runtime.points().effective(place).front().cookie, 77U);
  char file[6] = "";
  LinkInfo info{};
  info.perf_event.uprobe.file = address_of(file);
  info.perf_event.uprobe.file_len = sizeof file;
  EXPECT_EQ(ask(link, info), -ENOSPC);
  EXPECT_STREQ(file, "/bin/");
  info = {};
  EXPECT_EQ(ask(link, info), 0);
  EXPECT_EQ(info.type, unsigned{BPF_LINK_TYPE_PERF_EVENT});
  EXPECT_EQ(info.perf_event.kind, 2U) << "BPF_PERF_EVENT_URETPROBE";
  EXPECT_EQ(info.perf_event.uprobe.file_len, sizeof "/bin/true");
  EXPECT_EQ(info.perf_event.uprobe.offset, 0x40U);
  EXPECT_EQ(info.perf_event.uprobe.cookie, 77U);
  EXPECT_EQ(info.perf_event.uprobe.semaphore, 0x10U);
}

TEST_F(Probes, TracepointsAreNamedByTheirIds) {
  const auto id = system_.process.tracepoints.id_of("sched/sched_switch");
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(system_.process.tracepoints.id_of("sched/sched_switch"), id);
  perf_event_attr attr = probe_attr(PERF_TYPE_TRACEPOINT, nullptr, 0, *id);
  const long event = keep(open(attr));
  keep(perf_link(program(BPF_PROG_TYPE_TRACEPOINT), event));
  EXPECT_EQ(programs_at(Place::tracepoint("sched/sched_switch")), 1U);
  attr.config = 5;
  EXPECT_EQ(open(attr), -ENOSYS) << "the kernel's";
}

TEST_F(Probes, CountersBelongToProgramsOrToTheKernel) {
  perf_event_attr attr = probe_attr(PERF_TYPE_SOFTWARE, nullptr, 0, PERF_COUNT_SW_CPU_CLOCK);
  EXPECT_EQ(open(attr), -ENOSYS) << "it counts";
  attr.sample_period = 1000;
  const long event = keep(open(attr));
  EXPECT_EQ(control(event, PERF_EVENT_IOC_SET_BPF, static_cast<__u64>(program(BPF_PROG_TYPE_PERF_EVENT))), 0);
  EXPECT_EQ(programs_at(Place::perf_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK)), 1U);
  attr.sample_type = PERF_SAMPLE_CALLCHAIN;
  EXPECT_EQ(open(attr), -ENOSYS) << "it records";
}

TEST_F(Probes, HostileEventsAreRefused) {
  EXPECT_EQ(open(probe_attr(kKprobeType, "")), -EINVAL);
  perf_event_attr attr = probe_attr(kKprobeType, nullptr);
  attr.config1 = bad_address();
  EXPECT_EQ(open(attr), -EFAULT);
}

// ---- many places
// -----------------------------------------------------------------------------------------------------

TEST_F(Probes, OneLinkForManyFunctions) {
  constexpr unsigned kKprobeMulti = 42;
  const char* const names[] = {"one", "two"};
  const __u64 cookies[] = {11, 22};
  LinkAttributes part{.prog_fd = static_cast<__u32>(program(BPF_PROG_TYPE_KPROBE, kKprobeMulti)),
                      .target = 0,
                      .attach_type = kKprobeMulti,
                      .flags = 0};
  part.kprobe_multi = {
      .flags = 1, .count = 2, .symbols = address_of(names), .addresses = 0, .cookies = address_of(cookies)};
  const long link = keep(bpf(BPF_LINK_CREATE, attr_of(part)));
  ASSERT_EQ(programs_at(Place::probe(PlaceKind::kretprobe, "two")), 1U);
  EXPECT_EQ(programs_at(Place::probe(PlaceKind::kprobe, "two")), 0U);
  LinkInfo info{};
  EXPECT_EQ(ask(link, info), 0);
  EXPECT_EQ(info.type, unsigned{BPF_LINK_TYPE_KPROBE_MULTI});
  bpf_attr detach = empty_attr();
  detach.link_detach.link_fd = static_cast<__u32>(link);
  EXPECT_EQ(bpf(BPF_LINK_DETACH, detach), -EOPNOTSUPP);
  part.kprobe_multi.addresses = address_of(cookies);
  EXPECT_EQ(bpf(BPF_LINK_CREATE, attr_of(part)), -EINVAL) << "names or addresses";
  part.kprobe_multi.addresses = 0;
  part.kprobe_multi.count = 1U << 21;
  EXPECT_EQ(bpf(BPF_LINK_CREATE, attr_of(part)), -E2BIG);
  part.kprobe_multi.count = 2;
  part.kprobe_multi.symbols = bad_address();
  EXPECT_EQ(bpf(BPF_LINK_CREATE, attr_of(part)), -EFAULT);
  part.prog_fd = static_cast<__u32>(program(BPF_PROG_TYPE_KPROBE));
  EXPECT_EQ(bpf(BPF_LINK_CREATE, attr_of(part)), -EINVAL) << "loaded for one function";
}

// ---- raw tracepoints, ours beside the kernel's
// -----------------------------------------------------------------------

class RawTracepoints : public BpfTest {
 protected:
  int raw() {
    const Code code = return_2();
    return load(prog_attr(code, BPF_PROG_TYPE_RAW_TRACEPOINT));
  }
  static bpf_attr open_attr(int fd, const char* name) {
    return attr_of(RawTracepointAttributes{.name = address_of(name), .prog_fd = static_cast<__u32>(fd), .cookie = 0});
  }
};
FORAGER_ON_BOTH(RawTracepoints);

TEST_P(RawTracepoints, AreLinks) {
  const int fd = raw();
  const int link = open(BPF_RAW_TRACEPOINT_OPEN, open_attr(fd, "sched_switch"));
  char name[32] = "";
  LinkInfo info{};
  bpf_attr attr = empty_attr();
  attr.info.bpf_fd = static_cast<__u32>(link);
  attr.info.info_len = sizeof info;
  attr.info.info = address_of(&info);
  info.raw_tracepoint.name = address_of(name);
  info.raw_tracepoint.name_len = sizeof name;
  ASSERT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, attr), 0);
  EXPECT_EQ(info.type, unsigned{BPF_LINK_TYPE_RAW_TRACEPOINT});
  EXPECT_STREQ(name, "sched_switch");
  EXPECT_EQ(info.raw_tracepoint.name_len, sizeof "sched_switch");
  info.raw_tracepoint.name_len = 6;
  EXPECT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, attr), -ENOSPC);
  EXPECT_STREQ(name, "sched");
  info.raw_tracepoint.name = 0;
  info.raw_tracepoint.name_len = 6;
  EXPECT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, attr), -EINVAL);
}

TEST_P(RawTracepoints, AreChecked) {
  const int fd = raw();
  EXPECT_EQ(bpf(BPF_RAW_TRACEPOINT_OPEN, open_attr(fd, "")), -ENOENT);
  EXPECT_EQ(bpf(BPF_RAW_TRACEPOINT_OPEN, open_attr(9999, "sched_switch")), -EBADF);
  bpf_attr attr = open_attr(fd, nullptr);
  attr.raw_tracepoint.name = bad_address();
  EXPECT_EQ(bpf(BPF_RAW_TRACEPOINT_OPEN, attr), -EFAULT);
  const Code code = return_2();
  EXPECT_EQ(bpf(BPF_RAW_TRACEPOINT_OPEN, open_attr(load(prog_attr(code)), "sched_switch")), -EINVAL);
}

TEST_P(RawTracepoints, ObserversAskWhatADescriptorTraces) {
  const int fd = raw();
  const int link = open(BPF_RAW_TRACEPOINT_OPEN, open_attr(fd, "sched_switch"));
  char name[8] = "";
  bpf_attr attr = empty_attr();
  attr.task_fd_query.pid = static_cast<__u32>(getpid());
  attr.task_fd_query.fd = static_cast<__u32>(link);
  attr.task_fd_query.buf_len = sizeof name;
  attr.task_fd_query.buf = address_of(name);
  EXPECT_EQ(bpf(BPF_TASK_FD_QUERY, attr), -ENOSPC);
  EXPECT_STREQ(name, "sched_s");
  EXPECT_EQ(attr.task_fd_query.buf_len, std::strlen("sched_switch"));
  EXPECT_EQ(attr.task_fd_query.prog_id, info_of<bpf_prog_info>(fd).id);
  EXPECT_EQ(attr.task_fd_query.fd_type, unsigned{BPF_FD_TYPE_RAW_TRACEPOINT});
  attr.task_fd_query.fd = static_cast<__u32>(fd);
  EXPECT_EQ(bpf(BPF_TASK_FD_QUERY, attr), -524);
  attr.task_fd_query.fd = 9999;
  EXPECT_EQ(bpf(BPF_TASK_FD_QUERY, attr), -EBADF);
  attr.task_fd_query.flags = 1;
  EXPECT_EQ(bpf(BPF_TASK_FD_QUERY, attr), -EINVAL);
}

TEST_P(RawTracepoints, LinksWithoutIterators) {
  const int link = open(BPF_RAW_TRACEPOINT_OPEN, open_attr(raw(), "sched_switch"));
  bpf_attr attr = empty_attr();
  attr.iter_create.link_fd = static_cast<__u32>(link);
  EXPECT_EQ(bpf(BPF_ITER_CREATE, attr), -EINVAL);
  attr.iter_create.link_fd = 9999;
  EXPECT_EQ(bpf(BPF_ITER_CREATE, attr), -EBADF);
}

// ---- statistics
// ------------------------------------------------------------------------------------------------------

TEST_P(RawTracepoints, RunsAreCountedWhileSomebodyAsks) {
  const Code code = return_2();
  const int fd = load(prog_attr(code));
  const std::vector<unsigned char> packet(64);
  const auto run = [&] {
    bpf_attr attr = empty_attr();
    attr.test.prog_fd = static_cast<__u32>(fd);
    attr.test.data_in = address_of(packet.data());
    attr.test.data_size_in = static_cast<__u32>(packet.size());
    attr.test.repeat = 3;
    EXPECT_EQ(bpf(BPF_PROG_TEST_RUN, attr), 0);
    return info_of<bpf_prog_info>(fd).run_cnt;
  };
  bpf_attr attr = empty_attr();
  attr.enable_stats.type = 99;
  EXPECT_EQ(bpf(BPF_ENABLE_STATS, attr), -EINVAL);
  if (ours()) {  // on the machine, others may ask
    EXPECT_EQ(run(), 0U);
  }
  const __u64 before = info_of<bpf_prog_info>(fd).run_cnt;
  attr.enable_stats.type = BPF_STATS_RUN_TIME;
  const int statistics = open(BPF_ENABLE_STATS, attr);
  EXPECT_EQ(run(), before + 3);
  EXPECT_EQ(close(statistics), 0);
  if (ours()) {
    EXPECT_EQ(run(), before + 3);
  }
}

}  // namespace
}  // namespace forager::syscall::testing
