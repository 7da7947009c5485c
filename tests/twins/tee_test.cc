// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/tee.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace forager::twins {
namespace {

std::string example(const char* name) { return std::string(FORAGER_PROGRAMS "/") + name + ".bpf.o"; }

const Subject* named(const std::vector<Subject>& subjects, const std::string& name) {
  const auto found = std::ranges::find(subjects, name, &Subject::name);
  return found == subjects.end() ? nullptr : &*found;
}

TEST(Tee, EveryProgramOfAnObjectIsSeenByItsWholeName) {
  const auto subjects = load_twice(example("xdp_tail_parser"));
  ASSERT_TRUE(subjects) << subjects.error().text();
  EXPECT_EQ(subjects->size(), 8U);
  EXPECT_NE(named(*subjects, "parse_extension"), nullptr);
  EXPECT_NE(named(*subjects, "xdp_tail_parser"), nullptr);
}

TEST(Tee, BothGetTheSameInstructions) {
  const auto subjects = load_twice(example("xdp_lb"));
  ASSERT_TRUE(subjects) << subjects.error().text();
  const Subject* lb = named(*subjects, "xdp_lb");
  ASSERT_NE(lb, nullptr);
  ASSERT_FALSE(lb->missing) << lb->missing->text();
  ASSERT_EQ(lb->source.slots.size(), lb->kernel.slots().size());
  for (std::size_t i = 0; i < lb->source.slots.size(); ++i) {
    EXPECT_EQ(lb->source.slots[i].opcode, lb->kernel.slots()[i].opcode) << i;
    EXPECT_EQ(lb->source.slots[i].offset, lb->kernel.slots()[i].offset) << i;
  }
  EXPECT_FALSE(lb->source.maps.empty());
  EXPECT_FALSE(lb->source.lines.empty());
}

TEST(Tee, TheKernelsCostIsRead) {
  if (!no_kernel().empty()) GTEST_SKIP() << no_kernel();
  const auto subjects = load_twice(example("xdp_lb"));
  ASSERT_TRUE(subjects) << subjects.error().text();
  const Verdict kernel = ask_kernel(subjects->front().kernel);
  EXPECT_TRUE(kernel.accepted()) << kernel.message;
  EXPECT_GT(kernel.processed, 100U);
  EXPECT_GT(kernel.milliseconds, 0);
}

TEST(Tee, AnObjectThatIsNoneIsAnInputError) {
  const auto subjects = load_twice("/dev/null");
  ASSERT_FALSE(subjects);
  EXPECT_EQ(subjects.error().kind, ErrorKind::input);
}

}  // namespace
}  // namespace forager::twins
