// SPDX-License-Identifier: Apache-2.0
#include "cli/facts_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "isa/isa.h"
#include "program/text.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;
using isa::Form;
using verifier::AccessFact;
using verifier::ArgumentFact;
using verifier::Branch;
using verifier::Facts;
using verifier::Region;
using verifier::ValueFact;
using verifier::VerifiedProgram;

constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
constexpr int kColumn = 50;  // where remarks begin

std::string_view name_of(Region region) {
  constexpr std::string_view kNames[] = {"unknown",     "stack",  "context", "packet",     "packet_meta", "map_value",
                                         "ring_record", "memory", "socket",  "tcp_socket", "other"};
  return kNames[static_cast<std::uint8_t>(region)];
}

std::string in_words(std::string_view name) {
  std::string words(name);
  std::ranges::replace(words, '_', ' ');
  return words;
}

std::string_view name_of(verifier::MapUse use) {
  constexpr std::string_view kNames[] = {"unused", "read_only", "commutative", "read_write"};
  return kNames[static_cast<std::uint8_t>(use)];
}

std::string_view name_of(Branch branch) {
  constexpr std::string_view kNames[] = {"both", "always", "never"};
  return kNames[static_cast<std::uint8_t>(branch)];
}

std::string map_name(const VerifiedProgram& program, std::uint32_t map) {
  const std::string& name = program.program().maps()[map].name;
  return name.empty() ? fmt::format("map {}", map) : name;
}

// ---- text --------------------------------------------------------------------------------------------------------

bool bounded(std::int64_t min, std::int64_t max) { return min != kLeast && max != kMost; }

// Stack offsets count from the frame's lowest byte; people count from its top, r10.
std::string offset_text(Region region, std::int64_t min, std::int64_t max) {
  if (!bounded(min, max)) return {};
  if (region == Region::stack) {
    const auto top = static_cast<std::int64_t>(isa::kStackBytes);
    const std::string first = fmt::format(" r10{:+}", min - top);
    return min == max ? first : first + fmt::format("..{:+}", max - top);
  }
  return min == max ? fmt::format("+{}", min) : fmt::format("+{}..{}", min, max);
}

std::string place_text(const VerifiedProgram& program, Region region, std::uint32_t map, std::int64_t min,
                       std::int64_t max) {
  const std::string of = map == program::kNone ? "" : " of " + map_name(program, map);
  const std::string offset = offset_text(region, min, max);
  return fmt::format("{}{}{}", in_words(name_of(region)), of, of.empty() || offset.empty() ? offset : " " + offset);
}

std::string frame_text(const AccessFact& access) {
  if (access.region != Region::stack || access.frame == 0) return {};
  if (access.frame == AccessFact::kAnyFrame) return ", of some caller";
  return access.frame == 1 ? ", of the caller" : fmt::format(", {} callers up", access.frame);
}

std::string access_text(const VerifiedProgram& program, const AccessFact& access) {
  if (access.region == Region::unknown) return {};
  return place_text(program, access.region, access.map, access.offset_min, access.offset_max) + frame_text(access) +
         (access.in_bounds ? "" : ", bounds unproved") + (access.aligned ? "" : ", alignment unproved");
}

std::string argument_text(const VerifiedProgram& program, const ArgumentFact& argument) {
  const bool is_place = argument.region != Region::unknown && argument.region != Region::other;
  if (!is_place && argument.map != program::kNone) return map_name(program, argument.map);
  if (!is_place) return value_text(argument.value);
  return place_text(program, argument.region, argument.map, argument.offset_min, argument.offset_max) +
         (argument.bytes != 0 ? fmt::format(", {} bytes", argument.bytes) : "") +
         (argument.maybe_null ? " or null" : "");
}

std::string call_text(const VerifiedProgram& program, const verifier::CallFact& call) {
  std::vector<std::string> parts;
  if (call.arguments != program::kNone) {
    const auto& arguments = program.call_arguments()[call.arguments];
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const std::string text = argument_text(program, arguments[i]);
      if (!text.empty()) parts.push_back(fmt::format("r{}: {}", i + 1, text));
    }
  }
  if (parts.empty() && call.map != program::kNone) parts.push_back(map_name(program, call.map));
  return fmt::format("{}", fmt::join(parts, "; "));
}

