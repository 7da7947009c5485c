// SPDX-License-Identifier: Apache-2.0
// What `prog verify` prints: verdicts, the story of a refusal, values as people say them.
#include <gtest/gtest.h>

#include "cli/facts_view.h"
#include "cli/story.h"
#include "cli/verify_result.h"
#include "program/text.h"
#include "unverified.h"

namespace forager::cli {
namespace {

Diagnostic refusal() {
  Diagnostic out;
  out.kind = ErrorKind::rejected;
  out.error = 13;
  out.message = "r2 may point past the packet's end";
  out.instruction = 17;
  out.function = "parse";
  out.source = "a.bpf.c:33: return eth->h_proto;";
  out.path = {"a.bpf.c:28: if (data + 12 > data_end): not taken", "a.bpf.c:30: if (vlan): taken"};
  out.hint = "compare with data_end before reading";
  return out;
}

VerifyResult two_programs() {
  ProgramVerdict good, bad;
  good.type = good.section = "xdp";
  good.name = "good";
  good.examined = true;
  good.instructions = 1234;
  good.report.log = "the log\n";
  good.report.processed_instructions = 56789;
  good.report.total_states = 12;
  good.report.peak_states = 7;
  good.report.peak_bytes = 3072;
  good.report.stack_depth = 64;
  good.verify_ns = 1'500'000;
  bad.name = "bad";
  bad.type = bad.section = "tc";
  bad.refused = refusal();
  return {.object = "a.o", .programs = {good, bad}};
}

TEST(VerifyText, ARefusalIsOneLineAndThenItsStory) {
  EXPECT_EQ(refusal().text(),
            "r2 may point past the packet's end, at instruction 17 of parse (a.bpf.c:33: return eth->h_proto;)");
  EXPECT_EQ(story_of(refusal(), "  "),
            "  the way there:\n"
            "    a.bpf.c:28: if (data + 12 > data_end): not taken\n"
            "    a.bpf.c:30: if (vlan): taken\n"
            "  hint: compare with data_end before reading\n");
  EXPECT_EQ(story_of(Diagnostic{.message = "no story"}, "  "), "");
}

TEST(VerifyText, VerdictsComeWithWhatTheyCost) {
  EXPECT_EQ(to_text(two_programs(), {}),
            "good (xdp): accepted\n"
            "  1,234 instructions, 56,789 processed; 12 states, 7 at once in 3 KiB; stack 64 bytes; 1.5 ms\n"
            "bad (tc): refused\n"
            "  " +
                refusal().text() + "\n" + story_of(refusal(), "  "));
}

TEST(VerifyText, TheLogComesBeforeTheVerdict) {
  EXPECT_TRUE(to_text(two_programs(), {.log = true}).starts_with("the log\ngood (xdp): accepted\n"));
}

TEST(VerifyText, JsonSaysTheSame) {
  const auto json = to_json(two_programs(), {.log = true});
  EXPECT_EQ(json["schema"], "forager-verify");
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["object"], "a.o");
  const auto& good = json["programs"][0];
  EXPECT_EQ(good["verdict"], "accepted");
  EXPECT_EQ(good["statistics"]["processed"], 56789);
  EXPECT_EQ(good["log"], "the log\n");
  EXPECT_FALSE(good.contains("diagnostic"));
  const auto& bad = json["programs"][1];
  EXPECT_EQ(bad["verdict"], "refused");
  EXPECT_EQ(bad["diagnostic"]["function"], "parse");
  EXPECT_EQ(bad["diagnostic"]["path"].size(), 2U);
  EXPECT_EQ(bad["diagnostic"]["hint"], "compare with data_end before reading");
  EXPECT_FALSE(bad.contains("statistics")) << "the verifier never saw it";
}

TEST(VerifyText, ValuesAreSaidShortly) {
  EXPECT_EQ(value_text({}), "") << "nothing is known";
  EXPECT_EQ(value_text({.min = 5, .max = 5, .signed_min = 5, .signed_max = 5, .bits = 5, .unknown_bits = 0}), "5");
  const auto minus = static_cast<std::uint64_t>(-3);
  EXPECT_EQ(value_text({.min = minus, .max = minus, .bits = minus, .unknown_bits = 0}), "-3");
  EXPECT_EQ(value_text({.min = 0, .max = 255}), "0..255");
  EXPECT_EQ(value_text({.min = 0, .max = UINT32_MAX}), "any 32 bits");
  EXPECT_EQ(value_text({.min = 1}), "at least 1");
  EXPECT_EQ(value_text({.signed_min = -4, .signed_max = 4}), "-4..4");
  EXPECT_EQ(value_text({.signed_min = 0}), "at least 0");
  EXPECT_EQ(value_text({.signed_max = 9}), "at most 9, signed");
  EXPECT_EQ(value_text({.unknown_bits = ~std::uint64_t{7}}), "a multiple of 8");
  EXPECT_EQ(value_text({.min = 0, .max = 60, .unknown_bits = 0x3c}), "0..60, a multiple of 4");
  EXPECT_EQ(value_text({.bits = 2, .unknown_bits = ~std::uint64_t{3}}), "2 over a multiple of 4");
}

TEST(VerifyText, WithoutFactsThereIsTheProgramOnly) {
  program::Source source{.name = "f", .type = isa::ProgType::xdp, .slots = *program::assemble("r0 = 2\nexit\n")};
  const auto program = verifier::UnverifiedForTests::make(*program::Program::decode(std::move(source)));
  EXPECT_EQ(facts_text(*program), "f:\n   0: r0 = 2\n   1: exit\n");
  const auto json = facts_json(*program);
  ASSERT_EQ(json.size(), 2U);
  EXPECT_EQ(json[0]["disasm"], "r0 = 2");
  EXPECT_EQ(json[0]["reachable"], true);
  EXPECT_FALSE(json[0].contains("live"));
}

std::string facts_of(std::string_view text) {
  program::Source source{.name = "f", .type = isa::ProgType::xdp};
  source.maps = {{.type = isa::MapType::hash, .key_size = 4, .value_size = 8, .max_entries = 8, .name = "flows"}};
  source.slots = *program::assemble(text, {"flows"});
  const auto verified = verifier::verify(*program::Program::decode(std::move(source)));
  EXPECT_TRUE(verified) << verified.error().text();
  return verified ? facts_text(**verified) : "";
}

TEST(VerifyText, FactsStandBesideTheirInstructions) {
  EXPECT_EQ(
      facts_of("r6 = *(u32 *)(r1 +12)\n*(u32 *)(r10 -4) = 7\nr2 = r10\nr2 += -4\nr1 = map[flows] ll\n"
               "call bpf_map_lookup_elem\nif r0 == 0 goto out\nr6 &= 0xfc\n*(u64 *)(r0 +0) = r6\n"
               "out: r7 = 1\nif r7 == 1 goto end\nr0 = 3\nend: r0 = 2\nexit"),
      "f:\n"
      "   0: r6 = *(u32 *)(r1 +12)                        // context+12\n"
      "   1: *(u32 *)(r10 -4) = 7                         // stack r10-4\n"
      "   2: r2 = r10\n"
      "   3: r2 += -4\n"
      "   4: r1 = map[flows] ll\n"
      "   6: call bpf_map_lookup_elem#1                   // r1: flows; r2: stack r10-4, 4 bytes\n"
      "   7: if r0 == 0x0 goto pc+2\n"
      "   8: r6 &= 252                                    // r6 is any 32 bits\n"
      "   9: *(u64 *)(r0 +0) = r6                         // map value of flows +0; r6 is 0..252, a multiple of 4\n"
      "  10: r7 = 1\n"
      "  11: if r7 == 0x1 goto pc+1                       // always taken; r7 is 1\n"
      "  12: r0 = 3                                       // never runs\n"
      "  13: r0 = 2\n"
      "  14: exit\n"
      "map flows: read write\n");
}

}  // namespace
}  // namespace forager::cli
