// SPDX-License-Identifier: Apache-2.0
//
// Rules of what names maps, and of helpers: each is a function of cl/.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "exec/host_helpers.h"
#include "jit-backends/opencl/callbacks.h"
#include "jit-backends/opencl/rules.h"

namespace forager::jit::opencl {
namespace {

using exec::HelperId;

// Helpers that are an expression of their arguments, whatever map there is.
struct HelperText {
  HelperId helper;
  std::string_view text;
  bool may_stop = false;  // the packet
};
constexpr HelperText kHelpers[] = {
    {HelperId::ktime_get_ns, "run->batch->monotonic_ns"},
    {HelperId::ktime_get_boot_ns, "run->batch->boot_ns"},
    {HelperId::ktime_get_tai_ns, "run->batch->tai_ns"},
    {HelperId::ktime_get_coarse_ns, "fg_coarse_ns(run)"},
    {HelperId::jiffies64, "fg_jiffies(run)"},
    {HelperId::strncmp, "fg_strncmp(run, r1, (uint)r2, r3)"},
    {HelperId::get_prandom_u32, "fg_random(run)"},
    {HelperId::get_smp_processor_id, "run->batch->cpu + run->lane"},
    {HelperId::get_numa_node_id, "0"},
    {HelperId::xdp_adjust_head, "fg_adjust_head(run, (int)r2)"},
    {HelperId::xdp_adjust_tail, "fg_adjust_tail(run, (int)r2)"},
    {HelperId::xdp_adjust_meta, "fg_adjust_meta(run, (int)r2)"},
    {HelperId::xdp_get_buff_len, "run->packet_end - run->data"},
    {HelperId::xdp_load_bytes, "fg_load_bytes(run, (uint)r2, r3, (uint)r4)"},
    {HelperId::xdp_store_bytes, "fg_store_bytes(run, (uint)r2, r3, (uint)r4)"},
    {HelperId::redirect, "fg_redirect(run, (uint)r1, r2)"},
    {HelperId::csum_diff, "fg_csum_diff(run, r1, (uint)r2, r3, (uint)r4, (uint)r5)"},
    {HelperId::fib_lookup, "fg_fib_lookup(run, r2, (int)r3, (uint)r4)"},
    {HelperId::trace_printk, "fg_trace_printk(run, r1, (uint)r2, r3, r4, r5)", true},
    {HelperId::ringbuf_submit, "(fg_ring_close(r1, r2, 0), 0)"},
    {HelperId::ringbuf_discard, "(fg_ring_close(r1, r2, FG_RING_DISCARD), 0)"},
};

// Helpers of maps, by the table that a map has: {0} is the map's number, {1} what redirect_flags() says, {2} its type's
// number.
struct MapText {
  HelperId helper;
  TableKind kind;
  std::string_view text;
};
constexpr MapText kMapHelpers[] = {
    {HelperId::map_lookup_elem, TableKind::array, "fg_array_lookup(MAP_{0}, (uint)fg_load32_any(run, r2))"},
    {HelperId::map_update_elem, TableKind::array, "fg_array_update(run, MAP_{0}, r2, r3, r4)"},
    {HelperId::map_delete_elem, TableKind::array, "FG_ERROR(FG_EINVAL)"},
    {HelperId::map_lookup_elem, TableKind::hash, "fg_hash_lookup(run, MAP_{0}, r2)"},
    {HelperId::map_update_elem, TableKind::hash, "fg_hash_update(run, &run->retired[{0}], MAP_{0}, r2, r3, r4)"},
    {HelperId::map_delete_elem, TableKind::hash, "fg_hash_delete(run, MAP_{0}, r2)"},
    {HelperId::redirect_map, TableKind::ports,
     "fg_redirect_map(run, {0}, {2}, fg_port_at(run, MAP_{0}, (uint)r2), (uint)r2, r3, {1})"},
    {HelperId::redirect_map, TableKind::port_keys,
     "fg_redirect_map(run, {0}, {2}, fg_port_of(run, MAP_{0}, (uint)r2), (uint)r2, r3, {1})"},
    {HelperId::map_lookup_elem, TableKind::inner_hash, "fg_hash_of_maps_lookup(run, MAP_{0}, r2)"},
    {HelperId::map_lookup_elem, TableKind::inner_array,
     "fg_array_of_maps_lookup(run, MAP_{0}, (uint)fg_load32_any(run, r2))"},
    {HelperId::map_lookup_elem, TableKind::lpm, "fg_lpm_lookup(run, MAP_{0}, r2)"},
    {HelperId::map_push_elem, TableKind::list, "fg_list_push(run, MAP_{0}, r2, r3)"},
    {HelperId::map_pop_elem, TableKind::list, "fg_list_pop(run, MAP_{0}, r2)"},
    {HelperId::map_peek_elem, TableKind::list, "fg_list_peek(run, MAP_{0}, r2)"},
    {HelperId::map_push_elem, TableKind::bloom, "fg_bloom_push(run, MAP_{0}, r2, r3)"},
    {HelperId::map_peek_elem, TableKind::bloom, "fg_bloom_peek(run, MAP_{0}, r2)"},
    {HelperId::ringbuf_output, TableKind::ring, "fg_ring_output(run, MAP_{0}, r2, r3, r4)"},
    {HelperId::ringbuf_reserve, TableKind::ring, "fg_ring_reserve(run, MAP_{0}, r2, r3)"},
    {HelperId::ringbuf_query, TableKind::ring, "fg_ring_query(MAP_{0}, r2)"},
    {HelperId::perf_event_output, TableKind::perf, "fg_perf_output(run, MAP_{0}, r3, r4, r5)"},
};

// Flags of redirect_map that maps of ports take, besides the verdict: BPF_F_BROADCAST, BPF_F_EXCLUDE_INGRESS.
unsigned redirect_flags(const program::MapSpec& map) {
  const bool ports = map.type == isa::MapType::devmap || map.type == isa::MapType::devmap_hash;
  return ports ? 0x18 : 0;
}

const MapText* find_text(HelperId helper, TableKind kind) {
  const auto is_it = [&](const MapText& text) { return text.helper == helper && text.kind == kind; };
  const auto* found = std::ranges::find_if(kMapHelpers, is_it);
  return found == std::end(kMapHelpers) ? nullptr : found;
}

}  // namespace

bool does(HelperId helper) {
  const auto has = [&](const auto& rows) {
    return std::ranges::any_of(rows, [&](const auto& row) { return row.helper == helper; });
  };
  return helper == HelperId::tail_call || helper == HelperId::loop || has(kHelpers) || has(kMapHelpers);
}

bool does(HelperId helper, TableKind kind) {
  const bool tail_call = helper == HelperId::tail_call && kind == TableKind::programs;
  return tail_call || find_text(helper, kind) != nullptr;
}

void Rules::map_object(const Step& step) { assign(step.dst, fmt::format("FG_DESCRIPTOR({})", numbers_[step.imm])); }

void Rules::map_value(const Step& step) {
  assign(step.dst, fmt::format("FG_PLACE({}) + {}", numbers_[step.imm], step.target));
}

void Rules::look_up(const Step& step) { assign(0, fmt::format("fg_hash_lookup(run, MAP_{}, r2)", numbers_[step.imm])); }
void Rules::look_up_key(const Step& step) { look_up(step); }

void Rules::look_up_index(const Step& step) {
  const std::string index = step.has_imm             ? fmt::format("{}u", step.target)
                            : step.index != kNoIndex ? fmt::format("(uint)r{}", step.index)
                                                     : "(uint)fg_load32_any(run, r2)";
  assign(0, fmt::format("fg_array_lookup(MAP_{}, {})", numbers_[step.imm], index));
}

void Rules::leave_if_stopped() { line(fmt::format("if (run->trap != 0) {{ run->trap_at = {}; return 0; }}", at_)); }

void Rules::lane(const Step& step) { assign(step.dst, "run->batch->cpu + run->lane"); }
void Rules::random(const Step&) { assign(0, "fg_random(run)"); }

void Rules::sum(const Step& step) {
  assign(0, fmt::format("fg_csum_diff(run, r1, {}u, r3, {}u, (uint)r5)", step.offset, step.imm));
}

// In the program's first function alone (refusals.cc): so to return is to leave the program.
void Rules::tail_call(const Step&) {
  const std::uint32_t map = numbers_[code_.facts(at_).call.map];
  line(fmt::format("if (fg_tail_call(run, MAP_{}, (uint)r3)) return 0;", map));
}

// The map is in r1: one that a map of maps had, or one or another.
void Rules::call_of_unknown_map(const Step& step) {
  switch (static_cast<HelperId>(step.imm)) {
    case HelperId::map_lookup_elem:
      return assign(0, "fg_map_lookup(run, r1, r2)");
    case HelperId::map_update_elem:
      return assign(0, "fg_map_update(run, r1, r2, r3, r4)");
    case HelperId::map_delete_elem:
      return assign(0, "fg_map_delete(run, r1, r2)");
    default:
      return never(step, "a helper of an unknown map");
  }
}

void Rules::loop(const Step& step) {
  const auto function = callback_of(program_, at_);
  if (!function) return never(step, "bpf_loop of one function or another");
  assign(0, fmt::format("{}(run, top + {}, r1, r3, r4)", loop_name(*function), isa::kStackBytes));
  line("if (run->trap != 0) return 0;");
}

void Rules::call_helper(const Step& step) {
  if (call_skb_helper(step)) return;
  if (static_cast<HelperId>(step.imm) == HelperId::loop) return loop(step);
  const auto helper = static_cast<HelperId>(step.imm);
  const auto* known = std::ranges::find(kHelpers, helper, &HelperText::helper);
  if (known != std::end(kHelpers)) {
    assign(0, std::string(known->text));
    return known->may_stop ? leave_if_stopped() : void();
  }
  const std::uint32_t named = code_.facts(at_).call.map;
  if (named == program::kNone) return call_of_unknown_map(step);
  const MapText* text = find_text(helper, table(named).kind);
  if (text == nullptr) return never(step, "a helper that the device has not");
  const program::MapSpec& map = program_.maps()[named];
  assign(0, fmt::format(fmt::runtime(text->text), numbers_[named], redirect_flags(map),
                        static_cast<std::uint32_t>(map.type)));
}

}  // namespace forager::jit::opencl
