// SPDX-License-Identifier: Apache-2.0
//
// What a call of a helper needs besides the call, by the helper's row.
//
// Tested by: through every backend.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "exec/host_helpers.h"
#include "exec/socket.h"
#include "isa/tables.h"

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

}  // namespace forager::jit
