// SPDX-License-Identifier: Apache-2.0
//
// Raw-memory programs (conformance vectors) in the kernel: their frame gives them memory and length, takes 64 bits
// back, and costs them neither stack nor call depth.
#include <gmock/gmock.h>

#include "jit-backends/linux/lower.h"
#include "tests/unit/linux_support.h"

namespace forager {
namespace {

using linux_test::Bytes;
using linux_test::bytes_of;
using linux_test::Rig;
using testing::HasSubstr;

std::uint64_t result_of(std::string_view text, const Bytes& memory = {}) {
  Rig rig;
  rig.open(text, {}, isa::ProgType::raw_memory);
  return rig.run(memory).return_value;
}

TEST(LinuxRawMemory, ReturnsAll64Bits) {
  FORAGER_NEEDS_KERNEL();
  EXPECT_EQ(result_of("r0 = 0x123456789abcdef0 ll\nexit\n"), 0x123456789abcdef0U);
}

TEST(LinuxRawMemory, GivesMemoryAndLength) {
  FORAGER_NEEDS_KERNEL();
  EXPECT_EQ(result_of("r0 = r2\nexit\n", Bytes(5)), 5U);
  EXPECT_EQ(result_of("r0 = *(u8 *)(r1 + 2)\nexit\n", bytes_of({0xaa, 0xbb, 0x11})), 0x11U);
  EXPECT_EQ(result_of("r0 = *(u64 *)(r1 + 4088)\nexit\n", Bytes(4096, std::byte{1})), 0x0101010101010101U);
}

TEST(LinuxRawMemory, GivesNothingWhereThereIsNoMemory) {
  FORAGER_NEEDS_KERNEL();
  EXPECT_EQ(result_of("r0 = r1\nexit\n"), 0U);
  EXPECT_EQ(result_of("r0 = r2\nexit\n"), 0U);
}

TEST(LinuxRawMemory, BringsTheMemoryBack) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open("r3 = 1\nlock *(u32 *)(r1 + 4) += r3\nr0 = 0\nexit\n", {}, isa::ProgType::raw_memory);
  const exec::Frame frame = rig.run(bytes_of({1, 2, 3, 4, 5, 6, 7, 8}));
  const auto packet = frame.packet();
  EXPECT_EQ(Bytes(packet.begin(), packet.end()), bytes_of({1, 2, 3, 4, 6, 6, 7, 8}));
}

TEST(LinuxRawMemory, RunsMemoriesOfSeveralLengths) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open("r0 = r2\nexit\n", {}, isa::ProgType::raw_memory);
  for (const std::size_t size : {0, 1, 8, 9, 1, 4000}) EXPECT_EQ(rig.run(Bytes(size)).return_value, size);
}

TEST(LinuxRawMemory, KeepsEveryExitAndSubprograms) {
  FORAGER_NEEDS_KERNEL();
  const char* text = R"(
    r6 = r1
    r0 = *(u8 *)(r6 + 0)
    if r0 == 1 goto one
    call local_sum
    exit
  one:
    r0 = 11
    exit
  local_sum:
    r0 = *(u8 *)(r1 + 0)
    r0 += 100
    exit
  )";
  EXPECT_EQ(result_of(text, bytes_of({1})), 11U);
  EXPECT_EQ(result_of(text, bytes_of({2})), 102U);
}

TEST(LinuxRawMemory, LeavesTheWholeStackToTheProgram) {
  FORAGER_NEEDS_KERNEL();
  EXPECT_EQ(result_of("r1 = 9\n*(u64 *)(r10 - 512) = r1\nr0 = *(u64 *)(r10 - 512)\nexit\n"), 9U);
}

// More than 32768 slots between an exit and the frame's end: the jump takes its long form.
TEST(LinuxRawMemory, ReachesBackFromFarExits) {
  FORAGER_NEEDS_KERNEL();
  std::string text = "r0 = 0\n";
  for (int i = 0; i < 40000; ++i) text += "r0 += 1\n";
  EXPECT_EQ(result_of(text + "exit\n"), 40000U);
}

TEST(LinuxRawMemory, NumbersInstructionsAsTheProgramDoes) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open("r0 = 0\nr0 = *(u64 *)(r1 + 8)\nexit\n", {}, isa::ProgType::raw_memory);
  auto frame = exec::Frame::raw(Bytes(8));
  const auto report = rig.device->run({&frame, 1});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::rejected);
  EXPECT_EQ(report.error().instruction, 1U);
  EXPECT_THAT(report.error().message, HasSubstr("invalid access to map value"));
}

TEST(LinuxLower, NamesTheLogsLastReason) {
  auto program = linux_test::program_of("r0 = 2\nexit\n");
  ASSERT_TRUE(program) << program.error().text();
  const std::string log =
      "0: R1=ctx() R10=fp0\n0: (b7) r0 = 2\n1: (95) exit\nsomething is wrong\nprocessed 2 insns (limit 1000000)\n\n";
  const auto why = jit::linux_kernel::explain_rejection((*program)->program(), -EACCES, log, 0);
  EXPECT_EQ(why.kind, ErrorKind::rejected);
  EXPECT_EQ(why.instruction, 1U);
  EXPECT_THAT(why.message, HasSubstr("EACCES"));
  EXPECT_THAT(why.message, HasSubstr(": something is wrong"));
}

TEST(LinuxLower, TellsAMachinesRefusalFromTheVerifiers) {
  auto program = linux_test::program_of("r0 = 2\nexit\n");
  ASSERT_TRUE(program) << program.error().text();
  using jit::linux_kernel::explain_rejection;
  EXPECT_EQ(explain_rejection((*program)->program(), -ENOMEM, "", 0).kind, ErrorKind::system);
  EXPECT_EQ(explain_rejection((*program)->program(), -EPERM, "", 0).kind, ErrorKind::system);
  EXPECT_EQ(explain_rejection((*program)->program(), -EINVAL, "", 0).kind, ErrorKind::rejected);
  EXPECT_EQ(explain_rejection((*program)->program(), -E2BIG, "BPF program is too large\n", 0).kind, ErrorKind::limit);
}

}  // namespace
}  // namespace forager
