// SPDX-License-Identifier: Apache-2.0
//
// Event files: every member where it belongs, and wrong ones refused by name. tests/cli/events_test.sh runs them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "cli/event_fields.h"
#include "cli/event_file.h"
#include "cli/event_results.h"
#include "exec/event.h"
#include "exec/socket.h"
#include "exec/task.h"

namespace forager::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Type = isa::ProgType;

exec::Frame parsed(std::string_view line, Type type = Type::kprobe) {
  auto frame = parse_event(line, type);
  EXPECT_TRUE(frame) << frame.error().text();
  return frame ? std::move(*frame) : exec::Frame{};
}

std::string refusal(std::string_view line, Type type = Type::kprobe) {
  const auto frame = parse_event(line, type);
  EXPECT_FALSE(frame) << line;
  return frame ? "" : frame.error().message;
}

template <class T>
T at(const exec::Frame& frame, std::size_t offset) {
  T value{};
  std::memcpy(&value, frame.context.data() + offset, sizeof value);
  return value;
}

TEST(EventFile, ContextFieldsGoByTheirNames) {
  const exec::Frame probe = parsed(R"({"context": {"rdi": -1, "rsi": "0xffff888000000000", "rip": "12"}})");
  EXPECT_EQ(at<std::int64_t>(probe, 112), -1);
  EXPECT_EQ(at<std::uint64_t>(probe, 104), 0xffff888000000000);
  EXPECT_EQ(at<std::uint64_t>(probe, 128), 12U);
  const exec::Frame raw = parsed(R"({"context": {"args": [1, 2, "0x3"]}})", Type::raw_tracepoint);
  EXPECT_EQ(at<std::uint64_t>(raw, 16), 3U);
  const exec::Frame address =
      parsed(R"({"context": {"user_ip4": "10.0.0.1", "user_ip6": "::1", "user_port": 80}})", Type::cgroup_sock_addr);
  EXPECT_EQ(at<std::uint32_t>(address, 4), 0x0100000aU);
  EXPECT_EQ(at<std::uint8_t>(address, 23), 1U);
}

TEST(EventFile, AContextMayBeBytes) {
  const exec::Frame frame = parsed(R"({"context": "01 00 00 00 02"})", Type::cgroup_device);
  EXPECT_EQ(at<std::uint32_t>(frame, 0), 1U);
  EXPECT_EQ(at<std::uint8_t>(frame, 4), 2U);
  EXPECT_THAT(refusal(R"({"context": "00 00 00 00 00 00 00 00 00 00 00 00 00"})", Type::cgroup_device),
              HasSubstr("at most 12"));
}

TEST(EventFile, NumbersFitTheirFields) {
  EXPECT_THAT(refusal(R"({"context": {"major": 4294967296}})", Type::cgroup_device), HasSubstr("does not fit 32 bits"));
  EXPECT_THAT(refusal(R"({"context": {"major": -2147483649}})", Type::cgroup_device), HasSubstr("does not fit"));
  EXPECT_EQ(at<std::int32_t>(parsed(R"({"context": {"major": -2147483648}})", Type::cgroup_device), 4), INT32_MIN);
  EXPECT_THAT(refusal(R"({"context": {"args": [0,0,0,0,0,0,0,0,0,0,0,0,0]}})", Type::raw_tracepoint),
              HasSubstr("fewer elements"));
  EXPECT_THAT(refusal(R"({"context": {"sk": 1}})", Type::sock_ops), HasSubstr("is a pointer"));
}

