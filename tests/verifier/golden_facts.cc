// SPDX-License-Identifier: Apache-2.0
#include "golden_facts.h"

#include <bit>
#include <charconv>

#include <fmt/format.h>

#include "golden_words.h"

namespace forager::verifier::golden {
namespace {

constexpr std::string_view kRegions[] = {"unknown",   "stack",       "context", "packet", "packet_meta",
                                         "map_value", "ring_record", "memory",  "socket", "other"};
constexpr std::string_view kBranches[] = {"both", "always", "never"};
constexpr std::string_view kUses[] = {"unused", "read_only", "commutative", "read_write"};

std::string map_name(const VerifiedProgram& verified, std::uint32_t map) {
  return map == program::kNone ? "" : " " + verified.program().maps()[map].name;
}

// Nothing where the bounds say nothing.
std::string range(std::int64_t min, std::int64_t max) {
  const AccessFact nothing;
  return min == nothing.offset_min && max == nothing.offset_max ? "" : fmt::format(" [{},{}]", min, max);
}

std::string words_of_access(const VerifiedProgram& verified, const AccessFact& access) {
  std::string out = fmt::format("access {}", kRegions[static_cast<std::size_t>(access.region)]);
  out += map_name(verified, access.map) + range(access.offset_min, access.offset_max);
  if (access.in_bounds) out += " in_bounds";
  if (access.aligned) out += " aligned";
  if (access.frame == AccessFact::kAnyFrame) return out + " frame any";
  return access.frame != 0 ? out + fmt::format(" frame {}", access.frame) : out;
}

std::string words_of_live(RegisterSet live) {
  std::string out = "live";
  for (unsigned reg = 0; reg < isa::kRegisters; ++reg) {
    if ((live >> reg & 1) != 0) out += fmt::format(" r{}", reg);
  }
  return out;
}

std::string words_of_call(const VerifiedProgram& verified, const CallFact& call) {
  return fmt::format("call helper {}{}{}", call.helper, call.map != program::kNone ? " map" : "",
                     map_name(verified, call.map));
}

std::string words_of_argument(const VerifiedProgram& verified, const CallFact& call, unsigned number) {
  if (call.arguments == program::kNone || number < 1 || number > 5) return fmt::format("arg {} unknown", number);
  const ArgumentFact& argument = verified.call_arguments()[call.arguments][number - 1];
  if (argument.region == Region::unknown && argument.map == program::kNone) {
    return fmt::format("arg {} {}", number, words_of_value(argument.value));
  }
  return fmt::format("arg {} {}{}{}{} bytes {}", number, kRegions[static_cast<std::size_t>(argument.region)],
                     map_name(verified, argument.map), argument.maybe_null ? " maybe_null" : "",
                     range(argument.offset_min, argument.offset_max), argument.bytes);
}

// The bits that a value up to `max` may have: what an unsigned range says about bits by itself.
std::uint64_t bits_below(std::uint64_t max) { return max == 0 ? 0 : ~std::uint64_t{0} >> std::countl_zero(max); }

}  // namespace

std::string words_of_value(const ValueFact& value) {
  const ValueFact nothing;
  if (value == nothing) return "any";
  if (value.is_constant()) return fmt::format("{}", static_cast<std::int64_t>(value.min));
  std::string out;
  const bool bounded = value.min != nothing.min || value.max != nothing.max;
  if (bounded) out += fmt::format(" [{},{}]", value.min, value.max);
  const bool implied = bounded && static_cast<std::int64_t>(value.min) == value.signed_min &&
                       static_cast<std::int64_t>(value.max) == value.signed_max;
  const bool has_signed = value.signed_min != nothing.signed_min || value.signed_max != nothing.signed_max;
  if (has_signed && !implied) out += fmt::format(" signed [{},{}]", value.signed_min, value.signed_max);
  if (value.bits != 0 || (value.unknown_bits & bits_below(value.max)) != bits_below(value.max)) {
    out += value.bits != 0 ? fmt::format(" bits {:#x} unknown {:#x}", value.bits, value.unknown_bits)
                           : fmt::format(" unknown {:#x}", value.unknown_bits);
  }
  return out.empty() ? "any" : out.substr(1);
}

std::string words_of_use(MapUse use) { return std::string(kUses[static_cast<std::size_t>(use)]); }

std::string words_like(std::string_view like, const VerifiedProgram& verified, std::uint32_t instruction) {
  const Facts& facts = verified.facts()[instruction];
  const std::vector<std::string> words = golden::words_of(like);
  const std::string kind = words.empty() ? "" : words[0];
  if (kind == "access") return words_of_access(verified, facts.access);
  if (kind == "branch") return fmt::format("branch {}", kBranches[static_cast<std::size_t>(facts.branch)]);
  if (kind == "reachable" || kind == "unreachable") return facts.reachable ? "reachable" : "unreachable";
  if (kind == "dst") return "dst " + words_of_value(facts.dst);
  if (kind == "src") return "src " + words_of_value(facts.src);
  if (kind == "live") return words_of_live(facts.live);
  if (kind == "call") return words_of_call(verified, facts.call);
  if (kind != "arg" || words.size() < 2) return "";
  unsigned number = 0;
  std::from_chars(words[1].data(), words[1].data() + words[1].size(), number);
  return words_of_argument(verified, facts.call, number);
}

}  // namespace forager::verifier::golden
