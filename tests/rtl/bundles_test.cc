// SPDX-License-Identifier: Apache-2.0
//
// Bundles by hand on the whole device: branches in both slots, state as an operand, accesses that name their map, six
// bytes, atomics that meet in a row, and the entry of long packets. A packet's bytes say what it is to do; its result
// says what came of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "jit-backends/rtl/isa/core_isa.h"
#include "sim/board/board.h"

namespace forager::rtl {
namespace {

using jit::rtl::Bundle;
using jit::rtl::CoreOp;
using jit::rtl::CoreRegister;
using jit::rtl::CoreState;
using jit::rtl::OnMap;
using jit::rtl::Slot;
using sim::Arrival;
using sim::Board;
using sim::Departure;

constexpr std::uint32_t kRun = 1, kAll = 4;  // of Control
constexpr unsigned kThreads = 8, kMap = 3, kMapBytes = 192;
constexpr std::size_t kSlots = 16;

Slot nothing() { return {}; }
Bundle both(const Slot& first, const Slot& second) { return {.slots = {first, second}}; }
Slot alu(CoreOp op, std::uint8_t d, std::uint8_t a, std::uint8_t b) { return {.op = op, .d = d, .a = a, .b = b}; }
Slot alu_imm(CoreOp op, std::uint8_t d, std::uint8_t a, std::uint32_t imm) {
  return {.op = op, .d = d, .a = a, .use_imm = true, .imm = imm};
}
Slot ret(std::uint32_t value) { return {.op = CoreOp::ControlRet, .use_imm = true, .imm = value}; }
Slot ret_register(std::uint8_t reg) { return {.op = CoreOp::ControlRet, .b = reg}; }
Slot sized(CoreOp op, unsigned function, std::uint8_t d, std::uint8_t b) {
  return {.op = static_cast<CoreOp>(static_cast<unsigned>(op) | function), .d = d, .b = b};
}
Slot from_packet(unsigned log2, std::uint8_t d, std::uint16_t offset) {
  Slot slot = sized(CoreOp::Load, log2, d, 0);
  slot.a = static_cast<std::uint8_t>(CoreState::Data);
  slot.a_state = true;
  slot.offset = offset;
  return slot;
}
// At map kMap's values, index register `a` (15: none) shifted by kScales[scale].
Slot on_map(Slot slot, std::uint8_t a, std::uint32_t scale, std::uint16_t offset, std::int32_t value = 0) {
  slot.on_map = true;
  slot.a = a;
  slot.a_state = a == 15;
  slot.offset = offset;
  slot.imm = OnMap{.map = kMap, .scale = scale, .value = value}.encoded();
  return slot;
}
Slot call(std::uint16_t to) { return {.op = CoreOp::ControlCall, .offset = to}; }
Slot branch(CoreOp op, std::uint8_t a, std::uint32_t imm, std::size_t to) {
  return {.op = op, .a = a, .use_imm = true, .imm = imm, .offset = static_cast<std::uint16_t>(to)};
}

class RtlBundles : public ::testing::Test {
 protected:
  void load(const std::vector<Bundle>& program) {
    std::vector<sim::BundleWords> words;
    for (const Bundle& bundle : program) words.push_back(encode(bundle));
    ASSERT_TRUE(board_.write_bundles(0, words));
    put(CoreRegister::ClearRows, 0);
    // One map for all threads.
    map_row_ = get(CoreRegister::MapMemoryRow);
    put(CoreRegister::MapRegion, 1000);
    for (unsigned thread = 0; thread < kThreads; ++thread) {
      put(CoreRegister::MapIndex, thread * 64 + kMap);
      put(CoreRegister::MapRow, map_row_);
      put(CoreRegister::MapBytes, kMapBytes);
    }
    ASSERT_TRUE(board_.write_rows(map_row_, std::vector<std::byte>(std::size_t{4} * sim::kRowBytes)));
    put(CoreRegister::Control, kRun | kAll | kThreads << 8);
  }
  void put(CoreRegister which, std::uint32_t value) {
    ASSERT_TRUE(board_.write(static_cast<std::uint32_t>(which), value));
  }
  std::uint32_t get(CoreRegister which) { return board_.read(static_cast<std::uint32_t>(which)).value_or(0); }

