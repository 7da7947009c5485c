// SPDX-License-Identifier: Apache-2.0
#include "exec/verdict.h"

namespace forager::exec {

// Zero is XDP_ABORTED, SK_DROP, NF_DROP and "deny"; where zero would accept, the rule has a verdict 2 that drops
// (TC_ACT_SHOT, BPF_DROP).
std::uint64_t safe_verdict(isa::ProgType type) {
  const isa::ProgTypeRow* row = isa::find_prog_type(static_cast<std::uint32_t>(type));
  if (row == nullptr) return 0;
  switch (row->returns) {
    case isa::ReturnRule::tc_action:
    case isa::ReturnRule::lwt_action:
    case isa::ReturnRule::flow_verdict:
      return 2;
    default:
      return 0;
  }
}

namespace {

struct Verdict {
  isa::ReturnRule rule;
  std::uint32_t value;
  Fate fate;
};
// Those that do not drop: the stack's own actions on a packet it was told to take (TC_ACT_STOLEN) count as dropped.
constexpr std::uint32_t kUnspecified = UINT32_MAX;
constexpr Verdict kVerdicts[] = {
    {isa::ReturnRule::xdp_action, 2, Fate::passed},     {isa::ReturnRule::xdp_action, 3, Fate::returned},
    {isa::ReturnRule::xdp_action, 4, Fate::redirected}, {isa::ReturnRule::tc_action, kUnspecified, Fate::passed},
    {isa::ReturnRule::tc_action, 0, Fate::passed},      {isa::ReturnRule::tc_action, 1, Fate::passed},
    {isa::ReturnRule::tc_action, 3, Fate::passed},      {isa::ReturnRule::tc_action, 6, Fate::passed},
    {isa::ReturnRule::tc_action, 7, Fate::redirected},  {isa::ReturnRule::lwt_action, 0, Fate::passed},
    {isa::ReturnRule::lwt_action, 7, Fate::redirected}, {isa::ReturnRule::lwt_action, 128, Fate::passed},
    {isa::ReturnRule::skb_verdict, 1, Fate::passed},    {isa::ReturnRule::netfilter_verdict, 1, Fate::passed},
    {isa::ReturnRule::cgroup_egress, 1, Fate::passed},  {isa::ReturnRule::cgroup_egress, 3, Fate::passed},
};

}  // namespace

Fate fate_of(isa::ProgType type, std::uint32_t verdict) {
  const isa::ProgTypeRow* row = isa::find_prog_type(static_cast<std::uint32_t>(type));
  if (row == nullptr) return Fate::dropped;
  // A socket filter says how many bytes the socket gets.
  if (type == isa::ProgType::socket_filter) return verdict == 0 ? Fate::dropped : Fate::passed;
  for (const Verdict& known : kVerdicts) {
    if (known.rule == row->returns && known.value == verdict) return known.fate;
  }
  return Fate::dropped;
}

}  // namespace forager::exec
