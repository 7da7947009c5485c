// SPDX-License-Identifier: Apache-2.0
// The program commands of bpf(2): loading, the log, test runs and info, ours beside the kernel's.
#include <linux/if_ether.h>
#include <linux/if_link.h>

#include <array>
#include <cctype>
#include <numeric>

#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

using Bytes = std::vector<unsigned char>;

bpf_insn insn(__u8 code, __u8 dst, __u8 src, __s16 off, __s32 imm) { return {code, dst, src, off, imm}; }

// r1 = a map (by descriptor); r0 = 2; exit
Code uses_map(int fd) {
  return {insn(0x18, 1, BPF_PSEUDO_MAP_FD, 0, fd), insn(0, 0, 0, 0, 0), insn(0xb7, 0, 0, 0, 2), insn(0x95, 0, 0, 0, 0)};
}

// r0 = the context's 4-byte field at `offset`; exit
Code returns_field(__s16 offset) { return {insn(0x61, 0, 1, offset, 0), insn(0x95, 0, 0, 0, 0)}; }

// bpf_xdp_adjust_head(ctx, delta); return 2
Code adjusts_head(__s32 delta) {
  return {insn(0xb7, 2, 0, 0, delta), insn(0x85, 0, 0, 0, BPF_FUNC_xdp_adjust_head), insn(0xb7, 0, 0, 0, 2),
          insn(0x95, 0, 0, 0, 0)};
}

Bytes packet(std::size_t bytes) {
  Bytes data(bytes);
  std::iota(data.begin(), data.end(), static_cast<unsigned char>(0));
  return data;
}

// Whether two logs end alike, as far as numbers (verification time) do not differ from call to call.
bool ends_like(std::string whole, std::string tail) {
  const auto no_digits = [](std::string& text) {
    std::erase_if(text, [](unsigned char c) { return std::isdigit(c); });
  };
  no_digits(whole);
  no_digits(tail);
  return tail.size() > 2 && whole.ends_with(tail.substr(tail.size() / 2));
}

class ProgCommands : public BpfTest {
 protected:
  static bpf_attr run_attr(int fd, const Bytes& in, Bytes* out = nullptr) {
    bpf_attr attr = empty_attr();
    attr.test.prog_fd = static_cast<__u32>(fd);
    attr.test.data_in = address_of(in.data());
    attr.test.data_size_in = static_cast<__u32>(in.size());
    if (out != nullptr) {
      attr.test.data_out = address_of(out->data());
      attr.test.data_size_out = static_cast<__u32>(out->size());
    }
    return attr;
  }
  static void set_context(bpf_attr& attr, const xdp_md& in, xdp_md* out = nullptr) {
    attr.test.ctx_in = address_of(&in);
    attr.test.ctx_size_in = sizeof in;
    attr.test.ctx_out = address_of(out);
    attr.test.ctx_size_out = out == nullptr ? 0 : sizeof *out;
  }
  long run(bpf_attr& attr) { return bpf(BPF_PROG_TEST_RUN, attr); }
};
FORAGER_ON_BOTH(ProgCommands);

// ---- loading -----------------------------------------------------------------------------------------------------

TEST_P(ProgCommands, LoadingChecksAttributes) {
  const Code code = return_2();
  const auto refused = [&](auto change, long error) {
    bpf_attr attr = prog_attr(code);
    change(attr);
    EXPECT_EQ(bpf(BPF_PROG_LOAD, attr), error);
  };
  refused([](bpf_attr& attr) { attr.insn_cnt = 0; }, -E2BIG);
  refused([](bpf_attr& attr) { attr.insn_cnt = 1'000'001; }, -E2BIG);
  refused([](bpf_attr& attr) { attr.insns = 0; }, -EFAULT);
  refused([](bpf_attr& attr) { attr.insns = bad_address(); }, -EFAULT);
  refused([](bpf_attr& attr) { attr.license = 0; }, -EFAULT);
  refused([](bpf_attr& attr) { attr.prog_type = 0; }, -EINVAL);
  refused([](bpf_attr& attr) { attr.prog_type = 4242; }, -EINVAL);
  refused([](bpf_attr& attr) { attr.prog_flags = 1U << 30; }, -EINVAL);
  refused([](bpf_attr& attr) { attr.prog_name[0] = '-'; }, -EINVAL);
  refused([](bpf_attr& attr) { attr.log_level = 1U << 20; }, -EINVAL);
  refused([](bpf_attr& attr) { attr.log_size = 4096; }, -EINVAL);
  refused([](bpf_attr& attr) { attr.prog_type = BPF_PROG_TYPE_CGROUP_SOCK, attr.expected_attach_type = BPF_XDP; },
          -EINVAL);
  refused([](bpf_attr& attr) { attr.func_info_cnt = 1, attr.prog_btf_fd = 9999; }, -EBADF);
}

