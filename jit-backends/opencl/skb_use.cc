// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/skb_use.h"

#include <algorithm>
#include <limits>
#include <span>

#include "exec/skb.h"
#include "jit-backends/opencl/refusals.h"

namespace forager::jit::opencl {
namespace {

using exec::HelperId;
using verifier::ArgumentFacts;
using verifier::ValueFact;

constexpr std::uint32_t kTag = 4;             // VLAN_HLEN
constexpr std::uint32_t kIpDifference = 20;   // of the headers of IPv6 and IPv4
constexpr std::uint32_t kMostChange = 0xfff;  // of bpf_skb_adjust_room
constexpr std::uint32_t kMostHeader = 256;    // LWT_BPF_MAX_HEADROOM
constexpr std::uint32_t kMostRoom = 1U << 16;

std::uint32_t most(const ValueFact& value, std::uint32_t limit) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value.max, limit));
}

// Of an int, which the fact says nothing about if the register may hold other than one.
std::int64_t signed_limit(const ValueFact& value, bool upper) {
  using Int = std::numeric_limits<std::int32_t>;
  const bool is_int = value.signed_min >= Int::min() && value.signed_max <= Int::max();
  const std::int64_t limit =
      upper ? (is_int ? value.signed_max : Int::max()) : (is_int ? value.signed_min : Int::min());
  return std::clamp<std::int64_t>(limit, -std::int64_t{kMostChange}, kMostChange);
}

std::uint32_t growth(HelperId helper, const ArgumentFacts& arguments) {
  switch (helper) {
    case HelperId::skb_vlan_push:
      return kTag;
    case HelperId::skb_change_proto:
      return kIpDifference;
    case HelperId::skb_adjust_room:
      return static_cast<std::uint32_t>(std::max<std::int64_t>(signed_limit(arguments[1].value, true), 0));
    case HelperId::skb_change_head:
      return most(arguments[1].value, exec::kMaxSkbLength);
    case HelperId::lwt_push_encap:
      return most(arguments[3].value, kMostHeader);
    default:
      return 0;
  }
}

std::uint32_t loss(HelperId helper, const ArgumentFacts& arguments) {
  switch (helper) {
    case HelperId::skb_vlan_pop:
      return 2 * kTag;
    case HelperId::skb_change_proto:
      return kIpDifference;
    case HelperId::skb_adjust_room:
      return static_cast<std::uint32_t>(std::max<std::int64_t>(-signed_limit(arguments[1].value, false), 0));
    default:
      return 0;
  }
}

std::uint32_t clones(HelperId helper, const ArgumentFacts&) { return helper == HelperId::clone_redirect ? 1 : 0; }

std::uint32_t sum(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(std::uint64_t{a} + b, SkbUse::kEndless));
}

// What the calls of a run come to, by what one is at the most.
class Tally {
 public:
  using Measure = std::uint32_t (*)(HelperId, const ArgumentFacts&);
  Tally(const verifier::VerifiedProgram& verified, Measure measure)
      : verified_(verified), program_(verified.program()), measure_(measure) {}

  [[nodiscard]] std::uint32_t of(std::uint32_t subprogram) const {
    const program::Subprogram& range = program_.subprograms()[subprogram];
    std::uint32_t all = 0;
    for (std::uint32_t at = range.begin; at < range.end; ++at) {
      const std::uint32_t one = verified_.facts()[at].reachable ? of_instruction(at) : 0;
      all = sum(all, one != 0 && may_repeat(at) ? SkbUse::kEndless : one);
    }
    return all;
  }

 private:
  [[nodiscard]] std::uint32_t of_instruction(std::uint32_t at) const {
    const program::Instruction& insn = program_.instructions()[at];
    if (insn.op == isa::Op::call_local) return of(program_.subprogram_of(insn.target));
    if (insn.op == isa::Op::lddw_func) return of(program_.subprogram_of(insn.target)) == 0 ? 0 : SkbUse::kEndless;
    const verifier::CallFact& call = verified_.facts()[at].call;
    if (call.helper == 0) return 0;
    const bool known = call.arguments != program::kNone;
    return measure_(static_cast<HelperId>(call.helper),
                    known ? verified_.call_arguments()[call.arguments] : ArgumentFacts{});
  }

  [[nodiscard]] bool may_repeat(std::uint32_t at) const {
    return !program_.reducible() || program_.blocks()[program_.block_of(at)].loop_depth > 0;
  }

  const verifier::VerifiedProgram& verified_;
  const program::Program& program_;
  Measure measure_;
};

constexpr HelperId kAskingTask[] = {HelperId::skb_cgroup_id, HelperId::skb_cgroup_classid};
constexpr HelperId kOfTunnels[] = {HelperId::skb_get_tunnel_key, HelperId::skb_set_tunnel_key,
                                   HelperId::skb_get_tunnel_opt, HelperId::skb_set_tunnel_opt};
bool calls_any(const verifier::VerifiedProgram& program, std::span<const HelperId> helpers) {
  return std::ranges::any_of(helpers, [&](HelperId helper) { return calls(program, helper); });
}

std::uint32_t longest_tail(const verifier::VerifiedProgram& program) {
  std::uint32_t longest = 0;
  for (const verifier::Facts& facts : program.facts()) {
    if (!facts.reachable || facts.call.helper != static_cast<std::uint32_t>(HelperId::skb_change_tail)) continue;
    const bool known = facts.call.arguments != program::kNone;
    const ValueFact asked = known ? program.call_arguments()[facts.call.arguments][1].value : ValueFact{};
    longest = std::max(longest, most(asked, exec::kMaxSkbLength));
  }
  return longest;
}

}  // namespace

void SkbUse::join(const SkbUse& other) {
  grows = sum(grows, other.grows);
  shrinks = sum(shrinks, other.shrinks);
  longest = std::max(longest, other.longest);
  clones = sum(clones, other.clones);
  asks_task |= other.asks_task;
  tunnels |= other.tunnels;
}

SkbUse skb_use(const verifier::VerifiedProgram& program) {
  if (!exec::sees_skb(program.program().type())) return {};
  return {.sees = true,
          .grows = Tally(program, growth).of(0),
          .shrinks = Tally(program, loss).of(0),
          .longest = longest_tail(program),
          .clones = Tally(program, clones).of(0),
          .asks_task = calls_any(program, kAskingTask),
          .tunnels = calls_any(program, kOfTunnels)};
}

std::string_view too_much_room(const verifier::VerifiedProgram& program) {
  const SkbUse use = skb_use(program);
  if (use.grows == SkbUse::kEndless) return "packets that grow in a loop";
  if (use.grows > kMostRoom) return "packets that may grow by more than 64 KB";
  if (use.clones == SkbUse::kEndless) return "bpf_clone_redirect in a loop";
  if (use.longest != 0 && use.shrinks > kMostRoom) return "packets that shrink in a loop, and grow at their end";
  const bool changes = use.grows != 0 || use.clones != 0 || (use.longest != 0 && use.shrinks != 0);
  if (changes && calls(program, HelperId::tail_call)) return "packets that grow, or are cloned, before a tail call";
  return {};
}

}  // namespace forager::jit::opencl
