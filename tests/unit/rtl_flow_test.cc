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

TEST(RtlFlow, HalvesThatChangePlacesAreOneWord) {
  const CoreProgram program = compiled(
      checked(24, "r4 = *(u32 *)(r2 +4)\n*(u32 *)(r2 +8) = r4\nr4 = *(u32 *)(r2 +0)\n*(u32 *)(r2 +12) = r4\nr0 = 3"));
  EXPECT_EQ(count(program, CoreClass::Load), 1U);
  EXPECT_EQ(count(program, CoreClass::Store), 1U);
  const auto slots = native_slots(program);
  EXPECT_EQ(std::ranges::count(slots, CoreOp::AluRotl, &Slot::op), 1);
}

TEST(RtlFlow, WhatWasStoredNeedNotBeLoaded) {
  const CoreProgram program = compiled(checked(
      24,
      "*(u16 *)(r2 +4) = 513\nr5 = *(u8 *)(r2 +0)\n*(u32 *)(r2 +8) = r5\nr0 = *(u16 *)(r2 +4)\nr4 = *(u32 *)(r2 +8)\n"
      "r0 += r4"));
  EXPECT_EQ(count(program, CoreClass::Load), 1U);
}

TEST(RtlFlow, WhatWasWrittenOverIsLoaded) {
  const CoreProgram program =
      compiled(checked(24, "*(u32 *)(r2 +4) = 513\nr5 = *(u8 *)(r2 +0)\n*(u8 *)(r2 +5) = r5\nr0 = *(u32 *)(r2 +4)"));
  EXPECT_EQ(count(program, CoreClass::Load), 2U);
}

TEST(RtlFlow, CopiesOfBytesThatOverlapStayApart) {
  // The second load reads what the first store wrote, from the register where it is.
  const CoreProgram program = compiled(
      checked(14, "r4 = *(u16 *)(r2 +0)\n*(u16 *)(r2 +2) = r4\nr4 = *(u16 *)(r2 +2)\n*(u16 *)(r2 +4) = r4\nr0 = 3"));
  EXPECT_EQ(count(program, CoreClass::Load), 1U);
  EXPECT_EQ(count(program, CoreClass::Store), 2U);
}

// ---- what is known -------------------------------------------------------------------------------------------------

TEST(RtlFlow, WhatWasComparedIsNotComparedAgain) {
  const CoreProgram program = compiled(checked(
      14,
      "r5 = *(u16 *)(r2 +0)\nr6 = *(u16 *)(r2 +2)\nr0 = 1\nif r5 > r6 goto more\nr0 = 2\nmore: if r5 > r6 goto out\n"
      "r0 += 4\nif r5 <= r6 goto out\nr0 += 8"));
  EXPECT_EQ(count(program, CoreClass::Branch), 1U);
}

TEST(RtlFlow, WhatWasComparedIsComparedAgainWhereItChanged) {
  const CoreProgram program = compiled(checked(
      14, "r5 = *(u16 *)(r2 +0)\nr0 = 1\nif r5 > 7 goto out\nr5 = *(u16 *)(r2 +2)\nif r5 > 7 goto out\nr0 = 2"));
  EXPECT_EQ(count(program, CoreClass::Branch), 2U);
}

TEST(RtlFlow, WhatEqualsAConstantIsOne) {
  const CoreProgram program =
      compiled(checked(14, "r5 = *(u16 *)(r2 +0)\nr0 = 1\nif r5 != 7 goto out\nr0 = r5\nr0 <<= 3"));
  const auto slots = native_slots(program);
  EXPECT_EQ(std::ranges::count(slots, CoreOp::AluLsh, &Slot::op), 0);
  EXPECT_TRUE(std::ranges::any_of(slots, [](const Slot& slot) { return slot.use_imm && slot.imm == 56; }));
}

TEST(RtlFlow, PartsOfWordsOnTheStackAreKnown) {
  const CoreProgram program = compiled(checked(
      14,
      "r5 = *(u8 *)(r2 +0)\n*(u64 *)(r10 -8) = 0\n*(u8 *)(r10 -6) = r5\nr0 = *(u8 *)(r10 -6)\nr4 = *(u32 *)(r10 -4)\n"
      "r0 += r4"));
  EXPECT_EQ(count(program, CoreClass::Load), 1U) << "of the packet";
  EXPECT_EQ(count(program, CoreClass::Store), 0U);
}

