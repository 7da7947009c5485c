// SPDX-License-Identifier: Apache-2.0
#include "verdict.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace forager::conformance {
namespace {

constexpr Outcome kOutcomes[] = {Outcome::passed, Outcome::failed, Outcome::refused, Outcome::refused_as_linux};
constexpr const char* kOutcomeNames[] = {"passed", "failed", "refused", "refused_as_linux"};

const char* name_of(Outcome outcome) { return kOutcomeNames[static_cast<std::size_t>(outcome)]; }

bool calls_indirectly(const std::vector<isa::Slot>& slots) {
  for (std::size_t at = 0; at < slots.size(); ++at) {
    const isa::Row* row = isa::find_row(slots[at]);
    if (row == nullptr) continue;
    if (row->op == isa::Op::callx) return true;
    if (row->form == isa::Form::wide) ++at;
  }
  return false;
}

Outcome outcome_of(const Vector& vector, const Answer& answer) {
  if (!answer.error) return vector.result == answer.r0 ? Outcome::passed : Outcome::failed;
  if (!vector.result) return Outcome::passed;
  const bool by_verifier = answer.stage == Stage::verification;
  if (by_verifier && calls_indirectly(vector.slots)) return Outcome::refused_as_linux;
  const bool is_refusal = answer.error->kind == ErrorKind::unsupported || answer.error->kind == ErrorKind::limit ||
                          answer.error->kind == ErrorKind::rejected;
  return answer.stage == Stage::backend && is_refusal ? Outcome::refused : Outcome::failed;
}

// Vectors of one outcome, by what was said of them.
std::map<std::string, std::vector<std::string>> by_reason(const BackendReport& report, Outcome outcome) {
  std::map<std::string, std::vector<std::string>> out;
  for (const Verdict& verdict : report.verdicts) {
    if (verdict.outcome == outcome) out[verdict.got].push_back(verdict.vector);
  }
  return out;
}

std::string details(const BackendReport& report) {
  std::string out;
  for (const Verdict& verdict : report.verdicts) {
    if (verdict.outcome != Outcome::failed) continue;
    out += fmt::format("FAILED {} {}: expected {}, got {}\n", report.backend, verdict.vector, verdict.expected,
                       verdict.got);
  }
  for (const Outcome outcome : {Outcome::refused, Outcome::refused_as_linux}) {
    for (const auto& [reason, vectors] : by_reason(report, outcome)) {
      out += fmt::format("refused by {}: {}: {}\n", report.backend, fmt::join(vectors, ", "), reason);
    }
  }
  return out;
}

}  // namespace

std::size_t BackendReport::count(Outcome outcome) const {
  return static_cast<std::size_t>(std::ranges::count(verdicts, outcome, &Verdict::outcome));
}

Verdict judge(const Vector& vector, const Answer& answer) {
  Verdict out{.vector = vector.name, .outcome = outcome_of(vector, answer)};
  if (out.outcome == Outcome::passed) return out;
  out.expected = vector.result ? fmt::format("{:#x}", *vector.result) : "an error";
  out.got = answer.error ? fmt::format("{}: {}", to_string(answer.error->kind), answer.error->text())
                         : fmt::format("{:#x}", answer.r0);
  return out;
}

std::string to_table(const std::vector<BackendReport>& reports) {
  std::string out = fmt::format("{:<10} {:>7} {:>7} {:>7} {:>7} {:>16}\n", "backend", "vectors", "passed", "failed",
                                "refused", "refused as Linux");
  for (const BackendReport& report : reports) {
    if (!report.unavailable.empty()) {
      out += fmt::format("{:<10} not available: {}\n", report.backend, report.unavailable);
      continue;
    }
    out += fmt::format("{:<10} {:>7} {:>7} {:>7} {:>7} {:>16}\n", report.backend, report.verdicts.size(),
                       report.count(Outcome::passed), report.count(Outcome::failed), report.count(Outcome::refused),
                       report.count(Outcome::refused_as_linux));
  }
  for (const BackendReport& report : reports) out += details(report);
  return out;
}

std::string to_json(const std::vector<BackendReport>& reports) {
  nlohmann::ordered_json out = {{"schema", "forager.conformance"}, {"version", 1}};
  out["backends"] = nlohmann::ordered_json::array();
  for (const BackendReport& report : reports) {
    nlohmann::ordered_json row = {{"backend", report.backend}};
    if (!report.unavailable.empty()) row["unavailable"] = report.unavailable;
    for (const Outcome outcome : kOutcomes) row[name_of(outcome)] = report.count(outcome);
    row["vectors"] = nlohmann::ordered_json::array();
    for (const Verdict& verdict : report.verdicts) {
      nlohmann::ordered_json entry = {{"vector", verdict.vector}, {"outcome", name_of(verdict.outcome)}};
      if (!verdict.expected.empty()) entry["expected"] = verdict.expected;
      if (!verdict.got.empty()) entry["got"] = verdict.got;
      row["vectors"].push_back(std::move(entry));
    }
    out["backends"].push_back(std::move(row));
  }
  return out.dump(2) + "\n";
}

}  // namespace forager::conformance
