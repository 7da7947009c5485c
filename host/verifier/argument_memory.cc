// SPDX-License-Identifier: Apache-2.0
//
// Memory that helpers reach: elements of maps, memory whose size another argument tells, of a fixed size, texts.
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>

#include "verifier/analysis.h"

namespace forager::verifier {

using isa::MapType;

// A key or a value of the map that an earlier argument named.
u64 Analysis::check_element(CallMeta& meta, u32 number, const ArgRule& rule) {
  if (meta.map.type != RegType::map) refuse(EACCES, "invalid map_ptr to access map->key or map->value");
  const MapSpec& spec = spec_of(meta.map);
  const bool key = rule.arg == Arg::map_key;
  // Asked about a bloom filter, bpf_map_peek_elem reads the value.
  const bool asks = spec.type == MapType::bloom_filter && meta.helper->name == "map_peek_elem";
  const u64 bytes = key ? spec.key_size : spec.value_size;
  if ((set_of(state_.regs()[number].type) & rule_of(Arg::socket_common).types) != 0) return 0;  // a map of sockets
  check_memory(number, bytes, bytes, asks ? Touch::read : rule.touch, false, *meta.helper);
  if (key) check_constant_key(meta, number);
  return bytes;
}

void Analysis::check_fixed(const CallMeta& meta, u32 number, const ArgRule& rule) {
  const bool aligned = rule.arg == Arg::long_out || rule.arg == Arg::int_out;
  if (aligned) {
    check_alignment({.reg = number, .offset = 0, .bytes = rule.bytes, .touch = rule.touch}, state_.regs()[number],
                    true);
  }
  check_memory(number, rule.bytes, rule.bytes, rule.touch, false, *meta.helper);
}

// A size, and the memory in the argument before it.
void Analysis::check_sized(CallMeta& meta, u32 index) {
  const u32 number = index + 1;
  const Reg reg = state_.regs()[number];
  const Scalar& size = reg.scalar;
  const bool may_be_empty = meta.args[index] == Arg::const_size_or_zero;
  const Touch touch = rule_of(meta.args[index - 1]).touch;
  const bool partial = meta.args[index - 1] == Arg::mem_out || meta.args[index - 1] == Arg::mem_out_or_null;
  meta.size_max = size.u.max;
  if (size.s.min < 0) {
    refuse(EACCES,
           fmt::format("R{} min value is negative, either use unsigned or 'var &= const': the size is {}", number,
                       describe(size)),
           "check that it is positive, or mask it");
  }
  if (size.u.min == 0 && !may_be_empty) {
    refuse(EACCES, fmt::format("R{} invalid zero-sized read: u64=[{},{}]: bpf_{} wants at least one byte", number,
                               size.u.min, size.u.max, meta.helper->name));
  }
  if (size.u.max >= static_cast<u64>(kMaxOffset)) {
    refuse(EACCES, fmt::format("R{} unbounded memory access, use 'var &= const' or 'if (var < const)': the size is {}",
                               number, describe(size)));
  }
  const u64 certain = partial ? 0 : size.u.min;
  check_memory(number - 1, size.u.max, certain, touch, may_be_empty, *meta.helper);
  mark_precise(number);
  ArgumentFact reach = fact_of(state_.regs()[number - 1]);
  reach.bytes = size.u.max;
  if (state_.regs()[number - 1].is_pointer()) recorder_.argument(at_, index - 1, reach);
}

// Memory that a helper touches: at most `bytes` of it (Linux check_helper_mem_access).
void Analysis::check_memory(u32 number, u64 bytes, u64 certain, Touch touch, bool may_be_empty,
                            const isa::HelperRow& helper) {
  const Reg reg = state_.regs()[number];
  const bool writes = touch != Touch::read;
  switch (reg.type) {
    case RegType::stack:
      helper_stack(number, reg, bytes, certain, touch);
      return;
    case RegType::packet:
    case RegType::packet_meta:
      if (writes && !may_write_packet()) refuse(EACCES, "cannot write into packet");

      access_packet({.reg = number, .offset = 0, .bytes = static_cast<u32>(bytes), .touch = Touch::read}, reg);
      return;
    case RegType::map_value:
      check_map_rights(reg, number, touch);
      check_range(number, reg, 0, bytes, spec_of(reg).value_size, may_be_empty, "map value");
      if (bytes != 0) check_value_fields(reg, 0, bytes);
      recorder_.map_touched(reg, writes ? Recorder::MapTouch::write : Recorder::MapTouch::read);
      return;
    case RegType::map_key:
      if (writes) refuse(EACCES, fmt::format("R{} cannot write into {}", number, type_name(reg)));
      check_range(number, reg, 0, bytes, spec_of(reg).key_size, may_be_empty, "map key");
      return;
    case RegType::memory:
      if (writes && reg.read_only) refuse(EACCES, fmt::format("R{} cannot write into {}", number, type_name(reg)));
      check_range(number, reg, 0, bytes, reg.bytes, may_be_empty, "memory");
      return;
    case RegType::buffer:
      access_buffer({.reg = number, .offset = 0, .bytes = static_cast<u32>(bytes), .touch = touch}, reg);
      return;
    case RegType::raw:
      return;
    default:
      if (may_be_empty && bytes == 0 && reg.is_null()) return;
      refuse(EACCES,
             fmt::format("R{} type={} expected=fp, pkt, pkt_meta, map_key, map_value, mem: bpf_{} is given {} bytes "
                         "at {}",
                         number, type_name(reg), helper.name, bytes, say(reg)));
  }
}

// A constant index that lies inside an array is always found (Linux since 6.15).
void Analysis::check_constant_key(CallMeta& meta, u32 number) {
  const MapSpec& spec = spec_of(meta.map);
  const Reg& key = state_.regs()[number];
  const bool array = spec.type == MapType::array || spec.type == MapType::percpu_array;
  if (!array || meta.map.inner || meta.helper->name != "map_lookup_elem") return;
  if (key.type != RegType::stack || !key.scalar.is_constant()) return;
  const s64 offset = key.whole_offset();
  const u32 index = slot_index(offset), byte = byte_index(offset);
  const Frame& frame = state_.frames[key.frame];
  if (index >= frame.slots.size() || byte + 4 > kSlotBytes) return;
  const Slot& slot = frame.slots[index];
  u64 value = 0;
  const bool zeros =
      std::ranges::all_of(std::span(slot.bytes).subspan(byte, 4), [](Byte b) { return b == Byte::zero; });
  if (!zeros) {
    const bool tracked = byte == 0 && slot.is_spill() && slot.reg.is_scalar() && slot.spilled_bytes() == 4;
    if (!tracked || !slot.reg.scalar.is_constant()) return;
    value = static_cast<u32>(slot.reg.scalar.value());
    mark_slot_precise(key.frame, index);
  }
  meta.element_exists = value < spec.max_entries;
}

// Zero-terminated text in a map that nobody can change.
void Analysis::check_string(u32 number) {
  const Reg& reg = state_.regs()[number];
  const MapSpec& spec = spec_of(reg);
  if ((spec.flags & BPF_F_RDONLY_PROG) == 0 || spec.frozen == nullptr) {
    refuse(EACCES, fmt::format("R{} does not point to a readonly map'", number), "declare the text static const");
  }
  if (!reg.scalar.is_constant()) refuse(EACCES, fmt::format("R{} is not a constant address'", number));
  const s64 offset = reg.whole_offset();
  check_range(number, reg, 0, 1, spec.value_size, false, "map value");
  if (static_cast<u64>(offset) >= spec.frozen->size()) refuse(EINVAL, "string is not zero-terminated");
  const auto bytes = std::span(*spec.frozen).subspan(static_cast<std::size_t>(offset));
  if (std::ranges::find(bytes, std::byte{0}) == bytes.end()) refuse(EINVAL, "string is not zero-terminated");
  recorder_.map_touched(reg, Recorder::MapTouch::read);
}

}  // namespace forager::verifier