  // What packets of these bytes end with.
  std::vector<Departure> run(const std::vector<std::vector<std::uint8_t>>& packets) {
    std::vector<Departure> out;
    std::size_t sent = 0;
    for (unsigned patience = 0; out.size() < packets.size() && patience < 20'000; ++patience) {
      if (sent < packets.size() && sent - out.size() < kSlots) {
        Arrival arrival;
        arrival.bytes.resize(packets[sent].size());
        std::memcpy(arrival.bytes.data(), packets[sent].data(), packets[sent].size());
        board_.send(std::move(arrival));
        ++sent;
      }
      board_.step();
      while (auto departure = board_.receive()) {
        out.push_back(std::move(*departure));
        patience = 0;
      }
    }
    return out;
  }
  std::uint64_t word_of_map(unsigned offset) {
    std::vector<std::byte> rows(std::size_t{4} * sim::kRowBytes);
    EXPECT_TRUE(board_.read_rows(map_row_, rows));
    std::uint64_t value = 0;
    std::memcpy(&value, rows.data() + offset, sizeof value);
    return value;
  }
  static std::vector<std::uint8_t> packet(std::vector<std::uint8_t> first, std::size_t size = 64) {
    for (std::size_t i = first.size(); i < size; ++i) first.push_back(static_cast<std::uint8_t>(i * 7));
    return first;
  }

  Board board_;
  std::uint32_t map_row_ = 0;
};

// Of two branches the first one wins, and a return or call beside a branch that is taken does nothing; arithmetic does.
TEST_F(RtlBundles, BranchesInBothSlots) {
  load({both(from_packet(0, 1, 0), nothing()),
        both(branch(CoreOp::BranchEq, 1, 1, 6), branch(CoreOp::BranchLt, 1, 3, 7)),
        both(branch(CoreOp::BranchEq, 1, 3, 8), alu_imm(CoreOp::AluMov, 5, 0, 50)),
        both(branch(CoreOp::BranchEq, 1, 4, 8), call(9)), both(branch(CoreOp::BranchEq, 1, 5, 7), ret(14)),
        both(nothing(), ret(15)), both(nothing(), ret(16)), both(nothing(), ret(17)), both(nothing(), ret_register(5)),
        both(nothing(), ret(0))});
  const auto out = run({packet({0}), packet({1}), packet({2}), packet({3}), packet({4}), packet({5}), packet({6})});
  std::vector<std::uint64_t> results;
  for (const Departure& one : out) results.push_back(one.value);
  EXPECT_EQ(results, (std::vector<std::uint64_t>{17, 16, 17, 50, 50, 17, 14}));
}

TEST_F(RtlBundles, StateInBothSlots) {
  const auto state = [](CoreState of, std::uint8_t d) {
    return Slot{.op = CoreOp::AluAdd, .d = d, .a = static_cast<std::uint8_t>(of), .use_imm = true, .a_state = true};
  };
  load({both(state(CoreState::DataEnd, 1), state(CoreState::Data, 2)),
        both(alu(CoreOp::AluSub, 3, 1, 2), state(CoreState::Length, 4)), both(alu(CoreOp::AluSub, 5, 3, 4), nothing()),
        both(alu_imm(CoreOp::AluLsh, 5, 5, 16), nothing()), both(alu(CoreOp::AluAdd, 5, 5, 4), nothing()),
        both(nothing(), ret_register(5))});
  const auto out = run({packet({}, 1), packet({}, 60), packet({}, 64), packet({}, 65), packet({}, 1514)});
  ASSERT_EQ(out.size(), 5U);
  for (const Departure& one : out) EXPECT_EQ(one.value, one.bytes.size());
}

TEST_F(RtlBundles, SixBytesAreLoadedAndStored) {
  Slot store = sized(CoreOp::Store, jit::rtl::kSixBytes, 0, 1);
  store.a = static_cast<std::uint8_t>(CoreState::Data);
  store.a_state = true;
  store.offset = 61;  // into the next row
  load({both(from_packet(jit::rtl::kSixBytes, 1, 3), nothing()), both(store, ret_register(1))});
  const auto sent = packet({1, 2, 3, 4, 5, 6, 7, 8, 0xff, 10}, 80);
  const auto out = run({sent});
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].value, 0xff0807060504U);
  auto expected = sent;
  std::copy_n(sent.begin() + 3, 6, expected.begin() + 61);
  EXPECT_EQ(std::memcmp(out[0].bytes.data(), expected.data(), expected.size()), 0);
}

