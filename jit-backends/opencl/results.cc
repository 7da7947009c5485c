// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/results.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <string_view>

#include "exec/host_helpers.h"
#include "exec/invocation.h"
#include "jit-backends/opencl/staging_skb.h"

namespace forager::jit::opencl {
namespace {

std::unique_ptr<Diagnostic> nonsense() {
  return std::make_unique<Diagnostic>(Diagnostic{
      .kind = ErrorKind::bug, .error = EIO, .message = "the device tells of a packet that does not fit its frame"});
}

struct TrapText {
  std::uint32_t trap;
  ErrorKind kind;
  int error;
  std::string_view message;
  bool has_place = true;  // the instruction is known
};
constexpr TrapText kTraps[] = {
    {kTrapBounds, ErrorKind::rejected, EACCES, "access outside the memory that the program was given"},
    {kTrapMap, ErrorKind::unsupported, EOPNOTSUPP,
     "a helper met one of several maps, of a type that it does not take on an OpenCL device", false},
    {kTrapRoom, ErrorKind::unsupported, ENOMEM, "the packet grows beyond the room that an OpenCL device has for it"},
    {kTrapFormat, ErrorKind::unsupported, EOPNOTSUPP,
     "bpf_trace_printk follows no pointers (%s, %pks, %pi4 and their like) on an OpenCL device"},
    {kTrapLines, ErrorKind::unsupported, ENOSPC,
     "the packet prints more by bpf_trace_printk than an OpenCL device has room for"},
};
const TrapText& text_of(std::uint32_t trap) {
  const auto* found = std::ranges::find(kTraps, trap, &TrapText::trap);
  return found == std::end(kTraps) ? kTraps[0] : *found;
}

exec::HelperId helper_of(std::uint32_t redirect) {
  using exec::HelperId;
  switch (redirect) {
    case kRedirectMap:
      return HelperId::redirect_map;
    case kRedirectPeer:
      return HelperId::redirect_peer;
    case kRedirectNeigh:
      return HelperId::redirect_neigh;
    default:
      return HelperId::redirect;
  }
}

exec::Map* leading_to_ports(const GroupMap& one) {
  if (one.map == nullptr) return nullptr;
  const TableKind kind = table_of(one.map->spec()).value_or(Table{}).kind;
  return kind == TableKind::ports || kind == TableKind::port_keys ? one.map.get() : nullptr;
}

}  // namespace

ResultTaker::ResultTaker(const verifier::VerifiedProgram& program, const exec::DeviceOptions& options,
                         const FrameUse& use, const std::vector<GroupMap>& maps)
    : program_(program),
      use_(use),
      context_{.environment = options.environment, .program = &program, .cpu = options.cpu, .ports = options.ports} {
  for (const GroupMap& one : maps) port_maps_.push_back(leading_to_ports(one));
}

bool ResultTaker::take(exec::Frame& frame, const Returned& returned) {
  const PacketRecord& record = returned.record;
  auto trap = record.trap == 0 ? nullptr : reason(record);
  if (!unstage(frame, use_, returned) && trap == nullptr) trap = nonsense();
  if (use_.skb.clones != 0 && trap == nullptr &&
      !take_clones(frame, returned.skb, returned.staged.subspan(frame_bytes(frame, use_))))
    trap = nonsense();
  const bool ended = trap == nullptr;
  exec::set_results(frame, program_.program().type(), record.r0, std::move(trap));
  if (ended && record.redirect != 0) redirect(frame, record);
  return ended;
}

std::unique_ptr<Diagnostic> ResultTaker::reason(const PacketRecord& record) const {
  const TrapText& text = text_of(record.trap);
  auto trap = std::make_unique<Diagnostic>(
      Diagnostic{.kind = text.kind, .error = text.error, .message = std::string(text.message)});
  const program::Program& of = program_.program();
  if (text.has_place && record.trap_at < of.instructions().size()) {
    trap->instruction = of.instructions()[record.trap_at].slot;
    trap->source = of.source_line(record.trap_at);
  }
  return trap;
}

// What the program asked for last, by the host's own helper: it knows programs of entries, and broadcasts. Which map it
// was the device says, who is not believed.
void ResultTaker::redirect(exec::Frame& frame, const PacketRecord& record) {
  exec::Map* map = nullptr;
  if (record.redirect == kRedirectMap) {
    if (record.redirect_map < port_maps_.size()) map = port_maps_[record.redirect_map];
    if (map == nullptr) return;
  }
  context_.frame = &frame;
  const auto id = static_cast<std::size_t>(helper_of(record.redirect));
  const auto helpers = context_.environment->helpers;
  if (id >= helpers.size() || helpers[id] == nullptr) return;  // nor does the program call it
  if (map != nullptr) {
    helpers[id](context_, reinterpret_cast<std::uint64_t>(map), record.redirect_key, record.redirect_flags, 0, 0);
  } else {
    helpers[id](context_, record.redirect_key, record.redirect_flags, 0, 0, 0);
  }
}

Result<> check_helpers(const Group& group, const exec::Environment& environment) {
  using exec::HelperId;
  for (const HelperId helper : {HelperId::redirect, HelperId::redirect_map, HelperId::redirect_peer,
                                HelperId::redirect_neigh, HelperId::trace_printk}) {
    const auto id = static_cast<std::size_t>(helper);
    const bool there = id < environment.helpers.size() && environment.helpers[id] != nullptr;
    if (group.calls(helper) && !there)
      return fail(ErrorKind::bug, EINVAL, "the host has no helper for what is left to it");
  }
  return {};
}

}  // namespace forager::jit::opencl
