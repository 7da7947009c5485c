// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/refusals.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string_view>

#include "exec/host_helpers.h"
#include "exec/invocation.h"
#include "jit-backends/opencl/callbacks.h"
#include "jit-backends/opencl/rules.h"
#include "jit-backends/opencl/skb_use.h"

namespace forager::jit::opencl {
namespace {

using exec::HelperId;
using verifier::Region;

constexpr isa::ProgType kPrograms[] = {
    isa::ProgType::xdp,       isa::ProgType::raw_memory,    isa::ProgType::socket_filter, isa::ProgType::sched_cls,
    isa::ProgType::sched_act, isa::ProgType::cgroup_skb,    isa::ProgType::lwt_in,        isa::ProgType::lwt_out,
    isa::ProgType::lwt_xmit,  isa::ProgType::lwt_seg6local, isa::ProgType::sk_skb,
};

// Packets do the same in any order if they do no more than this or what __sk_buff has, and nothing to maps that others
// see.
constexpr HelperId kIndifferent[] = {
    HelperId::map_lookup_elem,  HelperId::csum_diff,
    HelperId::redirect,         HelperId::redirect_map,
    HelperId::xdp_adjust_head,  HelperId::xdp_adjust_tail,
    HelperId::xdp_adjust_meta,  HelperId::xdp_get_buff_len,
    HelperId::xdp_load_bytes,   HelperId::xdp_store_bytes,
    HelperId::get_numa_node_id, HelperId::tail_call,
    HelperId::map_peek_elem,    HelperId::loop,
    HelperId::strncmp,          HelperId::fib_lookup,
};

template <class Range, class T>
bool has(const Range& range, T value) {
  return std::ranges::find(range, value) != std::ranges::end(range);
}

bool names_kernel(isa::Op op) {
  using isa::Op;
  constexpr Op kOps[] = {Op::callx, Op::call_kfunc, Op::lddw_map_fd, Op::lddw_map_value, Op::lddw_btf_id};
  return has(kOps, op);
}

// Whether a format of bpf_trace_printk has a conversion of a pointer that is followed: %s, %pks, %pus, %pi4 to %pI6.
bool follows_pointers(std::string_view format) {
  for (std::size_t at = format.find('%'); at != std::string_view::npos; at = format.find('%', at)) {
    at = std::min(format.find_first_not_of("0123456789+- ", at + 1), format.size());
    const std::string_view rest = format.substr(at);
    constexpr std::string_view kThese[] = {"s", "pks", "pus", "pi4", "pI4", "pi6", "pI6"};
    if (std::ranges::any_of(kThese, [&](std::string_view one) { return rest.starts_with(one); })) return true;
    if (rest.starts_with('%')) ++at;
  }
  return false;
}

class Judge {
 public:
  explicit Judge(const verifier::VerifiedProgram& verified) : verified_(verified), program_(verified.program()) {}

  Result<> judge() {
    for (std::uint32_t at = 0; at < program_.instructions().size(); ++at) {
      if (!verified_.facts()[at].reachable) continue;
      if (auto taken = judge_instruction(at); !taken) return taken;
    }
    auto taken = judge_calls();
    const std::string_view room = taken ? too_much_room(verified_) : std::string_view{};
    return room.empty() ? taken : refuse(std::string(room));
  }

 private:
  static Result<> refuse(std::string message) { return fail(ErrorKind::unsupported, EOPNOTSUPP, std::move(message)); }
  Result<> refuse_at(std::uint32_t at, std::string message) const {
    auto error = refuse(std::move(message));
    error.error().instruction = program_.instructions()[at].slot;
    error.error().source = program_.source_line(at);
    return error;
  }

