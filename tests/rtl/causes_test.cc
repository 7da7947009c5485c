// SPDX-License-Identifier: Apache-2.0
//
// What stops a packet, on the whole device and without the compiler: a program in the core's own instructions goes
// wrong in the way that a packet's first byte says. Each packet leaves once, in its place, with the cause that is its
// own, and those beside it have nothing of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>
#include <vector>

#include "jit-backends/rtl/isa/core_isa.h"
#include "sim/board/board.h"

namespace forager::rtl {
namespace {

using jit::rtl::Bundle;
using jit::rtl::CoreCause;
using jit::rtl::CoreOp;
using jit::rtl::CoreRegister;
using jit::rtl::CoreState;
using jit::rtl::Slot;
using sim::Arrival;
using sim::Board;
using sim::Departure;

constexpr std::uint64_t kDrop = 1, kPass = 2;
constexpr std::uint32_t kRun = 1, kAll = 4;  // of Control
constexpr std::uint32_t kStop = 3;           // of Answer
constexpr unsigned kFrameTop = 10;

// The program's ways, each a few bundles behind the dispatch.
enum Way : std::uint8_t {
  pass,
  beyond_packet,
  before_packet,
  beyond_frame,
  other_frame,
  too_deep,
  trap,
  spin,
  spin_in_memory,
  host_stops,
  host_answers,
  kWays
};

struct Wanted {
  CoreCause cause;
  std::uint64_t value;  // if nothing stops it
};
constexpr Wanted kWanted[kWays] = {
    {CoreCause::None, kPass}, {CoreCause::Bounds, 0}, {CoreCause::Bounds, 0},   {CoreCause::Bounds, 0},
    {CoreCause::Bounds, 0},   {CoreCause::Depth, 0},  {CoreCause::Program, 0},  {CoreCause::Budget, 0},
    {CoreCause::Budget, 0},   {CoreCause::Host, 0},   {CoreCause::None, kDrop},
};

Slot ret(std::uint32_t value) { return {.op = CoreOp::ControlRet, .use_imm = true, .imm = value}; }
Slot go(std::size_t bundle, CoreOp op = CoreOp::BranchAlways) {
  return {.op = op, .offset = static_cast<std::uint16_t>(bundle)};
}
Slot sized(CoreOp op, unsigned log2, std::uint8_t d, std::uint8_t a, std::uint8_t b, int offset) {
  return {.op = static_cast<CoreOp>(static_cast<unsigned>(op) | log2),
          .d = d,
          .a = a,
          .b = b,
          .offset = static_cast<std::uint16_t>(offset)};
}

std::vector<Bundle> program() {
  std::vector<Bundle> out;
  const auto put = [&](Slot slot0, Slot slot1 = {}) { out.push_back({.slots = {slot0, slot1}}); };
  put({.op = CoreOp::LocalState, .d = 2, .a = static_cast<std::uint8_t>(CoreState::Data), .a_state = true});
  put(sized(CoreOp::Load, 0, 3, 2, 0, 0));
  const std::size_t dispatch = out.size();
  for (unsigned way = 0; way < kWays; ++way) {
    put({}, {.op = CoreOp::BranchEq, .a = 3, .use_imm = true, .imm = way});
  }
  const auto begin = [&](Way way) { out[dispatch + way].slots[1].offset = static_cast<std::uint16_t>(out.size()); };
  const Slot increment = {.op = CoreOp::AluAdd, .d = 4, .a = 4, .use_imm = true, .imm = 1};

  begin(pass);
  put(sized(CoreOp::Store, 3, 0, kFrameTop, 2, -8));
  put(sized(CoreOp::Load, 3, 5, kFrameTop, 0, -8));
  put(sized(CoreOp::Load, 0, 6, 5, 0, 1));
  put({.op = CoreOp::AluAdd, .d = 0, .a = 4, .use_imm = true, .imm = kPass});  // if nobody wrote r4
  put({}, {.op = CoreOp::ControlRet, .b = 0});
  begin(beyond_packet);
  put(sized(CoreOp::Load, 0, 5, 2, 0, 64), ret(kPass));
  begin(before_packet);
  put(sized(CoreOp::Store, 0, 0, 2, 4, -1), ret(kPass));
  begin(beyond_frame);
  put(sized(CoreOp::Store, 3, 0, kFrameTop, 4, -7), ret(kPass));
  begin(other_frame);  // a frame above the thread's own depth
  put({.op = CoreOp::AluWide, .d = 5, .use_imm = true, .imm = 0}, {.imm = 4 << 8 | 0x80});
  put(sized(CoreOp::Store, 3, 0, 5, 4, 0), ret(kPass));
  begin(too_deep);
  put(increment, go(out.size(), CoreOp::ControlCall));
  begin(trap);
  put({}, {.op = CoreOp::ControlTrap});
  begin(spin);
  put(increment, go(out.size()));
  begin(spin_in_memory);
  put(sized(CoreOp::Store, 3, 0, kFrameTop, 4, -8), go(out.size()));
  begin(host_stops);
  put({.op = CoreOp::UnitHost, .d = 5, .use_imm = true}, ret(kPass));
  begin(host_answers);
  put({.op = CoreOp::UnitHost, .d = 0, .use_imm = true});
  put({}, {.op = CoreOp::ControlRet, .b = 0});
  return out;
}

// Threads in use, and whether all packets come out or only those that are passed.
struct Mode {
  unsigned threads;
  bool all;
};

class RtlCauses : public ::testing::TestWithParam<Mode> {
 protected:
  RtlCauses() {
    std::vector<sim::BundleWords> words;
    for (const Bundle& bundle : program()) words.push_back(encode(bundle));
    EXPECT_TRUE(board_.write_bundles(0, words));
    // No stack is cleared: the next packet begins as early as can be.
    put(CoreRegister::ClearRows, 0);
    put(CoreRegister::Budget, 1);
    put(CoreRegister::Control, kRun | (GetParam().all ? kAll : 0) | GetParam().threads << 8);
  }
  void put(CoreRegister which, std::uint32_t value) {
    ASSERT_TRUE(board_.write(static_cast<std::uint32_t>(which), value));
  }
  std::uint32_t get_at(std::uint32_t offset) { return board_.read(offset).value_or(0); }
  std::uint32_t get(CoreRegister which) { return get_at(offset_of(which)); }
  std::uint64_t get_wide(CoreRegister which) { return get(which) | std::uint64_t{get_at(offset_of(which) + 4)} << 32; }

