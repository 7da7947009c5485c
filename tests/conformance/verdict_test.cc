// SPDX-License-Identifier: Apache-2.0
//
// What an answer is worth, and how it is reported.
#include "verdict.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "program/text.h"

namespace forager::conformance {
namespace {

Vector vector_of(std::string_view text, std::optional<std::uint64_t> result) {
  return {.name = "v", .slots = *program::assemble(text), .result = result};
}

Answer error(Stage stage, ErrorKind kind) { return {.error = fail(kind, 22, "no").error(), .stage = stage}; }

TEST(Judge, ValuesAreComparedIn64Bits) {
  const Vector vector = vector_of("exit", 5);
  EXPECT_EQ(judge(vector, {.r0 = 5}).outcome, Outcome::passed);
  const Verdict wrong = judge(vector, {.r0 = 0x100000005});
  EXPECT_EQ(wrong.outcome, Outcome::failed);
  EXPECT_EQ(wrong.expected, "0x5");
  EXPECT_EQ(wrong.got, "0x100000005");
}

TEST(Judge, OnlyABackendMayRefuse) {
  const Vector vector = vector_of("exit", 5);
  EXPECT_EQ(judge(vector, error(Stage::backend, ErrorKind::unsupported)).outcome, Outcome::refused);
  EXPECT_EQ(judge(vector, error(Stage::backend, ErrorKind::rejected)).outcome, Outcome::refused);
  EXPECT_EQ(judge(vector, error(Stage::backend, ErrorKind::bug)).outcome, Outcome::failed);
  EXPECT_EQ(judge(vector, error(Stage::backend, ErrorKind::system)).outcome, Outcome::failed);
  EXPECT_EQ(judge(vector, error(Stage::verification, ErrorKind::rejected)).outcome, Outcome::failed);
  const Verdict stopped = judge(vector, error(Stage::execution, ErrorKind::rejected));
  EXPECT_EQ(stopped.outcome, Outcome::failed);
  EXPECT_EQ(stopped.got, "rejected: no");
}

TEST(Judge, IndirectCallsAreCountedApart) {
  EXPECT_EQ(judge(vector_of("call %r2\nexit", 5), error(Stage::verification, ErrorKind::rejected)).outcome,
            Outcome::refused_as_linux);
  // 0x8d in the second half of an immediate is no call.
  Vector wide = vector_of("lddw %r0, 1\nexit", 5);
  wide.slots[1].opcode = 0x8d;
  EXPECT_EQ(judge(wide, error(Stage::verification, ErrorKind::rejected)).outcome, Outcome::failed);
}

TEST(Judge, AnExpectedErrorIsAnyRefusalOrStop) {
  const Vector vector = vector_of("exit", std::nullopt);
  EXPECT_EQ(judge(vector, error(Stage::execution, ErrorKind::rejected)).outcome, Outcome::passed);
  EXPECT_EQ(judge(vector, error(Stage::verification, ErrorKind::rejected)).outcome, Outcome::passed);
  const Verdict ran = judge(vector, {.r0 = 0});
  EXPECT_EQ(ran.outcome, Outcome::failed);
  EXPECT_EQ(ran.expected, "an error");
}

std::vector<BackendReport> reports() {
  return {{.backend = "one",
           .verdicts = {{.vector = "a", .outcome = Outcome::passed},
                        {.vector = "b", .outcome = Outcome::failed, .expected = "0x1", .got = "0x2"},
                        {.vector = "c", .outcome = Outcome::refused, .got = "unsupported: no"},
                        {.vector = "d", .outcome = Outcome::refused, .got = "unsupported: no"}}},
          {.backend = "two", .unavailable = "not here"}};
}

TEST(Report, TableForPeople) {
  EXPECT_EQ(to_table(reports()),
            "backend    vectors  passed  failed refused refused as Linux\n"
            "one              4       1       1       2                0\n"
            "two        not available: not here\n"
            "FAILED one b: expected 0x1, got 0x2\n"
            "refused by one: c, d: unsupported: no\n");
}

TEST(Report, JsonForPrograms) {
  const auto json = nlohmann::json::parse(to_json(reports()));
  EXPECT_EQ(json["schema"], "forager.conformance");
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["backends"][0]["failed"], 1);
  EXPECT_EQ(json["backends"][0]["refused"], 2);
  EXPECT_EQ(json["backends"][0]["vectors"][1]["got"], "0x2");
  EXPECT_EQ(json["backends"][1]["unavailable"], "not here");
}

}  // namespace
}  // namespace forager::conformance
