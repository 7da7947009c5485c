// SPDX-License-Identifier: Apache-2.0
//
// What the compiler for the core makes of programs: words, bundles, and which maps go to the chip.
#include <fmt/format.h>

#include <algorithm>

#include "exec_testing.h"
#include "jit-backends/rtl/compile.h"
#include "jit-backends/rtl/delegations.h"
#include "jit-backends/rtl/schedule.h"
#include "maps/registry.h"

namespace forager::jit::rtl {
namespace {

using exec::testing::FakePrograms;
using exec::testing::MapRef;
using exec::testing::Rig;
using exec::testing::verified;
using isa::MapType;

// ---- words ---------------------------------------------------------------------------------------------------------

TEST(RtlEncoding, FieldsStandWhereTheCoreLooksForThem) {
  const Slot slot = {.op = CoreOp::BranchEq,
                     .wide = true,
                     .d = 1,
                     .a = 2,
                     .b = 3,
                     .use_imm = true,
                     .imm = 0x89abcdef,
                     .offset = 0x1234};
  const auto words = encode({.slots = {slot, {}}});
  EXPECT_EQ(words[0] & 0xff, 5U << 5 | 1U << 1 | 1U) << "class, function, width";
  EXPECT_EQ(words[0] >> 8 & 0xfff, 0x321U) << "b, a, d";
  EXPECT_EQ(words[0] >> 20 & 1, 1U);
  EXPECT_EQ((words[0] >> 21 | std::uint64_t{words[1]} << 11) & 0xffffffff, 0x89abcdefU);
  EXPECT_EQ(words[1] >> 21 | (words[2] & 0x1f) << 11, 0x1234U);
  EXPECT_EQ(words[2] >> 8 & 0xff, 1U) << "slot 1 begins at bit 72: a nop of 64 bits";
}

// ---- schedule ------------------------------------------------------------------------------------------------------

Operation add(std::uint8_t d, std::uint8_t a, std::uint8_t b) {
  return {.slot = {.op = CoreOp::AluAdd, .d = d, .a = a, .b = b}};
}
Operation access(CoreClass of, std::uint8_t d, std::uint8_t base, Reach reach) {
  return {.slot = {.op = static_cast<CoreOp>(static_cast<unsigned>(of) << 4 | 3), .d = d, .a = base, .b = d},
          .reach = reach};
}
constexpr Reach kFirstWord = {.region = verifier::Region::stack, .first = 0, .last = 7};
constexpr Reach kSecondWord = {.region = verifier::Region::stack, .first = 8, .last = 15};
constexpr Reach kSomewhere = {};

std::size_t bundles(std::vector<Operation> operations) { return schedule(operations).size(); }

TEST(RtlSchedule, TwoInABundleWhereNeitherNeedsTheOther) {
  EXPECT_EQ(bundles({add(1, 2, 3), add(4, 5, 6)}), 1U);
  EXPECT_EQ(bundles({add(1, 2, 3), add(2, 5, 6)}), 1U) << "registers are read before they are written";
  EXPECT_EQ(bundles({add(1, 2, 3), add(4, 1, 6)}), 2U);
}

TEST(RtlSchedule, LaterOperationsGoFirstWhereNothingTiesThem) {
  EXPECT_EQ(bundles({add(1, 2, 3), add(1, 1, 3), add(4, 5, 6), add(4, 4, 6)}), 2U);
}

TEST(RtlSchedule, MemoryKeepsItsOrderWhereAccessesMayMeet) {
  for (const auto& [reach, distance] : {std::pair{kSecondWord, false}, {kFirstWord, true}, {kSomewhere, true}}) {
    std::vector<Operation> operations = {add(9, 9, 9), access(CoreClass::Store, 9, 10, kFirstWord),
                                         access(CoreClass::Load, 2, 10, reach)};
    const auto made = schedule(operations);
    const auto place = [&](const Operation* which) {
      return std::ranges::find_if(made, [&](const Pair& pair) { return pair.first == which || pair.second == which; }) -
             made.begin();
    };
    EXPECT_EQ(place(&operations[2]) > place(&operations[1]), distance);
  }
}

TEST(RtlSchedule, ARegisterThatIsUsedAgainDoesNotHoldItsNextValueUp) {
  // Both loads and both sums; the second pair uses the register of the first.
  EXPECT_EQ(bundles({access(CoreClass::Load, 1, 10, kFirstWord), add(2, 2, 1),
                     access(CoreClass::Load, 1, 10, kSecondWord), add(3, 3, 1)}),
            3U);
}

TEST(RtlSchedule, WhatStandsBesideAnOperationIsReadWithIt) {
  Operation compares = access(CoreClass::Atomic, 1, 10, kFirstWord);
  compares.slot.op = static_cast<CoreOp>(static_cast<unsigned>(CoreOp::AtomicCmpxchg) | kFetches);
  compares.beside = Slot{.b = 7};
  EXPECT_EQ(bundles({add(7, 2, 3), compares}), 2U);
  EXPECT_EQ(bundles({add(6, 2, 3), add(5, 2, 3), compares}), 2U);
}

TEST(RtlSchedule, ManyValuesAtATimeKeepTheirRegistersApart) {
  std::vector<Operation> operations;
  for (int round = 0; round < 2; ++round) {
    for (std::uint8_t reg = 1; reg <= 9; ++reg) operations.push_back(access(CoreClass::Load, reg, 10, kFirstWord));
    for (std::uint8_t reg = 1; reg <= 9; ++reg) operations.push_back(add(0, 0, reg));
  }
  const auto made = schedule(operations);
  // Replays the schedule on registers: every sum must add what was loaded for it.
  std::array<int, 16> holds{};
  std::vector<int> added;
  int loads = 0;
  for (const Pair& pair : made) {
    for (const Operation* one : {pair.first, pair.second}) {
      if (one != nullptr && one->slot.op == CoreOp::AluAdd) added.push_back(holds[one->slot.b]);
    }
    for (const Operation* one : {pair.first, pair.second}) {
      if (one != nullptr && one->slot.op != CoreOp::AluAdd) holds[one->slot.d] = ++loads;
    }
  }
  std::ranges::sort(added);
  ASSERT_EQ(added.size(), 18U);
  for (int i = 0; i < 18; ++i) EXPECT_EQ(added[static_cast<std::size_t>(i)], i + 1);
}

// ---- maps on the chip ----------------------------------------------------------------------------------------------

MapRef make_map(MapType type, std::uint32_t entries, const char* name = "values") {
  const std::uint32_t key_size = type == MapType::queue ? 0 : 4;
  return maps::create({.type = type, .key_size = key_size, .value_size = 8, .max_entries = entries, .name = name}, 2)
      .value();
}
std::size_t on_chip(const std::string& text, std::vector<MapRef> maps) {
  return plan_chip(*verified(Rig{.maps = std::move(maps)}, text)).maps.size();
}

constexpr const char* kLookUp =
    "*(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall 1\nif r0 == 0 goto none\nr0 = *(u64 *)(r0 "
    "+0)\n"
    "none: r0 = 2\nexit";

TEST(RtlChipMaps, KindsThatTheEngineKnows) {
  EXPECT_EQ(on_chip(kLookUp, {make_map(MapType::array, 10)}), 1U);
  EXPECT_EQ(on_chip(kLookUp, {make_map(MapType::percpu_array, 10)}), 1U);
  EXPECT_EQ(on_chip(kLookUp, {make_map(MapType::hash, 10)}), 1U);
  EXPECT_EQ(on_chip(kLookUp, {make_map(MapType::lru_percpu_hash, 10)}), 1U);
}

TEST(RtlChipMaps, WhatDoesNotFitStaysWithTheHost) {
  EXPECT_EQ(on_chip(kLookUp, {make_map(MapType::array, ChipRoom{}.rows * 8)}), 1U);
  EXPECT_EQ(on_chip(kLookUp, {make_map(MapType::array, ChipRoom{}.rows * 8 + 1)}), 0U);
  EXPECT_EQ(on_chip(kLookUp, {make_map(MapType::percpu_array, ChipRoom{}.rows * 8)}), 0U) << "one for each thread";
}

TEST(RtlChipMaps, WhatAHelperReachesStaysWithTheHost) {
  const std::string update =
      "*(u32 *)(r10 -4) = 1\n*(u64 *)(r10 -16) = 1\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\n"
      "r1 = map[values] ll\ncall bpf_map_update_elem\n";
  EXPECT_EQ(on_chip(update + kLookUp, {make_map(MapType::array, 10)}), 0U);
}

// Of what a tail call leads to nothing is known here; the device looks at it (RtlDevice.TargetsOfTailCalls...).
TEST(RtlChipMaps, ProgramsAreJumpedTo) {
  auto programs = std::make_shared<FakePrograms>();
  const std::string jumps = "r6 = r1\nr2 = map[programs] ll\nr3 = 0\ncall bpf_tail_call\n";
  EXPECT_EQ(on_chip(jumps + kLookUp, {make_map(MapType::array, 10), programs}), 2U);
}

// ---- what the host does
// ----------------------------------------------------------------------------------------------

TEST(RtlDelegations, HelpersAndMapsThatTheCoreHasNot) {
  EXPECT_TRUE(delegations(verified({}, "call bpf_get_prandom_u32\nr0 = 2\nexit")).empty());
  const auto found = delegations(verified(Rig{.maps = {make_map(MapType::queue, 10)}},
                                          "call bpf_get_numa_node_id\ncall bpf_get_numa_node_id\n*(u64 *)(r10 -8) = 1\n"
                                          "r1 = map[values] ll\nr2 = r10\nr2 += -8\nr3 = 0\ncall bpf_map_push_elem\n"
                                          "r0 = 2\nexit"));
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].what, "bpf_get_numa_node_id");
  EXPECT_EQ(found[0].times, 2U);
  EXPECT_EQ(found[0].instruction, 0U);
  EXPECT_EQ(found[1].what, "bpf_map_push_elem");
  EXPECT_EQ(found[2].what, "map values");
}

TEST(RtlOrder, OnlyWhatNobodyCanSeeInAnyOrderRunsAtTheSameTime) {
  const auto order = [](const std::string& text, std::vector<MapRef> maps) {
    return needs_order(*verified(Rig{.maps = std::move(maps)}, text));
  };
  EXPECT_FALSE(order("r0 = 2\nexit", {}));
  EXPECT_FALSE(order(kLookUp, {make_map(MapType::array, 10)}));
  EXPECT_TRUE(order("call bpf_get_prandom_u32\nr0 = 2\nexit", {}));
  const std::string counts =
      "*(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall 1\nif r0 == 0 goto none\n"
      "r1 = *(u64 *)(r0 +0)\nr1 += 1\n*(u64 *)(r0 +0) = r1\nnone: r0 = 2\nexit";
  EXPECT_TRUE(order(counts, {make_map(MapType::array, 10)}));
}

}  // namespace
}  // namespace forager::jit::rtl