// Which operands the instruction reads: those are worth a remark.
bool reads_dst(const isa::Row& row) {
  switch (row.form) {
    case Form::alu_imm:
    case Form::alu_reg:
      return row.symbol != "=";
    case Form::unary:
    case Form::jump_imm:
    case Form::jump_reg:
      return true;
    default:
      return false;
  }
}

bool reads_src(const isa::Row& row) { return isa::fields_of(row.form).src && row.form != Form::load; }

std::string operands_text(const program::Instruction& insn, const Facts& facts) {
  const isa::Row& row = isa::row(insn.op);
  std::vector<std::string> parts;
  const auto add = [&](bool read, unsigned number, const ValueFact& value) {
    const std::string text = read ? value_text(value) : "";
    if (!text.empty()) parts.push_back(fmt::format("r{} is {}", number, text));
  };
  add(reads_dst(row), insn.dst, facts.dst);
  if (insn.src != insn.dst || !reads_dst(row)) add(reads_src(row), insn.src, facts.src);
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string callee_text(const program::Program& program, const program::Instruction& insn) {
  if (insn.op != isa::Op::call_local || insn.target == program::kNone) return {};
  return program.subprograms()[program.subprogram_of(insn.target)].name;
}

std::string remark_on(const VerifiedProgram& program, std::uint32_t at) {
  const Facts& facts = program.facts()[at];
  if (!facts.reachable) return "never runs";
  std::string branch = facts.branch == Branch::always ? "always taken" : "";
  if (facts.branch == Branch::never) branch = "never taken";
  const program::Instruction& insn = program.program().instructions()[at];
  std::vector<std::string> parts = {std::move(branch), access_text(program, facts.access),
                                    call_text(program, facts.call), callee_text(program.program(), insn),
                                    operands_text(insn, facts)};
  std::erase(parts, "");
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string with_remark(const std::string& line, const std::string& remark) {
  return remark.empty() ? line + "\n" : fmt::format("{:<{}} // {}\n", line, kColumn, remark);
}

// C lines, each once where several instructions in a row come from it.
class Lines {
 public:
  explicit Lines(const program::Program& program) : program_(program) {}

  std::string before(std::uint32_t at) {
    const program::LineInfo* line = program_.line_of(at);
    const program::LineInfo* last = std::exchange(last_, line);
    if (line == nullptr || (last != nullptr && last->line == line->line && last->file == line->file)) return {};
    return fmt::format("; {} @ {}:{}\n", line->text, line->file, line->line);
  }

 private:
  const program::Program& program_;
  const program::LineInfo* last_ = nullptr;
};

std::string maps_text(const VerifiedProgram& program) {
  std::string out;
  for (std::uint32_t map = 0; map < program.map_uses().size(); ++map) {
    out += fmt::format("map {}: {}\n", map_name(program, map), in_words(name_of(program.map_uses()[map])));
  }
  return out;
}

// ---- JSON --------------------------------------------------------------------------------------------------------

void add_offsets(Json& out, std::int64_t min, std::int64_t max) {
  if (min != kLeast) out["offset_min"] = min;
  if (max != kMost) out["offset_max"] = max;
}

Json value_json(const ValueFact& value) {
  return {{"min", value.min},
          {"max", value.max},
          {"signed_min", value.signed_min},
          {"signed_max", value.signed_max},
          {"bits", value.bits},
          {"unknown_bits", value.unknown_bits}};
}

Json access_json(const VerifiedProgram& program, const AccessFact& access) {
  Json out = {{"region", name_of(access.region)}};
  if (access.map != program::kNone) out["map"] = map_name(program, access.map);
  add_offsets(out, access.offset_min, access.offset_max);
  if (access.region == Region::stack && access.frame != AccessFact::kAnyFrame) out["frame"] = access.frame;
  out["in_bounds"] = access.in_bounds;
  out["aligned"] = access.aligned;
  return out;
}

Json argument_json(const VerifiedProgram& program, const ArgumentFact& argument) {
  Json out = Json::object();
  if (argument.region != Region::unknown) {
    out["region"] = name_of(argument.region);
    add_offsets(out, argument.offset_min, argument.offset_max);
    out["maybe_null"] = argument.maybe_null;
  }
  if (argument.map != program::kNone) out["map"] = map_name(program, argument.map);
  if (argument.bytes != 0) out["bytes"] = argument.bytes;
  if (argument.value != ValueFact{}) out["value"] = value_json(argument.value);
  return out;
}

Json call_json(const VerifiedProgram& program, const verifier::CallFact& call) {
  Json out = {{"helper", call.helper}};
  if (call.map != program::kNone) out["map"] = map_name(program, call.map);
  if (call.arguments == program::kNone) return out;
  out["arguments"] = Json::array();
  for (const ArgumentFact& argument : program.call_arguments()[call.arguments]) {
    out["arguments"].push_back(argument_json(program, argument));
  }
  return out;
}

Json live_json(verifier::RegisterSet live) {
  Json out = Json::array();
  for (unsigned i = 0; i < isa::kRegisters; ++i) {
    if ((live >> i & 1) != 0) out.push_back(i);
  }
  return out;
}

Json row_json(const VerifiedProgram& program, std::uint32_t at) {
  const Facts& facts = program.facts()[at];
  Json out = {{"pc", program.program().instructions()[at].slot},
              {"disasm", program::to_text(program.program(), at)},
              {"reachable", facts.reachable}};
  if (!facts.reachable) return out;
  if (facts.branch != Branch::both) out["branch"] = name_of(facts.branch);
  if (facts.access.region != Region::unknown) out["access"] = access_json(program, facts.access);
  if (facts.call.helper != 0) out["call"] = call_json(program, facts.call);
  if (facts.dst != ValueFact{}) out["dst"] = value_json(facts.dst);
  if (facts.src != ValueFact{}) out["src"] = value_json(facts.src);
  if (facts.live != Facts{}.live) out["live"] = live_json(facts.live);
  return out;
}

// ---- values ------------------------------------------------------------------------------------------------------

// The range in the form that says most: unsigned unless only the signed one is known.
std::string range_text(const ValueFact& value) {
  const ValueFact anything;
  const bool signed_tells = value.signed_min != anything.signed_min || value.signed_max != anything.signed_max;
  if (value.min == anything.min && value.max == anything.max) {
    if (!signed_tells) return {};
    if (value.signed_max == anything.signed_max) return fmt::format("at least {}", value.signed_min);
    if (value.signed_min == anything.signed_min) return fmt::format("at most {}, signed", value.signed_max);
    return fmt::format("{}..{}", value.signed_min, value.signed_max);
  }
  if (value.max == anything.max) return fmt::format("at least {}", value.min);
  if (value.min == 0 && value.max == std::numeric_limits<std::uint32_t>::max()) return "any 32 bits";
  return fmt::format("{}..{}", value.min, value.max);
}

// Known low bits, where the range does not say it: "8n", "8n+2".
std::string multiple_text(const ValueFact& value) {
  const int low = std::countr_zero(value.unknown_bits);
  if (low == 0 || low >= 32) return {};
  const std::uint64_t step = std::uint64_t{1} << low, rest = value.bits & (step - 1);
  return rest == 0 ? fmt::format("a multiple of {}", step) : fmt::format("{} over a multiple of {}", rest, step);
}

}  // namespace

std::string value_text(const ValueFact& value) {
  if (value.is_constant()) {
    const auto number = static_cast<std::int64_t>(value.min);
    return number < 0 ? fmt::format("{}", number) : fmt::format("{}", value.min);
  }
  const std::string range = range_text(value), multiple = multiple_text(value);
  return range.empty() || multiple.empty() ? range + multiple : range + ", " + multiple;
}

std::string facts_text(const VerifiedProgram& verified) {
  const program::Program& program = verified.program();
  Lines lines(program);
  std::string out;
  for (const program::Subprogram& sub : program.subprograms()) {
    out += sub.name + ":\n";
    for (std::uint32_t at = sub.begin; at < sub.end; ++at) {
      out += lines.before(at);
      const std::string text = fmt::format("{:4}: {}", program.instructions()[at].slot, program::to_text(program, at));
      out += with_remark(text, remark_on(verified, at));
    }
  }
  return out + maps_text(verified);
}

Json facts_json(const VerifiedProgram& program) {
  Json out = Json::array();
  for (std::uint32_t at = 0; at < program.facts().size(); ++at) out.push_back(row_json(program, at));
  return out;
}

Json map_uses_json(const VerifiedProgram& program) {
  Json out = Json::array();
  for (std::uint32_t map = 0; map < program.map_uses().size(); ++map) {
    out.push_back({{"name", map_name(program, map)}, {"use", name_of(program.map_uses()[map])}});
  }
  return out;
}

}  // namespace forager::cli
