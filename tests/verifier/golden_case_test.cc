// SPDX-License-Identifier: Apache-2.0
//
// The golden format itself: what is read, what is refused, and that a wrong expectation is found.
#include <gtest/gtest.h>

#include <cerrno>

#include "golden_check.h"
#include "golden_facts.h"
#include "golden_program.h"

namespace forager::verifier::golden {
namespace {

File parsed(std::string_view content) {
  auto file = parse("a/some.txt", content);
  EXPECT_TRUE(file) << file.error().message;
  return file ? *file : File{};
}

std::string complaint(std::string_view content) {
  const auto file = parse("a/some.txt", content);
  return file ? "" : file.error().message;
}

TEST(GoldenCase, ReadsWhatDirectivesSay) {
  const File file = parsed(
      "# comment\n"
      "type sched_cls\n"
      "map m array key=4 value=8 entries=1 flags=mmapable spin_lock=4\n"
      "prelude zero\n"
      "    r0 = 0\n"
      "\n"
      "case one\n"
      "licence none\n"
      "option strict_alignment\n"
      "map c array key=4 value=2 entries=1 frozen=01ff\n"
      "    use zero\n"
      "  end:\n"
      "    exit\n"
      "reject EACCES at 3: some text\n"
      "kernel accept\n"
      "fact end: reachable\n"
      "map_use m unused\n"
      "case two\n"
      "    exit\n"
      "accept\n");
  ASSERT_EQ(file.cases.size(), 2U);
  const Case& one = file.cases[0];
  EXPECT_EQ(one.file, "some");
  EXPECT_EQ(one.setting.type, isa::ProgType::sched_cls);
  EXPECT_FALSE(one.setting.gpl);
  EXPECT_TRUE(one.setting.options.strict_alignment);
  ASSERT_EQ(one.setting.maps.size(), 2U);
  EXPECT_EQ(one.setting.maps[0].fields.at(0).offset, 4U);
  ASSERT_NE(one.setting.maps[1].frozen, nullptr);
  EXPECT_EQ(one.setting.maps[1].frozen->at(1), std::byte{0xff});
  EXPECT_EQ(one.text, "    r0 = 0\n  end:\n    exit\n");
  EXPECT_EQ(one.verdict.error, EACCES);
  EXPECT_EQ(one.verdict.slot, 3U);
  EXPECT_EQ(one.verdict.message, "some text");
  ASSERT_TRUE(one.kernel);
  EXPECT_TRUE(one.kernel->accepts);
  ASSERT_EQ(one.facts.size(), 2U);
  EXPECT_EQ(one.facts[0].place, "end");
  EXPECT_TRUE(one.facts[1].of_map);
  EXPECT_TRUE(file.cases[1].setting.gpl);
  EXPECT_EQ(file.cases[1].setting.maps.size(), 1U);
}

TEST(GoldenCase, SaysWhatItCannotRead) {
  EXPECT_EQ(complaint("    r0 = 0\n"), "a/some.txt:1: program text belongs into a case or a prelude");
  EXPECT_EQ(complaint("case a\n    exit\ncase b\n"), "a/some.txt:3: case a has no verdict");
  EXPECT_EQ(complaint("case a\naccept\ncase a\n"), "a/some.txt:3: a case needs a name of its own, not 'a'");
  EXPECT_EQ(complaint("case a\nreject EWHAT\n"), "a/some.txt:2: 'reject EWHAT' is no verdict");
  EXPECT_EQ(complaint("case a\n    use b\n"), "a/some.txt:2: no prelude is called 'b'");
  EXPECT_EQ(complaint("type xdq\n"), "a/some.txt:1: no program type is called 'xdq'");
  EXPECT_EQ(complaint("type xdp at xdq\n"), "a/some.txt:1: no attach type is called 'xdq'");
  EXPECT_EQ(complaint("map m arroy\n"), "a/some.txt:1: no map type is called 'arroy'");
  EXPECT_EQ(complaint("map m array size=4\n"), "a/some.txt:1: a map has no 'size'");
  EXPECT_EQ(complaint("map m array value=x\n"), "a/some.txt:1: 'x' is no number");
  EXPECT_EQ(complaint("map m array value=2 frozen=01\n"), "a/some.txt:1: the frozen value has 1 bytes, after value=2");
  EXPECT_EQ(complaint("map m array flags=fast\n"), "a/some.txt:1: no map flag is called 'fast'");
  EXPECT_EQ(complaint("function f global int long\n"), "a/some.txt:1: no parameter is 'long'");
  EXPECT_EQ(complaint("option fast\n"), "a/some.txt:1: no option is called 'fast'");
  EXPECT_EQ(complaint("verdict\n"), "a/some.txt:1: 'verdict' is no directive of a file");
  EXPECT_EQ(complaint("case a\nverdict\n"), "a/some.txt:2: 'verdict' is no directive");
}

TEST(GoldenCase, LabelsAndFunctionsHaveSlots) {
  const File file = parsed(
      "case a\n"
      "function f global int ctx nullable=8\n"
      "    r2 = 1 ll\n"
      "    call f\n"
      "    exit\n"
      "  f: r0 = 0\n"
      "    exit\n"
      "accept\n");
  const auto assembled = assemble(file.cases.at(0));
  ASSERT_TRUE(assembled) << assembled.error().text();
  EXPECT_EQ(assembled->source.slots.size(), 6U);
  EXPECT_EQ(assembled->labels.at("f"), 4U);
  ASSERT_EQ(assembled->source.functions.size(), 2U);
  EXPECT_EQ(assembled->source.functions[0].name, "entry");
  EXPECT_EQ(assembled->source.functions[1].slot, 4U);
  EXPECT_TRUE(assembled->source.functions[1].parameters.at(1).nullable);
}

TEST(GoldenCheck, FindsWhatIsWrongAndBlessesOnlyWhatMayBe) {
  const File file = parsed(
      "case right\n"
      "    r0 = 0\n"
      "    exit\n"
      "accept\n"
      "fact 0: reachable\n"
      "case wrong_verdict\n"
      "    r0 = 0\n"
      "    exit\n"
      "reject EACCES\n"
      "case wrong_fact\n"
      "    r0 = 0\n"
      "    exit\n"
      "accept\n"
      "fact 1: unreachable\n");
  EXPECT_TRUE(judge(file.cases[0]).faults.empty());
  const Judgement wrong = judge(file.cases[1]);
  ASSERT_EQ(wrong.faults.size(), 1U);
  EXPECT_EQ(wrong.faults[0], "expected: reject EACCES\n  found: accept");
  EXPECT_TRUE(wrong.blessed.empty());
  const Judgement fact = judge(file.cases[2]);
  ASSERT_EQ(fact.faults.size(), 1U);
  EXPECT_EQ(fact.blessed.at(14), "fact 1: reachable");
}

TEST(GoldenCheck, ComparesPathAndHint) {
  const File file = parsed(
      "case told\n"
      "    r2 = *(u32 *)(r1 +12)\n"
      "    if r2 == 0 goto +1\n"
      "    r6 = 0\n"
      "    r0 = r6\n"
      "    exit\n"
      "reject EACCES\n"
      "path 1: if r2 == 0x0 goto pc+1: yes\n"
      "hint every path\n"
      "case told_wrongly\n"
      "    r0 = r6\n"
      "    exit\n"
      "reject EACCES\n"
      "path 0: something\n"
      "hint something\n");
  EXPECT_TRUE(judge(file.cases[0]).faults.empty());
  const Judgement wrong = judge(file.cases[1]);
  ASSERT_EQ(wrong.faults.size(), 2U);
  EXPECT_EQ(wrong.faults[0], "path: 1 lines expected, found:\n  path ");
  EXPECT_EQ(wrong.faults[1].substr(0, 24), "hint expected: something");
}

TEST(GoldenFacts, ValuesAreShort) {
  EXPECT_EQ(words_of_value({}), "any");
  EXPECT_EQ(words_of_value({.min = 5, .max = 5, .signed_min = 5, .signed_max = 5, .bits = 5, .unknown_bits = 0}), "5");
  EXPECT_EQ(words_of_value({.min = 1, .max = 4, .signed_min = 1, .signed_max = 4, .bits = 0, .unknown_bits = 7}),
            "[1,4]");
  EXPECT_EQ(
      words_of_value({.min = 0, .max = 0xf0, .signed_min = 0, .signed_max = 0xf0, .bits = 0, .unknown_bits = 0xf0}),
      "[0,240] unknown 0xf0");
  EXPECT_EQ(words_of_value({.signed_min = -3, .signed_max = 4}), "signed [-3,4]");
}

}  // namespace
}  // namespace forager::verifier::golden