TEST(EventFile, SaysWhoRan) {
  const exec::Frame frame = parsed(R"({"task": {"pid": 71, "tgid": 70, "uid": 1, "gid": 2, "comm": "worker",
      "cgroup": 9, "ancestors": [1, 9], "kernel_stack": ["0xffffffff81000000", 5]}})");
  EXPECT_EQ(frame.task->pid_tgid, std::uint64_t{70} << 32 | 71);
  EXPECT_EQ(frame.task->uid_gid, std::uint64_t{2} << 32 | 1);
  EXPECT_STREQ(frame.task->comm.data(), "worker");
  EXPECT_THAT(frame.task->cgroup_ancestors, ElementsAre(1, 9));
  EXPECT_THAT(frame.task->kernel_stack, ElementsAre(0xffffffff81000000, 5));
  EXPECT_EQ(parsed(R"({"task": {"pid": 7}})").task->pid_tgid, std::uint64_t{7} << 32 | 7);
}

TEST(EventFile, BringsMemoryAlong) {
  const exec::Frame frame =
      parsed(R"({"memory": [{"address": 16, "user": true, "text": "ab"}, {"address": "0x20", "hex": "01 ff"}]})");
  ASSERT_EQ(frame.task->memory.size(), 2U);
  EXPECT_TRUE(frame.task->memory[0].user);
  EXPECT_THAT(frame.task->memory[0].bytes, ElementsAre(std::byte{'a'}, std::byte{'b'}, std::byte{0}));
  EXPECT_FALSE(frame.task->memory[1].user);
  EXPECT_THAT(frame.task->memory[1].bytes, ElementsAre(std::byte{1}, std::byte{0xff}));
}

TEST(EventFile, SaysWhatHelpersAnswer) {
  const exec::Frame frame = parsed(R"({"cookie": 5, "function": "0x10", "retval": -13, "time_ns": 8,
      "counter": {"counter": 1, "running_ns": 2}, "sysctl": {"name": "a/b", "new": "1"}, "option_room": 12})");
  EXPECT_EQ(frame.timestamp_ns, 8U);
  EXPECT_EQ(frame.event->cookie, 5U);
  EXPECT_EQ(frame.event->function, 16U);
  EXPECT_EQ(frame.event->retval, -13);
  EXPECT_EQ(frame.event->counter->running_ns, 2U);
  EXPECT_EQ(frame.event->sysctl->fresh, "1");
  EXPECT_EQ(frame.event->option_room, 12U);
  EXPECT_THAT(refusal(R"({"branches": "00"})"), HasSubstr("24 bytes"));
}

TEST(EventFile, SocketsHaveTwoAddressesOfAFamily) {
  const exec::Frame frame =
      parsed(R"({"socket": {"local": "10.0.0.1", "local_port": 443, "remote": "10.0.0.2"}})", Type::sock_ops);
  ASSERT_NE(frame.socket, nullptr);
  EXPECT_EQ(frame.socket->addresses().local_port, htons(443));
  EXPECT_THAT(refusal(R"({"socket": {"local": "10.0.0.1", "remote": "::1"}})"), HasSubstr("two families"));
  EXPECT_THAT(refusal(R"({"socket": {"local": "10.0.0.1", "local_port": 65536}})"), HasSubstr("over 65535"));
}

TEST(EventResults, TellWhatChanged) {
  std::vector<exec::Frame> frames;
  frames.push_back(parsed(R"({"context": {"op": 1}})", Type::sock_ops));
  EventResults results(*isa::find_prog_type("sock_ops"), frames);
  const std::uint32_t reply = 10;
  std::memcpy(frames[0].context.data() + 4, &reply, sizeof reply);
  frames[0].return_value = 1;
  frames[0].event->retval = -1;
  frames[0].event->effects.signals.push_back({.number = 9});
  RunResult result;
  results.add(frames[0], result);
  ASSERT_EQ(result.event_results.size(), 1U);
  EXPECT_EQ(result.event_results[0].dump(), R"({"event":0,"value":1,"context":{"reply":10},)"
                                            R"("effects":{"signals":[{"signal":9,"to":"process"}],"retval":-1}})");
  EXPECT_EQ(event_text(result.event_results[0]),
            "  0: 1, reply 10, signals [{\"signal\":9,\"to\":\"process\"}], retval -1\n");
}

}  // namespace
}  // namespace forager::cli
