// SPDX-License-Identifier: Apache-2.0
//
// Arguments of helpers: one rule for each Arg of helpers.def (Linux check_func_arg).
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "verifier/analysis.h"

namespace forager::verifier {

using isa::MapType;

namespace {

using TypeSet = u32;
constexpr TypeSet of(RegType type) { return TypeSet{1} << static_cast<unsigned>(type); }

constexpr TypeSet kMemory = of(RegType::stack) | of(RegType::packet) | of(RegType::packet_meta) | of(RegType::map_key) |
                            of(RegType::map_value) | of(RegType::memory) | of(RegType::raw);
constexpr TypeSet kSockets = of(RegType::socket) | of(RegType::socket_common) | of(RegType::tcp_socket) |
                             of(RegType::xdp_socket) | of(RegType::object);

// What pointers an argument may be.
TypeSet types_of(Arg arg) {
  switch (arg) {
    case Arg::const_map:
      return of(RegType::map);
    case Arg::ctx:
    case Arg::ctx_or_null:
      return of(RegType::context);
    case Arg::socket:
    case Arg::socket_or_null:
      return of(RegType::socket) | of(RegType::object);
    case Arg::socket_common:
      return kSockets;
    case Arg::btf_pointer:
    case Arg::btf_pointer_or_null:
    case Arg::percpu_btf_pointer:
      return of(RegType::object);
    case Arg::spin_lock:
    case Arg::timer:
    case Arg::kptr:
    case Arg::const_string:
      return of(RegType::map_value);
    case Arg::callback:
      return of(RegType::function);
    case Arg::stack_or_null:
      return of(RegType::stack);
    case Arg::dynptr:
    case Arg::dynptr_uninit:
      return of(RegType::stack) | of(RegType::dynptr);
    case Arg::alloc_mem:
      return of(RegType::memory);
    case Arg::long_out:
    case Arg::int_out:
      return of(RegType::stack) | of(RegType::packet) | of(RegType::packet_meta) | of(RegType::map_key) |
             of(RegType::map_value) | of(RegType::memory);
    default:
      return kMemory;
  }
}

bool nullable(Arg arg) {
  switch (arg) {
    case Arg::map_value_or_null:
    case Arg::mem_or_null:
    case Arg::mem_out_or_null:
    case Arg::ctx_or_null:
    case Arg::socket_or_null:
    case Arg::btf_pointer_or_null:
    case Arg::stack_or_null:
      return true;
    default:
      return false;
  }
}

std::string_view expected(Arg arg) {
  switch (arg) {
    case Arg::const_map:
      return "map_ptr";
    case Arg::ctx:
    case Arg::ctx_or_null:
      return "ctx";
    case Arg::socket:
    case Arg::socket_or_null:
      return "sock";
    case Arg::socket_common:
      return "sock_common, sock, tcp_sock, xdp_sock";
    case Arg::spin_lock:
    case Arg::timer:
    case Arg::kptr:
    case Arg::const_string:
      return "map_value";
    case Arg::callback:
      return "func";
    case Arg::stack_or_null:
      return "fp";
    case Arg::dynptr:
    case Arg::dynptr_uninit:
      return "fp, dynptr_ptr";
    case Arg::alloc_mem:
      return "ringbuf_mem";
    case Arg::btf_pointer:
    case Arg::btf_pointer_or_null:
    case Arg::percpu_btf_pointer:
      return "a kernel object";
    default:
      return "fp, pkt, pkt_meta, map_key, map_value, mem";
  }
}

// Calls that take back the reference in their first argument.
bool releases(std::string_view helper) {
  return helper == "ringbuf_submit" || helper == "ringbuf_discard" || helper == "sk_release" ||
         helper == "ringbuf_submit_dynptr" || helper == "ringbuf_discard_dynptr";
}

// Pointers that must be passed as they were got, without an offset.
bool wants_no_offset(RegType type) { return (of(type) & (kMemory | of(RegType::dynptr) | of(RegType::function))) == 0; }

Touch touch_of(Arg arg) {
  switch (arg) {
    case Arg::mem_uninit:
    case Arg::mem_out:
    case Arg::mem_out_or_null:
    case Arg::map_value_uninit:
    case Arg::long_out:
      return Touch::write;
    case Arg::mem_update:
    case Arg::int_out:
      return Touch::update;
    default:
      return Touch::read;
  }
}

constexpr u64 kIpv4Header = 20, kIpv6Header = 40, kTcpHeader = 20;

}  // namespace

void Analysis::check_argument(CallMeta& meta, u32 index) {
  const Arg arg = meta.args[index];
  const u32 number = index + 1;
  const Reg reg = read_reg(number);
  const bool is_number =
      arg == Arg::anything || arg == Arg::const_size || arg == Arg::const_size_or_zero || arg == Arg::const_alloc_size;
  ArgumentFact fact;
  if (reg.is_pointer()) {
    const s64 origin = reg.type == RegType::stack ? isa::kStackBytes : 0;
    fact.region = region_of(reg);
    fact.map = (reg.type == RegType::map_value || reg.type == RegType::map) && !reg.inner ? reg.map : kNone;
    fact.maybe_null = reg.maybe_null;
    fact.offset_min = origin + reg.offset + reg.scalar.s.min;
    fact.offset_max = origin + reg.offset + reg.scalar.s.max;
  }
  // A pointer that is null on some path only.
  if (!is_number && reg.is_scalar()) fact.maybe_null = true;
  if (arg == Arg::anything) {
    recorder_.argument(at_, index, fact);
    return;
  }
  if (is_number && !reg.is_scalar()) {
    refuse(EACCES, fmt::format("R{} type={} expected=scalar: argument {} of bpf_{} is a number, not {}", number,
                               type_name(reg), number, meta.helper->name, say(reg)));
  }
  if (nullable(arg) && reg.is_null()) {
    mark_precise(number);
    recorder_.argument(at_, index, fact);
    return;
  }
  if (!is_number) check_pointer_type(meta, index);
  if (reg.reference != 0 && !is_number) {
    if (meta.reference != 0 && meta.reference != reg.reference) {
      refuse(EACCES, fmt::format("more than one arg with ref_obj_id R{} {} {}", number, reg.reference, meta.reference));
    }
    meta.reference = reg.reference;
  }
  if (index == 0 && releases(meta.helper->name)) check_release(meta, index);

  const MapSpec* map = meta.map.type == RegType::map ? &spec_of(meta.map) : nullptr;
  const auto memory = [&](u64 bytes, Touch touch) {
    fact.bytes = bytes;
    check_memory(number, bytes, bytes, touch, false, *meta.helper);
  };
  switch (arg) {
    case Arg::const_map:
      if (meta.map.type == RegType::map_value) {  // a timer's
        if (meta.map.map != reg.map || meta.map.inner != reg.inner) {
          refuse(EINVAL, "timer pointer in R1 is not of the map in R2");
        }
      }
      meta.map = reg;
      break;
    case Arg::map_key:
      if (map == nullptr) refuse(EACCES, "invalid map_ptr to access map->key");
      memory(map->key_size, Touch::read);
      check_constant_key(meta, number);
      break;
    case Arg::map_value:
    case Arg::map_value_or_null:
    case Arg::map_value_uninit:
      if (map == nullptr) refuse(EACCES, "invalid map_ptr to access map->value");
      // bpf_map_peek_elem on a bloom filter reads the value that it is asked about.
      memory(map->value_size,
             map->type == MapType::bloom_filter && meta.helper->name == "map_peek_elem" ? Touch::read : touch_of(arg));
      break;
    case Arg::const_size:
    case Arg::const_size_or_zero:
      check_sized(meta, index);
      break;
    case Arg::const_alloc_size:
      if (!reg.scalar.is_constant()) {
        refuse(EACCES, fmt::format("R{} is not a known constant: argument {} of bpf_{} is {}", number, number,
                                   meta.helper->name, describe(reg.scalar)));
      }
      meta.alloc_size = reg.scalar.value();
      mark_precise(number);
      break;
    case Arg::long_out:
    case Arg::int_out: {
      const u32 bytes = arg == Arg::long_out ? 8 : 4;
      check_alignment({.reg = number, .offset = 0, .bytes = bytes, .touch = Touch::write}, reg, true);
      memory(bytes, touch_of(arg));
      break;
    }
    case Arg::ipv4_header:
      memory(kIpv4Header, Touch::read);
      break;
    case Arg::ipv6_header:
      memory(kIpv6Header, Touch::read);
      break;
    case Arg::tcp_header:
      memory(kTcpHeader, Touch::read);
      break;
    case Arg::const_string:
      check_string(number);
      break;
    case Arg::spin_lock:
      spin_lock(number, meta.helper->name == "spin_lock");
      break;
    case Arg::timer:
      check_timer(meta, number);
      break;
    case Arg::callback:
      meta.subprogram = reg.map;
      break;
    case Arg::dynptr:
    case Arg::dynptr_uninit:
      check_dynptr(meta, index, arg == Arg::dynptr_uninit);
      break;
    case Arg::kptr:
      refuse(EINVAL, "kernel pointers in map values are not supported here");
    default:
      break;
  }
  recorder_.argument(at_, index, fact);
}

void Analysis::check_pointer_type(const CallMeta& meta, u32 index) {
  const Arg arg = meta.args[index];
  const u32 number = index + 1;
  const Reg& reg = state_.regs()[number];
  const auto wrong = [&](std::string hint) {
    refuse(EACCES,
           fmt::format("R{} type={} expected={}: argument {} of bpf_{} is {}", number, type_name(reg), expected(arg),
                       number, meta.helper->name, say(reg)),
           std::move(hint));
  };
  if (reg.is_packet() && !meta.helper->takes_packet) {
    refuse(EACCES,
           fmt::format("helper access to the packet is not allowed: argument {} of bpf_{} must not point into it",
                       number, meta.helper->name),
           "copy the bytes to the stack first");
  }
  const bool record = arg != Arg::alloc_mem || reg.origin == Origin::record;
  if (!reg.is_pointer() || (of(reg.type) & types_of(arg)) == 0 || !record) wrong("");
  if (reg.maybe_null) wrong("compare it with NULL, and pass it only where it is not");
  if (wants_no_offset(reg.type) && (reg.offset != 0 || !reg.scalar.is_constant() || reg.scalar.value() != 0)) {
    if (reg.offset < 0)
      refuse(EACCES, fmt::format("negative offset {} ptr R{} off={} disallowed", type_name(reg), number, reg.offset));
    refuse(EACCES,
           fmt::format("dereference of modified {} ptr R{} off={} disallowed", type_name(reg), number, reg.offset));
  }
}

void Analysis::check_release(CallMeta& meta, u32 index) {
  const u32 number = index + 1;
  const Reg& reg = state_.regs()[number];
  meta.release = number;
  if (meta.args[index] == Arg::dynptr) return;
  if (!reg.scalar.is_constant()) {
    refuse(EACCES, fmt::format("variable {} access disallowed: R{} may point anywhere into what bpf_{} takes back",
                               type_name(reg), number, meta.helper->name));
  }
  if (reg.whole_offset() != 0) {
    refuse(EINVAL, fmt::format("R{} must have zero offset when passed to release func: it points {} bytes into what "
                               "bpf_{} takes back",
                               number, reg.offset, meta.helper->name));
  }
  if (reg.reference == 0) {
    refuse(EINVAL,
           fmt::format("R{} must be referenced when passed to release function: {} was not acquired, or was given "
                       "back already",
                       number, say(reg)));
  }
}

// A size, and the memory in the argument before it.
void Analysis::check_sized(CallMeta& meta, u32 index) {
  const u32 number = index + 1;
  const Reg reg = state_.regs()[number];
  const Scalar& size = reg.scalar;
  const bool may_be_empty = meta.args[index] == Arg::const_size_or_zero;
  const Touch touch = touch_of(meta.args[index - 1]);
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
  ArgumentFact reach;
  const Reg& memory = state_.regs()[number - 1];
  if (memory.is_pointer()) {
    const s64 origin = memory.type == RegType::stack ? isa::kStackBytes : 0;
    reach = {.region = region_of(memory),
             .map = memory.type == RegType::map_value && !memory.inner ? memory.map : kNone,
             .maybe_null = memory.maybe_null,
             .offset_min = origin + memory.offset + memory.scalar.s.min,
             .offset_max = origin + memory.offset + memory.scalar.s.max,
             .bytes = size.u.max};
    recorder_.argument(at_, index - 1, reach);
  }
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
      if (bytes == 0 && may_be_empty) return;
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
  const auto bytes = std::span(*spec.frozen).subspan(static_cast<std::size_t>(offset));
  if (std::ranges::find(bytes, std::byte{0}) == bytes.end()) refuse(EINVAL, "string is not zero-terminated");
  recorder_.map_touched(reg, Recorder::MapTouch::read);
}

}  // namespace forager::verifier
