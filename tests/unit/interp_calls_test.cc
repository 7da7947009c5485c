// SPDX-License-Identifier: Apache-2.0
//
// Calls: subprograms, helpers and what they may be given, tail calls. What helpers may not be given, verification
// refuses; such programs go without it.
#include "exec_testing.h"

namespace forager::interp {
namespace {

using exec::Frame;
using exec::MapList;
using exec::testing::Bytes;
using exec::testing::FakePrograms;
using exec::testing::FakeRing;
using exec::testing::make_array;
using exec::testing::make_map;
using exec::testing::MapRef;
using exec::testing::result_of;
using exec::testing::Rig;
using exec::testing::run;
using exec::testing::trap_of;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// ---- subprograms ----

TEST(Calls, CalleeSavedRegistersAndFramesComeBack) {
  EXPECT_EQ(result_of("r6 = 6\nr7 = 7\nr8 = 8\nr9 = 9\n*(u64 *)(r10 -8) = 100\nr1 = 1\ncall f\n"
                      "r0 += r6\nr0 += r7\nr0 += r8\nr0 += r9\nr1 = *(u64 *)(r10 -8)\nr0 += r1\nexit\n"
                      "f: r6 = 0\nr7 = 0\nr8 = 0\nr9 = 0\n*(u64 *)(r10 -8) = 5\nr0 = r1\nexit"),
            131U);
}

std::string nested(unsigned depth) {
  std::string text;
  for (unsigned i = 1; i < depth; ++i) text += "call f" + std::to_string(i) + "\nexit\nf" + std::to_string(i) + ": ";
  return text + "r0 = 2\nexit";
}

TEST(Calls, EightFramesAndNoMore) {
  EXPECT_EQ(result_of(nested(8)), 2U);
  // The verifier refuses a static chain of nine; recursion that it let through would stop here.
}

// ---- helpers ----

std::string trap(Rig rig, const std::string& text) {
  rig.unverified = true;
  return trap_of(run(rig, text + "\nr0 = 2\nexit", Bytes(60)));
}

const std::string kKey = "*(u64 *)(r10 -8) = 0\n";

TEST(Calls, MapArgumentsMustBeMaps) {
  const Rig rig{.maps = {make_array(8)}};
  EXPECT_EQ(trap(rig, kKey + "r1 = map[0] ll\nr2 = r10\nr2 += -8\ncall bpf_map_lookup_elem"), "");
  EXPECT_THAT(trap(rig, kKey + "r1 = r10\nr2 = r10\nr2 += -8\ncall bpf_map_lookup_elem"),
              StartsWith("argument 1 of bpf_map_lookup_elem is the stack, expected a map"));
  EXPECT_THAT(trap(rig, kKey + "r1 = map[0] ll\nr1 += 8\nr2 = r10\nr2 += -8\ncall bpf_map_lookup_elem"),
              HasSubstr("expected a map"));
}

TEST(Calls, MapsOfTheWrongTypeAreRefused) {
  const Rig rig{.maps = {make_array(8)}};
  EXPECT_THAT(
      trap(rig, "r3 = map[0] ll\nr1 = r3\nif r1 != 0 goto +1\nr1 = 0\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve"),
      HasSubstr("bpf_ringbuf_reserve does not take map values: its type is array"));
}

TEST(Calls, KeysAndValuesAreCheckedForTheMapsSizes) {
  const Rig rig{.maps = {make_map(isa::MapType::hash, 16, 32, 8)}};
  EXPECT_THAT(trap(rig, "r1 = map[0] ll\nr2 = r10\nr2 += -8\ncall bpf_map_lookup_elem"),
              StartsWith("argument 2 of bpf_map_lookup_elem: read of 16 bytes at offset -8 of the stack"));
  EXPECT_THAT(trap(rig, "r1 = map[0] ll\nr2 = r10\nr2 += -16\nr3 = r10\nr3 += -24\nr4 = 0\ncall bpf_map_update_elem"),
              StartsWith("argument 3 of bpf_map_update_elem: read of 32 bytes at offset -24 of the stack"));
  EXPECT_EQ(trap(rig, "r1 = map[0] ll\nr2 = r10\nr2 += -16\nr3 = r10\nr3 += -32\nr4 = 0\ncall bpf_map_update_elem"),
            "");
}

TEST(Calls, SizedMemoryIsCheckedForItsSize) {
  const std::string diff = "r1 = r10\nr1 += -8\nr3 = 0\nr4 = 0\nr5 = 0\n";
  EXPECT_EQ(trap({}, diff + "r2 = 8\ncall bpf_csum_diff"), "");
  EXPECT_EQ(trap({}, diff + "r2 = 0\ncall bpf_csum_diff"), "");
  EXPECT_THAT(trap({}, diff + "r2 = 12\ncall bpf_csum_diff"),
              StartsWith("argument 1 of bpf_csum_diff: read of 12 bytes at offset -8 of the stack"));
  EXPECT_THAT(trap({}, diff + "r2 = -1\ncall bpf_csum_diff"), HasSubstr("argument 1 of bpf_csum_diff"));
  EXPECT_THAT(trap({}, diff + "r1 = 0\nr2 = 8\ncall bpf_csum_diff"), HasSubstr("no pointer to memory"));
  EXPECT_EQ(trap({}, diff + "r1 = 0\nr2 = 0\ncall bpf_csum_diff"), "");
  EXPECT_THAT(trap({}, "r2 = 0\nr3 = r10\nr3 += -8\nr4 = 0\ncall bpf_xdp_load_bytes"),
              StartsWith("argument 4 of bpf_xdp_load_bytes is 0, expected a size"));
}

TEST(Calls, ContextArgumentsMustBeTheContextItself) {
  EXPECT_THAT(trap({}, "r1 = r10\nr2 = 0\ncall bpf_xdp_adjust_tail"),
              StartsWith("argument 1 of bpf_xdp_adjust_tail is the stack, expected the context"));
  EXPECT_THAT(trap({}, "r1 += 4\nr2 = 0\ncall bpf_xdp_adjust_tail"), HasSubstr("expected the context"));
}

TEST(Calls, StringsMustEndInsideTheirMap) {
  const auto map = make_array(8, 1, 1U << 7, "rodata");
  const Rig rig{.maps = {map}};
  const std::string compare = "*(u64 *)(r10 -8) = 0\nr1 = r10\nr1 += -8\nr2 = 8\nr3 = map[0][0]+0 ll\ncall bpf_strncmp";
  EXPECT_EQ(trap(rig, compare), "");
  std::memset(map->memory().base, 'x', 8);
  EXPECT_THAT(trap(rig, compare), HasSubstr("expected a string that ends with a zero byte"));
}

TEST(Calls, HelpersWithoutAFunctionAreNamed) {
  exec::Environment environment;  // none at all
  EXPECT_THAT(trap({.environment = &environment}, "call bpf_ktime_get_ns"),
              StartsWith("helper bpf_ktime_get_ns is not built, at instruction 0"));
}

TEST(Calls, CompileRefusesWhatItCannotRunByName) {
  const auto program = exec::testing::verified(
      {},
      "*(u64 *)(r10 -8) = 0\n*(u64 *)(r10 -16) = 0\nr1 = r10\nr1 += -8\nr2 = 8\nr3 = r10\nr3 += -16\nr4 = 16\nr5 = 0\n"
      "call bpf_snprintf_btf\nr0 = 0\nexit");
  ASSERT_NE(program, nullptr);
  const auto image = backend().compile(program, {});
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(
      image.error().text(),
      "helper bpf_snprintf_btf: it prints kernel objects by the kernel's BTF, at instruction 9 (test.c:7: the line;)");
}

TEST(Calls, ValuesFoundAreNullOrThere) {
  const auto map = make_map(isa::MapType::hash, 4, 8, 8);
  const Rig rig{.maps = {map}};
  const std::string text =
      "*(u32 *)(r10 -4) = 5\nr1 = map[0] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto +1\n"
      "r0 = *(u64 *)(r0 +0)\nexit";
  EXPECT_EQ(run(rig, text).return_value, 0U);
  const std::uint32_t key = 5;
  const std::uint64_t value = 1234;
  ASSERT_EQ(map->update(&key, &value, 0, 0), 0);
  EXPECT_EQ(run(rig, text).return_value, 1234U);
}

// ---- ring-buffer records ----

constexpr const char* kReserve =
    "r1 = map[0] ll\nr2 = 16\nr3 = 0\ncall bpf_ringbuf_reserve\nif r0 == 0 goto out\nr6 = r0\n";

TEST(Calls, RecordsLiveFromReserveToSubmit) {
  const auto ring = std::make_shared<FakeRing>();
  const Rig rig{.maps = {ring}};
  EXPECT_EQ(
      trap(rig, std::string(kReserve) + "*(u64 *)(r6 +8) = 7\nr1 = r6\nr2 = 0\ncall bpf_ringbuf_submit\nout: r0 = 0"),
      "");
  ASSERT_EQ(ring->committed.size(), 1U);
  EXPECT_EQ(ring->committed[0][8], 7);
  EXPECT_THAT(trap(rig, std::string(kReserve) + "*(u64 *)(r6 +9) = 7\nout: r0 = 0"),
              StartsWith("write of 8 bytes at offset 9 of a ring-buffer record, which has offsets 0 to 15"));
  EXPECT_THAT(
      trap(rig, std::string(kReserve) + "r1 = r6\nr2 = 0\ncall bpf_ringbuf_submit\n*(u64 *)(r6 +0) = 7\nout: r0 = 0"),
      StartsWith(
          "write of 8 bytes through a pointer to a ring-buffer record: it was submitted, discarded or released"));
  EXPECT_TRUE(ring->open.empty());
}

TEST(Calls, RecordsEndOnceAndWhole) {
  const Rig rig{.maps = {std::make_shared<FakeRing>()}};
  EXPECT_THAT(trap(rig, std::string(kReserve) + "r1 = r6\nr2 = 0\ncall bpf_ringbuf_discard\nr1 = r6\nr2 = 0\n"
                                                "call bpf_ringbuf_submit\nout: r0 = 0"),
              HasSubstr("expected an open ring-buffer record"));
  EXPECT_THAT(trap(rig, std::string(kReserve) + "r1 = r6\nr1 += 8\nr2 = 0\ncall bpf_ringbuf_submit\nout: r0 = 0"),
              HasSubstr("expected an open ring-buffer record"));
}

TEST(Calls, RecordsLeftOpenAreDiscardedAndReported) {
  const auto ring = std::make_shared<FakeRing>();
  const Rig rig{.maps = {ring}};
  EXPECT_THAT(trap(rig, std::string(kReserve) + "out: r0 = 0"),
              StartsWith("the program ends with 1 ring-buffer records neither submitted nor discarded"));
  EXPECT_TRUE(ring->open.empty());
  EXPECT_TRUE(ring->committed.empty());
}

// ---- tail calls ----

exec::ProgramSlot slot_of(const Rig& rig, const std::string& text) {
  return {.id = 1, .program = exec::testing::verified(rig, text), .maps = std::make_shared<MapList>(rig.maps)};
}

constexpr const char* kJump = "r2 = map[0] ll\nr3 = 1\ncall bpf_tail_call\n";

TEST(TailCalls, TheTargetTakesOver) {
  const auto programs = std::make_shared<FakePrograms>();
  const Rig rig{.maps = {programs}};
  ASSERT_EQ(programs->set(1, slot_of({}, "r0 = *(u32 *)(r1 +4)\nr1 = *(u32 *)(r1 +0)\nr0 -= r1\nexit")), 0);
  EXPECT_EQ(run(rig, std::string(kJump) + "r0 = 1\nexit", Bytes(44)).return_value, 44U);
}

TEST(TailCalls, TargetsReachTheirOwnMaps) {
  const auto programs = std::make_shared<FakePrograms>();
  const auto counter = make_array(8);
  const Rig rig{.maps = {programs}};
  ASSERT_EQ(programs->set(1, slot_of({.maps = {counter}},
                                     "r1 = map[0][0]+0 ll\nr2 = 5\nlock *(u64 *)(r1 +0) += r2\n"
                                     "r0 = 2\nexit")),
            0);
  const auto device = exec::testing::open_device(rig, std::string(kJump) + "r0 = 1\nexit");
  ASSERT_NE(device, nullptr);
  std::vector<Frame> frames(3);
  for (Frame& frame : frames) frame = *Frame::make(exec::testing::as_bytes(Bytes(60)));
  ASSERT_TRUE(device->run(frames));
  EXPECT_EQ(counter->first(), 15U);
  EXPECT_EQ(frames[2].return_value, 2U);
}

TEST(TailCalls, EmptySlotsAndFarIndicesFallThrough) {
  const Rig rig{.maps = {std::make_shared<FakePrograms>(4)}};
  EXPECT_EQ(run(rig, std::string(kJump) + "r0 = 1\nexit").return_value, 1U);
  EXPECT_EQ(run(rig, "r2 = map[0] ll\nr3 = 4\ncall bpf_tail_call\nr0 = 1\nexit").return_value, 1U);
  EXPECT_EQ(run(rig, "r2 = map[0] ll\nr3 = -1\ncall bpf_tail_call\nr0 = 1\nexit").return_value, 1U);
}

// The program calls itself for ever, and counts: it runs once and 33 times more.
TEST(TailCalls, ThirtyThreeInARow) {
  const auto programs = std::make_shared<FakePrograms>();
  const auto counter = make_array(8);
  const Rig rig{.maps = {programs, counter}};
  const std::string text = "r6 = map[1][0]+0 ll\nr7 = *(u64 *)(r6 +0)\nr7 += 1\n*(u64 *)(r6 +0) = r7\n" +
                           std::string(kJump) + "r0 = 2\nexit";
  ASSERT_EQ(programs->set(1, slot_of(rig, text)), 0);
  EXPECT_EQ(run(rig, text).return_value, 2U);
  EXPECT_EQ(counter->first(), 34U);
  ASSERT_EQ(programs->set(1, {}), 0);  // the slot keeps its own array alive
}

// A subprogram that tail-calls hands its frame over; the target's exit returns to the subprogram's caller.
TEST(TailCalls, FromASubprogramReturnToItsCaller) {
  const auto programs = std::make_shared<FakePrograms>();
  const Rig rig{.unverified = true, .maps = {programs}};  // verification wants such a subprogram's BTF
  ASSERT_EQ(programs->set(1, slot_of({}, "r6 = 99\nr0 = 40\nexit")), 0);
  EXPECT_EQ(run(rig, "r6 = 4\ncall f\nr0 += r6\nexit\nf: " + std::string(kJump) + "r0 = 1\nexit").return_value, 44U);
}

TEST(TailCalls, OfAnotherProgramTypeStop) {
  const auto programs = std::make_shared<FakePrograms>();
  const Rig rig{.maps = {programs}};
  ASSERT_EQ(programs->set(1, slot_of({.type = isa::ProgType::raw_memory}, "r0 = 1\nexit")), 0);
  EXPECT_THAT(trap(rig, kJump), HasSubstr("tail call to a program of another type"));
}

TEST(TailCalls, ReplacedProgramsAreSeen) {
  const auto programs = std::make_shared<FakePrograms>();
  const Rig rig{.maps = {programs}};
  const auto device = exec::testing::open_device(rig, std::string(kJump) + "r0 = 1\nexit");
  ASSERT_NE(device, nullptr);
  Frame frame = *Frame::make(exec::testing::as_bytes(Bytes(60)));
  for (int verdict = 0; verdict < 100; ++verdict) {
    ASSERT_EQ(programs->set(1, slot_of({}, "r0 = " + std::to_string(verdict) + "\nexit")), 0);
    ASSERT_TRUE(device->run({&frame, 1}));
    ASSERT_EQ(frame.return_value, static_cast<std::uint64_t>(verdict));
  }
}

}  // namespace
}  // namespace forager::interp