TEST_P(ProgCommands, AttachTypesMayBeLeftOutWhereTheyOnceWere) {
  const Code code = {insn(0xb7, 0, 0, 0, 1), insn(0x95, 0, 0, 0, 0)};
  bpf_attr attr = prog_attr(code, BPF_PROG_TYPE_CGROUP_SOCK);
  EXPECT_GE(load(attr), 0);
  attr.expected_attach_type = BPF_CGROUP_INET_SOCK_CREATE;  // libbpf probes this
  EXPECT_GE(load(attr), 0);
}

TEST_P(ProgCommands, MapsAreFoundByDescriptor) {
  const int map = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1));
  EXPECT_GE(load(prog_attr(uses_map(map))), 0) << "a temporary outlives the call";
  EXPECT_EQ(bpf(BPF_PROG_LOAD, prog_attr(uses_map(9999))), -EBADF);
  const int program = load(prog_attr(uses_map(map)));
  EXPECT_EQ(bpf(BPF_PROG_LOAD, prog_attr(uses_map(program))), -EINVAL);
}

TEST_P(ProgCommands, MapsAreFoundThroughAnArrayOfDescriptors) {
  const int map = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1));
  Code code = uses_map(1);
  code[0].src_reg = BPF_PSEUDO_MAP_IDX;
  const int fds[2] = {-1, map};
  bpf_attr attr = prog_attr(code);
  EXPECT_EQ(bpf(BPF_PROG_LOAD, attr), -EPROTO) << "no array";
  attr.fd_array = address_of(fds);
  __u32 id = 0;
  bpf_prog_info info{};
  info.nr_map_ids = 1;
  info.map_ids = address_of(&id);
  bpf_attr ask = empty_attr();
  ask.info.bpf_fd = static_cast<__u32>(load(attr));
  ask.info.info_len = sizeof info;
  ask.info.info = address_of(&info);
  ASSERT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, ask), 0);
  EXPECT_EQ(id, info_of<bpf_map_info>(map).id);
}

TEST_P(ProgCommands, RefusedProgramsGetALog) {
  const Code code = {insn(0x05, 0, 0, 7, 0), insn(0x95, 0, 0, 0, 0)};  // goto beyond the end
  std::array<char, 4096> log{};
  bpf_attr attr = prog_attr(code);
  attr.log_level = 1;
  attr.log_buf = address_of(log.data());
  attr.log_size = log.size();
  EXPECT_EQ(bpf(BPF_PROG_LOAD, attr), -EINVAL);
  EXPECT_NE(std::string(log.data()).find("jump out of range"), std::string::npos) << log.data();
}

TEST_P(ProgCommands, LogsThatDoNotFitSaySo) {
  if (!answers_as(6, 4)) GTEST_SKIP() << "this kernel has the log rules of before 6.4";
  const Code code = return_2();
  std::array<char, 512> log{};
  bpf_attr attr = prog_attr(code);
  attr.log_level = 2;
  attr.log_buf = address_of(log.data());
  attr.log_size = 16;
  EXPECT_EQ(bpf(BPF_PROG_LOAD, attr), -ENOSPC);
  EXPECT_EQ(std::strlen(log.data()), 15U) << "ended with a zero";
  attr.log_buf = bad_address();
  EXPECT_EQ(bpf(BPF_PROG_LOAD, attr), -EFAULT);
  attr.log_buf = address_of(log.data());
  attr.log_size = log.size();
  EXPECT_GE(load(attr), 0);
  EXPECT_NE(std::string(log.data()).find("processed "), std::string::npos) << log.data();
}

