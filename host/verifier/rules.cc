// SPDX-License-Identifier: Apache-2.0
//
// Rules for one instruction in a program of its type: helpers, maps, packet loads, the frame. Errno values are those
// of Linux's verifier for the same refusal.
#include <cerrno>
#include <optional>

#include <fmt/format.h>

#include "verifier/passes.h"

namespace forager::verifier {
namespace {

using isa::Form;
using isa::MapType;
using isa::Op;
using isa::ProgType;
using program::kNone;

struct Fault {
  ErrorKind kind = ErrorKind::rejected;
  int error = 0;
  std::string message;
};

struct Site {
  const Program& program;
  const Instruction& insn;
  const Facts& facts;
};

std::string_view type_name(const Program& program) {
  const isa::ProgTypeRow* row = isa::find_prog_type(static_cast<std::uint32_t>(program.type()));
  return row == nullptr ? "unknown" : row->name;
}

// "'flows' (hash)"
std::string describe(const Program& program, std::uint32_t map) {
  const program::MapSpec& spec = program.maps()[map];
  const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(spec.type));
  return fmt::format("'{}' ({})", spec.name, row == nullptr ? "unknown map type" : row->name);
}

std::optional<Fault> helper_rule(const Site& site) {
  if (site.insn.op != Op::call_helper) return {};
  const std::uint32_t id = site.facts.call.helper;
  const isa::HelperRow* helper = isa::find_helper(id);
  if (helper == nullptr) return Fault{ErrorKind::rejected, EINVAL, fmt::format("invalid func unknown#{}", id)};
  if ((helper->program_types & isa::set_of(site.program.type())) == 0) {
    return Fault{
        ErrorKind::rejected, EINVAL,
        fmt::format("program of type {} cannot use helper bpf_{}#{}", type_name(site.program), helper->name, id)};
  }
  if (helper->gpl_only && !site.program.source().gpl_compatible) {
    return Fault{
        ErrorKind::rejected, EINVAL,
        fmt::format("cannot call GPL-restricted function bpf_{} from non-GPL compatible program", helper->name)};
  }
  return {};
}

// The map argument where the block shows it; where it does not, the engine asks the map itself.
std::optional<Fault> map_argument_rule(const Site& site) {
  const CallFact& call = site.facts.call;
  if (call.map == kNone) return {};
  const isa::HelperRow* helper = isa::find_helper(call.helper);
  const auto type = static_cast<std::uint32_t>(site.program.maps()[call.map].type);
  if (helper == nullptr || (type < 64 && (helper->map_types >> type & 1) != 0)) return {};
  return Fault{ErrorKind::rejected, EINVAL,
               fmt::format("cannot pass map {} into func bpf_{}#{}", describe(site.program, call.map), helper->name,
                           helper->id)};
}

bool is_map_reference(Op op) { return op == Op::lddw_map_idx || op == Op::lddw_map_idx_value; }

std::optional<Fault> map_type_rule(const Site& site) {
  if (!is_map_reference(site.insn.op)) return {};
  const std::uint32_t map = program::map_index(site.insn);
  const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(site.program.maps()[map].type));
  if (row != nullptr && row->status == "runs") return {};
  return Fault{ErrorKind::unsupported, ENOTSUP,
               fmt::format("map {}: {}", describe(site.program, map), row == nullptr ? "not a map type" : row->status)};
}

std::optional<Fault> direct_value_rule(const Site& site) {
  if (site.insn.op != Op::lddw_map_idx_value) return {};
  const std::uint32_t map = program::map_index(site.insn);
  const program::MapSpec& spec = site.program.maps()[map];
  if (spec.type != MapType::array || spec.max_entries != 1) {
    return Fault{ErrorKind::rejected, ENOTSUP,
                 fmt::format("direct value access on map {} is not supported: it needs an array of one entry",
                             describe(site.program, map))};
  }
  if (program::map_offset(site.insn) < spec.value_size) return {};
  return Fault{ErrorKind::rejected, EINVAL,
               fmt::format("invalid access to map value pointer, value_size={} off={}", spec.value_size,
                           program::map_offset(site.insn))};
}

std::optional<Fault> packet_load_rule(const Site& site) {
  const Form form = isa::row(site.insn.op).form;
  if (form != Form::packet_abs && form != Form::packet_ind) return {};
  constexpr ProgType kTypes[] = {ProgType::socket_filter, ProgType::sched_cls, ProgType::sched_act};
  for (const ProgType type : kTypes) {
    if (site.program.type() == type) return {};
  }
  return Fault{
      ErrorKind::rejected, EINVAL,
      fmt::format("BPF_LD_[ABS|IND] instructions not allowed for programs of type {}", type_name(site.program))};
}

std::optional<Fault> frame_rule(const Site& site) {
  const AccessFact& access = site.facts.access;
  if (access.region != Region::stack || (access.in_bounds && access.aligned)) return {};
  return Fault{
      ErrorKind::rejected, EACCES,
      fmt::format("{} stack access off={} size={}", access.in_bounds ? "misaligned" : "invalid",
                  access.offset_min - static_cast<std::int64_t>(isa::kStackBytes), isa::row(site.insn.op).width / 8)};
}

constexpr std::optional<Fault> (*kRules[])(const Site&) = {
    helper_rule, map_argument_rule, map_type_rule, direct_value_rule, packet_load_rule, frame_rule,
};

}  // namespace

std::unexpected<Diagnostic> refuse(const Program& program, std::uint32_t instruction, ErrorKind kind, int error,
                                   std::string message) {
  auto out = fail(kind, error, std::move(message));
  out.error().instruction = program.instructions()[instruction].slot;
  out.error().source = program.source_line(instruction);
  return out;
}

Result<> check_instructions(const Program& program, std::span<const Facts> facts) {
  for (std::uint32_t at = 0; at < facts.size(); ++at) {
    if (!facts[at].reachable) continue;
    const Site site{program, program.instructions()[at], facts[at]};
    for (const auto rule : kRules) {
      if (auto fault = rule(site)) return refuse(program, at, fault->kind, fault->error, std::move(fault->message));
    }
  }
  return {};
}

}  // namespace forager::verifier