TEST(RtlFlow, PartsThatWereWrittenOverAreNot) {
  // Which byte is written is not known: the word is read from memory.
  const CoreProgram program = compiled(
      checked(14,
              "r5 = *(u8 *)(r2 +0)\nr5 &= 7\n*(u64 *)(r10 -8) = 0\nr4 = r10\nr4 += -8\nr4 += r5\n*(u8 *)(r4 +0) = 1\n"
              "r0 = *(u64 *)(r10 -8)"));
  EXPECT_EQ(count(program, CoreClass::Store), 2U);
  EXPECT_EQ(count(program, CoreClass::Load), 2U);
}

TEST(RtlFlow, AProductOfConstantsIsOne) {
  const CoreProgram program = compiled(checked(14, "r5 = 6\nr5 *= 7\nw0 = *(u8 *)(r2 +0)\nw0 *= 3\nr0 += r5"));
  const auto slots = native_slots(program);
  ASSERT_EQ(count(program, CoreClass::Unit), 1U);
  EXPECT_TRUE(is_product(*std::ranges::find(slots, CoreOp::UnitMul, &Slot::op))) << "of 32 bits";
}

TEST(RtlFlow, ProductsThatFitInto32BitsAreMadeThere) {
  const auto product = [](const std::string& factor) {
    const CoreProgram program = compiled(checked(14, "r0 = *(u16 *)(r2 +0)\nr0 *= " + factor));
    const auto slots = native_slots(program);
    return *std::ranges::find(slots, CoreOp::UnitMul, &Slot::op);
  };
  EXPECT_FALSE(product("65535").wide);
  EXPECT_TRUE(product("65537").wide);
}

// ---- versions ------------------------------------------------------------------------------------------------------

TEST(RtlFlow, HeadersOfTheUsualLengthHaveAVersion) {
  const CoreProgram program = compiled(
      checked(34,
              "r5 = *(u8 *)(r2 +14)\nr5 &= 15\nr5 <<= 2\nr2 += 14\nr2 += r5\nr4 = r2\nr4 += 4\nif r4 > r3 goto out\n"
              "r0 = *(u16 *)(r2 +2)"));
  const auto slots = native_slots(program);
  EXPECT_TRUE(std::ranges::any_of(slots, [](const Slot& slot) {
    return class_of(slot.op) == CoreClass::Load && slot.a_state && slot.offset == 36;
  })) << "behind 20 bytes of header";
  EXPECT_TRUE(std::ranges::any_of(slots, [](const Slot& slot) {
    return class_of(slot.op) == CoreClass::Load && !slot.a_state;
  })) << "and behind so many as it says";
}

TEST(RtlFlow, TagsAreAskedForLast) {
  const CoreProgram program = compiled(checked(
      34,
      "r5 = *(u16 *)(r2 +12)\nr0 = 5\nif r5 == 129 goto out\nif r5 == 43144 goto out\nr0 = 6\nif r5 != 8 goto out\n"
      "r0 = *(u32 *)(r2 +26)"));
  const auto slots = native_slots(program);
  const auto first =
      std::ranges::find_if(slots, [](const Slot& slot) { return class_of(slot.op) == CoreClass::Branch; });
  ASSERT_NE(first, slots.end());
  EXPECT_EQ(first->imm, 8U);
}

// ---- maps ----------------------------------------------------------------------------------------------------------

TEST(RtlFlow, ALookupInAnArrayBranches) {
  const CoreProgram program = compiled(checked(14,
                                               "r5 = *(u8 *)(r2 +0)\n*(u32 *)(r10 -4) = r5\nr2 = r10\nr2 += -4\nr1 = "
                                               "map[values] ll\ncall 1\nr6 = r0\nr0 = 1\n"
                                               "if r6 == 0 goto out\nr0 = *(u64 *)(r6 +8)"),
                                       {counters()});
  EXPECT_EQ(count(program, CoreClass::Branch), 1U) << "by the index; whether there is a value is known then";
  const auto slots = native_slots(program);
  const auto value = std::ranges::find_if(slots, [](const Slot& slot) { return slot.on_map; });
  ASSERT_NE(value, slots.end());
  EXPECT_EQ(OnMap::kScales[value->imm >> 6 & 3], 4U);
  EXPECT_EQ(value->offset, 8U);
}

