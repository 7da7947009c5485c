// SPDX-License-Identifier: Apache-2.0
#include "cli/verify_result.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/facts_view.h"
#include "cli/numbers.h"
#include "cli/run_result.h"
#include "cli/story.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::uint64_t kKilo = 1024;
  if (bytes < kKilo) return fmt::format("{} bytes", bytes);
  if (bytes < kKilo * kKilo) return fmt::format("{} KiB", bytes / kKilo);
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / static_cast<double>(kKilo * kKilo));
}

std::string time_text(std::uint64_t nanoseconds) {
  const auto ns = static_cast<double>(nanoseconds);
  if (ns < 1e6) return fmt::format("{:.0f} us", ns / 1e3);
  return ns < 1e9 ? fmt::format("{:.1f} ms", ns / 1e6) : fmt::format("{:.2f} s", ns / 1e9);
}

std::string statistics_text(const ProgramVerdict& verdict) {
  const verifier::Report& report = verdict.report;
  return fmt::format("  {} instructions, {} processed; {} states, {} at once in {}; stack {} bytes; {}\n",
                     grouped(verdict.instructions), grouped(report.processed_instructions),
                     grouped(report.total_states), grouped(report.peak_states), bytes_text(report.peak_bytes),
                     report.stack_depth, time_text(verdict.verify_ns));
}

std::string to_text(const ProgramVerdict& verdict, const VerifyView& view) {
  std::string out;
  if (view.log) out += verdict.report.log;
  out += fmt::format("{} ({}): {}\n", verdict.name, verdict.type, verdict.refused ? "refused" : "accepted");
  if (verdict.refused) out += fmt::format("  {}\n", verdict.refused->text()) + story_of(*verdict.refused, "  ");
  if (verdict.examined) out += statistics_text(verdict);
  if (view.facts && verdict.program) out += fmt::format("\n{}", facts_text(*verdict.program));
  return out;
}

Json statistics_json(const ProgramVerdict& verdict) {
  const verifier::Report& report = verdict.report;
  return {{"instructions", verdict.instructions},
          {"processed", report.processed_instructions},
          {"total_states", report.total_states},
          {"peak_states", report.peak_states},
          {"peak_bytes", report.peak_bytes},
          {"stack_depth", report.stack_depth},
          {"ns", verdict.verify_ns}};
}

Json to_json(const ProgramVerdict& verdict, const VerifyView& view) {
  Json out = {{"program", verdict.name},
              {"type", verdict.type},
              {"section", verdict.section},
              {"verdict", verdict.refused ? "refused" : "accepted"}};
  if (verdict.refused) out["diagnostic"] = cli::to_json(*verdict.refused);
  if (verdict.examined) out["statistics"] = statistics_json(verdict);
  if (view.facts && verdict.program) {
    out["maps"] = map_uses_json(*verdict.program);
    out["facts"] = facts_json(*verdict.program);
  }
  if (view.log) out["log"] = verdict.report.log;
  return out;
}

}  // namespace

std::size_t VerifyResult::refused() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(programs, [](const ProgramVerdict& one) { return one.refused.has_value(); }));
}

std::string to_text(const VerifyResult& result, const VerifyView& view) {
  std::string out;
  for (const ProgramVerdict& verdict : result.programs) {
    if (!out.empty() && (view.facts || view.log)) out += "\n";
    out += to_text(verdict, view);
  }
  return out;
}

Json to_json(const VerifyResult& result, const VerifyView& view) {
  Json out = {{"schema", "forager-verify"}, {"version", 1}, {"object", result.object}, {"programs", Json::array()}};
  for (const ProgramVerdict& verdict : result.programs) out["programs"].push_back(to_json(verdict, view));
  return out;
}

}  // namespace forager::cli
