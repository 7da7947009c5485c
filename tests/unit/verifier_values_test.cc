// SPDX-License-Identifier: Apache-2.0
//
// Facts about operands' values: what is known after arithmetic, where ways meet, in loops, of spilled numbers and after
// calls, and what must not be claimed.
#include "verifier/values.h"

#include <ostream>

#include "program_testing.h"
#include "verifier/verify.h"

namespace forager::verifier {

static std::ostream& operator<<(std::ostream& out, const ValueFact& fact) {
  return out << std::hex << fact.min << ".." << fact.max << std::dec << ", signed " << fact.signed_min << ".."
             << fact.signed_max << ", bits " << std::hex << fact.bits << " but for " << fact.unknown_bits << std::dec;
}

namespace {

using isa::MapType;
using program::MapSpec;
using program::Program;
using Verified = std::shared_ptr<const VerifiedProgram>;

constexpr ValueFact kNothing;

// ---- what tests say ----

ValueFact constant(s64 value) { return fact_of(Scalar::constant(static_cast<u64>(value))); }
ValueFact between(u64 min, u64 max) {
  Scalar value;
  value.u = {min, max};
  value.sync();
  return fact_of(value);
}
ValueFact signed_between(s64 min, s64 max) {
  Scalar value;
  value.s = {min, max};
  value.sync();
  return fact_of(value);
}
// The same, and the low bits are zero.
ValueFact multiple(u64 of, u64 min, u64 max) {
  Scalar value;
  value.u = {min, max};
  value.bits.mask = ~(of - 1);
  value.sync();
  return fact_of(value);
}

const std::vector<MapSpec>& maps() {
  static const std::vector<MapSpec> kMaps = [] {
    std::vector<MapSpec> out = {
        {.type = MapType::hash, .key_size = 4, .value_size = 8, .max_entries = 8, .name = "flows"},
        {.type = MapType::array, .key_size = 4, .value_size = 16, .max_entries = 1, .name = "settings"},
        {.type = MapType::prog_array, .key_size = 4, .value_size = 4, .max_entries = 4, .name = "programs"}};
    std::vector<std::byte> value(16);
    value[4] = std::byte{0xfe};
    value[5] = std::byte{0xff};
    out[1].flags = 1U << 7;
    out[1].frozen = std::make_shared<const std::vector<std::byte>>(value);
    return out;
  }();
  return kMaps;
}

Verified verified(const std::string& text) {
  program::Source source{.type = isa::ProgType::xdp, .gpl_compatible = true};
  source.maps = maps();
  source.slots = program::testing::slots_of(text, {"flows", "settings", "programs"});
  // Some rules ask for BTF; of functions it has at least where they begin.
  auto bare = Program::decode(source);
  EXPECT_TRUE(bare) << bare.error().text();
  for (const program::Subprogram& subprogram : bare->subprograms()) {
    source.functions.push_back({.slot = bare->instructions()[subprogram.begin].slot, .name = "function"});
  }
  auto out = verify(*Program::decode(std::move(source)));
  EXPECT_TRUE(out) << out.error().text() << "\n" << text;
  return out.value_or(nullptr);
}

// Facts of the first instruction whose text is this. r6 and r7 begin as unknown numbers of 32 bits.
class Facts {
 public:
  explicit Facts(const std::string& body) : Facts(body, "\nr0 = 2\nexit") {}
  Facts(const std::string& body, const std::string& end, const std::string& begin = {})
      : verified_(verified(begin + "r6 = *(u32 *)(r1 +12)\nr7 = *(u32 *)(r1 +16)\n" + body + end)) {}

  [[nodiscard]] const verifier::Facts& at(std::string_view text) const {
    static const verifier::Facts kNone;
    const Program& program = verified_->program();
    for (std::uint32_t i = 0; i < program.instructions().size(); ++i) {
      if (to_text(program, i) == text) return verified_->facts()[i];
    }
    ADD_FAILURE() << "no instruction " << text;
    return kNone;
  }
  [[nodiscard]] ValueFact dst(std::string_view text) const { return at(text).dst; }
  [[nodiscard]] ValueFact src(std::string_view text) const { return at(text).src; }
  [[nodiscard]] ValueFact argument(std::string_view call, unsigned index) const {
    return verified_->call_arguments()[at(call).call.arguments][index].value;
  }

