// SPDX-License-Identifier: Apache-2.0
//
// Checked mode: the first use of what was never written stops the program; without it the same programs run. No
// verified program does this, so these go without verification.
#include "exec_testing.h"

namespace forager::interp {
namespace {

using exec::testing::Bytes;
using exec::testing::make_array;
using exec::testing::Rig;
using exec::testing::run;
using exec::testing::trap_of;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string unchecked(const std::string& text, Rig rig = {}) {
  rig.unverified = true;
  return trap_of(run(rig, text + "\nr0 = 2\nexit", Bytes(60)));
}
std::string checked(const std::string& text, Rig rig = {}) {
  rig.unverified = true;
  rig.checked = true;
  return trap_of(run(rig, text + "\nr0 = 2\nexit", Bytes(60)));
}

void expect_only_checked(const std::string& text, const std::string& message, const Rig& rig = {}) {
  EXPECT_EQ(unchecked(text, rig), "") << text;
  EXPECT_THAT(checked(text, rig), HasSubstr(message)) << text;
}

TEST(Checked, RegistersAtEntry) {
  EXPECT_EQ(checked("r2 = r1\nr3 = r10"), "");
  expect_only_checked("r3 = r2", "r2 is read but was never written, at instruction 0");
  expect_only_checked("r0 += 1", "r0 is read but was never written");
  expect_only_checked("r6 ^= r6", "r6 is read but was never written");
  expect_only_checked("r6 = -r6", "r6 is read but was never written");
  expect_only_checked("if r5 == 0 goto +0", "r5 is read but was never written");
  expect_only_checked("*(u64 *)(r10 -8) = r7", "r7 is read but was never written");
  EXPECT_EQ(checked("w6 = 1\nr6 += r6\nr7 = (s8)r6\nr8 = *(u32 *)(r1 +12)\nr9 = 5 ll\nr9 += r8"), "");
}

TEST(Checked, R0AtExit) {
  EXPECT_EQ(trap_of(run({.checked = true, .unverified = true}, "exit")),
            "r0 is read but was never written, at instruction 0 (test.c:7: the line;)");
}

TEST(Checked, RegistersAfterCalls) {
  EXPECT_EQ(checked("r6 = r1\ncall bpf_get_smp_processor_id\nr7 = r0\nr8 = r6"), "");
  for (const char* text : {"r7 = r1", "r7 = r2", "r7 = r3", "r7 = r4", "r7 = r5"}) {
    expect_only_checked(std::string("call bpf_get_smp_processor_id\n") + text, "is read but was never written");
  }
}

TEST(Checked, RegistersOfSubprograms) {
  const std::string call = "r6 = 1\nr1 = 1\nr2 = 2\ncall f\n";
  const std::string f = "\nexit\nf: ";
  EXPECT_EQ(checked(call + "r7 = r0\nr7 = r6" + f + "r0 = r1\nr0 += r2"), "");
  const std::string no_result = "call g\nexit\nf: r1 = 0\nexit\ng:";
  EXPECT_EQ(checked(call + "r7 = r6\n" + no_result), "");
  expect_only_checked(call + "r7 = r0\n" + no_result, "r0 is read but was never written");
  expect_only_checked(call + f + "r0 = r6", "r6 is read but was never written");
  expect_only_checked(call + f + "r0 = r3", "r3 is read but was never written");
  expect_only_checked(call + "r7 = r1" + f + "r0 = 0", "r1 is read but was never written");
}

TEST(Checked, AtomicsReadTheirRegisters) {
  const std::string memory = "*(u64 *)(r10 -8) = 0\n";
  expect_only_checked(memory + "lock *(u64 *)(r10 -8) += r3", "r3 is read but was never written");
  expect_only_checked(memory + "r3 = 1\nr0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r3)", "r0 is read but");
  EXPECT_EQ(checked(memory + "r3 = 1\nr0 = 0\nr0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r3)"), "");
}

TEST(Checked, StackBytes) {
  EXPECT_EQ(checked("*(u64 *)(r10 -8) = 1\nr0 = *(u16 *)(r10 -6)"), "");
  expect_only_checked("r0 = *(u64 *)(r10 -8)",
                      "read of 8 bytes at offset -8 of the stack, not all of which was written");
  expect_only_checked("*(u32 *)(r10 -8) = 1\nr0 = *(u64 *)(r10 -8)", "not all of which was written");
  expect_only_checked("r1 = 1\nlock *(u64 *)(r10 -16) += r1", "atomic operation of 8 bytes at offset -16 of the stack");
}

TEST(Checked, StackOfASubprogramIsFreshEachTime) {
  const std::string calls = "r1 = 0\ncall f\nr1 = 1\ncall f\nexit\n";
  expect_only_checked(calls + "f: if r1 != 0 goto +2\n*(u64 *)(r10 -8) = 5\ngoto +1\nr0 = *(u64 *)(r10 -8)\n",
                      "not all of which was written");
}

TEST(Checked, PointersIntoTheCallersStackCarryOver) {
  EXPECT_EQ(checked("r1 = r10\nr1 += -8\ncall f\nr0 = *(u64 *)(r10 -8)\nexit\nf: *(u64 *)(r1 +0) = 3"), "");
}

TEST(Checked, HelperArguments) {
  const Rig rig{.maps = {make_array(8)}};
  const std::string lookup = "r1 = map[0] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem";
  expect_only_checked(lookup, "argument 2 of bpf_map_lookup_elem: read of 4 bytes at offset -4 of the stack", rig);
  EXPECT_EQ(checked("*(u32 *)(r10 -4) = 0\n" + lookup, rig), "");
  EXPECT_THAT(checked("r1 = map[0] ll\nr2 = r10\ncall bpf_map_update_elem", rig),
              StartsWith("r3 is read but was never written, at instruction 3"));
}

TEST(Checked, HelpersFillMemory) {
  const std::string load = "r6 = r1\nr2 = 0\nr3 = r10\nr3 += -8\nr4 = 4\ncall bpf_xdp_load_bytes\n";
  EXPECT_EQ(checked(load + "r0 = *(u32 *)(r10 -8)"), "");
  expect_only_checked(load + "r0 = *(u64 *)(r10 -8)", "not all of which was written");
}

TEST(Checked, PacketBytesThatAGrownHeadUncovers) {
  const std::string grow = "r6 = r1\nr2 = -4\ncall bpf_xdp_adjust_head\nr2 = *(u32 *)(r6 +0)\n";
  EXPECT_EQ(checked(grow + "r0 = *(u32 *)(r2 +4)\n*(u32 *)(r2 +0) = 1\nr0 = *(u64 *)(r2 +0)"), "");
  expect_only_checked(grow + "r0 = *(u32 *)(r2 +0)", "read of 4 bytes at offset 0 of the packet, not all of which");
  const std::string meta = "r6 = r1\nr2 = -4\ncall bpf_xdp_adjust_meta\nr2 = *(u32 *)(r6 +8)\n";
  expect_only_checked(meta + "r0 = *(u32 *)(r2 +0)", "read of 4 bytes at offset -4 of the packet");
}

TEST(Checked, AGrownTailHoldsZeros) {
  EXPECT_EQ(checked("r6 = r1\nr2 = 4\ncall bpf_xdp_adjust_tail\nr2 = *(u32 *)(r6 +0)\nr0 = *(u32 *)(r2 +60)"), "");
}

TEST(Checked, WrittenMetadataGoesWithTheHead) {
  const std::string text =
      "r6 = r1\nr2 = -4\ncall bpf_xdp_adjust_meta\nr2 = *(u32 *)(r6 +8)\n*(u32 *)(r2 +0) = 9\n"
      "r1 = r6\nr2 = -8\ncall bpf_xdp_adjust_head\nr2 = *(u32 *)(r6 +8)\nr0 = *(u32 *)(r2 +0)\n";
  EXPECT_EQ(checked(text), "");
  expect_only_checked(text + "r0 = *(u32 *)(r2 +4)", "read of 4 bytes at offset 0 of the packet");
}

TEST(Checked, EachFrameStartsAnew) {
  const auto device = exec::testing::open_device({.checked = true, .unverified = true},
                                                 "r2 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r2 +59)\nexit");
  ASSERT_NE(device, nullptr);
  std::vector<exec::Frame> frames;
  for (const std::size_t size : {60, 40, 60}) {
    frames.push_back(*exec::Frame::make(exec::testing::as_bytes(Bytes(size))));
  }
  ASSERT_TRUE(device->run(frames));
  EXPECT_EQ(trap_of(frames[0]), "");
  EXPECT_THAT(trap_of(frames[1]), StartsWith("read of 1 bytes at offset 59 of the packet"));
  EXPECT_EQ(trap_of(frames[2]), "");
}

}  // namespace
}  // namespace forager::interp