  static Result<> judge_map(const program::MapSpec& map) {
    if (!has_table(map.type)) {
      const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(map.type));
      return refuse(fmt::format("map {} of type {}", map.name, row == nullptr ? "unknown" : row->name));
    }
    if (map.inner != nullptr) return judge_inner(map);
    if (!map.fields.empty()) return refuse(fmt::format("map {}: values with spin locks or timers", map.name));
    const auto table = table_of(map);
    if (table) return {};
    auto error = fail(ErrorKind::limit, E2BIG, fmt::format("map {} on an OpenCL device, in entries", map.name));
    error.error().limit = kMostEntries;
    error.error().asked = map.max_entries;
    return error;
  }

  static Result<> judge_inner(const program::MapSpec& outer) {
    const TableKind kind = table_of(*outer.inner).value_or(Table{}).kind;
    if (kind != TableKind::array && kind != TableKind::hash) {
      const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(outer.inner->type));
      return refuse(fmt::format("map {} of maps of type {}", outer.name, row == nullptr ? "unknown" : row->name));
    }
    if (!outer.inner->fields.empty())
      return refuse(fmt::format("map {}: values with spin locks or timers", outer.name));
    return {};
  }

  // Of programs that have one map or another, any that the helper takes.
  static bool takes_any_map(HelperId helper) {
    constexpr HelperId kThese[] = {HelperId::map_lookup_elem, HelperId::map_update_elem, HelperId::map_delete_elem};
    return has(kThese, helper);
  }

  [[nodiscard]] Result<> judge_instruction(std::uint32_t at) const {
    const verifier::Facts& facts = verified_.facts()[at];
    const program::Instruction& insn = program_.instructions()[at];
    if (insn.op == isa::Op::lddw_map_idx || insn.op == isa::Op::lddw_map_idx_value)
      return judge_map(program_.maps()[program::map_index(insn)]);
    if (facts.call.helper != 0) return judge_call(at, facts.call);
    if (facts.access.region == Region::context) return judge_field(at, facts.access);
    constexpr Region kOthers[] = {Region::socket, Region::tcp_socket, Region::other};
    if (has(kOthers, facts.access.region)) return refuse_at(at, "access to an object of the host's");
    return {};
  }

  [[nodiscard]] Result<> judge_field(std::uint32_t at, const verifier::AccessFact& access) const {
    using isa::FieldKind;
    constexpr FieldKind kKinds[] = {FieldKind::scalar, FieldKind::packet, FieldKind::packet_end,
                                    FieldKind::packet_meta};
    const auto* field = isa::find_field(*program_.context(), static_cast<std::uint32_t>(access.offset_min));
    if (field == nullptr || has(kKinds, field->kind)) return {};
    return refuse_at(at, fmt::format("field {} of the context", field->name));
  }

  [[nodiscard]] Result<> judge_call(std::uint32_t at, const verifier::CallFact& call) const {
    const isa::HelperRow& helper = *isa::find_helper(call.helper);
    const auto id = static_cast<HelperId>(call.helper);
    if (id == HelperId::loop && !callback_of(program_, at)) return refuse_at(at, "bpf_loop of one function or another");
    if (id == HelperId::trace_printk && follows_pointers(known_text(call)))
      return refuse_at(at, "bpf_trace_printk of a format that follows a pointer");
    if (!has(helper.args, isa::Arg::const_map)) return {};
    if (id == HelperId::tail_call && program_.subprogram_of(at) != 0)
      return refuse_at(at, "bpf_tail_call in a function");  // whoever called it would go on behind the other program
    if (call.map == program::kNone && takes_any_map(id)) return {};
    if (call.map == program::kNone) return refuse_at(at, fmt::format("bpf_{} of one map or another", helper.name));
    const TableKind kind = table_of(program_.maps()[call.map]).value_or(Table{}).kind;
    if (does(id, kind)) return {};
    const char* const why = kind == TableKind::lpm ? " (LPM_TRIE is read-mostly on an OpenCL device)" : "";
    return refuse_at(at, fmt::format("bpf_{} of map {}{}", helper.name, program_.maps()[call.map].name, why));
  }

