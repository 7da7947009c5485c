// SPDX-License-Identifier: Apache-2.0
//
// What passes over operations make of programs (flow.h), by what stands in the bundles afterwards; and that what looks
// alike but is not is left as it was.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <string>

#include "exec_testing.h"
#include "jit-backends/rtl/compile.h"
#include "jit-backends/rtl/slots.h"
#include "maps/registry.h"

namespace forager::jit::rtl {
namespace {

using exec::testing::MapRef;
using exec::testing::Rig;
using exec::testing::verified;
using isa::MapType;

CoreProgram compiled(const std::string& text, std::vector<MapRef> maps = {}) {
  return compile(verified(Rig{.maps = std::move(maps)}, text), {}, Maps::on_chip).value()->code();
}
MapRef counters() {
  return maps::create({.type = MapType::array, .key_size = 4, .value_size = 16, .max_entries = 8, .name = "values"}, 2)
      .value();
}

// Of the version for packets from the port, which stands behind the one for all.
std::vector<Slot> native_slots(const CoreProgram& program) {
  std::vector<Slot> out;
  for (std::size_t i = program.long_entry; i < program.leave; ++i) {
    for (const Slot& slot : program.bundles[i].slots) {
      if (slot.op != CoreOp::AluNop) out.push_back(slot);
    }
  }
  return out;
}
std::size_t count(const CoreProgram& program, CoreClass of) {
  const auto slots = native_slots(program);
  return static_cast<std::size_t>(
      std::ranges::count_if(slots, [&](const Slot& slot) { return class_of(slot.op) == of; }));
}
std::size_t native_bundles(const CoreProgram& program) { return program.leave - program.long_entry; }

std::string checked(unsigned bytes, const std::string& then) {
  return fmt::format(
      "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += {}\nr0 = 1\nif r4 > r3 goto out\n{}\nout: exit",
      bytes, then);
}

// ---- the packet's length -------------------------------------------------------------------------------------------

TEST(RtlFlow, ComparisonsWithTheEndThatEveryFramePassesAreGone) {
  const CoreProgram program = compiled(checked(34, "r0 = *(u8 *)(r2 +33)"));
  EXPECT_EQ(program.long_bytes, 34U);
  EXPECT_EQ(count(program, CoreClass::Branch), 0U);
  EXPECT_EQ(native_bundles(program), 2U) << "the load, and the return";
}

TEST(RtlFlow, LongerOnesCompareTheLength) {
  const CoreProgram program = compiled(checked(100, "r0 = *(u8 *)(r2 +99)"));
  EXPECT_EQ(program.long_bytes, 0U);
  const auto slots = native_slots(program);
  const auto branch = std::ranges::find(slots, CoreOp::BranchLt, &Slot::op);
  ASSERT_NE(branch, slots.end());
  EXPECT_TRUE(branch->a_state && branch->a == static_cast<std::uint8_t>(CoreState::Length));
  EXPECT_EQ(branch->imm, 100U);
}

TEST(RtlFlow, WhatIsKnownOfThePacketEndsWhereItsEdgesMayMove) {
  const std::string twice =
      "r6 = r1\n" +
      checked(14,
              "r2 = 0\nr1 = r6\ncall bpf_xdp_adjust_tail\nr2 = *(u32 *)(r6 +0)\nr3 = *(u32 *)(r6 +4)\nr4 = r2\n"
              "r4 += 14\nr0 = 1\nif r4 > r3 goto out\nr0 = *(u8 *)(r2 +13)");
  EXPECT_EQ(count(compiled(twice), CoreClass::Branch), 1U);
}

TEST(RtlFlow, HeadersBehindHeadersOfSeveralLengthsKeepTheirPlaces) {
  // Two ways to the same check, four bytes apart: neither needs an addition.
  const std::string ways = checked(54,
                                   "r5 = *(u8 *)(r2 +0)\nr6 = r2\nr6 += 14\nif r5 == 1 goto tagged\nr6 += 4\n"
                                   "tagged: r4 = r6\nr4 += 20\nif r4 > r3 goto out\nr0 = *(u8 *)(r6 +9)");
  const CoreProgram program = compiled(ways);
  std::vector<unsigned> offsets;
  for (const Slot& slot : native_slots(program)) {
    if (class_of(slot.op) == CoreClass::Load) offsets.push_back(slot.offset);
    EXPECT_NE(slot.op, CoreOp::AluAdd);
  }
  EXPECT_THAT(offsets, ::testing::UnorderedElementsAre(0, 23, 27));
}

TEST(RtlFlow, ProgramsForNoPortAreThereOnce) {
  Rig rig;
  rig.type = isa::ProgType::raw_memory;
  const auto image = compile(verified(rig, "r0 = 1\nexit"), {}, Maps::on_chip).value();
  EXPECT_EQ(image->code().long_bytes, kNoLength);
}

// ---- counting ------------------------------------------------------------------------------------------------------

std::string looked_up(const std::string& then) {
  return "*(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall 1\nr6 = 0\nif r0 == 0 goto none\n" +
         then + "\nnone: r0 = 2\nexit";
}

TEST(RtlFlow, AnAdditionInPlaceIsAnAtomic) {
  for (const std::string change : {"r1 += 1", "r1 -= 5", "r1 |= 8", "r1 &= 7", "r1 ^= 1"}) {
    const CoreProgram program =
        compiled(looked_up("r1 = *(u64 *)(r0 +8)\n" + change + "\n*(u64 *)(r0 +8) = r1"), {counters()});
    EXPECT_EQ(count(program, CoreClass::Atomic), 1U) << change;
    EXPECT_EQ(count(program, CoreClass::Load) + count(program, CoreClass::Store), 0U) << change;
  }
}

TEST(RtlFlow, WhatIsNoAdditionInPlaceIsNone) {
  for (const std::string other : {
           "r1 = *(u64 *)(r0 +8)\nr1 += 1\n*(u64 *)(r0 +0) = r1",                                // elsewhere
           "r1 = *(u64 *)(r0 +8)\nr1 += 1\n*(u32 *)(r0 +8) = r1",                                // not all of it
           "r1 = *(u64 *)(r0 +8)\nr1 <<= 1\n*(u64 *)(r0 +8) = r1",                               // no such atomic
           "r1 = *(u64 *)(r0 +8)\nw1 += 1\n*(u64 *)(r0 +8) = r1",                                // half of it
           "r1 = *(u64 *)(r0 +8)\nr1 += 1\n*(u64 *)(r0 +8) = r1\n*(u64 *)(r0 +0) = r1",          // read again
           "r1 = *(u64 *)(r0 +8)\nr1 += 1\n*(u64 *)(r0 +8) = 3\n*(u64 *)(r0 +8) = r1",           // written meanwhile
           "r1 = *(u64 *)(r0 +8)\nr2 = r1\nr1 += 1\n*(u64 *)(r0 +8) = r1\n*(u64 *)(r0 +0) = r2"  // read before
       }) {
    EXPECT_EQ(count(compiled(looked_up(other), {counters()}), CoreClass::Atomic), 0U) << other;
  }
}

// ---- copies --------------------------------------------------------------------------------------------------------

TEST(RtlFlow, AddressesChangePlacesSixBytesAtATime) {
  std::string swap;
  for (unsigned at = 0; at < 6; at += 2) {
    swap += fmt::format(
        "r4 = *(u16 *)(r2 +{0})\nr5 = *(u16 *)(r2 +{1})\n*(u16 *)(r2 +{1}) = r4\n*(u16 *)(r2 +{0}) = r5\n", at, at + 6);
  }
  const CoreProgram program = compiled(checked(14, swap + "r0 = 3"));
  EXPECT_EQ(count(program, CoreClass::Load), 2U);
  EXPECT_EQ(count(program, CoreClass::Store), 2U);
}

TEST(RtlFlow, CopiesOfBytesThatOverlapStayApart) {
  // The second load reads what the first store wrote.
  const CoreProgram program = compiled(
      checked(14, "r4 = *(u16 *)(r2 +0)\n*(u16 *)(r2 +2) = r4\nr4 = *(u16 *)(r2 +2)\n*(u16 *)(r2 +4) = r4\nr0 = 3"));
  EXPECT_EQ(count(program, CoreClass::Load), 2U);
  EXPECT_EQ(count(program, CoreClass::Store), 2U);
}

// ---- bundles -------------------------------------------------------------------------------------------------------

TEST(RtlFlow, TwoBranchesShareABundle) {
  const CoreProgram program =
      compiled(checked(14, "r5 = *(u16 *)(r2 +12)\nr0 = 2\nif r5 == 8 goto out\nr0 = 3\nif r5 == 9 goto out\nr0 = 4"));
  const auto both = [](const Bundle& bundle) {
    return std::ranges::all_of(bundle.slots, [](const Slot& slot) { return class_of(slot.op) == CoreClass::Branch; });
  };
  EXPECT_EQ(std::ranges::count_if(program.bundles.begin() + program.long_entry, program.bundles.end(), both), 1);
}

TEST(RtlFlow, LoadsThatMayFailWaitForTheirCheck) {
  // 100 bytes are not known to be there; the load stands behind the branch, though it would fit beside it.
  const CoreProgram program = compiled(checked(100, "r0 = *(u8 *)(r2 +99)"));
  std::size_t branch = 0, load = 0;
  for (std::size_t i = program.long_entry; i < program.leave; ++i) {
    for (const Slot& slot : program.bundles[i].slots) {
      if (class_of(slot.op) == CoreClass::Branch) branch = i;
      if (class_of(slot.op) == CoreClass::Load) load = i;
    }
  }
  EXPECT_GT(load, branch);
}

}  // namespace
}  // namespace forager::jit::rtl
