// SPDX-License-Identifier: Apache-2.0
//
// Redirected frames and the programs of the entries that they are redirected to. What these see and what their verdicts
// do was measured on Linux 6.18 with live test runs into a veth pair and to a CPU.
#include "runtime/onward.h"

#include <linux/bpf.h>

#include <array>
#include <cstring>

#include "exec/skb.h"
#include "runtime/fire.h"
#include "runtime_testing.h"

namespace forager::runtime::testing {
namespace {

// The context at an offset, as the verdict.
constexpr std::string_view kEgress = "r0 = *(u32 *)(r1 +20)\nexit\n";

class Onwards : public ::testing::Test {
 protected:
  std::shared_ptr<ProgramObject> load_for(std::uint32_t attach_type, std::string_view text, const Maps& maps = {}) {
    ProgramRequest asked = request(text, maps);
    asked.source.attach_type = attach_type;
    auto program = runtime_.load_program(std::move(asked));
    EXPECT_TRUE(program.has_value()) << program.error().text();
    return program ? *program : nullptr;
  }
  static void put(const std::shared_ptr<MapObject>& map, std::uint32_t key, std::uint32_t number,
                  const std::shared_ptr<ProgramObject>& program) {
    const std::uint32_t value[] = {number, program != nullptr ? 1U : 0U};
    const auto find = [&](int, exec::ProgramSlot& found) {
      found = {.id = program->id, .program = {program, program->verified.get()}, .maps = nullptr};
      return 0;
    };
    EXPECT_EQ(map->map->abilities().redirects->set(&key, value, BPF_ANY, find), 0);
  }
  // A frame that `program` ran on, which came in at port 9, queue 3.
  exec::Frame ran(const std::shared_ptr<ProgramObject>& program) {
    const std::array<std::byte, 64> bytes{};
    exec::Frame frame = std::move(*exec::Frame::make(bytes));
    exec::set(frame, offsetof(xdp_md, ingress_ifindex), std::uint32_t{9});
    exec::set(frame, offsetof(xdp_md, rx_queue_index), std::uint32_t{3});
    auto session = Session::open(runtime_.environment, program, runtime_.session_options());
    EXPECT_TRUE(session.has_value()) << session.error().text();
    EXPECT_TRUE(session->run({&frame, 1}).has_value());
    return frame;
  }
  exec::RunReport go_on(exec::Frame& frame) {
    const auto report = onward_.run({&frame, 1});
    EXPECT_TRUE(report.has_value()) << report.error().text();
    return report.value_or(exec::RunReport{});
  }
  std::shared_ptr<ProgramObject> sender(const std::shared_ptr<MapObject>& map, std::string_view flags = "0") {
    return load(runtime_, "r1 = map[to] ll\nr2 = 1\nr3 = " + std::string(flags) + "\ncall bpf_redirect_map\nexit\n",
                {map});
  }
  static std::string returning(std::uint64_t verdict) { return "r0 = " + std::to_string(verdict) + "\nexit\n"; }

