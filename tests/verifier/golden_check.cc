// SPDX-License-Identifier: Apache-2.0
#include "golden_check.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "golden_facts.h"
#include "golden_program.h"

namespace forager::verifier::golden {
namespace {

using Verified = Result<std::shared_ptr<const VerifiedProgram>>;

Verdict verdict_of(const Verified& verified) {
  if (verified) return {};
  const Diagnostic& error = verified.error();
  return {.accepts = false, .error = error.error, .slot = error.instruction, .message = error.message};
}

bool same_class(const Verdict& one, const Verdict& other) {
  return one.accepts == other.accepts && one.error == other.error;
}

bool agrees(const Verdict& expected, const Verdict& found) {
  return same_class(expected, found) && (!expected.slot || expected.slot == found.slot) &&
         found.message.find(expected.message) != std::string::npos;
}

// The instruction of a fact's place: a label or a slot; kNone if there is none.
std::uint32_t instruction_at(const std::string& place, const Assembled& assembled, const program::Program& program) {
  std::uint32_t slot = program::kNone;
  const auto label = assembled.labels.find(place);
  if (label != assembled.labels.end()) {
    slot = label->second;
  } else {
    std::from_chars(place.data(), place.data() + place.size(), slot);
  }
  return slot < program.slots().size() ? program.instruction_at(slot) : program::kNone;
}

std::string found_use(const FactLine& line, const VerifiedProgram& verified) {
  const auto maps = verified.program().maps();
  const auto found = std::ranges::find(maps, line.place, &program::MapSpec::name);
  if (found == maps.end()) return "no such map";
  return words_of_use(verified.map_uses()[static_cast<std::size_t>(found - maps.begin())]);
}

std::string found_fact(const FactLine& line, const Assembled& assembled, const VerifiedProgram& verified) {
  if (line.of_map) return found_use(line, verified);
  const std::uint32_t at = instruction_at(line.place, assembled, verified.program());
  if (at == program::kNone) return "no such instruction";
  const std::string found = words_like(line.text, verified, at);
  return found.empty() ? "no such kind of fact" : found;
}

void judge_facts(const Case& given, const Assembled& assembled, const VerifiedProgram& verified, Judgement& out) {
  for (const FactLine& line : given.facts) {
    const std::string found = found_fact(line, assembled, verified);
    out.blessed[line.line] =
        line.of_map ? fmt::format("map_use {} {}", line.place, found) : fmt::format("fact {}: {}", line.place, found);
    if (found == line.text) continue;
    out.faults.push_back(fmt::format("line {}: expected: {} {}\n  found: {}", line.line, line.place, line.text, found));
  }
}

// The branches, as many as there are; a blessed file has them in the lines that it has.
void judge_path(const Case& given, const Diagnostic& error, Judgement& out) {
  if (given.path.empty()) return;
  if (given.path.size() != error.path.size()) {
    out.faults.push_back(fmt::format("path: {} lines expected, found:\n  path {}", given.path.size(),
                                     fmt::join(error.path, "\n  path ")));
    return;
  }
  for (std::size_t i = 0; i < error.path.size(); ++i) {
    out.blessed[given.path[i].line] = "path " + error.path[i];
    if (error.path[i] == given.path[i].text) continue;
    out.faults.push_back(fmt::format("path expected: {}\n  found: {}", given.path[i].text, error.path[i]));
  }
}

void judge_hint(const Case& given, const Diagnostic& error, Judgement& out) {
  if (!given.hint) return;
  out.blessed[given.hint->line] = "hint " + error.hint;
  if (error.hint.find(given.hint->text) != std::string::npos) return;
  out.faults.push_back(fmt::format("hint expected: {}\n  found: {}", given.hint->text, error.hint));
}

void judge_pruned(const Case& given, const Assembled& assembled, const Verdict& found, Judgement& out) {
  Options options = given.setting.options;
  options.test_state_freq = true;
  const Verdict again = verdict_of(verify_case(assembled, options));
  if (same_class(found, again)) return;
  out.faults.push_back(
      fmt::format("with test_state_freq the verdict is {}, without {}", words_of(again), words_of(found)));
}

}  // namespace

std::string words_of(const Verdict& verdict) {
  if (verdict.accepts) return "accept";
  std::string out = "reject " + errno_name(verdict.error);
  if (verdict.slot) out += fmt::format(" at {}:", *verdict.slot);
  return verdict.message.empty() ? out : out + " " + verdict.message;
}

Judgement judge(const Case& given) {
  Judgement out;
  const auto assembled = assemble(given);
  if (!assembled) {
    out.faults.push_back(assembled.error().text());
    return out;
  }
  const Verified verified = verify_case(*assembled, given.setting.options);
  const Verdict found = verdict_of(verified);
  if (!agrees(given.verdict, found)) {
    out.faults.push_back(fmt::format("expected: {}\n  found: {}", words_of(given.verdict), words_of(found)));
  }
  judge_pruned(given, *assembled, found, out);
  if (same_class(given.verdict, found)) {
    out.blessed[given.verdict_line] = words_of(found);
    if (verified) judge_facts(given, *assembled, **verified, out);
    if (!verified) judge_path(given, verified.error(), out);
    if (!verified) judge_hint(given, verified.error(), out);
  }
  return out;
}

}  // namespace forager::verifier::golden
