// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/mutate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/twins/text.h"

namespace forager::twins {
namespace {

using testing::Contains;

std::vector<std::string> kinds_at(const std::vector<isa::Slot>& slots, std::uint32_t slot) {
  std::vector<std::string> out;
  for (const Mutation& mutation : mutations_of(slots)) {
    if (mutation.slot == slot) out.emplace_back(mutation.what);
  }
  return out;
}

TEST(Mutate, AConditionLosesItsMeaningInEveryWay) {
  Text text;
  text.set(r0, 0);
  text.land(text.jump(kAbove, r0, 5));
  text.exit();
  const auto kinds = kinds_at(text.take(), 1);
  for (const char* kind :
       {"never taken", "always taken", "says nothing", "opposite", "boundary", "one more", "one less"}) {
    EXPECT_THAT(kinds, Contains(kind));
  }
}

TEST(Mutate, MasksStoresAndCallsAreDropped) {
  Text text;
  text.alu(kMask, r1, 7);
  text.store(kWord, r10, -4, 1);
  text.call(7);
  const auto slots = text.take();
  EXPECT_THAT(kinds_at(slots, 0), Contains("mask dropped"));
  EXPECT_THAT(kinds_at(slots, 1), Contains("store dropped"));
  EXPECT_THAT(kinds_at(slots, 2), Contains("call dropped"));
}

TEST(Mutate, WideImmediatesAndExitsStay) {
  Text text;
  text.map(r1, 0);
  text.exit();
  EXPECT_TRUE(mutations_of(text.take()).empty());
}

TEST(Mutate, OneSlotIsChangedAndIsReallyDifferent) {
  Text text;
  text.set(r0, 0);
  text.land(text.jump(kEqual, r0, 0));
  text.load(kByte, r2, r1, 3);
  text.exit();
  const auto slots = text.take();
  const auto mutations = mutations_of(slots);
  ASSERT_FALSE(mutations.empty());
  for (const Mutation& mutation : mutations) {
    const auto changed = mutated(slots, mutation);
    ASSERT_EQ(changed.size(), slots.size());
    std::size_t different = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) different += changed[i] == slots[i] ? 0 : 1;
    EXPECT_EQ(different, 1U) << mutation.what << " at " << mutation.slot;
  }
}

TEST(Mutate, RemovedBoundsChecksAreRefusedByBoth) {
  if (!no_kernel().empty()) GTEST_SKIP() << no_kernel();
  Text text;
  text.load(kWord, r2, r1, 0);
  text.load(kWord, r3, r1, 4);
  text.copy(r4, r2);
  text.alu(kPlus, r4, 8);
  text.set(r0, 1);
  const auto outside = text.jump(kAbove, r4, r3);
  text.load(kDouble, r0, r2, 0);
  text.land(outside);
  text.set(r0, 2);
  text.exit();
  program::Source source;
  source.name = "bounds";
  source.type = isa::ProgType::xdp;
  source.slots = text.take();
  const auto subject = subject_of(std::move(source));
  ASSERT_TRUE(subject) << subject.error().text();
  EXPECT_EQ(compare(*subject).agreement, Agreement::accepted);
  for (const Mutation& mutation : mutations_of(subject->source.slots)) {
    const bool removed =
        std::string_view(mutation.what) == "says nothing" || std::string_view(mutation.what) == "never taken";
    if (!removed) continue;
    const Comparison found = compare(*subject, mutation);
    EXPECT_EQ(found.agreement, Agreement::refused) << mutation.what << ": " << to_string(found.agreement);
  }
}

}  // namespace
}  // namespace forager::twins