  Runtime runtime_;
  Onward onward_{runtime_, runtime_.session_options()};
  std::shared_ptr<MapObject> ports_ = make_map(runtime_, isa::MapType::devmap, 8, 4, "to");
  std::shared_ptr<MapObject> cpus_ = make_map(runtime_, isa::MapType::cpumap, 8, 1, "to");
};

TEST_F(Onwards, APortsProgramSendsOnByPassAlone) {
  const auto from = sender(ports_);
  for (const std::uint64_t verdict : {0, 1, 2, 3, 4, 77}) {
    put(ports_, 1, 5, load_for(BPF_XDP_DEVMAP, returning(verdict)));
    exec::Frame frame = ran(from);
    EXPECT_EQ(go_on(frame).packets, 1U);
    const bool passed = verdict == XDP_PASS;
    EXPECT_EQ(frame.return_value, passed ? XDP_REDIRECT : verdict == XDP_DROP ? XDP_DROP : XDP_ABORTED) << verdict;
    EXPECT_EQ(frame.results().redirect.ifindex, passed ? 5U : 0U);
    EXPECT_EQ(frame.results().redirect.program, nullptr);
  }
  EXPECT_EQ(onward_.answers().size(), 6U) << "one for each program";
}

TEST_F(Onwards, APortsProgramSeesBothPortsAndNoQueue) {
  const auto seen = make_map(runtime_, isa::MapType::array, 12, 1, "seen");
  put(ports_, 1, 5,
      load_for(BPF_XDP_DEVMAP,
               "r6 = *(u32 *)(r1 +12)\nr7 = *(u32 *)(r1 +16)\nr8 = *(u32 *)(r1 +20)\n*(u32 *)(r10 -4) = 0\n"
               "r1 = map[seen] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto +3\n"
               "*(u32 *)(r0 +0) = r6\n*(u32 *)(r0 +4) = r7\n*(u32 *)(r0 +8) = r8\nr0 = 2\nexit\n",
               {seen}));
  exec::Frame frame = ran(sender(ports_));
  go_on(frame);
  const std::uint32_t key = 0;
  std::array<std::uint32_t, 3> value{};
  ASSERT_EQ(seen->map->read(&key, value.data(), 0), 0);
  EXPECT_EQ(value, (std::array<std::uint32_t, 3>{9, 0, 5}));
  xdp_md after;
  std::memcpy(&after, frame.context.data(), sizeof after);
  EXPECT_EQ(after.rx_queue_index, 3U) << "the frame's own context is as it was";
  EXPECT_EQ(after.egress_ifindex, 0U);
}

TEST_F(Onwards, ACpusProgramMayRedirectToTheNext) {
  put(ports_, 1, 5, load_for(BPF_XDP_DEVMAP, kEgress));
  put(cpus_, 0, 64,
      load_for(BPF_XDP_CPUMAP, "r1 = map[to] ll\nr2 = 1\nr3 = 0\ncall bpf_redirect_map\nexit\n", {ports_}));
  const auto from = load(runtime_, "r1 = map[to] ll\nr2 = 0\nr3 = 0\ncall bpf_redirect_map\nexit\n", {cpus_});
  exec::Frame frame = ran(from);
  EXPECT_EQ(go_on(frame).packets, 2U);
  EXPECT_EQ(frame.return_value, XDP_ABORTED) << "the port's program returned 5, its port, which is no action";
  std::vector<std::uint32_t> verdicts;
  for (const auto& [answer, count] : onward_.answers()) verdicts.push_back(answer.verdict);
  EXPECT_EQ(verdicts, (std::vector<std::uint32_t>{5, XDP_REDIRECT}));
}

TEST_F(Onwards, ACpusProgramLeavesTheFrameThereOrDropsIt) {
  const auto from = load(runtime_, "r1 = map[to] ll\nr2 = 0\nr3 = 0\ncall bpf_redirect_map\nexit\n", {cpus_});
  for (const std::uint64_t verdict : {1, 2, 3}) {
    put(cpus_, 0, 64, load_for(BPF_XDP_CPUMAP, returning(verdict)));
    exec::Frame frame = ran(from);
    go_on(frame);
    EXPECT_EQ(frame.return_value, verdict == XDP_PASS ? XDP_REDIRECT : verdict == XDP_DROP ? XDP_DROP : XDP_ABORTED);
    EXPECT_EQ(frame.results().redirect.map_type,
              verdict == XDP_PASS ? static_cast<std::uint32_t>(isa::MapType::cpumap) : 0U);
  }
}

TEST_F(Onwards, FramesDoNotGoRoundForEver) {
  const auto back = load_for(BPF_XDP_CPUMAP, "r1 = map[to] ll\nr2 = 0\nr3 = 0\ncall bpf_redirect_map\nexit\n", {cpus_});
  put(cpus_, 0, 64, back);
  const auto from = load(runtime_, "r1 = map[to] ll\nr2 = 0\nr3 = 0\ncall bpf_redirect_map\nexit\n", {cpus_});
  exec::Frame frame = ran(from);
  EXPECT_EQ(go_on(frame).packets, 64U);
  EXPECT_EQ(frame.return_value, XDP_ABORTED);
  // The program and its map hold each other, as on Linux, until the entry goes.
  const std::uint32_t key = 0;
  EXPECT_EQ(cpus_->map->erase(&key), 0);
}

TEST_F(Onwards, WhatAProgramWritesLeaves) {
  put(ports_, 1, 5,
      load_for(BPF_XDP_DEVMAP,
               "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 14\nif r4 > r3 goto +1\n"
               "*(u8 *)(r2 +0) = 119\nr0 = 2\nexit\n"));
  exec::Frame frame = ran(sender(ports_));
  go_on(frame);
  EXPECT_EQ(frame.packet()[0], std::byte{119});
}

TEST_F(Onwards, ABroadcastBecomesACopyForEachPort) {
  put(ports_, 0, 4, load_for(BPF_XDP_DEVMAP, returning(XDP_DROP)));
  put(ports_, 1, 5, load_for(BPF_XDP_DEVMAP, returning(XDP_PASS)));
  put(ports_, 2, 9, nullptr);  // where it came in
  put(ports_, 3, 7, nullptr);
  exec::Frame frame = ran(sender(ports_, "24"));  // BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS
  EXPECT_EQ(go_on(frame).packets, 2U);
  ASSERT_EQ(frame.results().clones.size(), 1U);
  EXPECT_EQ(frame.results().clones[0].redirect.ifindex, 5U);
  EXPECT_EQ(frame.results().clones[0].packet.size(), 64U);
  EXPECT_EQ(frame.return_value, XDP_REDIRECT);
  EXPECT_EQ(frame.results().redirect.ifindex, 7U);
  EXPECT_EQ(frame.results().redirect.flags, 0U);
}

TEST_F(Onwards, ABroadcastWithoutProgramsStaysOne) {
  put(ports_, 0, 4, nullptr);
  exec::Frame frame = ran(sender(ports_, "8"));
  EXPECT_EQ(go_on(frame).packets, 0U);
  EXPECT_TRUE(frame.results().clones.empty());
  EXPECT_EQ(frame.results().redirect.flags, static_cast<std::uint64_t>(BPF_F_BROADCAST));
}

TEST_F(Onwards, OtherFramesStayAsTheyAre) {
  put(ports_, 1, 5, nullptr);
  exec::Frame plain = ran(sender(ports_));
  EXPECT_EQ(go_on(plain).packets, 0U);
  EXPECT_EQ(plain.results().redirect.ifindex, 5U);
  put(ports_, 1, 5, load_for(BPF_XDP_DEVMAP, returning(XDP_DROP)));
  exec::Frame passed =
      ran(load(runtime_, "r1 = map[to] ll\nr2 = 1\nr3 = 0\ncall bpf_redirect_map\nr0 = 2\nexit\n", {ports_}));
  EXPECT_EQ(go_on(passed).packets, 0U) << "it asked for a redirect, and decided otherwise";
  EXPECT_EQ(passed.return_value, XDP_PASS);
}

TEST_F(Onwards, AProgramThatIsGoneFromTheMapIsNotKept) {
  auto program = load_for(BPF_XDP_DEVMAP, returning(XDP_PASS));
  const std::uint32_t id = program->id;
  put(ports_, 1, 5, program);
  program.reset();
  const auto from = sender(ports_);
  exec::Frame frame = ran(from);
  go_on(frame);
  EXPECT_NE(runtime_.programs().find(id), nullptr);
  put(ports_, 1, 5, nullptr);
  frame = ran(from);
  go_on(frame);
  EXPECT_EQ(runtime_.programs().find(id), nullptr);
}

TEST_F(Onwards, AnEventAtAPortGoesOnToo) {
  put(ports_, 1, 5, load_for(BPF_XDP_DEVMAP, returning(XDP_DROP)));
  LinkSpec spec{.type = LinkType::xdp, .attach_type = BPF_XDP, .flags = 0, .targets = {{Place::port(9, BPF_XDP)}}};
  const auto link = runtime_.link(std::move(spec), sender(ports_));
  ASSERT_TRUE(link.has_value());
  const std::array<std::byte, 64> bytes{};
  exec::Frame frame = std::move(*exec::Frame::make(bytes));
  const auto fired = fire(runtime_, Place::port(9, BPF_XDP), frame);
  ASSERT_TRUE(fired.has_value()) << fired.error().text();
  EXPECT_EQ(fired->answer, static_cast<std::uint64_t>(XDP_REDIRECT)) << "what the port's program said";
  EXPECT_EQ(frame.return_value, static_cast<std::uint64_t>(XDP_DROP)) << "what became of the frame";
}

// Linux's bpf_prog_map_compatible().
TEST_F(Onwards, MapsAreForOneKindOfProgram) {
  const auto keeper = sender(ports_);
  ProgramRequest other = request("r1 = map[to] ll\nr0 = 2\nexit\n", {ports_});
  other.source.xdp_has_frags = true;
  EXPECT_FALSE(runtime_.load_program(other).has_value());
  other.maps = {make_map(runtime_, isa::MapType::devmap_hash, 8, 4, "to")};
  EXPECT_TRUE(runtime_.load_program(other).has_value()) << "Linux does not ask DEVMAP_HASH";
}

}  // namespace
}  // namespace forager::runtime::testing
