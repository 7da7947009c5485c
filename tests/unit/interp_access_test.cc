// SPDX-License-Identifier: Apache-2.0
//
// Every kind of bad access stops the program with a diagnostic that says what, where and within which limits; the
// access next to it, inside the limits, does not. Verification would refuse these programs, so they go without.
#include "exec_testing.h"

namespace forager::interp {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::make_array;
using exec::testing::Rig;
using exec::testing::run;
using exec::testing::trap_of;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kTail = "\nr0 = 2\nexit";  // XDP_PASS

std::string trap(const std::string& text, Rig rig = {}) {
  rig.unverified = true;
  return trap_of(run(rig, text + kTail, Bytes(60)));
}

// ---- stack ----
// Decoding might refuse offsets that stand in the program; these come through a number that the engine cannot know.

constexpr const char* kFrame = "r9 = *(u32 *)(r1 +12)\nr2 = r10\nr2 += r9\n";  // r2 = r10

TEST(Access, StackEndsAtBothSides) {
  const std::string frame = kFrame;
  EXPECT_EQ(trap(frame + "*(u64 *)(r2 -512) = 0"), "");
  EXPECT_THAT(
      trap(frame + "*(u8 *)(r2 -513) = 0"),
      StartsWith("write of 1 bytes at offset -513 of the stack, which has offsets -512 to -1, at instruction 3"));
  EXPECT_EQ(trap(frame + "*(u64 *)(r2 -8) = 0"), "");
  EXPECT_THAT(trap(frame + "*(u64 *)(r2 -7) = 0"), StartsWith("write of 8 bytes at offset -7 of the stack"));
  EXPECT_THAT(trap(frame + "r0 = *(u64 *)(r2 +8)"), StartsWith("read of 8 bytes at offset 8 of the stack"));
}

TEST(Access, FarStackOffsetsDoNotReachAnotherFrame) {
  const std::string callee = "call f\nexit\nf: r0 = 0\nr2 = r10\nr2 += r0\n";
  EXPECT_EQ(trap(callee + "*(u64 *)(r2 -8) = 0"), "");
  EXPECT_THAT(trap(callee + "*(u64 *)(r2 +504) = 0"), StartsWith("write of 8 bytes at offset 504 of the stack"));
  EXPECT_THAT(trap(callee + "*(u64 *)(r2 -520) = 0"), StartsWith("write of 8 bytes at offset -520 of the stack"));
}

TEST(Access, DiagnosticNamesInstructionAndLine) {
  const Frame frame = run({.unverified = true}, std::string(kFrame) + "*(u64 *)(r2 +8) = 0" + kTail);
  ASSERT_NE(frame.results().trap, nullptr);
  EXPECT_EQ(frame.results().trap->kind, ErrorKind::rejected);
  EXPECT_EQ(frame.results().trap->instruction, 3U);
  EXPECT_EQ(frame.results().trap->source, "test.c:7: the line;");
  EXPECT_EQ(frame.return_value, 0U);  // XDP_ABORTED
}

// ---- what is no pointer ----

TEST(Access, ScalarsAndNullAreNoMemory) {
  EXPECT_THAT(trap("r1 = 0\nr0 = *(u8 *)(r1 +0)"), StartsWith("read of 1 bytes through what is no pointer to memory"));
  EXPECT_THAT(trap("r1 = 0xffffffff ll\nr0 = *(u32 *)(r1 +0)"), HasSubstr("no pointer to memory"));
  EXPECT_THAT(trap("r1 = 0x7fffffffffffffff ll\n*(u32 *)(r1 +0) = 1"), HasSubstr("no pointer to memory"));
  EXPECT_THAT(trap("r1 = -1\n*(u32 *)(r1 +0) = 1"), HasSubstr("no pointer to memory"));
}

TEST(Access, MapObjectsAndFunctionsAreNoMemory) {
  const Rig rig{.maps = {make_array(8)}};
  EXPECT_THAT(trap("r1 = map[0] ll\nr0 = *(u64 *)(r1 +0)", rig),
              StartsWith("read of 8 bytes at offset 0 of the object of map values, which has no bytes"));
}

// ---- packet ----

constexpr const char* kData = "r6 = r1\nr2 = *(u32 *)(r6 +0)\nr3 = *(u32 *)(r6 +4)\n";

TEST(Access, PacketEndsAtDataEnd) {
  EXPECT_EQ(trap(std::string(kData) + "r0 = *(u32 *)(r2 +56)"), "");
  EXPECT_THAT(trap(std::string(kData) + "r0 = *(u32 *)(r2 +57)"),
              StartsWith("read of 4 bytes at offset 57 of the packet, which has offsets 0 to 59, at instruction 3"));
  EXPECT_THAT(trap(std::string(kData) + "*(u8 *)(r3 +0) = 1"),
              StartsWith("write of 1 bytes at offset 60 of the packet"));
  EXPECT_THAT(trap(std::string(kData) + "*(u8 *)(r2 -1) = 1"),
              StartsWith("write of 1 bytes at offset -1 of the packet"));
}

TEST(Access, PacketPointersHaveTheLengthBetweenThem) {
  const Frame frame = run({}, std::string(kData) + "r0 = r3\nr0 -= r2\nexit", Bytes(60));
  EXPECT_EQ(frame.return_value, 60U);
}

TEST(Access, PacketPointersEndWhenAHelperMovesThePacket) {
  const std::string moved = std::string(kData) + "r7 = r2\nr1 = r6\nr2 = 4\ncall bpf_xdp_adjust_head\n";
  EXPECT_THAT(trap(moved + "r0 = *(u8 *)(r7 +0)"),
              StartsWith("read of 1 bytes through a pointer to the packet: a helper that moves the packet was called"));
  EXPECT_EQ(trap(moved + "r2 = *(u32 *)(r6 +0)\nr0 = *(u8 *)(r2 +55)"), "");
  EXPECT_THAT(trap(moved + "r2 = *(u32 *)(r6 +0)\nr0 = *(u8 *)(r2 +56)"), HasSubstr("which has offsets 0 to 55"));
}

TEST(Access, MetadataIsPartOfThePacket) {
  const std::string grown = "r6 = r1\nr2 = -8\ncall bpf_xdp_adjust_meta\nr2 = *(u32 *)(r6 +8)\n";
  EXPECT_EQ(trap(grown + "*(u64 *)(r2 +0) = 1\nr0 = *(u64 *)(r2 +0)"), "");
  EXPECT_THAT(trap(grown + "*(u64 *)(r2 -1) = 1"), HasSubstr("offset -9 of the packet, which has offsets -8 to 59"));
}

// ---- context ----

TEST(Access, ContextHasFieldsNotBytes) {
  EXPECT_EQ(trap("r0 = *(u32 *)(r1 +12)"), "");
  EXPECT_THAT(trap("r0 = *(u64 *)(r1 +0)"),
              StartsWith("read of 8 bytes at offset 0 of the context, which has no field for it"));
  EXPECT_THAT(trap("r0 = *(u16 *)(r1 +12)"), StartsWith("read of 2 bytes at offset 12 of the context"));
  EXPECT_THAT(trap("r0 = *(u32 *)(r1 +24)"), StartsWith("read of 4 bytes at offset 24 of the context"));
  EXPECT_THAT(trap("r0 = *(u32 *)(r1 -4)"), StartsWith("read of 4 bytes at offset -4 of the context"));
  EXPECT_THAT(trap("*(u32 *)(r1 +12) = 1"), StartsWith("write of 4 bytes at offset 12 of the context"));
  EXPECT_THAT(trap("r2 = 1\nlock *(u32 *)(r1 +12) += r2"), StartsWith("atomic operation of 4 bytes at offset 12"));
}

TEST(Access, ContextScalarsComeFromTheFrame) {
  Frame frame = *Frame::make({});
  frame.context[12] = std::byte{3};
  frame.context[16] = std::byte{9};
  const auto device = exec::testing::open_device({},
                                                 "r2 = *(u32 *)(r1 +12)\nr0 = *(u32 *)(r1 +16)\nr0 <<= 8\n"
                                                 "r0 |= r2\nexit");
  ASSERT_NE(device, nullptr);
  ASSERT_TRUE(device->run({&frame, 1}));
  EXPECT_EQ(frame.return_value, 0x903U);
}

// ---- map values ----

constexpr const char* kLookup =
    "*(u32 *)(r10 -4) = 0\nr1 = map[0] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\n"
    "if r0 != 0 goto +2\nr0 = 1\nexit\n";

TEST(Access, MapValuesEndAtTheirSize) {
  const Rig rig{.maps = {make_array(12, 4)}};
  EXPECT_EQ(trap(std::string(kLookup) + "*(u32 *)(r0 +8) = 1", rig), "");
  EXPECT_THAT(trap(std::string(kLookup) + "*(u32 *)(r0 +9) = 1", rig),
              StartsWith("write of 4 bytes at offset 9 of a value of map values, which has offsets 0 to 11"));
  EXPECT_THAT(trap(std::string(kLookup) + "r0 = *(u8 *)(r0 -1)", rig), HasSubstr("offset -1 of a value of map values"));
}

TEST(Access, DirectMapMemoryIsTheMapsOwn) {
  const auto map = make_array(16);
  const Rig rig{.maps = {map}};
  EXPECT_EQ(trap("r1 = map[0][0]+8 ll\n*(u64 *)(r1 -8) = 77", rig), "");
  EXPECT_EQ(map->first(), 77U);
  EXPECT_THAT(trap("r1 = map[0][0]+8 ll\n*(u64 *)(r1 +8) = 77", rig), HasSubstr("offset 16 of a value of map values"));
}

TEST(Access, ReadOnlyAndWriteOnlyMapsAreThat) {
  const Rig read_only{.maps = {make_array(16, 1, 1U << 7, "rodata")}};
  EXPECT_EQ(trap("r1 = map[0][0]+0 ll\nr0 = *(u64 *)(r1 +0)", read_only), "");
  EXPECT_THAT(trap("r1 = map[0][0]+0 ll\n*(u64 *)(r1 +0) = 77", read_only),
              StartsWith("write of 8 bytes at offset 0 of a value of map rodata, which programs may not write"));
  EXPECT_THAT(trap(std::string(kLookup) + "r1 = 1\nlock *(u64 *)(r0 +0) += r1", read_only),
              HasSubstr("which programs may not write"));
  const Rig write_only{.maps = {make_array(16, 1, 1U << 8)}};
  EXPECT_THAT(trap(std::string(kLookup) + "r0 = *(u64 *)(r0 +0)", write_only), HasSubstr("programs may not read"));
}

TEST(Access, OneValueHasOneAddressWithinAnInvocation) {
  const Rig rig{.maps = {make_array(8, 200)}};
  const std::string text =
      "r9 = 0\nr8 = 0\nloop: *(u32 *)(r10 -4) = r9\nr1 = map[0] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\n"
      "if r0 == r8 goto bad\nr8 = r0\nr1 = map[0] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\n"
      "if r0 != r8 goto bad\nr9 += 1\nif r9 != 200 goto loop\nr0 = 2\nexit\nbad: r0 = 1\nexit";
  EXPECT_EQ(run(rig, text).return_value, 2U);
}

// ---- atomics ----

TEST(Access, AtomicsMustBeAligned) {
  const std::string frame = std::string(kFrame) + "r3 = 1\n";
  EXPECT_EQ(trap(frame + "lock *(u32 *)(r2 -12) += r3"), "");
  EXPECT_THAT(trap(frame + "lock *(u64 *)(r2 -12) += r3"),
              StartsWith("atomic operation of 8 bytes at offset -12 of the stack, which is not aligned"));
}

// ---- raw memory ----

TEST(Access, RawMemoryIsR1AndItsLengthR2) {
  const Rig raw{.type = isa::ProgType::raw_memory};
  EXPECT_EQ(run(raw, "r0 = r2\nexit", Bytes(5)).return_value, 5U);
  EXPECT_EQ(run(raw, "r0 = r1\nexit", {}).return_value, 0U);
  EXPECT_THAT(trap_of(run(raw, "r0 = *(u32 *)(r1 +2)\nexit", Bytes(5))),
              StartsWith("read of 4 bytes at offset 2 of the memory, which has offsets 0 to 4"));
}

// ---- limits ----

TEST(Access, EndlessLoopsStopAtTheBudget) {
  const Frame frame = run({.unverified = true, .budget = 1000}, "r0 = 0\nloop: r0 += 1\nif r0 != -1 goto loop\nexit");
  ASSERT_NE(frame.results().trap, nullptr);
  EXPECT_EQ(frame.results().trap->kind, ErrorKind::limit);
  EXPECT_EQ(frame.results().trap->limit, 1000U);
  EXPECT_EQ(frame.return_value, 0U);
  EXPECT_EQ(trap_of(run({.budget = 3}, "r0 = 0\nr0 = 1\nexit")), "");
}

}  // namespace
}  // namespace forager::interp
