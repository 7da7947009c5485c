// SPDX-License-Identifier: Apache-2.0
//
// Engines held against each other: which programs can be, because they show no addresses, and that a difference is
// noticed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "interp/backend.h"
#include "program/text.h"
#include "tests/fuzz/verifier/addresses.h"
#include "tests/fuzz/verifier/judge.h"

namespace forager::fuzz {
namespace {

using ::testing::HasSubstr;

Candidate candidate(const std::string& text) {
  std::vector<std::string> names;
  for (const program::MapSpec& spec : map_specs()) names.push_back(spec.name);
  return {.slots = program::assemble(text, names).value()};
}

bool shows(const std::string& text) {
  auto verified = Judge::verify(candidate(text), nullptr);
  if (!verified) {
    ADD_FAILURE() << verified.error().text() << "\n" << text;
    return false;
  }
  return shows_addresses(**verified);
}

struct Case {
  const char* name;
  const char* text;
};

std::string name_of(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

class Shows : public ::testing::TestWithParam<Case> {};
class Hides : public ::testing::TestWithParam<Case> {};

TEST_P(Shows, AnAddress) { EXPECT_TRUE(shows(GetParam().text)); }
TEST_P(Hides, Addresses) { EXPECT_FALSE(shows(GetParam().text)); }

INSTANTIATE_TEST_SUITE_P(
    FuzzAddresses, Shows,
    ::testing::Values(
        Case{"Returned", "r0 = r10\nexit"},
        Case{"StoredInAMap",
             "r2 = map[large] ll\n*(u32 *)(r10 -4) = 0\nr3 = r10\nr6 = r2\nr1 = r6\nr2 = r10\n"
             "r2 += -4\ncall 1\nif r0 == 0 goto +1\n*(u64 *)(r0 +0) = r10\nr0 = 0\nexit"},
        Case{"ComparedWithANumber", "r0 = 0\nif r1 > 5 goto +1\nr0 = 1\nexit"},
        Case{"ComparedWithAnotherClass", "r2 = *(u32 *)(r1 +0)\nr0 = 0\nif r2 s< r1 goto +1\nr0 = 1\nexit"},
        Case{"TestedForBits", "r0 = 0\nif r1 & 8 goto +1\nr0 = 1\nexit"},
        Case{"ComparedBy32Bits", "r0 = 0\nif w1 == 0 goto +1\nr0 = 1\nexit"}, Case{"CutInHalf", "w0 = w1\nexit"},
        Case{"Subtracted", "r2 = *(u32 *)(r1 +0)\nr0 = r10\nr0 -= r2\nexit"},
        Case{"PassedAsANumber", "r2 = r1\nr1 = 0\ncall 23\nexit"},
        Case{"SpilledInAKey", "*(u64 *)(r10 -8) = r10\nr1 = map[wide] ll\nr2 = r10\nr2 += -8\ncall 3\nr0 = 0\nexit"},
        Case{"OverwrittenInPart", "*(u64 *)(r10 -8) = r10\n*(u32 *)(r10 -8) = 1\nr0 = *(u32 *)(r10 -4)\nexit"},
        Case{"AddedToBySpill",
             "r2 = 1\n*(u64 *)(r10 -8) = r2\nlock *(u64 *)(r10 -8) += r1\n"
             "r0 = *(u64 *)(r10 -8)\nexit"},
        Case{"OnOneWayOnly", "r6 = 0\nr2 = *(u32 *)(r1 +12)\nif r2 > 5 goto +1\nr6 = r1\nr0 = r6\nexit"},
        Case{"StoredByACallee",
             "r2 = r1\nr1 = r10\nr1 += -8\ncall pc+2\nr0 = *(u64 *)(r10 -8)\nexit\n"
             "*(u64 *)(r1 +0) = r2\nr0 = 0\nexit"},
        Case{"ReturnedByACallee", "call pc+1\nexit\nr0 = r1\nexit"},
        Case{"StalePacketPointers",
             "r6 = r1\nr7 = *(u32 *)(r1 +0)\nr2 = 0\ncall 44\nr1 = *(u32 *)(r6 +0)\nr0 = 0\n"
             "if r7 > r1 goto +1\nr0 = 1\nexit"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    FuzzAddresses, Hides,
    ::testing::Values(
        Case{"PacketBounds",
             "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 14\nr0 = 0\n"
             "if r4 > r3 goto +1\nr0 = *(u8 *)(r2 +13)\nexit"},
        Case{"PacketLength", "r2 = *(u32 *)(r1 +0)\nr0 = *(u32 *)(r1 +4)\nr0 -= r2\nexit"},
        Case{"ComparedWithNull",
             "r1 = map[wide] ll\n*(u64 *)(r10 -8) = 0\nr2 = r10\nr2 += -8\ncall 1\n"
             "if r0 == 0 goto +1\nr0 = *(u64 *)(r0 +0)\nexit"},
        Case{"ComparedWithZeroInARegister", "r0 = 0\nif r1 == r0 goto +1\nr0 = 1\nexit"},
        Case{"MovedByANumber",
             "r2 = *(u32 *)(r1 +12)\nr2 &= 7\nr3 = 0\n*(u64 *)(r10 -8) = r3\nr4 = r10\nr4 += -8\n"
             "r4 += r2\nr0 = *(u8 *)(r4 +0)\nexit"},
        Case{"SpilledAndFilled", "*(u64 *)(r10 -8) = r1\nr2 = *(u64 *)(r10 -8)\nr0 = *(u32 *)(r2 +12)\nexit"},
        Case{"Overwritten", "*(u64 *)(r10 -8) = r1\n*(u64 *)(r10 -8) = 1\nr0 = *(u32 *)(r10 -8)\nexit"},
        Case{"BesideAKey",
             "*(u64 *)(r10 -16) = r1\n*(u64 *)(r10 -8) = 1\nr1 = map[wide] ll\nr2 = r10\nr2 += -8\n"
             "call 3\nr0 = 0\nexit"},
        Case{"NeverExecuted", "r2 = 0\nr0 = 0\nif r2 == 0 goto +1\nr0 = r1\nexit"},
        Case{"SavedAcrossACall", "r6 = r1\nr1 = 1\ncall pc+2\nr0 = *(u32 *)(r6 +12)\nexit\nr6 = r1\nr0 = r6\nexit"}),
    name_of);

// Compiles another program than it was given: one that returns 2.
class Wrong final : public exec::Backend {
 public:
  [[nodiscard]] std::string_view name() const override { return "wrong"; }
  [[nodiscard]] const exec::Capabilities& capabilities() const override { return interp::backend().capabilities(); }
  [[nodiscard]] Result<std::shared_ptr<const exec::Image>> compile(std::shared_ptr<const verifier::VerifiedProgram>,
                                                                   const exec::CompileOptions& options) const override {
    return interp::backend().compile(Judge::verify(candidate("r0 = 2\nexit"), nullptr).value(), options);
  }
  [[nodiscard]] Result<std::unique_ptr<exec::Device>> open(const exec::DeviceOptions& options) const override {
    return interp::backend().open(options);
  }
};

TEST(FuzzRival, NoticesAnotherVerdict) {
  const Wrong wrong;
  const Outcome outcome = Judge(&wrong).judge(candidate("r0 = 1\nexit"), 1, 1);
  EXPECT_THAT(outcome.finding, HasSubstr("wrong ends with \"r0=2 packet="));
  EXPECT_THAT(outcome.finding, HasSubstr("but by the interpreter \"r0=1 packet="));
}

TEST(FuzzRival, NoticesOtherContentsOfMaps) {
  const Wrong wrong;
  const Outcome outcome = Judge(&wrong).judge(
      candidate("*(u32 *)(r10 -4) = 0\nr1 = map[small] ll\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto +1\n"
                "*(u64 *)(r0 +0) = 77\nr0 = 2\nexit"),
      1, 1);
  EXPECT_THAT(outcome.finding, HasSubstr("4d00000000000000"));
}

TEST(FuzzRival, ComparesEveryRun) {
  Judge judge(&interp::backend());
  const Outcome outcome = judge.judge(candidate("r0 = *(u32 *)(r1 +12)\nexit"), 5, 1);
  EXPECT_EQ(outcome.finding, "");
  EXPECT_EQ(outcome.compared, 5U);
  EXPECT_FALSE(outcome.shows_addresses);
}

TEST(FuzzRival, DoesNotRunWhatShowsAddresses) {
  const Wrong wrong;
  const Outcome outcome = Judge(&wrong).judge(candidate("r0 = r10\nexit"), 5, 1);
  EXPECT_EQ(outcome.verdict, Outcome::Verdict::accepted);
  EXPECT_EQ(outcome.finding, "");
  EXPECT_EQ(outcome.compared, 0U);
  EXPECT_TRUE(outcome.shows_addresses);
}

}  // namespace
}  // namespace forager::fuzz
