// SPDX-License-Identifier: Apache-2.0
//
// Dynptrs and the slices of their memory, on the interpreter.
#include <fmt/format.h>

#include "exec_testing.h"

namespace forager::interp {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::FakeRing;
using exec::testing::make_array;
using exec::testing::MapRef;
using exec::testing::Rig;
using exec::testing::run;
using exec::testing::trap_of;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Mode {
  const char* name;
  bool checked, facts;
};
class Dynptrs : public ::testing::TestWithParam<Mode> {
 protected:
  // r0 as a signed number; a trap is a failure.
  std::int32_t result(const std::string& text, std::vector<MapRef> maps) {
    const Frame frame = run({.checked = GetParam().checked, .facts = GetParam().facts, .maps = std::move(maps)}, text);
    EXPECT_EQ(trap_of(frame), "") << text;
    return static_cast<std::int32_t>(frame.return_value);
  }
  std::string trap(const std::string& text, std::vector<MapRef> maps) {
    return trap_of(run({.checked = GetParam().checked, .unverified = true, .maps = std::move(maps)}, text));
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, Dynptrs,
                         ::testing::Values(Mode{"plain", false, false}, Mode{"checked", true, false},
                                           Mode{"facts", false, true}),
                         [](const auto& info) { return info.param.name; });

// r6: a value of 32 bytes; the dynptr stands at r10 - 16.
const std::string kValue =
    "*(u32 *)(r10 -4) = 0\nr1 = map[0] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 != 0 goto +1\nexit\n"
    "r6 = r0\n";
std::string from_value(unsigned size, unsigned flags = 0) {
  return kValue + fmt::format("r1 = r6\nr2 = {}\nr3 = {}\nr4 = r10\nr4 += -24\ncall bpf_dynptr_from_mem\nr7 = r0\n",
                              size, flags);
}
std::string reserve(unsigned size, unsigned flags = 0) {
  return fmt::format(
      "r1 = map[0] ll\nr2 = {}\nr3 = {}\nr4 = r10\nr4 += -24\ncall bpf_ringbuf_reserve_dynptr\nr7 = r0\n", size, flags);
}
std::string slice(unsigned offset, unsigned length) {
  return fmt::format("r1 = r10\nr1 += -24\nr2 = {}\nr3 = {}\ncall bpf_dynptr_data\n", offset, length);
}
std::string read(unsigned offset, unsigned length, unsigned flags = 0) {
  return fmt::format("r1 = r10\nr1 += -64\nr2 = {}\nr3 = r10\nr3 += -24\nr4 = {}\nr5 = {}\ncall bpf_dynptr_read\n",
                     length, offset, flags);
}
std::string write(unsigned offset, unsigned length, unsigned flags = 0) {
  return fmt::format("r1 = r10\nr1 += -24\nr2 = {}\nr3 = r10\nr3 += -64\nr4 = {}\nr5 = {}\ncall bpf_dynptr_write\n",
                     offset, length, flags);
}
std::string close(const std::string& how) {
  return "r1 = r10\nr1 += -24\nr2 = 0\ncall bpf_ringbuf_" + how + "_dynptr\n";
}
const std::string kSubmit = close("submit"), kDiscard = close("discard");
const std::string kBuffer =
    "*(u64 *)(r10 -64) = 0\n*(u64 *)(r10 -56) = 0\n*(u64 *)(r10 -48) = 0\n*(u64 *)(r10 -40) = 0\n";

// ---- on map values ----

TEST_P(Dynptrs, ReadAndWriteTheValue) {
  const auto values = make_array(32);
  const std::string text = from_value(32) + kBuffer + "*(u64 *)(r10 -64) = 77\n" + write(8, 8) + "r8 = r0\n" + kBuffer +
                           read(8, 8) +
                           "r0 += r8\nr1 = *(u64 *)(r10 -64)\nr0 += r1\nr2 = *(u64 *)(r6 +8)\nr0 += r2\nexit";
  EXPECT_EQ(result(text, {values}), 154);
}

TEST_P(Dynptrs, PartsThatAreNotInsideAreRefused) {
  const auto values = make_array(32);
  for (const auto& [offset, length] : {std::pair{25U, 8U}, {33U, 0U}, {0xffffffffU, 8U}}) {
    EXPECT_EQ(result(from_value(32) + kBuffer + read(offset, length) + "exit", {values}), -E2BIG);
    EXPECT_EQ(result(from_value(32) + kBuffer + write(offset, length) + "exit", {values}), -E2BIG);
  }
  EXPECT_EQ(result(from_value(32) + kBuffer + read(32, 0) + "exit", {values}), 0);
  EXPECT_EQ(result(from_value(16) + kBuffer + read(12, 8) + "exit", {values}), -E2BIG);
}

TEST_P(Dynptrs, FlagsAreRefused) {
  const auto values = make_array(32);
  EXPECT_EQ(result(from_value(32) + kBuffer + read(40, 8, 1) + "exit", {values}), -EINVAL);
  EXPECT_EQ(result(from_value(32) + kBuffer + write(0, 8, 1) + "exit", {values}), -EINVAL);
  EXPECT_EQ(result(from_value(32) + kBuffer + write(40, 8, 1) + "exit", {values}), -E2BIG);
}

TEST_P(Dynptrs, OneThatCouldNotBeMadeIsNull) {
  const auto values = make_array(32);
  EXPECT_EQ(result(from_value(32, 1) + "r0 = r7\nexit", {values}), -EINVAL);
  EXPECT_EQ(result(from_value(32, 1) + kBuffer + read(0, 0) + "exit", {values}), -EINVAL);
  EXPECT_EQ(result(from_value(32, 1) + kBuffer + write(0, 0) + "exit", {values}), -EINVAL);
  EXPECT_EQ(result(from_value(32, 1) + slice(0, 1) + "if r0 == 0 goto +1\nr0 = 1\nexit", {values}), 0);
}

TEST_P(Dynptrs, SlicesArePartsOfTheMemory) {
  const auto values = make_array(32);
  const std::string use = "if r0 != 0 goto +2\nr0 = 9\nexit\n*(u64 *)(r0 +8) = 5\nr0 = *(u64 *)(r6 +16)\nexit";
  EXPECT_EQ(result(from_value(32) + slice(8, 16) + use, {values}), 5);
  EXPECT_EQ(result(from_value(32) + slice(17, 16) + use, {values}), 9);
}

TEST_P(Dynptrs, SlicesEndWhereTheyAreSaidTo) {
  EXPECT_THAT(trap(from_value(32) + slice(8, 8) + "r0 = *(u64 *)(r0 +8)\nexit", {make_array(32)}),
              StartsWith("read of 8 bytes at offset 8 of the memory, which has offsets 0 to 7"));
}

// ---- on ring-buffer records ----

TEST_P(Dynptrs, RecordsAreSubmittedAndDiscarded) {
  const auto ring = std::make_shared<FakeRing>();
  EXPECT_EQ(
      result(reserve(8) + kBuffer + "*(u64 *)(r10 -64) = 7\n" + write(0, 8) + "r6 = r0\n" + kSubmit + "r0 = r6\nexit",
             {ring}),
      0);
  EXPECT_EQ(result(reserve(8) + kDiscard + "r0 = r7\nexit", {ring}), 0);
  EXPECT_THAT(ring->committed, ::testing::ElementsAre(Bytes{7, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_TRUE(ring->open.empty());
}

TEST_P(Dynptrs, ThoseThatFailedMustStillBeClosed) {
  const auto ring = std::make_shared<FakeRing>(4096);
  EXPECT_EQ(result(reserve(8, 1) + kSubmit + "r0 = r7\nexit", {ring}), -EINVAL);
  EXPECT_EQ(result(reserve(0x1000000) + kDiscard + "r0 = r7\nexit", {ring}), -E2BIG);
  EXPECT_EQ(result(reserve(5000) + kSubmit + "r0 = r7\nexit", {ring}), -EINVAL);
  EXPECT_TRUE(ring->committed.empty());
}

TEST_P(Dynptrs, SlicesEndWithTheirRecord) {
  const auto ring = std::make_shared<FakeRing>();
  for (const std::string& end : {kSubmit, kDiscard}) {
    EXPECT_THAT(trap(reserve(16) + slice(0, 8) + "r6 = r0\n" + end + "r0 = *(u64 *)(r6 +0)\nexit", {ring}),
                HasSubstr("its dynptr was submitted or discarded"));
  }
  // Another record's slice stays.
  const std::string second = "r1 = map[0] ll\nr2 = 8\nr3 = 0\nr4 = r10\nr4 += -48\ncall bpf_ringbuf_reserve_dynptr\n";
  EXPECT_EQ(trap(reserve(16) + second + slice(0, 8) + "r6 = r0\nr1 = r10\nr1 += -48\nr2 = 0\n" +
                     "call bpf_ringbuf_submit_dynptr\n*(u64 *)(r6 +0) = 1\n" + kSubmit + "r0 = 0\nexit",
                 {ring}),
            "");
}

TEST_P(Dynptrs, ASecondCloseDoesNothing) {
  const auto ring = std::make_shared<FakeRing>();
  EXPECT_EQ(trap(reserve(8) + kSubmit + kSubmit + kDiscard + "r0 = 0\nexit", {ring}), "");
  EXPECT_EQ(ring->committed.size(), 1U);
}

TEST_P(Dynptrs, ACopyOfOneThatEndedIsNull) {
  const auto ring = std::make_shared<FakeRing>();
  // The 16 bytes are kept elsewhere and put back, which no verified program can.
  const std::string copy = "r1 = *(u64 *)(r10 -24)\nr2 = *(u64 *)(r10 -16)\n";
  EXPECT_EQ(trap(kBuffer + reserve(8) + copy + "r8 = r1\nr9 = r2\n" + kSubmit +
                     "*(u64 *)(r10 -24) = r8\n*(u64 *)(r10 -16) = r9\n" + write(0, 8) + kSubmit + "r0 = 0\nexit",
                 {ring}),
            "");
  EXPECT_EQ(ring->committed.size(), 1U);
}

TEST_P(Dynptrs, BytesOfAProgramsMakingReachNothing) {
  const auto ring = std::make_shared<FakeRing>();
  for (const char* entry : {"0", "1", "2", "-1"}) {
    // The one that was reserved cannot be closed any more.
    EXPECT_THAT(trap(kBuffer + reserve(8) + fmt::format("r1 = {}\n*(u64 *)(r10 -24) = r1\n", entry) +
                         "r1 = -1\n*(u64 *)(r10 -16) = r1\n" + write(0, 8) + read(0, 8) + slice(0, 8) + "r0 = 0\nexit",
                     {ring}),
                StartsWith("the program ends with 1 ring-buffer records neither submitted nor discarded"));
  }
  EXPECT_TRUE(ring->open.empty());
  EXPECT_TRUE(ring->committed.empty());
}

TEST_P(Dynptrs, RecordsOfAStoppedProgramAreDiscarded) {
  const auto ring = std::make_shared<FakeRing>();
  EXPECT_THAT(trap(reserve(8) + "r1 = 0\nr0 = *(u64 *)(r1 +0)\nexit", {ring}), HasSubstr("no pointer to memory"));
  EXPECT_THAT(trap(reserve(8) + "r0 = 0\nexit", {ring}), HasSubstr("neither submitted nor discarded"));
  EXPECT_TRUE(ring->open.empty());
  EXPECT_TRUE(ring->committed.empty());
}

TEST_P(Dynptrs, AreMadeAsOftenAsAProgramLikes) {
  // More often than an invocation may have dynptrs at a time.
  const auto values = make_array(32);
  const std::string text = kValue +
                           "*(u64 *)(r10 -32) = r6\nr1 = 0x120000\nr2 = subprog[again] ll\nr3 = r10\nr3 += -32\n"
                           "r4 = 0\ncall bpf_loop\nexit\n"
                           "again: r1 = *(u64 *)(r2 +0)\nr2 = 8\nr3 = 0\nr4 = r10\nr4 += -16\n"
                           "call bpf_dynptr_from_mem\nr0 &= 1\nexit";
  Rig rig{.checked = GetParam().checked, .unverified = true, .maps = {values}};
  rig.budget = std::uint64_t{1} << 28;
  const Frame frame = run(rig, text);
  EXPECT_EQ(trap_of(frame), "");
  EXPECT_EQ(frame.return_value, 0x120000U);
}

TEST_P(Dynptrs, AcrossACallback) {
  const auto ring = std::make_shared<FakeRing>();
  // A callback fills the record of its caller's dynptr.
  const std::string text = reserve(4) + "r1 = 4\nr2 = subprog[fill] ll\nr3 = r10\nr3 += -24\nr4 = 0\ncall bpf_loop\n" +
                           kSubmit +
                           "r0 = 0\nexit\nfill: *(u8 *)(r10 -1) = r1\nr3 = r10\nr3 += -1\nr4 = 1\nr5 = 0\n"
                           "r6 = r1\nr1 = r2\nr2 = r6\ncall bpf_dynptr_write\nr0 = 0\nexit";
  EXPECT_EQ(trap(text, {ring}), "");
  EXPECT_THAT(ring->committed, ::testing::ElementsAre(Bytes{0, 1, 2, 3}));
}

}  // namespace
}  // namespace forager::interp
