// SPDX-License-Identifier: Apache-2.0
#include "tests/golden/outcome.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/setup.h"
#include "exec/skb.h"
#include "isa/tables.h"
#include "sim/ports/pcap_reader.h"

namespace forager::golden {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kShownEntries = 20;
constexpr std::size_t kShownDifferences = 12;

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool zero(const Json& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](const Json& byte) { return byte == "0x00"; });
}

// {"values": [{cpu, value}]} -> the values that are not zero, sorted.
Json without_cpus(const Json& values) {
  std::vector<Json> kept;
  for (const Json& slot : values) {
    if (!zero(slot["value"])) kept.push_back(slot["value"]);
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

Json entries_of(const cli::MapView& map) {
  std::vector<Json> entries;
  for (const cli::MapEntryView& view : map.entries) {
    Json entry = view.raw;
    if (map.type == "prog_array") entry.erase("value");  // program ids
    if (entry.contains("values")) entry["values"] = without_cpus(entry["values"]);
    entries.push_back(std::move(entry));
  }
  if (!map.records) std::sort(entries.begin(), entries.end());
  return entries;
}

// FNV-1a, 64 bit: the digest only has to notice changes.
class Digest {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  void add(std::uint64_t number) { add({reinterpret_cast<const char*>(&number), sizeof number}); }
  [[nodiscard]] std::string text() const { return fmt::format("{:016x}", value_); }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

Json verdict_counts(const Outcome& outcome) {
  std::map<std::uint64_t, std::uint64_t> counts;
  for (const FrameOutcome& frame : outcome.frames) ++counts[frame.verdict];
  Json out = Json::object();
  for (const auto& [verdict, count] : counts) {
    const std::string_view name = isa::return_name(outcome.type, static_cast<std::uint32_t>(verdict));
    out[name.empty() ? std::to_string(verdict) : std::string(name)] = count;
  }
  return out;
}

std::string frames_digest(const Outcome& outcome) {
  Digest digest;
  for (const FrameOutcome& frame : outcome.frames) {
    digest.add(frame.verdict);
    digest.add(frame.redirect);
    digest.add(frame.packet);
    digest.add(frame.clones);
  }
  return digest.text();
}

Json map_summary(const Json& entries) {
  Digest digest;
  digest.add(entries.dump());
  Json shown = Json::array();
  for (std::size_t i = 0; i < std::min(kShownEntries, entries.size()); ++i) shown.push_back(entries[i].dump());
  return {{"entries", entries.size()}, {"digest", digest.text()}, {"first", std::move(shown)}};
}

class Differences {
 public:
  void add(std::string line) {
    if (lines_.size() < kShownDifferences) lines_.push_back(std::move(line));
  }
  [[nodiscard]] std::vector<std::string> take() { return std::move(lines_); }

 private:
  std::vector<std::string> lines_;
};

void compare_frame(std::size_t id, const FrameOutcome& expected, const FrameOutcome& actual, const Compared& told,
                   Differences& out) {
  if (expected.verdict != actual.verdict) {
    out.add(fmt::format("packet {}: verdict {} became {}", id, expected.verdict, actual.verdict));
  } else if (told.redirect_ports && expected.redirect != actual.redirect) {
    out.add(fmt::format("packet {}: redirect to {} became {}", id, expected.redirect, actual.redirect));
  } else if (told.redirect_ports && expected.clones != actual.clones) {
    out.add(fmt::format("packet {}: other clones", id));
  } else if (expected.packet != actual.packet) {
    const auto at =
        std::mismatch(expected.packet.begin(), expected.packet.end(), actual.packet.begin(), actual.packet.end());
    out.add(fmt::format("packet {}: {} bytes became {}, first difference at byte {}", id, expected.packet.size(),
                        actual.packet.size(), at.first - expected.packet.begin()));
  }
}

void compare_map(const std::string& name, const Json& expected, const Json& actual, Differences& out) {
  if (expected == actual) return;
  out.add(fmt::format("map {}: {} entries became {}", name, expected.size(), actual.size()));
  for (const Json& entry : expected) {
    if (std::find(actual.begin(), actual.end(), entry) == actual.end()) {
      out.add(fmt::format("map {}: lacks {}", name, entry.dump()));
      break;
    }
  }
  for (const Json& entry : actual) {
    if (std::find(expected.begin(), expected.end(), entry) == expected.end()) {
      out.add(fmt::format("map {}: has instead {}", name, entry.dump()));
      break;
    }
  }
}

}  // namespace

FrameOutcome outcome_of(const exec::Frame& frame) {
  std::string clones;
  for (const exec::FrameClone& clone : frame.results().clones) {
    clones += fmt::format("{} ", clone.redirect.ifindex) + text_of(clone.packet);
  }
  return {frame.return_value, frame.results().redirect.ifindex, frame.results().trap != nullptr,
          text_of(frame.packet()), clones};
}

Result<std::vector<sim::CapturedPacket>> packets_of(const Subject& subject) {
  auto packets = sim::read_capture(subject.capture);
  if (!packets) return std::unexpected(packets.error());
  std::erase_if(*packets, [&](const sim::CapturedPacket& packet) {
    return packet.bytes.size() < subject.min_packet_bytes || packet.bytes.size() > subject.max_packet_bytes;
  });
  return packets;
}

Result<Outcome> run(const Subject& subject, const cli::RunOptions& options) {
  auto setup = subject.setup.empty() ? Result<cli::Setup>(cli::Setup{}) : cli::read_setup(subject.setup);
  if (!setup) return std::unexpected(setup.error());
  auto packets = packets_of(subject);
  if (!packets) return std::unexpected(packets.error());
  auto engine = cli::EngineRun::open(subject.object, *setup, options);
  if (!engine) return std::unexpected(engine.error());
  if (subject.whole_headers && exec::sees_skb(engine->type())) {
    std::erase_if(*packets, [](const auto& packet) { return !exec::has_network_header(packet.bytes); });
  }
  std::vector<FrameOutcome> frames;
  const auto sink = [&](const exec::Frame& frame) { frames.push_back(outcome_of(frame)); };
  if (auto ran = engine->run(*packets, sink, nullptr); !ran) return std::unexpected(ran.error());
  return outcome_of(std::move(frames), *engine);
}

Result<Outcome> outcome_of(std::vector<FrameOutcome> frames, cli::EngineRun& engine) {
  auto result = engine.result();
  if (!result) return std::unexpected(result.error());
  Outcome out{.type = engine.type(), .backend = result->backend, .frames = std::move(frames), .printk = result->printk};
  for (const cli::MapView& map : result->maps) out.maps[map.name] = entries_of(map);
  return out;
}

Json summary(const Outcome& outcome) {
  Json maps = Json::object();
  for (const auto& [name, entries] : outcome.maps) maps[name] = map_summary(entries);
  const auto stopped =
      std::count_if(outcome.frames.begin(), outcome.frames.end(), [](const auto& f) { return f.stopped; });
  return {{"packets", outcome.frames.size()}, {"stopped", stopped},      {"verdicts", verdict_counts(outcome)},
          {"frames", frames_digest(outcome)}, {"maps", std::move(maps)}, {"printk", outcome.printk}};
}

std::vector<std::string> differences(const Outcome& expected, const Outcome& actual, const Compared& told) {
  Differences out;
  if (expected.frames.size() != actual.frames.size()) {
    out.add(fmt::format("{} frames became {}", expected.frames.size(), actual.frames.size()));
    return out.take();
  }
  for (std::size_t i = 0; i < expected.frames.size(); ++i) {
    compare_frame(i, expected.frames[i], actual.frames[i], told, out);
  }
  for (const auto& [name, entries] : expected.maps) {
    const auto found = actual.maps.find(name);
    if (found == actual.maps.end()) {
      out.add(fmt::format("map {} is missing", name));
    } else {
      compare_map(name, entries, found->second, out);
    }
  }
  if (told.printk && expected.printk != actual.printk) out.add("printk lines differ");
  return out.take();
}

}  // namespace forager::golden