TEST_P(ProgCommands, LogsTellTheirTrueSize) {
  if (!answers_as(6, 4)) GTEST_SKIP() << "this kernel has the log rules of before 6.4";
  constexpr std::size_t kTrueSize = offsetof(bpf_attr, core_relo_rec_size) + sizeof(__u32);
  const Code code = return_2();
  const auto load_with = [&](std::vector<char>* log, __u32 level) {
    bpf_attr attr = prog_attr(code);
    attr.log_level = level;
    attr.log_buf = log == nullptr ? 0 : address_of(log->data());
    attr.log_size = log == nullptr ? 0 : static_cast<__u32>(log->size());
    const long fd = bpf(BPF_PROG_LOAD, attr);
    if (fd >= 0) (void)close(static_cast<int>(fd));
    __u32 size = 0;
    std::memcpy(&size, reinterpret_cast<char*>(&attr) + kTrueSize, sizeof size);
    return std::pair(fd >= 0 ? 0L : fd, size);
  };
  std::vector<char> log(4096);
  const auto [loaded, size] = load_with(&log, 2);
  EXPECT_EQ(loaded, 0);
  EXPECT_EQ(size, std::strlen(log.data()) + 1);
  const std::string whole = log.data();

  std::vector<char> exact(size), tail(size / 2), head(size / 2);
  EXPECT_EQ(load_with(&exact, 2), std::pair(0L, size));
  EXPECT_EQ(load_with(&tail, 2), std::pair(long{-ENOSPC}, size));
  EXPECT_EQ(load_with(&head, 2 | 8), std::pair(long{-ENOSPC}, size)) << "BPF_LOG_FIXED";
  EXPECT_EQ(std::strlen(tail.data()), tail.size() - 1);
  EXPECT_TRUE(whole.starts_with(std::string(head.data()).substr(0, 10))) << "its end is lost";
  EXPECT_TRUE(ends_like(whole, tail.data())) << "its beginning is lost";
  EXPECT_EQ(load_with(nullptr, 2).first, 0) << "the size alone may be asked for";
  EXPECT_EQ(load_with(nullptr, 0), std::pair(0L, 0U));
}

TEST_P(ProgCommands, InfoTellsWhatWasLoaded) {
  const int map = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1));
  const Code code = uses_map(map);
  const int fd = load(prog_attr(code, BPF_PROG_TYPE_XDP, "a_name"));
  bpf_prog_info info = info_of<bpf_prog_info>(fd);
  EXPECT_EQ(info.type, unsigned{BPF_PROG_TYPE_XDP});
  EXPECT_STREQ(info.name, "a_name");
  EXPECT_EQ(info.gpl_compatible, 1U);
  EXPECT_EQ(info.nr_map_ids, 1U);
  EXPECT_EQ(info.created_by_uid, getuid());
  EXPECT_GT(info.load_time, 0U);
  EXPECT_EQ(info.verified_insns, 3U);
  EXPECT_EQ(info.nr_line_info, 0U);

  std::array<bpf_insn, 4> slots{};
  std::memset(&info, 0, sizeof info);
  info.nr_map_ids = 1;
  info.xlated_prog_len = sizeof slots;
  info.xlated_prog_insns = address_of(slots.data());
  bpf_attr ask = empty_attr();
  ask.info.bpf_fd = static_cast<__u32>(fd);
  ask.info.info_len = sizeof info;
  ask.info.info = address_of(&info);
  EXPECT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, ask), -EFAULT) << "room for an id, but no place";
  std::memset(&info, 0, sizeof info);
  info.xlated_prog_len = sizeof slots;
  info.xlated_prog_insns = address_of(slots.data());
  ASSERT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, ask), 0);
  EXPECT_EQ(info.xlated_prog_len, sizeof slots);
  EXPECT_EQ(slots[0].src_reg, BPF_PSEUDO_MAP_FD);
  EXPECT_EQ(static_cast<__u32>(slots[0].imm), info_of<bpf_map_info>(map).id);
  EXPECT_EQ(slots[1].imm, 0);
  EXPECT_EQ(slots[3].code, 0x95);
}

