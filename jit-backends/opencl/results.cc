// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/results.h"

#include <cerrno>

#include "exec/host_helpers.h"
#include "exec/invocation.h"

namespace forager::jit::opencl {
namespace {

std::unique_ptr<Diagnostic> nonsense() {
  return std::make_unique<Diagnostic>(Diagnostic{
      .kind = ErrorKind::bug, .error = EIO, .message = "the device tells of a packet that does not fit its frame"});
}

// What the device says is not believed: others have other keys.
bool leads_to_ports(const std::vector<GroupMap>& maps, std::size_t number) {
  if (number >= maps.size() || maps[number].map == nullptr) return false;
  const TableKind kind = table_of(maps[number].map->spec()).value_or(Table{}).kind;
  return kind == TableKind::ports || kind == TableKind::port_keys;
}

}  // namespace

bool ResultTaker::take(exec::Frame& frame, const PacketRecord& record, std::span<const std::byte> packets,
                       std::size_t base) const {
  exec::clear_results(frame);
  auto trap = record.trap == 0 ? nullptr : reason(record);
  if (!unstage(frame, use, packets, base, record) && trap == nullptr) trap = nonsense();
  const bool ended = trap == nullptr;
  exec::set_results(frame, program.program().type(), record.r0, std::move(trap));
  if (ended && record.redirect != 0) redirect(frame, record);
  return ended;
}

std::unique_ptr<Diagnostic> ResultTaker::reason(const PacketRecord& record) const {
  if (record.trap == kTrapMap)
    return std::make_unique<Diagnostic>(
        Diagnostic{.kind = ErrorKind::unsupported,
                   .error = EOPNOTSUPP,
                   .message = "a helper met one of several maps, of a type that it does not take on an OpenCL device"});
  auto trap = std::make_unique<Diagnostic>(Diagnostic{
      .kind = ErrorKind::rejected, .error = EACCES, .message = "access outside the memory that the program was given"});
  const program::Program& of = program.program();
  if (record.trap_at < of.instructions().size()) {
    trap->instruction = of.instructions()[record.trap_at].slot;
    trap->source = of.source_line(record.trap_at);
  }
  return trap;
}

// What the program asked for last, by the host's own helper: it knows programs of entries, and broadcasts.
void ResultTaker::redirect(exec::Frame& frame, const PacketRecord& record) const {
  using exec::HelperId;
  const bool by_map = record.redirect == kRedirectMap;
  if (by_map && !leads_to_ports(maps, record.redirect_map)) return;
  exec::RunContext context{.environment = options.environment,
                           .frame = &frame,
                           .program = &program,
                           .cpu = options.cpu,
                           .ports = options.ports};
  const auto id = static_cast<std::size_t>(by_map ? HelperId::redirect_map : HelperId::redirect);
  const auto helpers = options.environment->helpers;
  if (id >= helpers.size() || helpers[id] == nullptr) return;  // nor does the program call it
  const auto map = by_map ? reinterpret_cast<std::uint64_t>(maps[record.redirect_map].map.get()) : 0;
  if (by_map) {
    helpers[id](context, map, record.redirect_key, record.redirect_flags, 0, 0);
  } else {
    helpers[id](context, record.redirect_key, 0, 0, 0, 0);
  }
}

Result<> check_helpers(const Group& group, const exec::Environment& environment) {
  for (const exec::HelperId helper : {exec::HelperId::redirect, exec::HelperId::redirect_map}) {
    const auto id = static_cast<std::size_t>(helper);
    const bool there = id < environment.helpers.size() && environment.helpers[id] != nullptr;
    if (group.calls(helper) && !there) return fail(ErrorKind::bug, EINVAL, "the host has no helper for redirects");
  }
  return {};
}

}  // namespace forager::jit::opencl