// A key of 20 bytes, made of parts of the packet.
std::string with_key(const std::string& parts, const std::string& call = "call 1") {
  return checked(34, "r5 = *(u32 *)(r2 +26)\nr6 = *(u16 *)(r2 +12)\n" + parts +
                         "\nr2 = r10\nr2 += -24\nr1 = map[flows] ll\n" + call +
                         "\nr6 = r0\nr0 = 1\nif r6 == 0 goto out\nr0 = 2");
}
MapRef flows() {
  return maps::create({.type = MapType::hash, .key_size = 20, .value_size = 16, .max_entries = 8, .name = "flows"}, 2)
      .value();
}
const std::string kWholeKey =
    "*(u64 *)(r10 -24) = r5\n*(u64 *)(r10 -16) = r5\n*(u16 *)(r10 -8) = r6\n*(u16 *)(r10 -6) = 7";

TEST(RtlFlow, KeysAreMadeWhereTheEngineReadsThem) {
  const CoreProgram program = compiled(with_key(kWholeKey), {flows()});
  const auto slots = native_slots(program);
  EXPECT_EQ(std::ranges::count(slots, CoreOp::LocalKeep, &Slot::op), 0);
  for (const Slot& slot : slots) {
    if (class_of(slot.op) != CoreClass::Store) continue;
    EXPECT_TRUE(slot.a_state && slot.a == static_cast<std::uint8_t>(CoreState::Scratch)) << slot.offset;
  }
  EXPECT_EQ(std::ranges::find(slots, CoreOp::UnitLookup, &Slot::op)->offset >> kMapRowAt, 1U);
}

TEST(RtlFlow, KeysThatOthersSeeAreCopied) {
  const std::string elsewhere =
      "*(u64 *)(r10 -24) = r5\n*(u64 *)(r10 -16) = r5\n*(u64 *)(r10 -8) = r6";  // beyond it, too
  const std::string printed = kWholeKey + "\nr1 = r10\nr1 += -24\nr2 = 4\ncall bpf_trace_printk";
  for (const std::string& parts : {elsewhere, printed}) {
    const CoreProgram program = compiled(with_key(parts), {flows()});
    EXPECT_GE(std::ranges::count(native_slots(program), CoreOp::LocalKeep, &Slot::op), 3) << parts;
  }
}

TEST(RtlFlow, PacketsAndBytesAreOneCount) {
  const auto atomics = [](const std::string& then) {
    const auto slots = native_slots(compiled(looked_up(then), {counters()}));
    return std::pair(std::ranges::count(slots, CoreOp::AtomicCount, &Slot::op),
                     std::ranges::count(slots, CoreOp::AtomicAdd, &Slot::op));
  };
  const std::string both = "r1 = 1\nlock *(u64 *)(r0 +0) += r1\nlock *(u64 *)(r0 +8) += r7\nr6 = 3";
  EXPECT_EQ(atomics("r7 = 5\nr7 <<= 32\n" + both), std::pair(1L, 0L));
  for (const std::string other : {
           "r1 = 2\nlock *(u64 *)(r0 +0) += r1\nlock *(u64 *)(r0 +8) += r7",  // not by one
           "r1 = 1\nlock *(u64 *)(r0 +8) += r1\nlock *(u64 *)(r0 +0) += r7",  // before it
           "r1 = 1\nlock *(u32 *)(r0 +0) += r1\nlock *(u64 *)(r0 +8) += r7",  // half of it
           "r1 = 1\nlock *(u64 *)(r0 +0) += r1\nr2 = *(u64 *)(r0 +0)\nlock *(u64 *)(r0 +8) += r7\nlock *(u64 *)(r0 +0) "
           "|= r2"  // read
                    // between
       }) {
    EXPECT_EQ(atomics("r7 = 5\nr7 <<= 32\n" + other), std::pair(0L, 2L)) << other;
  }
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
