// SPDX-License-Identifier: Apache-2.0
#include "cli/run_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/event_results.h"
#include "cli/numbers.h"
#include "isa/tables.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string verdict_name(const RunResult& result, std::uint32_t value) {
  const isa::ProgTypeRow* type = isa::find_prog_type(std::string_view(result.program_type));
  const std::string_view name = type != nullptr ? isa::return_name(type->type, value) : std::string_view{};
  return name.empty() ? fmt::format("{}", value) : std::string(name);
}

// Packets that ran, over all repeats; fewer than asked for after an interrupt.
std::uint64_t runs(const RunResult& result) {
  std::uint64_t total = 0;
  for (const auto& [value, count] : result.verdicts) total += count.packets;
  return total;
}

double ns_per_packet(const RunResult& result) {
  return runs(result) == 0 ? 0 : static_cast<double>(result.busy_ns) / static_cast<double>(runs(result));
}

bool of_events(const RunResult& result) { return !result.events.empty(); }

std::string headline(const RunResult& result) {
  std::string out =
      fmt::format("{} ({}) on {}: {} {}", result.program, result.program_type, result.backend, grouped(result.packets),
                  of_events(result) ? "events" : fmt::format("packets, {} bytes", grouped(result.bytes)));
  if (result.repeat > 1) out += fmt::format(", {} times", grouped(result.repeat));
  if (runs(result) > 0) {
    out += fmt::format(", {:.0f} ns/{}", ns_per_packet(result), of_events(result) ? "event" : "packet");
  }
  return out + (result.interrupted ? " (interrupted)\n" : "\n");
}

std::string verdict_table(const RunResult& result) {
  std::string out = fmt::format("\n  {:<14} {:>12} {:>14} {:>8}\n", "verdict", "packets", "bytes", "share");
  const double total = std::max(1.0, static_cast<double>(runs(result)));
  for (const auto& [value, count] : result.verdicts) {
    out += fmt::format("  {:<14} {:>12} {:>14} {:>6.1f} %\n", verdict_name(result, value), grouped(count.packets),
                       grouped(count.bytes), 100.0 * static_cast<double>(count.packets) / total);
  }
  return out;
}

// What a device tells of itself: "cycles_per_packet   12.3 cycles".
std::string metrics_text(const RunResult& result) {
  if (result.metrics.empty()) return {};
  std::string out = "\n";
  for (const exec::Metric& metric : result.metrics) {
    const int digits = metric.value < 1000 && metric.value != std::floor(metric.value) ? 1 : 0;
    out += fmt::format(
        "  {:<20} {:>14} {}\n", metric.name,
        digits != 0 ? fmt::format("{:.1f}", metric.value) : grouped(static_cast<std::uint64_t>(metric.value)),
        metric.unit);
  }
  return out;
}

Json metrics_json(const RunResult& result) {
  Json out = Json::object();
  for (const exec::Metric& metric : result.metrics) out[metric.name] = metric.value;
  return out;
}

std::string ways_text(const char* what, const std::map<Way, std::uint64_t>& ways) {
  if (ways.empty()) return {};
  std::string out = fmt::format("\n{}:", what);
  for (const auto& [way, packets] : ways) out += fmt::format(" {} to {},", grouped(packets), to_text(way));
  out.back() = '\n';
  return out;
}

Json ways_json(const std::map<Way, std::uint64_t>& ways) {
  Json out = Json::array();
  for (const auto& [way, packets] : ways) out.push_back({{way.kind, way.number}, {"packets", packets}});
  return out;
}

// "on the way: 3 XDP_PASS of set_mac"
std::string onward_text(const RunResult& result) {
  std::string out;
  for (const auto& [answer, packets] : result.onward) {
    out += fmt::format("{} {} {} of {},", out.empty() ? "\non the way:" : "", grouped(packets),
                       verdict_name(result, answer.verdict), answer.name);
  }
  if (!out.empty()) out.back() = '\n';
  return out;
}