TEST_P(ProgCommands, TagsDoNotDependOnTheMap) {
  const auto tag = [&](int map) {
    const Code code = uses_map(map);
    const auto info = info_of<bpf_prog_info>(load(prog_attr(code)));
    return std::vector<int>(std::begin(info.tag), std::end(info.tag));
  };
  const bpf_attr array = map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1);
  EXPECT_EQ(tag(create_map(array)), tag(create_map(array)));
}

TEST_P(ProgCommands, MapsMayBeBoundBesides) {
  const int map = create_map(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1));
  const Code code = return_2();
  const int program = load(prog_attr(code));
  bpf_attr attr = empty_attr();
  attr.prog_bind_map.prog_fd = static_cast<__u32>(program);
  attr.prog_bind_map.map_fd = static_cast<__u32>(map);
  EXPECT_EQ(bpf(BPF_PROG_BIND_MAP, attr), 0);
  EXPECT_EQ(bpf(BPF_PROG_BIND_MAP, attr), 0);
  EXPECT_EQ(info_of<bpf_prog_info>(program).nr_map_ids, 1U);
  attr.prog_bind_map.flags = 1;
  EXPECT_EQ(bpf(BPF_PROG_BIND_MAP, attr), -EINVAL);
}

// ---- test runs -----------------------------------------------------------------------------------------------------

TEST_P(ProgCommands, RunsReturnVerdictAndPacket) {
  const Code code = return_2();
  const Bytes in = packet(100);
  Bytes out(200, 0xee);
  bpf_attr attr = run_attr(load(prog_attr(code)), in, &out);
  ASSERT_EQ(run(attr), 0);
  EXPECT_EQ(attr.test.retval, 2U);
  EXPECT_EQ(attr.test.data_size_out, 100U);
  EXPECT_TRUE(std::equal(in.begin(), in.end(), out.begin()));
  EXPECT_EQ(out[100], 0xee);
}

TEST_P(ProgCommands, RunsCheckTheirAttributes) {
  const Code code = return_2();
  const int fd = load(prog_attr(code));
  const Bytes in = packet(64), runt = packet(ETH_HLEN - 1);
  bpf_attr attr = run_attr(9999, in);
  EXPECT_EQ(run(attr), -EBADF);
  attr = run_attr(fd, runt);
  EXPECT_EQ(run(attr), -EINVAL);
  attr = run_attr(fd, in);
  attr.test.data_in = bad_address();
  EXPECT_EQ(run(attr), -EFAULT);
  attr = run_attr(fd, in);
  attr.test.flags = 1U << 30;
  EXPECT_EQ(run(attr), -EINVAL);
  attr = run_attr(fd, in);
  attr.test.batch_size = 4;
  EXPECT_EQ(run(attr), -EINVAL) << "batches are for live frames";
  attr = run_attr(fd, in);
  attr.test.ctx_size_in = 4;
  EXPECT_EQ(run(attr), -EINVAL) << "a size without a context";
  attr = run_attr(fd, in);
  attr.test.data_out = bad_address();
  EXPECT_EQ(run(attr), -EFAULT);
}

TEST_P(ProgCommands, ShortOutputIsCutAndSaidSo) {
  const Code code = return_2();
  const Bytes in = packet(100);
  Bytes out(40, 0xee);
  bpf_attr attr = run_attr(load(prog_attr(code)), in, &out);
  attr.test.data_size_out = 32;
  EXPECT_EQ(run(attr), -ENOSPC);
  EXPECT_EQ(attr.test.data_size_out, 100U) << "what is needed";
  EXPECT_EQ(attr.test.retval, 2U);
  EXPECT_TRUE(std::equal(in.begin(), in.begin() + 32, out.begin()));
  EXPECT_EQ(out[32], 0xee);
}