  // What stands at the first argument, if nobody can change it; else nothing.
  [[nodiscard]] std::string_view known_text(const verifier::CallFact& call) const {
    if (call.arguments == program::kNone) return {};
    const verifier::ArgumentFact& text = verified_.call_arguments()[call.arguments][0];
    if (text.region != Region::map_value || text.map == program::kNone || text.offset_min != text.offset_max) return {};
    const auto& frozen = program_.maps()[text.map].frozen;
    if (frozen == nullptr || text.offset_min < 0 || static_cast<std::size_t>(text.offset_min) >= frozen->size())
      return {};
    const std::string_view value(reinterpret_cast<const char*>(frozen->data()), frozen->size());
    const std::string_view known = value.substr(static_cast<std::size_t>(text.offset_min), text.bytes);
    return known.substr(0, known.find('\0'));
  }

  // Functions of OpenCL C do not call themselves.
  [[nodiscard]] Result<> judge_calls() const {
    const std::size_t functions = program_.subprograms().size();
    std::vector<std::uint32_t> depth(functions, 1);
    for (std::size_t round = 0; round <= functions; ++round) {
      bool changed = false;
      for (std::uint32_t at = 0; at < program_.instructions().size(); ++at) {
        const program::Instruction& insn = program_.instructions()[at];
        if ((insn.op != isa::Op::call_local && insn.op != isa::Op::lddw_func) || !verified_.facts()[at].reachable)
          continue;
        const std::uint32_t from = program_.subprogram_of(at), to = program_.subprogram_of(insn.target);
        if (depth[from] > depth[to]) continue;
        if (round == functions) return refuse_at(at, "a function that calls itself");
        depth[from] = depth[to] + 1;
        changed = true;
      }
      if (!changed) return {};
    }
    return {};
  }

  const verifier::VerifiedProgram& verified_;
  const program::Program& program_;
};

template <class Predicate>
bool any_call(const verifier::VerifiedProgram& program, Predicate matches) {
  return std::ranges::any_of(program.facts(), [&](const verifier::Facts& facts) {
    return facts.reachable && facts.call.helper != 0 && matches(static_cast<HelperId>(facts.call.helper), facts.call);
  });
}

}  // namespace

exec::Capabilities abilities() {
  exec::Capabilities able;
  for (std::size_t id = 0; id < able.helpers.size(); ++id) {
    const auto helper = static_cast<HelperId>(id);
    able.helpers.set(id, does(helper) || does_for_skb(helper));
  }
  for (std::size_t type = 0; type < able.map_types.size(); ++type) {
    able.map_types.set(type, has_table(static_cast<isa::MapType>(type)));
  }
  able.program_types.assign(std::begin(kPrograms), std::end(kPrograms));
  for (const isa::Row& row : isa::rows()) able.ops.set(static_cast<std::size_t>(row.op), !names_kernel(row.op));
  return able;
}

Result<> refuse_unsupported(const verifier::VerifiedProgram& program) { return Judge(program).judge(); }

bool needs_order(const verifier::VerifiedProgram& program) {
  const std::vector<Table> tables = tables_of(program);
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const verifier::MapUse use = program.map_uses()[i];
    if (use == verifier::MapUse::read_write || (use != verifier::MapUse::unused && tables[i].per_cpu)) return true;
  }
  return any_call(program,
                  [](HelperId helper, const auto&) { return !has(kIndifferent, helper) && !does_for_skb(helper); });
}

bool calls(const verifier::VerifiedProgram& program, HelperId helper) {
  return any_call(program, [helper](HelperId called, const auto&) { return called == helper; });
}

bool moves_edges(const verifier::VerifiedProgram& program) {
  constexpr HelperId kMovers[] = {HelperId::xdp_adjust_head, HelperId::xdp_adjust_tail, HelperId::xdp_adjust_meta};
  return any_call(program, [&](HelperId helper, const auto&) { return has(kMovers, helper); });
}

}  // namespace forager::jit::opencl
