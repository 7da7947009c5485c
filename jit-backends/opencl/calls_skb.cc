// SPDX-License-Identifier: Apache-2.0
//
// Rules of programs that see a __sk_buff: its fields, legacy packet access, and helpers, which are functions of
// cl/skb*.cl.
#include <linux/bpf.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "exec/host_helpers.h"
#include "exec/skb.h"
#include "jit-backends/opencl/rules.h"

namespace forager::jit::opencl {
namespace {

using exec::HelperId;

struct SkbHelperText {
  HelperId helper;
  std::string_view text;
  bool may_stop = false;  // the packet
};
constexpr SkbHelperText kHelpers[] = {
    {HelperId::skb_load_bytes, "fg_skb_load_bytes(run, (uint)r2, r3, (uint)r4)"},
    {HelperId::skb_load_bytes_relative, "fg_skb_load_relative(run, (uint)r2, r3, (uint)r4, (uint)r5)"},
    {HelperId::skb_store_bytes, "fg_skb_store_bytes(run, (uint)r2, r3, (uint)r4, r5)"},
    {HelperId::skb_pull_data, "fg_skb_pull_data(run, (uint)r2)"},
    {HelperId::l3_csum_replace, "fg_l3_csum_replace(run, (uint)r2, r3, r4, r5)"},
    {HelperId::l4_csum_replace, "fg_l4_csum_replace(run, (uint)r2, r3, r4, r5)"},
    {HelperId::csum_update, "fg_csum_update(run, (uint)r2)"},
    {HelperId::csum_level, "fg_csum_level(run, r2)"},
    {HelperId::get_socket_cookie, "FG_SKB->socket_cookie"},
    {HelperId::get_socket_uid, "FG_SKB->uid"},
    {HelperId::get_netns_cookie, "r1 == 0 ? 1 : FG_SKB->netns_cookie"},
    {HelperId::skb_cgroup_id, "FG_SKB->cgroup"},
    {HelperId::skb_cgroup_classid, "FG_SKB->classid"},
    {HelperId::skb_get_tunnel_key, "fg_get_tunnel_key(run, r2, (uint)r3, r4)"},
    {HelperId::skb_set_tunnel_key, "fg_set_tunnel_key(run, r2, (uint)r3, r4)"},
    {HelperId::skb_get_tunnel_opt, "fg_get_tunnel_opt(run, r2, (uint)r3)"},
    {HelperId::skb_set_tunnel_opt, "fg_set_tunnel_opt(run, r2, r3)"},
    {HelperId::skb_change_type, "fg_skb_change_type(run, (uint)r2)"},
    {HelperId::skb_set_tstamp, "fg_skb_set_tstamp(run, r2, (uint)r3)"},
    {HelperId::skb_ecn_set_ce, "fg_skb_ecn_set_ce(run)"},
    {HelperId::get_route_realm, "0"},
    {HelperId::skb_get_xfrm_state, "fg_skb_get_xfrm_state(run, r3, (uint)r4)"},
    {HelperId::get_hash_recalc, "fg_get_hash(run)"},
    {HelperId::set_hash, "fg_set_hash(run, (uint)r2)"},
    {HelperId::set_hash_invalid, "fg_set_hash_invalid(run)"},
    {HelperId::redirect, "fg_skb_redirect(run, (uint)r1, r2)"},
    {HelperId::redirect_peer, "fg_redirect_peer(run, (uint)r1, r2)"},
    {HelperId::redirect_neigh, "fg_redirect_neigh(run, (uint)r1, (int)r3, r4)"},
    {HelperId::clone_redirect, "fg_clone_redirect(run, (uint)r2, r3)", true},
    {HelperId::skb_vlan_push, "fg_skb_vlan_push(run, (uint)r2, (uint)r3)", true},
    {HelperId::skb_vlan_pop, "fg_skb_vlan_pop(run)"},
    {HelperId::skb_adjust_room, "fg_skb_adjust_room(run, (int)r2, (uint)r3, r4)", true},
    {HelperId::skb_change_proto, "fg_skb_change_proto(run, (uint)r2, r3)", true},
    {HelperId::skb_change_tail, "fg_skb_change_tail(run, (uint)r2, r3)", true},
    {HelperId::skb_change_head, "fg_skb_change_head(run, (uint)r2, r3)", true},
    {HelperId::lwt_push_encap, "fg_lwt_push_encap(run, (uint)r2, r3, (uint)r4, false)", true},
    {HelperId::lwt_seg6_store_bytes, "FG_ERROR(FG_EINVAL)"},
    {HelperId::lwt_seg6_adjust_srh, "FG_ERROR(FG_EINVAL)"},
    {HelperId::lwt_seg6_action, "FG_ERROR(FG_EBADMSG)"},
};
// Where the program's type makes another function of a helper.
struct TypedText {
  isa::ProgType type;
  HelperId helper;
  std::string_view text;
};
constexpr TypedText kTyped[] = {
    {isa::ProgType::sk_skb, HelperId::skb_adjust_room, "fg_skb_adjust_stream(run, (int)r2, (uint)r3, r4)"},
    {isa::ProgType::lwt_in, HelperId::lwt_push_encap, "fg_lwt_push_encap(run, (uint)r2, r3, (uint)r4, true)"},
};

// What a store into fields that struct sk_buff has in fewer bits goes on with (exec::settle_skb_store).
std::string_view settles(std::uint64_t offset) {
  switch (offset) {
    case offsetof(__sk_buff, queue_mapping):
      return " fg_settle_queue(run);";
    case offsetof(__sk_buff, tc_index):
      return " fg_settle_index(run);";
    case offsetof(__sk_buff, tc_classid):
      return " fg_settle_classid(run);";
    default:
      return {};
  }
}

}  // namespace

bool does_for_skb(HelperId helper) {
  return std::ranges::find(kHelpers, helper, &SkbHelperText::helper) != std::end(kHelpers);
}

bool Rules::call_skb_helper(const Step& step) {
  if (!exec::sees_skb(program_.type())) return false;
  const auto* known = std::ranges::find(kHelpers, static_cast<HelperId>(step.imm), &SkbHelperText::helper);
  if (known == std::end(kHelpers)) return false;
  const auto* typed = std::ranges::find_if(
      kTyped, [&](const TypedText& row) { return row.type == program_.type() && row.helper == known->helper; });
  assign(0, std::string(typed == std::end(kTyped) ? known->text : typed->text));
  if (known->may_stop) leave_if_stopped();
  return true;
}

std::string Rules::skb_field(const Step& step) const {
  return fmt::format("fg_load{}_global(FG_GLOBAL(run->skb + {}))", 8 * step.bytes, step.imm);
}

// `target` holds an immediate value, which is an int.
void Rules::store_context(const Step& step) {
  const std::string value = step.has_imm ? fmt::format("(ulong)(long){}", static_cast<std::int32_t>(step.target))
                                         : fmt::format("r{}", step.src);
  line(fmt::format("fg_store{}_global(FG_GLOBAL(run->skb + {}), {});{}", 8 * step.bytes, step.imm, value,
                   settles(step.imm)));
}

void Rules::load_packet(const Step& step) {
  const std::string index = fmt::format("{}u", static_cast<std::uint32_t>(step.imm));
  line(fmt::format("if (!fg_load_packet(run, {}{}, {}, &r0)) return 0;", index,
                   step.has_imm ? "" : fmt::format(" + (uint)r{}", step.src), step.bytes));
}

}  // namespace forager::jit::opencl