TEST_P(ProgCommands, RepetitionsSeeTheSamePacket) {
  const Code code = adjusts_head(4);
  const Bytes in = packet(100);
  Bytes out(200);
  bpf_attr attr = run_attr(load(prog_attr(code)), in, &out);
  attr.test.repeat = 3;
  ASSERT_EQ(run(attr), 0);
  EXPECT_EQ(attr.test.data_size_out, 88U) << "changes add up";
  EXPECT_EQ(out[0], 12);
}

TEST_P(ProgCommands, RunsAreCountedWhereTheyAre) {
  const Code code = returns_field(offsetof(xdp_md, ingress_ifindex));
  const int fd = load(prog_attr(code));
  const Bytes in = packet(64);
  bpf_attr attr = run_attr(fd, in);
  ASSERT_EQ(run(attr), 0);
  EXPECT_EQ(attr.test.retval, 1U) << "the loopback interface";
  xdp_md context{};
  context.data_end = 64;
  context.ingress_ifindex = 1;
  attr = run_attr(fd, in);
  set_context(attr, context);
  ASSERT_EQ(run(attr), 0);
  EXPECT_EQ(attr.test.retval, 1U);
}

TEST_P(ProgCommands, ContextsAreChecked) {
  const Code code = return_2();
  const int fd = load(prog_attr(code));
  const Bytes in = packet(64);
  const auto result = [&](auto change) {
    xdp_md context{};
    context.data_end = 64;
    change(context);
    bpf_attr attr = run_attr(fd, in);
    set_context(attr, context);
    return run(attr);
  };
  EXPECT_EQ(result([](xdp_md&) {}), 0);
  EXPECT_EQ(result([](xdp_md& context) { context.data_end = 65; }), -EINVAL);
  EXPECT_EQ(result([](xdp_md& context) { context.data_meta = 4; }), -EINVAL);
  EXPECT_EQ(result([](xdp_md& context) { context.data = 2; }), -EINVAL) << "metadata come in fours";
  EXPECT_EQ(result([](xdp_md& context) { context.egress_ifindex = 1; }), -EINVAL);
  EXPECT_EQ(result([](xdp_md& context) { context.rx_queue_index = 1; }), -EINVAL);
  if (ours()) return;  // every number is a port here, unless the runtime is told which are
  EXPECT_EQ(result([](xdp_md& context) { context.ingress_ifindex = 987654; }), -ENODEV);
}

TEST_P(ProgCommands, MetadataComeAndGoWithThePacket) {
  // if (data_meta + 4 > data) return 0; return *(u32*)data_meta;
  const Code code = {insn(0x61, 2, 1, offsetof(xdp_md, data_meta), 0),
                     insn(0x61, 3, 1, offsetof(xdp_md, data), 0),
                     insn(0xbf, 4, 2, 0, 0),
                     insn(0x07, 4, 0, 0, 4),
                     insn(0xb7, 0, 0, 0, 0),
                     insn(0x2d, 4, 3, 1, 0),
                     insn(0x61, 0, 2, 0, 0),
                     insn(0x95, 0, 0, 0, 0)};
  const Bytes in = packet(64);
  Bytes out(100);
  xdp_md context{}, after{};
  context.data = 8;
  context.data_end = 64;
  bpf_attr attr = run_attr(load(prog_attr(code)), in, &out);
  set_context(attr, context, &after);
  ASSERT_EQ(run(attr), 0);
  EXPECT_EQ(attr.test.retval, 0x03020100U);
  EXPECT_EQ(attr.test.data_size_out, 64U);
  EXPECT_TRUE(std::equal(in.begin(), in.end(), out.begin()));
  EXPECT_EQ(after.data, 8U);
  EXPECT_EQ(after.data_end, 64U);
  EXPECT_EQ(attr.test.ctx_size_out, sizeof after);
}