TEST_F(RtlBundles, AMapsValuesByIndexAndScale) {
  // Stores 7 at index * 8 + 16, adds 5 to it, and loads it by the whole offset.
  Slot store = on_map(sized(CoreOp::Store, 2, 0, 0), 1, 1, 16, 7);
  store.use_imm = true;
  Slot add = on_map({.op = CoreOp::AtomicAdd, .wide = false, .use_imm = true}, 1, 1, 16, -2);
  load({both(from_packet(0, 1, 0), nothing()), both(store, alu_imm(CoreOp::AluLsh, 2, 1, 3)), both(add, nothing()),
        both(on_map(sized(CoreOp::Load, 2, 3, 0), 2, 0, 16), nothing()), both(nothing(), ret_register(3))});
  const auto out = run({packet({0}), packet({5}), packet({21}), packet({22}), packet({255})});
  ASSERT_EQ(out.size(), 5U);
  for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(out[i].value, 5U) << i;
  for (unsigned i = 3; i < 5; ++i) EXPECT_EQ(out[i].cause, static_cast<std::uint8_t>(jit::rtl::CoreCause::Bounds)) << i;
  EXPECT_EQ(word_of_map(16 + 21 * 8), 5U);
  EXPECT_EQ(word_of_map(16 + 22 * 8), 0U) << "behind the map";
}

// All threads count in a few words of one row and of the row after, and read and write beside it. No count is lost, and
// a thread reads what it wrote itself.
TEST_F(RtlBundles, AtomicsOfAllThreadsInARow) {
  Slot fetch =
      on_map({.op = static_cast<CoreOp>(static_cast<unsigned>(CoreOp::AtomicAdd) | jit::rtl::kFetches), .d = 4, .b = 3},
             1, 1, 0);
  Slot exchange =
      on_map({.op = static_cast<CoreOp>(static_cast<unsigned>(CoreOp::AtomicXor)), .wide = false, .b = 2}, 15, 0, 68);
  load({both(from_packet(0, 1, 0), nothing()), both(from_packet(0, 2, 1), alu_imm(CoreOp::AluMov, 3, 0, 1)),
        both(on_map({.op = CoreOp::AtomicAdd, .b = 2}, 1, 1, 0), nothing()), both(exchange, nothing()),
        both(fetch, nothing()), both(on_map(sized(CoreOp::Load, 3, 5, 0), 1, 1, 0), nothing()),
        both(alu(CoreOp::AluSub, 5, 5, 4), nothing()), both(nothing(), ret_register(5))});
  std::mt19937 random(5);  // NOLINT(cert-msc51-cpp): the same in every run
  std::vector<std::vector<std::uint8_t>> packets;
  std::map<unsigned, std::uint64_t> sums;
  std::uint32_t parity = 0;
  for (unsigned i = 0; i < 3000; ++i) {
    const auto word = static_cast<std::uint8_t>(random() % 8), by = static_cast<std::uint8_t>(random());
    packets.push_back(packet({word, by}));
    sums[word] += by + 1U;
    parity ^= by;
  }
  const auto out = run(packets);
  ASSERT_EQ(out.size(), packets.size());
  // Others may have counted between the two, but the thread's own one is in it.
  for (const Departure& one : out) EXPECT_GE(one.value, 1U);
  for (const auto& [word, sum] : sums) EXPECT_EQ(word_of_map(word * 8), sum) << word;
  EXPECT_EQ(word_of_map(64) >> 32, parity);
  EXPECT_EQ(word_of_map(64) & 0xffffffff, 0U);
}

// All threads count packets and bytes in pairs of a row, and add beside them.
TEST_F(RtlBundles, CountsOfAllThreadsInPairs) {
  Slot count = on_map({.op = CoreOp::AtomicCount, .b = 2}, 1, 2, 0);
  Slot beside = on_map({.op = CoreOp::AtomicAdd, .b = 2}, 1, 2, 8);
  load({both(from_packet(0, 1, 0), nothing()), both(from_packet(0, 2, 1), nothing()), both(count, nothing()),
        both(beside, ret(1))});
  std::mt19937 random(6);  // NOLINT(cert-msc51-cpp): the same in every run
  std::vector<std::vector<std::uint8_t>> packets;
  std::array<std::uint64_t, 8> counts{}, sums{};
  for (unsigned i = 0; i < 3000; ++i) {
    const auto pair = static_cast<std::uint8_t>(random() % 8), by = static_cast<std::uint8_t>(random());
    packets.push_back(packet({pair, by}));
    ++counts[pair];
    sums[pair] += 2U * by;
  }
  ASSERT_EQ(run(packets).size(), packets.size());
  for (unsigned pair = 0; pair < 8; ++pair) {
    EXPECT_EQ(word_of_map(16 * pair), counts[pair]) << pair;
    EXPECT_EQ(word_of_map(16 * pair + 8), sums[pair]) << pair;
  }
}

