// SPDX-License-Identifier: Apache-2.0
//
// Rules of what names maps, and of helpers: each is a function of cl/.
#include <fmt/format.h>

#include <iterator>

#include "exec/host_helpers.h"
#include "jit-backends/opencl/rules.h"

namespace forager::jit::opencl {
namespace {

using exec::HelperId;

// Helpers that are an expression of their arguments, whatever map there is.
struct HelperText {
  HelperId helper;
  std::string_view text;
};
constexpr HelperText kHelpers[] = {
    {HelperId::ktime_get_ns, "run->batch->monotonic_ns"},
    {HelperId::ktime_get_boot_ns, "run->batch->boot_ns"},
    {HelperId::ktime_get_tai_ns, "run->batch->tai_ns"},
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
};

// Flags of redirect_map that maps of ports take, besides the verdict: BPF_F_BROADCAST, BPF_F_EXCLUDE_INGRESS.
unsigned redirect_flags(const program::MapSpec& map) {
  const bool ports = map.type == isa::MapType::devmap || map.type == isa::MapType::devmap_hash;
  return ports ? 0x18 : 0;
}

}  // namespace

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

void Rules::call_helper(const Step& step) {
  if (call_skb_helper(step)) return;
  const auto helper = static_cast<HelperId>(step.imm);
  const auto* known = std::ranges::find(kHelpers, helper, &HelperText::helper);
  if (known != std::end(kHelpers)) return assign(0, std::string(known->text));
  const std::uint32_t named = code_.facts(at_).call.map;
  if (named == program::kNone) return call_of_unknown_map(step);
  const std::uint32_t map = numbers_[named];
  const TableKind kind = table(named).kind;
  const bool hash = kind == TableKind::hash;
  switch (helper) {
    case HelperId::map_lookup_elem:
      if (kind == TableKind::inner_hash) return assign(0, fmt::format("fg_hash_of_maps_lookup(run, MAP_{}, r2)", map));
      if (kind == TableKind::inner_array)
        return assign(0, fmt::format("fg_array_of_maps_lookup(run, MAP_{}, (uint)fg_load32_any(run, r2))", map));
      if (hash) return assign(0, fmt::format("fg_hash_lookup(run, MAP_{}, r2)", map));
      return assign(0, fmt::format("fg_array_lookup(MAP_{}, (uint)fg_load32_any(run, r2))", map));
    case HelperId::map_update_elem:
      if (!hash) return assign(0, fmt::format("fg_array_update(run, MAP_{}, r2, r3, r4)", map));
      return assign(0, fmt::format("fg_hash_update(run, &run->retired[{0}], MAP_{0}, r2, r3, r4)", map));
    case HelperId::map_delete_elem:
      if (!hash) return assign(0, "FG_ERROR(FG_EINVAL)");
      return assign(0, fmt::format("fg_hash_delete(run, MAP_{}, r2)", map));
    case HelperId::redirect_map: {
      const std::string_view find = table(named).kind == TableKind::ports ? "fg_port_at" : "fg_port_of";
      return assign(0, fmt::format("fg_redirect_map(run, {}, {}(run, MAP_{}, (uint)r2), (uint)r2, r3, {})", map, find,
                                   map, redirect_flags(program_.maps()[named])));
    }
    default:
      return never(step, "a helper that the device has not");
  }
}

}  // namespace forager::jit::opencl