Json onward_json(const RunResult& result) {
  Json out = Json::array();
  for (const auto& [answer, packets] : result.onward) {
    out.push_back({{"program", answer.name},
                   {"verdict", verdict_name(result, answer.verdict)},
                   {"value", answer.verdict},
                   {"packets", packets}});
  }
  return out;
}

std::string returned_table(const RunResult& result) {
  std::string out = fmt::format("\n  {:<14} {:>12}\n", "returned", "events");
  for (const auto& [value, count] : result.verdicts) {
    out += fmt::format("  {:<14} {:>12}\n", verdict_name(result, value), grouped(count.packets));
  }
  return out;
}

// Those that say more than their return value.
std::string events_text(const RunResult& result, std::size_t limit) {
  std::string out;
  std::size_t shown = 0, more = 0;
  for (const Json& event : result.event_results) {
    if (!event.contains("context") && !event.contains("effects")) continue;
    if (shown == limit) {
      ++more;
    } else {
      out += (shown++ == 0 ? "\nevents that the program answered\n" : "") + event_text(event);
    }
  }
  return more == 0 ? out : out + fmt::format("  ... {} more\n", grouped(more));
}

std::string trap_text(const RunResult& result) {
  if (result.trap_count == 0) return {};
  std::string out = fmt::format("\n{} {} were stopped; the first:\n", grouped(result.trap_count),
                                of_events(result) ? "events" : "packets");
  for (const Diagnostic& trap : result.traps) out += fmt::format("  {}\n", trap.text());
  return out;
}

std::string map_head(const MapView& map) {
  if (map.records) {
    return fmt::format("{} ({}): {} records, {} lost\n", map.name, map.type, grouped(*map.records), grouped(map.lost));
  }
  return fmt::format("{} ({}): {} of {} entries\n", map.name, map.type, grouped(map.count), grouped(map.max_entries));
}

// The members of "{a: 1, b: {c: 2}}", each by itself.
std::vector<std::string> members_of(std::string_view text) {
  std::vector<std::string> out(1);
  int depth = 0;
  for (const char c : text.substr(1, text.size() - 2)) {
    depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    if (c == ',' && depth == 0) {
      out.emplace_back();
    } else if (c != ' ' || !out.back().empty()) {
      out.back() += c;
    }
  }
  return out;
}

// "key: value" on one line, or with one member of the value a line where that would be too wide to read.
std::string entry_text(const MapEntryView& entry) {
  constexpr std::size_t kWidth = 110;
  const std::string_view separator = entry.key_text.empty() ? "" : ": ";
  std::string line = fmt::format("  {}{}{}\n", entry.key_text, separator, entry.value_text);
  if (line.size() <= kWidth || !entry.value_text.starts_with('{')) return line;
  std::string out = entry.key_text.empty() ? "" : fmt::format("  {}\n", entry.key_text);
  for (const std::string& member : members_of(entry.value_text)) out += fmt::format("      {}\n", member);
  return out;
}

std::string map_text(const MapView& map, std::size_t limit) {
  std::string out = "\n" + map_head(map);
  const std::size_t shown = std::min(limit, map.entries.size());
  for (const MapEntryView& entry : std::span(map.entries).first(shown)) out += entry_text(entry);
  if (shown < map.entries.size()) out += fmt::format("  ... {} more\n", grouped(map.entries.size() - shown));
  return out;
}

std::string printk_text(const RunResult& result, std::size_t limit) {
  if (result.printk.empty()) return {};
  std::string out = "\nprintk\n";
  const std::size_t shown = std::min(limit, result.printk.size());
  for (const std::string& line : std::span(result.printk).first(shown)) out += fmt::format("  {}\n", line);
  const std::uint64_t hidden = result.printk.size() - shown + result.printk_lost;
  if (hidden > 0) out += fmt::format("  ... {} more\n", grouped(hidden));
  return out;
}

Json verdicts_json(const RunResult& result) {
  Json out = Json::array();
  for (const auto& [value, count] : result.verdicts) {
    out.push_back({{"verdict", verdict_name(result, value)},
                   {"value", value},
                   {"packets", count.packets},
                   {"bytes", count.bytes}});
  }
  return out;
}

