// SPDX-License-Identifier: Apache-2.0
//
// What `forager run` prints: figures over what really ran, and the documented JSON members.
#include "cli/run_result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include "isa/tables.h"

namespace forager::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

RunResult sample() {
  RunResult result;
  result.program = "xdp_demo";
  result.program_type = "xdp";
  result.backend = "interp";
  result.packets = 4;
  result.bytes = 400;
  result.repeat = 1000;
  result.busy_ns = 800;
  result.interrupted = true;
  result.verdicts[1] = {2, 200};
  result.verdicts[2] = {6, 600};
  return result;
}

TEST(RunResult, AnInterruptedRunIsMeasuredByWhatRan) {
  const std::string text = to_text(sample(), 10);
  EXPECT_THAT(text, HasSubstr("100 ns/packet (interrupted)"));
  EXPECT_THAT(text, HasSubstr("25.0 %"));
  EXPECT_THAT(text, HasSubstr("75.0 %"));
  EXPECT_EQ(to_json(sample())["ns_per_packet"], 100.0);
  EXPECT_EQ(to_json(sample())["interrupted"], true);
}

TEST(RunResult, NothingRunIsNothingMeasured) {
  RunResult result = sample();
  result.verdicts.clear();
  EXPECT_THAT(to_text(result, 10), Not(HasSubstr("ns/packet")));
  EXPECT_EQ(to_json(result)["ns_per_packet"], 0.0);
}

TEST(RunResult, VerdictsHaveTheirNames) {
  const auto json = to_json(sample());
  EXPECT_EQ(json["verdicts"][0]["verdict"], "XDP_DROP");
  EXPECT_EQ(json["verdicts"][1]["value"], 2);
  RunResult odd = sample();
  odd.verdicts[77] = {1, 1};
  EXPECT_EQ(to_json(odd)["verdicts"][2]["verdict"], "77");
}

TEST(RunResult, RedirectsSayToWhat) {
  const auto cpumap = static_cast<std::uint32_t>(isa::MapType::cpumap);
  const auto xskmap = static_cast<std::uint32_t>(isa::MapType::xskmap);
  RunResult result = sample();
  result.redirects[*way_of({.ifindex = 7})] = 3;
  result.redirects[*way_of({.ifindex = 0, .map_type = cpumap})] = 2;
  result.redirects[*way_of({.ifindex = 0, .map_type = xskmap})] = 1;
  result.clones[*way_of({.flags = BPF_F_BROADCAST})] = 5;
  EXPECT_EQ(way_of({}), std::nullopt) << "CPU 0 and key 0 are some place, port 0 is none";
  const std::string text = to_text(result, 10);
  EXPECT_THAT(text, HasSubstr("redirected: 2 to cpu 0, 3 to port 7, 1 to socket 0"));
  EXPECT_THAT(text, HasSubstr("cloned: 5 to all ports"));
  EXPECT_EQ(to_json(result)["redirects"][1], (nlohmann::ordered_json{{"port", 7}, {"packets", 3}}));
  EXPECT_EQ(to_json(result)["redirects"][0]["cpu"], 0);
}

TEST(RunResult, LongListsAreCutInTextOnly) {
  RunResult result = sample();
  MapView map{.name = "flows", .type = "hash", .max_entries = 64, .count = 3};
  for (int i = 0; i < 3; ++i) {
    MapEntryView entry;
    entry.raw = {{"key", {"0x00"}}, {"value", {"0x01"}}};
    entry.key_text = std::to_string(i);
    entry.value_text = "one";
    map.entries.push_back(entry);
  }
  result.maps.push_back(map);
  EXPECT_THAT(to_text(result, 2), HasSubstr("... 1 more"));
  EXPECT_EQ(to_json(result)["maps"][0]["entries"].size(), 3U);
}

TEST(RunResult, WideValuesTakeALineAMember) {
  RunResult result = sample();
  MapView map{.name = "flows", .type = "hash", .max_entries = 64, .count = 1};
  MapEntryView entry;
  entry.key_text = std::string(90, 'k');
  entry.value_text = "{sent: {packets: 1, bytes: 82}, list: [1, 2]}";
  map.entries.push_back(entry);
  result.maps.push_back(map);
  EXPECT_THAT(to_text(result, 2), HasSubstr("k\n      sent: {packets: 1, bytes: 82}\n      list: [1, 2]\n"));
}

TEST(RunResult, TrapsCarryTheirDiagnostic) {
  RunResult result = sample();
  result.trap_count = 1;
  Diagnostic trap;
  trap.kind = ErrorKind::rejected;
  trap.message = "packet 3: read past the packet";
  trap.instruction = 7;
  result.traps.push_back(trap);
  EXPECT_THAT(to_text(result, 10), HasSubstr("read past the packet, at instruction 7"));
  EXPECT_EQ(to_json(result)["traps"]["first"][0]["kind"], "rejected");
}

}  // namespace
}  // namespace forager::cli
