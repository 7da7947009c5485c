// SPDX-License-Identifier: Apache-2.0
// Blockers by kind and name, and the choice of a backend.
#include <algorithm>

#include "runtime/explain.h"

#include <cerrno>

#include "runtime/placement.h"
#include "runtime_testing.h"

namespace forager::runtime::testing {
namespace {

exec::Capabilities everything() {
  exec::Capabilities able;
  able.ops.set();
  able.helpers.set();
  able.map_types.set();
  able.program_types = {isa::ProgType::xdp};
  return able;
}

class Explain : public ::testing::Test {
 protected:
  std::vector<Blocker> blockers(const exec::Capabilities& able, isa::ProgType type = isa::ProgType::xdp) {
    const auto values = make_map(runtime_, isa::MapType::array, 8, 1, "values");
    const auto flows = make_map(runtime_, isa::MapType::hash, 8, 1, "flows");
    program_ = load(runtime_,
                    "r1 = map[values] ll\n"
                    "r1 = map[flows] ll\n"
                    "call 5\n"
                    "call 5\n"
                    "r0 *= 3\n"
                    "r0 = 2\n"
                    "exit\n",
                    {values, flows}, type);
    return name_blockers(*program_->verified, "device", able);
  }
  Runtime runtime_;
  std::shared_ptr<ProgramObject> program_;
};

TEST_F(Explain, AbleBackendsHaveNoBlockers) { EXPECT_TRUE(blockers(everything()).empty()); }

TEST_F(Explain, EachKindIsNamed) {
  exec::Capabilities able = everything();
  able.available = false;
  able.reason = "no such card";
  able.program_types = {isa::ProgType::sched_cls};
  able.max_slots = 3;
  able.map_types.reset(static_cast<std::size_t>(isa::MapType::hash));
  able.helpers.reset(5);
  able.ops.reset(static_cast<std::size_t>(isa::Op::mul64_imm));
  const auto found = blockers(able);
  ASSERT_EQ(found.size(), 6U);
  EXPECT_EQ(found[0].kind, BlockerKind::unavailable);
  EXPECT_EQ(found[0].name, "device");
  EXPECT_NE(found[0].diagnostic.message.find("no such card"), std::string::npos);
  EXPECT_EQ(found[1].kind, BlockerKind::program_type);
  EXPECT_EQ(found[1].name, "xdp");
  EXPECT_EQ(found[2].kind, BlockerKind::size);
  EXPECT_EQ(found[2].diagnostic.limit, 3U);
  EXPECT_EQ(found[2].diagnostic.asked, 9U);
  EXPECT_EQ(found[3].kind, BlockerKind::map);
  EXPECT_EQ(found[3].name, "flows");
  EXPECT_EQ(found[4].kind, BlockerKind::helper);
  EXPECT_EQ(found[4].name, "bpf_ktime_get_ns");
  EXPECT_EQ(found[4].diagnostic.instruction, 4U) << "its first use, in slots";
  EXPECT_EQ(found[5].kind, BlockerKind::instruction);
  EXPECT_EQ(found[5].name, "mul64_imm");
  EXPECT_EQ(found[5].diagnostic.instruction, 6U);
}

TEST_F(Explain, BackendsWithoutCallsNameTheInstruction) {
  exec::Capabilities able = everything();
  able.ops.reset(static_cast<std::size_t>(isa::Op::call_helper));
  const auto found = blockers(able);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, BlockerKind::instruction);
}

TEST_F(Explain, AllBackendsAreJudged) {
  const auto program = load(runtime_, kPass);
  const Explanation explanation = explain(*program->verified);
  ASSERT_EQ(explanation.backends.size(), jit::backends().size());
  const auto first = std::ranges::find(explanation.backends, true, &BackendVerdict::takes);
  ASSERT_NE(first, explanation.backends.end());
  EXPECT_EQ(explanation.nearest, first->backend);
  for (const BackendVerdict& verdict : explanation.backends) EXPECT_EQ(verdict.takes, verdict.blockers.empty());
}

TEST_F(Explain, ProgramsThatNobodyTakesHaveNoNearest) {
  const auto program = load(runtime_, kPass, {}, isa::ProgType::lirc_mode2);
  const Explanation explanation = explain(*program->verified);
  EXPECT_EQ(explanation.nearest, std::nullopt);
  for (const BackendVerdict& verdict : explanation.backends) EXPECT_FALSE(verdict.takes) << verdict.backend;
}

TEST_F(Explain, KindsHaveNames) {
  EXPECT_EQ(to_string(BlockerKind::unavailable), "unavailable");
  EXPECT_EQ(to_string(BlockerKind::helper), "helper");
}

// ---- placement -----------------------------------------------------------------------------------------------------

class Placing : public Explain {};

TEST_F(Placing, TheNamedBackendIsTaken) {
  const auto placement = place(*load(runtime_, kPass)->verified, {.backend = "interp", .fallback = {}});
  ASSERT_TRUE(placement.has_value());
  EXPECT_EQ(placement->backend->name(), "interp");
  EXPECT_TRUE(placement->refused.empty());
}

TEST_F(Placing, NoNameTakesTheFirstThatCan) {
  const auto placement = place(*load(runtime_, kPass)->verified, {});
  ASSERT_TRUE(placement.has_value());
  const auto first = std::ranges::find_if(
      jit::backends(), [](const jit::BackendRow& row) { return row.get().capabilities().available; });
  EXPECT_EQ(placement->backend->name(), first->name);
}

TEST_F(Placing, UnknownNamesAreInputErrors) {
  const auto program = load(runtime_, kPass);
  const auto placement = place(*program->verified, {.backend = "interp", .fallback = {"abacus"}});
  ASSERT_FALSE(placement.has_value()) << "even if it would not have been needed";
  EXPECT_EQ(placement.error().kind, ErrorKind::input);
  EXPECT_NE(placement.error().message.find("abacus"), std::string::npos);
  EXPECT_NE(placement.error().message.find("interp"), std::string::npos) << "says what there is";
}

TEST_F(Placing, RefusalsNameTheBackendAndTheReason) {
  const auto placement =
      place(*load(runtime_, kPass, {}, isa::ProgType::lirc_mode2)->verified, {.backend = "interp", .fallback = {}});
  ASSERT_FALSE(placement.has_value());
  EXPECT_EQ(placement.error().kind, ErrorKind::unsupported);
  EXPECT_NE(placement.error().message.find("backend interp"), std::string::npos);
  EXPECT_NE(placement.error().message.find("lirc_mode2"), std::string::npos);
}

}  // namespace
}  // namespace forager::runtime::testing