 private:
  Verified verified_;
};

// What is known of a register behind these instructions.
ValueFact after(const std::string& body, unsigned reg = 6) {
  const std::string move = "r5 = r" + std::to_string(reg);
  return Facts(body + "\n" + move + "\nr4 = r5").src(move);
}

// ---- arithmetic ----

TEST(Values, Constants) {
  EXPECT_EQ(after("r6 = 5"), constant(5));
  EXPECT_EQ(after("r6 = -5"), constant(-5));
  EXPECT_EQ(after("w6 = -5"), constant(0xffff'fffb));
  EXPECT_EQ(after("r6 = 0x1122334455667788 ll"), constant(0x1122334455667788));
  EXPECT_EQ(after("r6 = 100\nr6 /= 7\nr6 s%= 5\nr6 <<= 3\nr6 ^= -1"), constant(~(14 % 5 << 3)));
}

TEST(Values, MovesOfHalfARegister) {
  EXPECT_EQ(after(""), between(0, Limits<u32>::max()));
  EXPECT_EQ(after("r6 <<= 8\nw6 = w6"), multiple(256, 0, 0xffff'ff00));
  EXPECT_EQ(after("call bpf_ktime_get_ns\nw0 = w0", 0), between(0, Limits<u32>::max()));
  EXPECT_EQ(after("call bpf_ktime_get_ns", 0), kNothing);
}

TEST(Values, ArithmeticOf32BitsWrapsAround) {
  EXPECT_EQ(after("r6 &= 255\nw6 += -16"), fact_of(alu(Alu::add, 32, Scalar::loaded(1, false), Scalar::constant(-16))));
  EXPECT_EQ(after("r6 &= 255\nr6 += -16"), signed_between(-16, 239));
  EXPECT_EQ(after("r6 &= 255\nw6 += 16"), between(16, 271));
}

TEST(Values, SignExtension) {
  EXPECT_EQ(after("r6 = (s8)r6"), signed_between(-128, 127));
  EXPECT_EQ(after("w6 = (s8)w6").max, Limits<u32>::max());
  EXPECT_EQ(after("r6 &= 127\nr6 = (s8)r6"), between(0, 127));
  EXPECT_EQ(after("r6 <<= 32\nr6 s>>= 32"), signed_between(Limits<s32>::min(), Limits<s32>::max()));
  EXPECT_EQ(after("r6 = -3\nw6 = (s16)w6"), constant(0xffff'fffd));
}

TEST(Values, ByteSwaps) {
  EXPECT_EQ(after("r6 = be16 r6"), between(0, 0xffff));
  EXPECT_EQ(after("r6 &= 255\nr6 = be16 r6"), multiple(256, 0, 0xff00));
  EXPECT_EQ(after("r6 = 0x1234\nr6 = be16 r6"), constant(0x3412));
  EXPECT_EQ(after("r6 &= 15\nr6 = -r6"), signed_between(-15, 0));
}

TEST(Values, DivisionsAndRemainders) {
  EXPECT_EQ(after("r6 &= 255\nr6 /= 10"), between(0, 25));
  EXPECT_EQ(after("r6 %= 10"), between(0, 9));
  EXPECT_EQ(after("r6 &= 7\nr6 %= 10"), between(0, 7));
  EXPECT_EQ(after("r6 &= 255\nr7 &= 3\nr7 += 2\nr6 /= r7"), between(0, 127));
  EXPECT_EQ(after("r6 &= 127\nr6 += 100\nr7 &= 3\nr7 += 2\nr6 /= r7"), between(20, 113));
  EXPECT_EQ(after("r6 %= 3\nr6 += 5\nr6 %= 7"), between(0, 6));
  EXPECT_EQ(after("r6 &= 255\nr6 /= r7"), between(0, 255));  // by zero gives 0
  EXPECT_EQ(after("r6 &= 255\nr6 %= r7"), between(0, 255));  // by zero gives the dividend
  EXPECT_EQ(after("r6 = (s8)r6\nr6 s/= 4"), signed_between(-32, 31));
  EXPECT_EQ(after("r6 = (s8)r6\nr6 s%= 4"), signed_between(-3, 3));
}

TEST(Values, ShiftsByUnknownAmounts) {
  EXPECT_EQ(after("r6 = 1\nr7 &= 7\nr6 <<= r7"), between(1, 128));
  EXPECT_EQ(after("r6 &= 255\nr7 &= 3\nr6 >>= r7"), between(0, 255));
  EXPECT_EQ(after("r6 &= 255\nr6 >>= r7"), between(0, 255));
  EXPECT_EQ(after("r6 &= 255\nr7 &= 1\nr7 += 63\nr6 >>= r7"), between(0, 255));  // by 64 is by 0
  EXPECT_EQ(after("r6 = (s8)r6\nr7 &= 1\nr7 += 1\nr6 s>>= r7"), signed_between(-64, 63));
  EXPECT_EQ(after("r6 = 1\nr7 &= 63\nr6 <<= r7"), between(1, u64{1} << 63));
  EXPECT_EQ(after("r6 = 2\nr7 &= 63\nr6 <<= r7"), kNothing);
  EXPECT_EQ(after("r6 = 3\nr7 = 65\nr6 <<= r7"), constant(6));  // the amount's low bits count
}

// ---- branches ----

TEST(Values, BothWaysOfABranchTeach) {
  const Facts facts("if r6 > 9 goto more\nr2 = r6\nr2 = 0\ngoto out\nmore: r3 = r6\nr3 = 0\nout: r2 = 0");
  EXPECT_EQ(facts.src("r2 = r6"), between(0, 9));
  EXPECT_EQ(facts.src("r3 = r6"), between(10, Limits<u32>::max()));
}

TEST(Values, ARegisterComparedWithAnother) {
  const Facts facts("r7 &= 31\nif r6 >= r7 goto out\nr2 = r6\nr3 = r7\nout: r2 = 0\nr3 = 0");
  EXPECT_EQ(facts.src("r2 = r6"), between(0, 30));
  EXPECT_EQ(facts.src("r3 = r7"), between(1, 31));
}

TEST(Values, SignedBranches) {
  const Facts facts("r6 <<= 32\nr6 s>>= 32\nif r6 s< 0 goto out\nr2 = r6\nr2 = 0\nout: r2 = 0");
  EXPECT_EQ(facts.src("r2 = r6"), between(0, Limits<s32>::max()));
}

TEST(Values, WhereWaysMeetBothHold) {
  const ValueFact either = after("r2 = 4\nif r6 == 0 goto out\nr2 = 20\nout: r3 = 0", 2);
  EXPECT_EQ(either, (ValueFact{4, 20, 4, 20, 4, 16}));
  const ValueFact sign = after("r2 = -1\nif r6 == 0 goto out\nr2 = 3\nout: r3 = 0", 2);
  EXPECT_EQ(sign, (ValueFact{3, ~u64{0}, -1, 3, 3, ~u64{3}}));
}

TEST(Values, DeadWaysSayNothing) {
  const Facts facts("r2 = 1\nif r6 == 0 goto out\nr3 = 5\nif r3 == 5 goto out\nr2 = 100\nout: r4 = r2");
  EXPECT_EQ(facts.src("r4 = r2"), constant(1));
  EXPECT_FALSE(facts.at("r2 = 100").reachable);
}

// ---- loops ----

TEST(Values, ACounterThatIsCompared) {
  const Facts facts("r6 = 0\nloop: r2 = r6\nr6 += 1\nif r6 < 100 goto loop\nr3 = r6");
  EXPECT_EQ(facts.src("r2 = r6"), between(0, 99));
  EXPECT_EQ(facts.src("r3 = r6"), constant(100));
}

TEST(Values, ACounterThatEndsAtANumber) {
  const Facts facts("r6 = 0\nloop: r2 = r6\nr6 += 4\nif r6 != 400 goto loop\nr3 = r6");
  EXPECT_EQ(facts.src("r2 = r6"), multiple(4, 0, 396));
  EXPECT_EQ(facts.src("r3 = r6"), constant(400));
}

TEST(Values, ACounterThatGoesDown) {
  const Facts facts("r6 = 100\nloop: r2 = r6\nr6 += -1\nif r6 != 0 goto loop\nr3 = r6");
  EXPECT_EQ(facts.src("r2 = r6"), between(1, 100));
  EXPECT_EQ(facts.src("r3 = r6"), constant(0));
}

TEST(Values, ACounterWithAVariableEnd) {
  const Facts facts("r7 &= 63\nr6 = 0\nloop: if r6 >= r7 goto out\nr2 = r6\nr6 += 1\ngoto loop\nout: r3 = r6");
  EXPECT_EQ(facts.src("r2 = r6"), between(0, 62));
  EXPECT_EQ(facts.src("r3 = r6"), between(0, 63));
}

TEST(Values, LoopsInLoops) {
  const Facts facts(
      "r6 = 0\nouter: r7 = 0\ninner: r2 = r7\nr3 = r6\nr7 += 1\nif r7 != 50 goto inner\nr6 += 1\n"
      "if r6 != 20 goto outer\nr3 = 0");
  EXPECT_EQ(facts.src("r2 = r7"), between(0, 49));
  EXPECT_EQ(facts.src("r3 = r6"), between(0, 19));
}

TEST(Values, WhatALoopLeavesAloneStays) {
  EXPECT_EQ(after("r7 &= 7\nr6 = 0\nloop: r6 += 1\nif r6 != 90 goto loop", 7), between(0, 7));
}

// ---- memory ----

TEST(Values, LoadsAreAsWideAsTheyAre) {
  const Facts facts(
      "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 16\nif r4 > r3 goto out\nr5 = *(u8 *)(r2 +1)\n"
      "r4 = r5\nr5 = *(u16 *)(r2 +2)\nr3 = r5\nr5 = *(s8 *)(r2 +3)\nr0 = r5\nr5 = *(u64 *)(r2 +8)\nr2 = r5\nout: r3 = "
      "0");
  EXPECT_EQ(facts.dst("r4 += 16"), kNothing);  // a packet pointer, though four bytes were loaded
  EXPECT_EQ(facts.src("r4 = r5"), between(0, 255));
  EXPECT_EQ(facts.src("r3 = r5"), between(0, 65535));
  EXPECT_EQ(facts.src("r0 = r5"), signed_between(-128, 127));
  EXPECT_EQ(facts.src("r2 = r5"), kNothing);
}

TEST(Values, FrozenValuesAreConstants) {
  EXPECT_EQ(after("r2 = map[settings][0]+0 ll\nr2 = *(u32 *)(r2 +4)", 2), constant(0xfffe));
  EXPECT_EQ(after("r2 = map[settings][0]+0 ll\nr2 = *(s16 *)(r2 +4)", 2), constant(-2));
  EXPECT_EQ(after("r2 = map[settings][0]+0 ll\nr6 &= 4\nr2 += r6\nr2 = *(u32 *)(r2 +4)", 2),
            between(0, Limits<u32>::max()));
}

TEST(Values, SpilledNumbersComeBack) {
  EXPECT_EQ(after("r6 &= 7\n*(u64 *)(r10 -8) = r6\nr2 = *(u64 *)(r10 -8)", 2), between(0, 7));
  EXPECT_EQ(after("r6 &= 7\n*(u32 *)(r10 -4) = r6\nr2 = *(u32 *)(r10 -4)", 2), between(0, 7));
  EXPECT_EQ(after("r6 &= 7\nr3 = r10\nr3 += -16\n*(u64 *)(r3 +8) = r6\nr2 = *(u64 *)(r10 -8)", 2), between(0, 7));
  EXPECT_EQ(after("*(u8 *)(r10 -8) = r6\nr2 = *(u8 *)(r10 -8)", 2), between(0, 255));
  EXPECT_EQ(after("*(u32 *)(r10 -8) = -3\nr2 = *(s32 *)(r10 -8)", 2), constant(-3));
}

TEST(Values, PartsOfSpilledNumbers) {
  EXPECT_EQ(after("*(u64 *)(r10 -8) = 0x1234\nr2 = *(u32 *)(r10 -4)", 2), constant(0));
  EXPECT_EQ(after("*(u64 *)(r10 -8) = 0x1234\nr2 = *(u8 *)(r10 -7)", 2), constant(0x12));
  EXPECT_EQ(after("*(u64 *)(r10 -8) = r10\nr2 = *(u64 *)(r10 -8)", 2), kNothing);
}

TEST(Values, StoresForgetWhatTheyMayOverwrite) {
  const std::string two = "*(u64 *)(r10 -8) = 5\n*(u64 *)(r10 -16) = 6\n*(u64 *)(r10 -24) = 7\n";
  EXPECT_EQ(after(two + "*(u8 *)(r10 -5) = r6\nr2 = *(u64 *)(r10 -8)", 2), kNothing);
  EXPECT_EQ(after(two + "*(u8 *)(r10 -9) = r6\nr2 = *(u64 *)(r10 -8)", 2), constant(5));
  const std::string somewhere = "r6 &= 8\nr3 = r10\nr3 += -16\nr3 += r6\n*(u64 *)(r3 +0) = 1\n";
  EXPECT_EQ(after(two + somewhere + "r2 = *(u64 *)(r10 -8)", 2), kNothing);
  EXPECT_EQ(after(two + somewhere + "r2 = *(u64 *)(r10 -24)", 2), constant(7));
  EXPECT_EQ(after(two + "r2 = 1\nlock *(u64 *)(r10 -8) += r2\nr2 = *(u64 *)(r10 -8)", 2), kNothing);
}

TEST(Values, StoresThroughPointersOfTwoKindsForgetTheFrame) {
  const std::string either =
      "*(u64 *)(r10 -8) = 5\nr1 = map[flows] ll\n*(u32 *)(r10 -12) = 0\nr2 = r10\nr2 += -12\n"
      "call bpf_map_lookup_elem\nif r0 != 0 goto store\nr0 = r10\nr0 += -8\nstore: *(u64 *)(r0 +0) = 9\n";
  EXPECT_EQ(after(either + "r2 = *(u64 *)(r10 -8)", 2), kNothing);
}

TEST(Values, AtomicsFetchWhatTheirWidthAllows) {
  EXPECT_EQ(after("*(u64 *)(r10 -8) = 5\nr2 = 1\nr2 = atomic_fetch_add((u32 *)(r10 -8), r2)", 2), constant(5));
  EXPECT_EQ(after("*(u64 *)(r10 -8) = 5\nr2 = 1\nr2 = atomic_fetch_add((u32 *)(r10 -8), r2)\n"
                  "r2 = atomic_fetch_add((u32 *)(r10 -8), r2)",
                  2),
            between(0, Limits<u32>::max()));
}

// ---- calls ----

TEST(Values, CallsForgetTheirRegisters) {
  const Facts facts("r6 &= 7\nr5 = 1\ncall bpf_get_prandom_u32\nr2 = r0\nr3 = r6");
  EXPECT_EQ(facts.src("r2 = r0"), kNothing);
  EXPECT_EQ(facts.src("r3 = r6"), between(0, 7));
}

TEST(Values, NumbersPassedToHelpers) {
  const Facts facts("r1 = 3\nr2 = r6\nr2 &= 15\ncall bpf_redirect");
  EXPECT_EQ(facts.argument("call bpf_redirect#23", 0), constant(3));
  EXPECT_EQ(facts.argument("call bpf_redirect#23", 1), between(0, 15));
}

const std::string kLookup = "r1 = map[flows] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\n";

TEST(Values, AKeyIsOnlyRead) {
  const Facts facts("*(u32 *)(r10 -4) = 7\n" + kLookup + "r2 = *(u32 *)(r10 -4)\nr3 = r2");
  EXPECT_EQ(facts.src("r3 = r2"), constant(7));
  EXPECT_EQ(facts.argument("call bpf_map_lookup_elem#1", 0), kNothing);
  EXPECT_EQ(facts.argument("call bpf_map_lookup_elem#1", 1), kNothing);
}

TEST(Values, OfPointersNothingIsSaid) {
  const Facts facts("*(u32 *)(r10 -4) = 7\n" + kLookup + "if r0 == 0 goto out\nr2 = r0\nr2 += 4\nout: r3 = r0");
  EXPECT_EQ(facts.dst("if r0 == 0x0 goto pc+2"), kNothing);
  EXPECT_EQ(facts.src("r2 = r0"), kNothing);
  EXPECT_EQ(facts.dst("r2 += 4"), kNothing);
  EXPECT_EQ(facts.src("r3 = r0"), kNothing);
}

TEST(Values, HelpersThatFillMemoryForgetIt) {
  const std::string fill =
      "*(u64 *)(r10 -8) = 5\n*(u64 *)(r10 -16) = 6\nr2 = 0\nr3 = r10\nr3 += -16\nr4 = 8\ncall bpf_xdp_load_bytes\n";
  EXPECT_EQ(after(fill + "r2 = *(u64 *)(r10 -16)", 2), kNothing);
  EXPECT_EQ(after(fill + "r2 = *(u64 *)(r10 -8)", 2), constant(5));
}

TEST(Values, FunctionsKnowWhatAllTheirCallsSay) {
  const Facts facts("r1 = 3\nr2 = r6\nr3 = 1\ncall function\nr1 = 9\nr2 = 1\nr3 = r10\ncall function",
                    "\nr0 = 2\nexit\nfunction: r5 = r1\nr5 = r2\nr5 = r3\nr0 = 0\nexit");
  EXPECT_EQ(facts.src("r5 = r1"), (ValueFact{3, 9, 3, 9, 1, 10}));
  EXPECT_EQ(facts.src("r5 = r2"), between(0, Limits<u32>::max()));
  EXPECT_EQ(facts.src("r5 = r3"), kNothing);
}

TEST(Values, FunctionsMayWriteToTheFrame) {
  const Facts facts("*(u64 *)(r10 -8) = 5\ncall function\nr3 = *(u64 *)(r10 -8)\nr4 = r3",
                    "\nr0 = 2\nexit\nfunction: r0 = 0\nexit");
  EXPECT_EQ(facts.src("r4 = r3"), kNothing);
}

TEST(Values, WhatAFunctionReturns) {
  const std::string call = "r1 = r6\ncall function\nr2 = r0";
  const Facts numbers(call, "\nr0 = 2\nexit\nfunction: r0 = -1\nif r1 > 9 goto out\nr0 = r1\nr0 &= 7\nout: exit");
  EXPECT_EQ(numbers.src("r2 = r0"), signed_between(-1, 7));
  const Facts argument(call, "\nr0 = 2\nexit\nfunction: r0 = r1\nif r1 == 0 goto out\nr0 = 1\nout: exit");
  EXPECT_EQ(argument.src("r2 = r0"), kNothing);
}

TEST(Values, ATailCalledProgramReturnsAnything) {
  const Facts facts("r6 = r0\nr1 = r9\ncall function\nr2 = r0",
                    "\nr0 = 2\nexit\nfunction: r2 = map[programs] ll\nr3 = 0\ncall bpf_tail_call\nr0 = 1\nexit",
                    "r9 = r1\nr0 = 0\n");
  EXPECT_EQ(facts.src("r2 = r0"), kNothing);
}

TEST(Values, CallbacksMayWriteToTheFrame) {
  const Facts facts(
      "*(u64 *)(r10 -8) = 5\nr1 = 4\nr2 = subprog[round] ll\nr3 = r10\nr3 += -8\nr4 = 0\ncall bpf_loop\n"
      "r3 = *(u64 *)(r10 -8)\nr4 = r3",
      "\nr0 = 2\nexit\nround: r5 = r1\n*(u64 *)(r2 +0) = 9\nr0 = 0\nexit");
  EXPECT_EQ(facts.src("r4 = r3"), kNothing);
  EXPECT_EQ(facts.src("r5 = r1"), kNothing);
  EXPECT_EQ(facts.argument("call bpf_loop#181", 0), constant(4));
}

TEST(Values, ACallbackThatIsCalledToo) {
  const Facts facts("r1 = 3\nr2 = 0\ncall round\nr1 = 4\nr2 = subprog[round] ll\nr3 = 0\nr4 = 0\ncall bpf_loop",
                    "\nr0 = 2\nexit\nround: r5 = r1\nr0 = 0\nexit");
  EXPECT_EQ(facts.src("r5 = r1"), kNothing);
}

}  // namespace
}  // namespace forager::verifier