TEST_P(ProgCommands, ShortContextsAreCutAndSaidSo) {
  const Code code = return_2();
  const Bytes in = packet(64);
  xdp_md context{}, after{};
  context.data_end = 64;
  bpf_attr attr = run_attr(load(prog_attr(code)), in);
  set_context(attr, context, &after);
  attr.test.ctx_size_out = 8;
  EXPECT_EQ(run(attr), -ENOSPC);
  EXPECT_EQ(attr.test.ctx_size_out, sizeof after);
  EXPECT_EQ(after.data_end, 64U);
}

TEST_P(ProgCommands, ProgramsForMapEntriesDoNotRun) {
  const Code code = return_2();
  bpf_attr attr = prog_attr(code);
  attr.expected_attach_type = BPF_XDP_DEVMAP;
  const Bytes in = packet(64);
  bpf_attr test = run_attr(load(attr), in);
  EXPECT_EQ(run(test), -EINVAL);
}

TEST_P(ProgCommands, TypesThatCannotBeTestedSaySo) {
  const Code code = return_2();
  const Bytes in = packet(64);
  bpf_attr test = run_attr(load(prog_attr(code, BPF_PROG_TYPE_KPROBE)), in);
  EXPECT_EQ(run(test), -524);
}

TEST(ProgCommandsHere, TailCallsReachTheTargetsMaps) {
  OurSystem system;
  const auto call = [&](int command, bpf_attr attr) { return system.bpf(command, &attr, sizeof attr); };
  const long array = call(BPF_MAP_CREATE, map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1));
  const long programs = call(BPF_MAP_CREATE, map_attr(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 1));
  // *(u32*)(fp - 4) = 0; value = lookup(array, fp - 4); if (value) *value = 9; return 3
  const Code target = {insn(0x62, 10, 0, -4, 0), insn(0x18, 1, BPF_PSEUDO_MAP_FD, 0, static_cast<int>(array)),
                       insn(0, 0, 0, 0, 0),      insn(0xbf, 2, 10, 0, 0),
                       insn(0x07, 2, 0, 0, -4),  insn(0x85, 0, 0, 0, BPF_FUNC_map_lookup_elem),
                       insn(0x15, 0, 0, 1, 0),   insn(0x7a, 0, 0, 0, 9),
                       insn(0xb7, 0, 0, 0, 3),   insn(0x95, 0, 0, 0, 0)};
  const Code caller = {insn(0x18, 2, BPF_PSEUDO_MAP_FD, 0, static_cast<int>(programs)),
                       insn(0, 0, 0, 0, 0),
                       insn(0xb7, 3, 0, 0, 0),
                       insn(0x85, 0, 0, 0, BPF_FUNC_tail_call),
                       insn(0xb7, 0, 0, 0, 1),
                       insn(0x95, 0, 0, 0, 0)};
  const long to = call(BPF_PROG_LOAD, prog_attr(target)), from = call(BPF_PROG_LOAD, prog_attr(caller));
  ASSERT_GE(to, 0);
  ASSERT_GE(from, 0);
  const __u32 zero = 0, fd = static_cast<__u32>(to);
  ASSERT_EQ(call(BPF_MAP_UPDATE_ELEM, element_attr(programs, &zero, &fd)), 0);
  const Bytes in = packet(64);
  bpf_attr test = empty_attr();
  test.test.prog_fd = static_cast<__u32>(from);
  test.test.data_in = address_of(in.data());
  test.test.data_size_in = 64;
  ASSERT_EQ(system.bpf(BPF_PROG_TEST_RUN, &test, sizeof test), 0);
  EXPECT_EQ(test.test.retval, 3U);
  __u64 value = 0;
  ASSERT_EQ(call(BPF_MAP_LOOKUP_ELEM, element_attr(array, &zero, &value)), 0);
  EXPECT_EQ(value, 9U);
  for (const long open : {array, programs, to, from}) EXPECT_EQ(system.close(static_cast<int>(open)), 0);
  EXPECT_EQ(system.process.runtime.programs().next(0), std::nullopt) << "the cycle is broken with its last user";
  EXPECT_EQ(system.process.runtime.maps().next(0), std::nullopt);
}

}  // namespace
}  // namespace forager::syscall::testing
