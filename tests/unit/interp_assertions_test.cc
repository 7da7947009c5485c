// SPDX-License-Identifier: Apache-2.0
//
// Facts held against execution: what is right passes, and each kind of fact is caught when it is wrong.
#include "exec_testing.h"
#include "unverified.h"

namespace forager::interp {
namespace {

using exec::testing::Bytes;
using exec::testing::FakeRing;
using exec::testing::make_array;
using exec::testing::MapRef;
using exec::testing::plain_environment;
using exec::testing::trap_of;
using ::testing::HasSubstr;
using verifier::Branch;
using verifier::Facts;
using verifier::MapUse;
using verifier::Region;
using verifier::UnverifiedForTests;
using verifier::ValueFact;
using Claims = UnverifiedForTests::Claims;

// Runs the program with these facts on a packet of 64 bytes and says why it was stopped.
template <class Claim>
std::string asserted(const std::string& text, const std::vector<MapRef>& maps, Claim claim) {
  program::Source source{.name = "test", .type = isa::ProgType::xdp, .gpl_compatible = true};
  for (const MapRef& map : maps) source.maps.push_back(map->spec());
  source.slots = program::assemble(text + "\nr0 = 2\nexit").value();
  const auto verified = UnverifiedForTests::make(program::Program::decode(std::move(source)).value(), claim);
  const auto device = *backend().open({.environment = &plain_environment(), .instruction_budget = 1000});
  EXPECT_TRUE(device->load(*backend().compile(verified, {.assert_facts = true})));
  for (std::uint32_t i = 0; i < maps.size(); ++i) EXPECT_TRUE(device->bind(i, maps[i]));
  exec::Frame frame = *exec::Frame::make(exec::testing::as_bytes(Bytes(64)));
  EXPECT_TRUE(device->run({&frame, 1}));
  EXPECT_TRUE(frame.results().trap == nullptr || frame.results().trap->kind == ErrorKind::bug);
  return trap_of(frame);
}

// Facts of one instruction, right and wrong.
void expect_caught(const std::string& text, std::uint32_t at, const Facts& right, const Facts& wrong,
                   const std::string& message, const std::vector<MapRef>& maps = {}) {
  EXPECT_EQ(asserted(text, maps, [&](const Claims& claims) { claims.facts[at] = right; }), "") << text;
  const std::string stopped = asserted(text, maps, [&](const Claims& claims) { claims.facts[at] = wrong; });
  EXPECT_THAT(stopped, HasSubstr("fact does not hold: " + message)) << text;
}

constexpr ValueFact constant(std::uint64_t value) {
  const auto as_signed = static_cast<std::int64_t>(value);
  return {
      .min = value, .max = value, .signed_min = as_signed, .signed_max = as_signed, .bits = value, .unknown_bits = 0};
}

TEST(Assertions, Reachability) {
  expect_caught("r1 = 1", 0, {.reachable = true}, {.reachable = false}, "reachable: it is said to be dead code");
}

TEST(Assertions, OperandsMustLieInTheirRanges) {
  const std::string add = "r1 = 5\nr2 = -1\nr1 += r2";
  const Facts right{.dst = constant(5), .src = constant(~0ULL)};
  expect_caught(add, 2, right, {.dst = {.min = 6}}, "dst: r1 is 0x5, said to be in [0x6, ");
  expect_caught(add, 2, right, {.dst = {.max = 4}}, "dst: r1 is 0x5");
  expect_caught(add, 2, right, {.dst = {.bits = 0, .unknown_bits = 3}}, "dst: r1 is 0x5");
  expect_caught(add, 2, right, {.src = {.signed_min = 0}}, "src: r2 is 0xffffffffffffffff");
  expect_caught(add, 2, right, {.src = {.signed_max = -2}}, "src: r2 is 0xffffffffffffffff");
}

TEST(Assertions, AMovesDestinationIsNoOperand) {
  EXPECT_EQ(asserted("r1 = 5\nr1 = 6", {}, [](const Claims& claims) { claims.facts[1].dst = constant(4); }), "");
}

TEST(Assertions, BranchesGoWhereTheyAreSaidTo) {
  expect_caught("r1 = 5\nif r1 == 5 goto +1\nr1 = 6", 1, {.branch = Branch::always}, {.branch = Branch::never},
                "branch: taken, said never to be");
  expect_caught("r1 = 5\nif w1 > 5 goto +1\nr1 = 6", 1, {.branch = Branch::never}, {.branch = Branch::always},
                "branch: not taken, said always to be");
}

TEST(Assertions, DeadRegistersAreNotRead) {
  const std::string text = "r6 = 1\nr7 = 2\nr7 += r6";
  expect_caught(text, 1, {.live = 1 << 6 | 1 << 7}, {.live = 1 << 7}, "live: r6 is read, and was said");
}

TEST(Assertions, DeadRegistersHoldJunk) {
  // The helper's row says nothing of the values that printk takes from registers: their liveness shows in the text.
  std::string printed;
  exec::Environment environment = plain_environment();
  environment.trace = [&](unsigned, std::string_view line) { printed = line; };
  program::Source source{.name = "test", .type = isa::ProgType::xdp, .gpl_compatible = true};
  source.slots = *program::assemble(
      "*(u32 *)(r10 -4) = 0x7825\nr1 = r10\nr1 += -4\nr2 = 4\nr3 = 7\ncall bpf_trace_printk\nr0 = 2\nexit");
  for (const bool dead : {false, true}) {
    const auto verified = UnverifiedForTests::make(*program::Program::decode(source), [&](const Claims& claims) {
      if (dead) claims.facts[4].live = 1 << 1 | 1 << 2;
    });
    const auto device = *backend().open({.environment = &environment});
    ASSERT_TRUE(device->load(*backend().compile(verified, {.assert_facts = true})));
    exec::Frame frame = *exec::Frame::make(exec::testing::as_bytes(Bytes(64)));
    ASSERT_TRUE(device->run({&frame, 1}));
    EXPECT_EQ(trap_of(frame), "");
    EXPECT_THAT(printed, dead ? HasSubstr("c0ffee") : HasSubstr("7"));
  }
}

TEST(Assertions, LivenessAcrossCalls) {
  // r6 lives over the call for the caller, and what the callee leaves dead says nothing of the caller's.
  const std::string text = "r6 = 1\nr7 = 1\nr1 = 3\ncall f\nr6 += r0\nr0 = 2\nexit\nf: r0 = r1\nr0 += 1";
  const auto claim = [](std::uint16_t live) {
    return [=](const Claims& claims) {
      claims.facts[3].live = live;
      claims.facts[7].live = 1;
      claims.facts[8].live = 1;
    };
  };
  EXPECT_EQ(asserted(text, {}, claim(1 << 0 | 1 << 6)), "");
  EXPECT_THAT(asserted(text, {}, claim(1 << 0)), HasSubstr("live: r6 is read"));
  EXPECT_THAT(asserted(text, {}, claim(1 << 6)), HasSubstr("live: r0 is read"));
}

TEST(Assertions, AccessesToTheStack) {
  const std::string text = "*(u32 *)(r10 -6) = 1";
  const Facts right{.access = {.region = Region::stack, .offset_min = 506, .offset_max = 506, .in_bounds = true}};
  const auto wrong = [&](auto change) {
    Facts facts = right;
    change(facts.access);
    return facts;
  };
  using Access = verifier::AccessFact;
  expect_caught(text, 0, right, wrong([](Access& a) { a.region = Region::packet; }),
                "region: the access is to the stack");
  expect_caught(text, 0, right, wrong([](Access& a) { a.offset_min = 507; }), "offset: 506, said to be in [507, 506]");
  expect_caught(text, 0, right, wrong([](Access& a) { a.offset_max = 505; }), "offset: 506");
  expect_caught(text, 0, right, wrong([](Access& a) { a.aligned = true; }), "aligned: offset 506 of 4 bytes");
  expect_caught(text, 0, right, wrong([](Access& a) { a.frame = 1; }), "frame: 0 calls up, said to be 1");
}

TEST(Assertions, AccessesToACallersStack) {
  const std::string text = "r1 = r10\ncall f\nr0 = 2\nexit\nf: *(u64 *)(r1 -8) = 1";
  const auto in = [](std::uint8_t frame) { return Facts{.access = {.region = Region::stack, .frame = frame}}; };
  expect_caught(text, 4, in(1), in(0), "frame: 1 calls up, said to be 0");
  expect_caught(text, 4, in(verifier::AccessFact::kAnyFrame), in(2), "frame: 1 calls up, said to be 2");
}

TEST(Assertions, AccessesThatAreOutOfBounds) {
  const std::string outside = asserted("r0 = *(u64 *)(r10 +0)", {}, [&](const Claims& claims) {
    claims.facts[0].access = {.region = Region::stack, .in_bounds = true};
  });
  EXPECT_THAT(outside, HasSubstr("in_bounds: offset 512, and the last is 504"));
}

TEST(Assertions, PacketAndMetadataCountFromTheirOwnStarts) {
  const std::string text =
      "r6 = r1\nr2 = -4\ncall bpf_xdp_adjust_meta\nr1 = *(u32 *)(r6 +0)\nr2 = *(u32 *)(r6 +8)\n"
      "*(u8 *)(r1 +3) = 1\n*(u8 *)(r2 +3) = 1";
  const auto at = [](Region region, std::int64_t offset) {
    return Facts{.access = {.region = region, .offset_min = offset, .offset_max = offset, .in_bounds = true}};
  };
  expect_caught(text, 5, at(Region::packet, 3), at(Region::packet_meta, 3), "offset: 7, said to be in [3, 3]");
  expect_caught(text, 6, at(Region::packet_meta, 3), at(Region::packet, 3), "offset: -1");
  expect_caught(text, 6, at(Region::packet_meta, 3), {.access = {.region = Region::packet, .in_bounds = true}},
                "in_bounds: offset -1");
  expect_caught(text, 3, at(Region::context, 0), at(Region::context, 4), "offset: 0, said to be in [4, 4]");
}

const std::string kLookup =
    "*(u32 *)(r10 -4) = 0\nr1 = map[0] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto end\n";

TEST(Assertions, AccessesToMapValues) {
  const std::vector<MapRef> maps = {make_array(8, 2), make_array(8, 2)};
  const std::string text = kLookup + "r1 = *(u32 *)(r0 +4)\nend:";
  const auto of = [](std::uint32_t map) { return Facts{.access = {.region = Region::map_value, .map = map}}; };
  expect_caught(text, 6, of(0), of(1), "map: the access is to a value of map values, said to be to a value of map 1",
                maps);
}

TEST(Assertions, Calls) {
  const std::vector<MapRef> maps = {make_array(8, 2), make_array(8, 2)};
  const std::string text = kLookup + "end:";
  const auto call = [](std::uint32_t helper, std::uint32_t map) {
    return Facts{.call = {.helper = helper, .map = map}};
  };
  expect_caught(text, 4, call(1, 0), call(2, 0), "helper: 1 is called, said to be 2", maps);
  expect_caught(text, 4, call(1, 0), call(1, 1), "map of the call: the object of map values, said to be map 1", maps);
  expect_caught("r1 = 1", 0, {}, call(1, 0), "helper: 0 is called, said to be 1", maps);
}

// Argument `index` of the lookup of kLookup.
std::string argued(unsigned index, const verifier::ArgumentFact& fact) {
  return asserted(kLookup + "end:", {make_array(8, 2), make_array(8, 2)}, [&](const Claims& claims) {
    claims.arguments.resize(1);
    claims.arguments[0][index] = fact;
    claims.facts[4].call = {.helper = 1, .map = program::kNone, .arguments = 0};
  });
}

TEST(Assertions, Arguments) {
  using Fact = verifier::ArgumentFact;
  const Fact key{.region = Region::stack, .offset_min = 508, .offset_max = 508, .bytes = 4};
  EXPECT_EQ(argued(1, key), "");
  EXPECT_EQ(argued(0, {.region = Region::other, .map = 0}), "");
  EXPECT_THAT(argued(0, {.map = 1}), HasSubstr("argument 1: the object of map values, said to be of map 1"));
  EXPECT_THAT(argued(1, {.region = Region::packet}), HasSubstr("argument 2: the stack, said to be packet"));
  EXPECT_THAT(argued(1, {.region = Region::stack, .offset_min = 509}), HasSubstr("argument 2: offset 508"));
  EXPECT_THAT(argued(1, {.region = Region::stack, .offset_max = 507}), HasSubstr("argument 2: offset 508"));
  EXPECT_THAT(argued(1, {.region = Region::stack, .bytes = 3}), HasSubstr("4 bytes, said to be 3 at most"));
  EXPECT_THAT(argued(1, {.value = constant(3)}), HasSubstr("argument 2: 0x"));
}

TEST(Assertions, NullArguments) {
  const std::string text =
      "r1 = 0\nr2 = 0\nr3 = r10\nr3 += -4\n*(u32 *)(r10 -4) = 0\nr4 = 4\nr5 = 0\ncall bpf_csum_diff";
  const auto claim = [](bool maybe_null) {
    return [=](const Claims& claims) {
      claims.arguments.resize(1);
      claims.arguments[0][0] = {.region = Region::stack, .maybe_null = maybe_null};
      claims.facts[7].call = {.helper = 28, .map = program::kNone, .arguments = 0};
    };
  };
  EXPECT_EQ(asserted(text, {}, claim(true)), "");
  EXPECT_THAT(asserted(text, {}, claim(false)), HasSubstr("argument 1: null, said never to be"));
}

std::string used(const std::string& text, MapUse use, const std::vector<MapRef>& maps = {make_array(8, 2)}) {
  return asserted(text, maps, [&](const Claims& claims) { claims.uses[0] = use; });
}

TEST(Assertions, MapUses) {
  const std::string read = kLookup + "r1 = *(u64 *)(r0 +0)\nend:";
  const std::string write = kLookup + "*(u64 *)(r0 +0) = 1\nend:";
  const std::string update =
      "*(u64 *)(r10 -8) = 0\nr1 = map[0] ll\nr2 = r10\nr2 += -8\nr3 = r2\nr4 = 0\n"
      "call bpf_map_update_elem";
  const std::string key_in_map = kLookup + "r1 = map[0] ll\nr2 = r0\ncall bpf_map_lookup_elem\nend:";
  for (const auto& text : {read, write, update}) {
    EXPECT_EQ(used(text, MapUse::read_write), "");
    EXPECT_THAT(used(text, MapUse::unused), HasSubstr("said to be unused"));
  }
  EXPECT_EQ(used(read, MapUse::read_only), "");
  EXPECT_EQ(used(key_in_map, MapUse::read_only), "");
  EXPECT_THAT(used(write, MapUse::read_only), HasSubstr("map use: map 0 is written, said to be read only"));
  EXPECT_THAT(used(update, MapUse::read_only), HasSubstr("map use: map 0 is written"));
  EXPECT_THAT(used(read, MapUse::commutative), HasSubstr("map use: map 0 is read"));
  EXPECT_THAT(used(key_in_map, MapUse::commutative), HasSubstr("map use: map 0 is read"));
}

TEST(Assertions, CommutativeMapsAreChangedByOneAtomic) {
  const std::string add = kLookup + "r1 = 1\nlock *(u64 *)(r0 +0) += r1\n";
  EXPECT_EQ(used(add + "end:", MapUse::commutative), "");
  EXPECT_THAT(used(add + "end:", MapUse::read_only), HasSubstr("changed by an atomic, said to be read only"));
  EXPECT_THAT(used(add + "lock *(u64 *)(r0 +0) |= r1\nend:", MapUse::commutative),
              HasSubstr("one kind of atomic only"));
  EXPECT_THAT(used(kLookup + "r1 = 1\nr1 = atomic64_fetch_add((u64 *)(r0 +0), r1)\nend:", MapUse::commutative),
              HasSubstr("map 0 is written"));
}

TEST(Assertions, RecordsAreRegionsOfTheirOwn) {
  const std::string text =
      "r1 = map[0] ll\nr2 = 16\nr3 = 0\ncall bpf_ringbuf_reserve\nif r0 == 0 goto end\n"
      "*(u64 *)(r0 +8) = 1\nr1 = r0\nr2 = 0\ncall bpf_ringbuf_submit\nend:";
  const auto at = [](std::int64_t offset) {
    return Facts{.access = {.region = Region::ring_record,
                            .offset_min = offset,
                            .offset_max = offset,
                            .in_bounds = true,
                            .aligned = true}};
  };
  expect_caught(text, 5, at(8), at(0), "offset: 8, said to be in [0, 0]", {std::make_shared<FakeRing>()});
}

}  // namespace
}  // namespace forager::interp
