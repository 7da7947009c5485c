// SPDX-License-Identifier: Apache-2.0
//
// RunResult: all that `forager run` found out, and its three forms: text for a terminal, JSON for programs
// (schema "forager-run" version 1, docs/cli.md), and the comparable core that golden tests keep.
//
// Tested by: tests/unit/cli_run_result_test.cc, tests/golden.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/way.h"
#include "exec/backend.h"
#include "forager/result.h"
#include "runtime/onward.h"

namespace forager::cli {

struct VerdictCount {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;  // of the packets as they came in
};

// One map at the end of the run. Entries are already rendered: raw bytes, BTF-formatted JSON and one-line text.
struct MapEntryView {
  nlohmann::ordered_json raw;        // bpftool: {"key": [...], "value": [...]} or {"key": [...], "values": [...]}
  nlohmann::ordered_json formatted;  // bpftool: {"key": ..., "value": ...} or null without BTF
  std::string key_text;
  std::string value_text;
};
struct MapView {
  std::string name;
  std::string type;  // "hash"
  std::uint32_t max_entries = 0;
  std::uint64_t count = 0;  // entries (arrays: entries that are not zero)
  std::vector<MapEntryView> entries;
  std::optional<std::uint64_t> records;  // ring and perf buffers: records taken
  std::uint64_t lost = 0;                // ... and records lost
};

struct RunResult {
  std::string program;
  std::string program_type;
  std::string object;
  std::string capture;  // of packets,
  std::string events;   // or a file of events: one of the two
  std::string backend;
  std::string device;
  std::uint64_t packets = 0;  // or events
  std::uint64_t bytes = 0;
  std::uint64_t repeat = 1;
  std::uint64_t busy_ns = 0;  // inside programs, over all repeats
  bool interrupted = false;
  std::vector<exec::Metric> metrics;                        // the device's own
  std::map<std::uint32_t, VerdictCount> verdicts;           // by return value
  std::map<Way, std::uint64_t> redirects;                   // packets by where they were redirected to
  std::map<Way, std::uint64_t> clones;                      // copies by where they were sent to
  std::map<runtime::Onward::Answer, std::uint64_t> onward;  // what programs of map entries said to redirected packets
  std::vector<Diagnostic> traps;                            // the first few
  std::uint64_t trap_count = 0;
  std::vector<nlohmann::ordered_json> event_results;  // of each event (event_results.h), the first pass
  std::uint64_t event_results_left_out = 0;
  std::vector<MapView> maps;
  std::vector<std::string> printk;
  std::uint64_t printk_lost = 0;
  std::string output;  // --write path, if any
  std::uint64_t output_packets = 0;
};

// `limit`: entries shown per map, and printk lines.
[[nodiscard]] std::string to_text(const RunResult& result, std::size_t limit);
[[nodiscard]] nlohmann::ordered_json to_json(const RunResult& result);
[[nodiscard]] nlohmann::ordered_json to_json(const Diagnostic& diagnostic);
[[nodiscard]] nlohmann::ordered_json to_json(const MapView& map);

}  // namespace forager::cli