  void send(Way way) {
    Arrival arrival{.bytes = std::vector<std::byte>(64, std::byte{static_cast<unsigned char>(sent_.size())})};
    arrival.bytes[0] = std::byte{way};
    sent_.push_back(way);
    bytes_.push_back(arrival.bytes);
    board_.send(std::move(arrival));
  }
  // The host of one request.
  void serve() {
    const std::uint32_t pending = get(CoreRegister::Pending);
    ASSERT_NE(pending, 0U);
    put(CoreRegister::Select, static_cast<std::uint32_t>(std::countr_zero(pending)));
    const std::uint32_t tag = get(CoreRegister::ThreadTag);
    ASSERT_LT(tag, sent_.size());
    put(CoreRegister::AnswerValue, kDrop);
    put(CoreRegister::Answer, sent_[tag] == host_stops ? kStop : 0);
  }
  // Until every packet has ended, or nothing has for longer than a budget takes.
  std::vector<Departure> run() {
    std::vector<Departure> out;
    std::uint32_t ended = 0;
    for (unsigned rounds = 0; rounds < 30 && ended != sent_.size(); ++rounds) {
      step_for(1000, out);
      const std::uint32_t now = get(CoreRegister::Packets);
      if (now != ended) rounds = 0;
      ended = now;
    }
    step_for(1000, out);
    return out;
  }
  void step_for(unsigned cycles, std::vector<Departure>& out) {
    for (unsigned i = 0; i < cycles; ++i) {
      board_.step();
      if (board_.interrupt()) serve();
      while (auto departure = board_.receive()) out.push_back(std::move(*departure));
    }
  }
  [[nodiscard]] bool leaves(Way way) const { return GetParam().all || way == pass; }

