// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/grow.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "tests/twins/subject.h"

namespace forager::twins {
namespace {

class Grow : public testing::TestWithParam<Growth> {};

TEST_P(Grow, IsWellFormed) {
  const auto decoded = program::Program::decode(grow(GetParam()));
  EXPECT_TRUE(decoded) << decoded.error().text();
}

TEST_P(Grow, EndsAsTheKernelSays) {
  const bool too_large = GetParam().shape == Shape::endless || GetParam().shape == Shape::explosion;
  const auto subject = subject_of(grow(GetParam()));
  ASSERT_TRUE(subject) << subject.error().text();
  const Verdict ours = ask_ours(subject->source);
  EXPECT_EQ(ours.error, too_large ? E2BIG : 0) << ours.message;
  if (!no_kernel().empty()) return;
  const Verdict kernel = ask_kernel(subject->kernel);
  EXPECT_EQ(kernel.error, too_large ? E2BIG : 0) << kernel.message;
  // What the kernel takes below its limit must be below ours: paths stop where they stop there.
  EXPECT_LE(ours.processed, kernel.processed + kernel.processed / 10);
}

INSTANTIATE_TEST_SUITE_P(Growths, Grow, testing::ValuesIn(kGrowths),
                         [](const testing::TestParamInfo<Growth>& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace forager::twins
