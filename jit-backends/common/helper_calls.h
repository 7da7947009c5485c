// SPDX-License-Identifier: Apache-2.0
//
// A call of a helper: what it needs besides the call, by the helper's row, and in which order.
//
// Tested by: through every backend.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "exec/host_helpers.h"
#include "exec/socket.h"
#include "isa/tables.h"
#include "jit-backends/common/code.h"
#include "jit-backends/common/image.h"

namespace forager::jit {

// Programs see a socket from its view on; helpers take and give the whole.
inline constexpr std::int64_t kSocketView = offsetof(exec::Socket, view);

[[nodiscard]] constexpr bool takes_socket(isa::Arg argument) {
  return argument == isa::Arg::socket || argument == isa::Arg::socket_common || argument == isa::Arg::socket_or_null;
}

[[nodiscard]] constexpr bool returns_socket(const isa::HelperRow& helper) {
  return helper.returns == isa::Ret::socket_or_null || helper.returns == isa::Ret::socket_common_or_null ||
         helper.returns == isa::Ret::tcp_socket_or_null;
}

// It runs functions of the program's.
[[nodiscard]] constexpr bool calls_back(const isa::HelperRow& helper) {
  return std::ranges::find(helper.args, isa::Arg::callback) != helper.args.end();
}

// RunContext::fault is set by these only.
[[nodiscard]] constexpr bool may_fault(const isa::HelperRow& helper) {
  using exec::HelperId;
  constexpr HelperId kThese[] = {HelperId::spin_lock, HelperId::spin_unlock, HelperId::get_local_storage,
                                 HelperId::map_lookup_elem};
  return std::ranges::find(kThese, static_cast<HelperId>(helper.id)) != std::end(kThese);
}

// What the cells say of the packet and of its socket is no longer so.
[[nodiscard]] constexpr bool needs_refresh(const isa::HelperRow& helper) {
  return helper.changes_packet || static_cast<exec::HelperId>(helper.id) == exec::HelperId::sk_assign;
}

// r1 to r5 stand where the C++ function wants its second to sixth argument.
template <class Emitter>
void emit_helper_call(Emitter& rules, const Step& step, isa::ProgType type) {
  const auto id = static_cast<std::uint32_t>(step.imm);
  const isa::HelperRow& helper = *isa::find_helper(id);
  const auto arguments = isa::helper_args(helper, type);
  for (unsigned i = 0; i < arguments.size(); ++i) {
    if (takes_socket(arguments[i])) rules.pass_socket(i + 1, arguments[i] == isa::Arg::socket_or_null);
  }
  if (calls_back(helper)) rules.note_frame();
  if (static_cast<exec::HelperId>(id) == exec::HelperId::map_lookup_elem) {
    rules.call_with_run({.kind = Symbol::Kind::service, .index = static_cast<std::uint32_t>(Service::look_up)});
  } else {
    rules.call_with_run({.kind = Symbol::Kind::helper, .index = id});
  }
  if (returns_socket(helper)) rules.take_socket();
  if (calls_back(helper)) rules.leave_if_stopped();
  if (may_fault(helper)) rules.stop_if_faulty();
  if (needs_refresh(helper)) rules.refresh();
}

}  // namespace forager::jit