  void expect_all() {
    const std::vector<Departure> out = run();
    std::size_t at = 0;
    for (std::size_t i = 0; i < sent_.size(); ++i) {
      if (!leaves(sent_[i])) continue;
      ASSERT_LT(at, out.size()) << "packet " << i;
      expect_packet(out[at++], i);
    }
    EXPECT_EQ(at, out.size());
    EXPECT_EQ(get(CoreRegister::Packets), sent_.size());
    for (std::uint32_t cause = 0; cause < 16; ++cause) {
      EXPECT_EQ(get_at(offset_of(CoreRegister::Ended) + 4 * cause),
                std::ranges::count_if(sent_,
                                      [&](Way way) { return static_cast<std::uint32_t>(kWanted[way].cause) == cause; }))
          << "cause " << cause;
    }
    expect_cycles_add_up();
  }
  // Registers of 64 bits that change no more, but for the clock: it stands.
  void expect_cycles_add_up() {
    put(CoreRegister::Control, 0);
    const CoreRegister parts[] = {CoreRegister::Issued, CoreRegister::StallTurn, CoreRegister::StallUnit,
                                  CoreRegister::StallHost, CoreRegister::Idle};
    std::uint64_t sum = 0;
    for (const CoreRegister part : parts) sum += get_wide(part);
    EXPECT_EQ(get_wide(CoreRegister::Cycles), sum);
  }
  void expect_packet(const Departure& out, std::size_t i) {
    const Wanted& wanted = kWanted[sent_[i]];
    EXPECT_EQ(out.tag, i);
    EXPECT_EQ(out.cause, static_cast<std::uint8_t>(wanted.cause)) << "packet " << i << ", way " << unsigned{sent_[i]};
    EXPECT_TRUE(wanted.cause != CoreCause::None || out.value == wanted.value) << "packet " << i << ": " << out.value;
    EXPECT_EQ(out.bytes, bytes_[i]) << "packet " << i;
  }

  Board board_;
  std::vector<Way> sent_;
  std::vector<std::vector<std::byte>> bytes_;
};

TEST_P(RtlCauses, EachStopsAPacketOnce) {
  for (unsigned way = 0; way < kWays; ++way) send(Way{static_cast<std::uint8_t>(way)});
  expect_all();
}

TEST_P(RtlCauses, ThreadsThatWereStoppedGoOnWithTheNextPacket) {
  for (unsigned way = 0; way < kWays; ++way) {
    for (unsigned i = 0; i < 6; ++i) send(Way{static_cast<std::uint8_t>(way)});
    for (unsigned i = 0; i < 6; ++i) send(i % 2 == 0 ? pass : Way{static_cast<std::uint8_t>(way)});
  }
  expect_all();
}

TEST_P(RtlCauses, AtRandom) {
  std::mt19937_64 random(9);  // NOLINT(cert-msc51-cpp): the same in every run
  for (unsigned i = 0; i < 120; ++i) send(Way{static_cast<std::uint8_t>(random() % kWays)});
  expect_all();
}

INSTANTIATE_TEST_SUITE_P(Modes, RtlCauses,
                         ::testing::Values(Mode{1, true}, Mode{1, false}, Mode{2, true}, Mode{3, false}, Mode{8, true},
                                           Mode{8, false}),
                         [](const auto& mode) {
                           return std::to_string(mode.param.threads) + (mode.param.all ? "All" : "Passed");
                         });

}  // namespace
}  // namespace forager::rtl