TEST_F(RtlBundles, ACountReachesNoWordBehindTheMap) {
  const Slot count = on_map({.op = CoreOp::AtomicCount, .b = 2}, 1, 2, 0);
  load({both(from_packet(0, 1, 0), alu_imm(CoreOp::AluMov, 2, 0, 5)), both(count, ret(1))});
  const auto out = run({packet({kMapBytes / 16 - 1}), packet({kMapBytes / 16})});
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(out[0].value, 1U);
  EXPECT_EQ(out[1].cause, static_cast<std::uint8_t>(jit::rtl::CoreCause::Bounds));
  EXPECT_EQ(word_of_map(kMapBytes - 16), 1U);
  EXPECT_EQ(word_of_map(kMapBytes - 8), 5U);
  EXPECT_EQ(word_of_map(kMapBytes), 0U);
}

// Products of 32 bits, which take no longer than a sum, beside those of 64.
TEST_F(RtlBundles, ProductsOfBothWidths) {
  const Slot narrow = {.op = CoreOp::UnitMul, .wide = false, .d = 3, .a = 1, .b = 2};
  const Slot wide = {.op = CoreOp::UnitMul, .d = 4, .a = 1, .b = 2};
  load({both(from_packet(3, 1, 0), nothing()), both(from_packet(3, 2, 8), nothing()), both(narrow, nothing()),
        both(wide, alu_imm(CoreOp::AluLsh, 3, 3, 32)), both(alu(CoreOp::AluXor, 3, 3, 4), nothing()),
        both(nothing(), ret_register(3))});
  std::mt19937_64 random(7);  // NOLINT(cert-msc51-cpp): the same in every run
  constexpr std::uint64_t kEdges[] = {0, 1, 0xffff, 0x10000, 0xffffffff, 0x100000000, UINT64_MAX};
  std::vector<std::vector<std::uint8_t>> packets;
  std::vector<std::uint64_t> expected;
  for (unsigned i = 0; i < 1000; ++i) {
    const std::uint64_t a = i < 49 ? kEdges[i / 7] : random(), b = i < 49 ? kEdges[i % 7] : random();
    std::vector<std::uint8_t> bytes(64);
    std::memcpy(bytes.data(), &a, 8);
    std::memcpy(bytes.data() + 8, &b, 8);
    packets.push_back(std::move(bytes));
    const auto low = static_cast<std::uint32_t>(a) * static_cast<std::uint32_t>(b);
    expected.push_back(std::uint64_t{low} << 32 ^ a * b);
  }
  std::vector<std::uint64_t> results;
  for (const Departure& one : run(packets)) results.push_back(one.value);
  EXPECT_EQ(results, expected);
}

// What stands in the scratch is the thread's own, as a whole and in parts.
TEST_F(RtlBundles, TheScratchIsMemory) {
  const auto scratch = [](Slot slot, std::uint16_t offset) {
    slot.a = static_cast<std::uint8_t>(CoreState::Scratch);
    slot.a_state = true;
    slot.offset = offset;
    return slot;
  };
  load({both(from_packet(3, 1, 0), nothing()), both(scratch(sized(CoreOp::Store, 3, 0, 1), 60), nothing()),
        both(scratch(sized(CoreOp::Load, 1 | jit::rtl::kSwapped, 2, 0), 66), nothing()),
        both(nothing(), ret_register(2))});
  const auto out = run({packet({1, 2, 3, 4, 5, 6, 7, 8}), packet({8, 7, 6, 5, 4, 3, 2, 1})});
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(out[0].value, 0x0708U);
  EXPECT_EQ(out[1].value, 0x0201U);
}

TEST_F(RtlBundles, LongPacketsBeginElsewhere) {
  load({both(nothing(), ret(1)), both(nothing(), ret(2))});
  put(CoreRegister::LongEntry, 1);
  put(CoreRegister::LongBytes, 60);
  const auto out = run({packet({}, 59), packet({}, 60), packet({}, 61), packet({}, 1), packet({}, 1500)});
  std::vector<std::uint64_t> results;
  for (const Departure& one : out) results.push_back(one.value);
  EXPECT_EQ(results, (std::vector<std::uint64_t>{1, 2, 2, 1, 2}));
}

}  // namespace
}  // namespace forager::rtl