// The same document over events: what counts packets counts these, and nothing has bytes.
void make_events_json(const RunResult& result, Json& out) {
  Json events = Json::object();
  for (const auto& [key, value] : out.items()) {
    if (key == "bytes") continue;
    if (key == "capture") {
      events["file"] = result.events;
    } else if (key == "verdicts") {
      for (const auto& [number, count] : result.verdicts) {
        events["returned"].push_back(
            {{"verdict", verdict_name(result, number)}, {"value", number}, {"events", count.packets}});
      }
      events["results"] = result.event_results;
      events["results_left_out"] = result.event_results_left_out;
    } else {
      events[key == "packets" ? "events" : key == "ns_per_packet" ? "ns_per_event" : key] = value;
    }
  }
  out = std::move(events);
}

template <class Range>
Json list_json(const Range& range) {
  Json out = Json::array();
  for (const auto& element : range) out.push_back(to_json(element));
  return out;
}

}  // namespace

std::string to_text(const RunResult& result, std::size_t limit) {
  std::string out = headline(result);
  out += of_events(result) ? returned_table(result) + events_text(result, limit) : verdict_table(result);
  out += metrics_text(result);
  out += onward_text(result);
  out += ways_text("redirected", result.redirects) + ways_text("cloned", result.clones) + trap_text(result);
  for (const MapView& map : result.maps) out += map_text(map, limit);
  out += printk_text(result, limit);
  if (!result.output.empty()) {
    out += fmt::format("\nwrote {} packets to {}\n", grouped(result.output_packets), result.output);
  }
  return out;
}

Json to_json(const Diagnostic& diagnostic) {
  Json out = {{"kind", to_string(diagnostic.kind)}, {"errno", diagnostic.error}, {"message", diagnostic.message}};
  if (diagnostic.instruction) out["instruction"] = *diagnostic.instruction;
  if (!diagnostic.source.empty()) out["source"] = diagnostic.source;
  if (diagnostic.limit) out["limit"] = *diagnostic.limit;
  if (diagnostic.asked) out["asked"] = *diagnostic.asked;
  if (!diagnostic.function.empty()) out["function"] = diagnostic.function;
  if (!diagnostic.path.empty()) out["path"] = diagnostic.path;
  if (!diagnostic.hint.empty()) out["hint"] = diagnostic.hint;
  return out;
}

Json to_json(const MapView& map) {
  Json out = {{"name", map.name}, {"type", map.type}, {"max_entries", map.max_entries}, {"count", map.count}};
  if (map.records) {
    out["records"] = *map.records;
    out["lost"] = map.lost;
  }
  Json entries = Json::array();
  for (const MapEntryView& entry : map.entries) {
    Json row = entry.raw;
    if (!entry.formatted.is_null()) row["formatted"] = entry.formatted;
    entries.push_back(std::move(row));
  }
  out["entries"] = std::move(entries);
  return out;
}

Json to_json(const RunResult& result) {
  Json out = {
      {"schema", "forager-run"},
      {"version", 1},
      {"program", {{"name", result.program}, {"type", result.program_type}, {"object", result.object}}},
      {"capture", result.capture},
      {"backend", result.backend},
      {"device", result.device},
      {"packets", result.packets},
      {"bytes", result.bytes},
      {"repeat", result.repeat},
      {"ns_per_packet", ns_per_packet(result)},
      {"interrupted", result.interrupted},
      {"verdicts", verdicts_json(result)},
      {"traps", {{"count", result.trap_count}, {"first", list_json(result.traps)}}},
      {"maps", list_json(result.maps)},
      {"printk", result.printk},
      {"printk_lost", result.printk_lost},
  };
  if (!result.metrics.empty()) out["metrics"] = metrics_json(result);
  if (!result.onward.empty()) out["onward"] = onward_json(result);
  if (!result.redirects.empty()) out["redirects"] = ways_json(result.redirects);
  if (!result.clones.empty()) out["clones"] = ways_json(result.clones);
  if (of_events(result)) make_events_json(result, out);
  if (!result.output.empty()) out["output"] = {{"path", result.output}, {"packets", result.output_packets}};
  return out;
}

}  // namespace forager::cli
