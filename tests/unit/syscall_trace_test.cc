// SPDX-License-Identifier: Apache-2.0
// Calls of bpf(2) as lines for people.
#include "syscall/trace.h"

#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

std::string line_of(int command, const bpf_attr& attr, long result, std::uint64_t nanoseconds = 0) {
  return trace_line({.command = command, .attr = attr, .size = 72, .result = result, .nanoseconds = nanoseconds});
}

TEST(Trace, ShowsWhatIsNotZero) {
  const bpf_attr attr = map_attr(BPF_MAP_TYPE_HASH, 4, 8, 16, 1, "flows");
  EXPECT_EQ(line_of(BPF_MAP_CREATE, attr, 5, 12'345),
            "bpf(BPF_MAP_CREATE, {map_type=hash, key_size=4, value_size=8, max_entries=16, map_flags=0x1, "
            "map_name=\"flows\"}, 72) = 5 <0.000012>");
}

TEST(Trace, NamesErrors) {
  bpf_attr attr = empty_attr();
  attr.map_fd = 7;
  attr.key = 0x10;
  EXPECT_EQ(line_of(BPF_MAP_LOOKUP_ELEM, attr, -ENOENT),
            "bpf(BPF_MAP_LOOKUP_ELEM, {map_fd=7, key=0x10}, 72) = -1 ENOENT (No such file or directory) <0.000000>");
  EXPECT_NE(line_of(BPF_MAP_LOOKUP_ELEM, attr, -524).find("ENOTSUPP"), std::string::npos);
}

TEST(Trace, SurvivesWhatNobodyMeans) {
  bpf_attr attr = empty_attr();
  std::memset(&attr, 0xff, sizeof attr);
  EXPECT_NE(line_of(BPF_MAP_CREATE, attr, -EINVAL).find("map_type=4294967295"), std::string::npos);
  EXPECT_NE(line_of(BPF_MAP_CREATE, attr, -EINVAL).find(R"(map_name="\xff)"), std::string::npos);
  EXPECT_EQ(command_name(-1), "-1");
  EXPECT_EQ(command_name(99), "99");
  for (int command = 0; command < 64; ++command) EXPECT_TRUE(line_of(command, attr, 0).starts_with("bpf("));
}

TEST(Trace, CommandsAreNamedByNumber) {
  EXPECT_EQ(command_name(BPF_PROG_LOAD), "BPF_PROG_LOAD");
  EXPECT_EQ(command_name(BPF_OBJ_GET_INFO_BY_FD), "BPF_OBJ_GET_INFO_BY_FD");
  EXPECT_EQ(command_name(BPF_MAP_DELETE_BATCH), "BPF_MAP_DELETE_BATCH");
  EXPECT_EQ(command_name(BPF_PROG_BIND_MAP), "BPF_PROG_BIND_MAP");
}

TEST(Trace, EveryCallIsTold) {
  OurSystem system;
  std::vector<std::string> lines;
  system.process.on_call = [&](const FinishedCall& call) { lines.push_back(trace_line(call)); };
  bpf_attr attr = map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1);
  const long fd = system.bpf(BPF_MAP_CREATE, &attr, sizeof attr);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(system.bpf(99, &attr, sizeof attr), -EINVAL);
  EXPECT_EQ(system.bpf(BPF_MAP_CREATE, nullptr, sizeof attr), -EFAULT);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_NE(lines[0].find(") = " + std::to_string(fd) + " <"), std::string::npos);
  EXPECT_NE(lines[2].find("EFAULT"), std::string::npos);
  EXPECT_EQ(system.close(static_cast<int>(fd)), 0);
}

}  // namespace
}  // namespace forager::syscall::testing
