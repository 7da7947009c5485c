// SPDX-License-Identifier: Apache-2.0
//
// Outcome: everything that one run of a program over a capture decided, in a form that compares across engines: per
// frame the verdict, the packet and (where the engine tells) the redirect port; at the end the maps, events and printk
// lines.
//
// What may differ without being wrong is normalised away here, and nowhere else: the order of map entries (hash maps
// have none), which CPU's slot of a per-CPU map a value stands in, and the program ids in a PROG_ARRAY.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/engine_run.h"
#include "forager/result.h"

namespace forager::golden {

struct FrameOutcome {
  std::uint64_t verdict = 0;
  std::uint32_t redirect = 0;  // ifindex, 0 = none or not told
  bool stopped = false;        // by a trap
  std::string packet;
  std::string clones;  // ports and bytes, one after another
};

struct Outcome {
  isa::ProgType type = isa::ProgType::xdp;
  std::string backend;
  std::vector<FrameOutcome> frames;
  std::map<std::string, nlohmann::ordered_json> maps;  // name -> sorted entries
  std::vector<std::string> printk;
};

struct Subject {
  std::string object;   // path of the ELF
  std::string capture;  // path
  std::string setup;    // path, or empty
  // Packets of other lengths are left out: an engine's limits (Capabilities).
  std::uint32_t min_packet_bytes = 0;
  std::uint32_t max_packet_bytes = exec::kMaxPacketBytes;
  bool whole_headers = false;  // for programs of the stack: no IP packet that is cut within its network header
};

// The packets of its capture that fit. Errors: input.
[[nodiscard]] Result<std::vector<sim::CapturedPacket>> packets_of(const Subject& subject);
// Runs it. Errors: those of EngineRun.
[[nodiscard]] Result<Outcome> run(const Subject& subject, const cli::RunOptions& options);

// For engines that run frames by themselves, with the object and the maps of an EngineRun: what became of a frame, and
// of the whole.
[[nodiscard]] FrameOutcome outcome_of(const exec::Frame& frame);
[[nodiscard]] Result<Outcome> outcome_of(std::vector<FrameOutcome> frames, cli::EngineRun& engine);

// What golden files keep: verdict counts, a digest of all frames, maps (the first entries and a digest), printk lines.
[[nodiscard]] nlohmann::ordered_json summary(const Outcome& outcome);

// Every difference, one line each, at most a dozen. `told` says which of the things `actual` cannot tell are left out.
struct Compared {
  bool redirect_ports = true;
  bool printk = true;
};
[[nodiscard]] std::vector<std::string> differences(const Outcome& expected, const Outcome& actual,
                                                   const Compared& told);

}  // namespace forager::golden
