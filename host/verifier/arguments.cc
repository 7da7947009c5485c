// SPDX-License-Identifier: Apache-2.0
//
// Arguments of helpers, one by one (Linux check_func_arg). What an argument may be stands in argument_rules.cc, what is
// asked of the memory behind it in argument_memory.cc.
#include <cerrno>
#include <limits>

#include "verifier/analysis.h"

namespace forager::verifier {

using isa::MapType;

namespace {

// Offsets of a pointer that nothing is known of end where numbers do.
s64 saturated_sum(s64 a, s64 b) {
  s64 sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? std::numeric_limits<s64>::min() : std::numeric_limits<s64>::max();
}

}  // namespace

void Analysis::check_argument(CallMeta& meta, u32 index) {
  const ArgRule& rule = rule_of(meta.args[index]);
  const u32 number = index + 1;
  const Reg reg = read_reg(number);
  ArgumentFact fact = fact_of(reg);
  // A pointer that is null on some path only.
  if (!rule.is_number() && reg.is_scalar()) fact.maybe_null = true;
  const bool is_null = rule.nullable && reg.is_null();
  if (is_null) mark_precise(number);
  if (!is_null && rule.arg != Arg::anything) {
    check_kind(meta, index, rule);
    fact.bytes = check_meaning(meta, index, rule);
  }
  recorder_.argument(at_, index, fact);
}

ArgumentFact Analysis::fact_of(const Reg& reg) {
  if (!reg.is_pointer()) return {};
  const s64 begin = reg.offset + (reg.type == RegType::stack ? s64{isa::kStackBytes} : 0);
  const bool of_map = (reg.type == RegType::map_value || reg.type == RegType::map) && !reg.inner;
  if (region_of(reg) == Region::unknown) return {.maybe_null = reg.maybe_null};
  return {.region = region_of(reg),
          .map = of_map ? reg.map : kNone,
          .maybe_null = reg.maybe_null,
          .offset_min = saturated_sum(begin, reg.scalar.s.min),
          .offset_max = saturated_sum(begin, reg.scalar.s.max)};
}

void Analysis::check_kind(CallMeta& meta, u32 index, const ArgRule& rule) {
  const u32 number = index + 1;
  const Reg& reg = state_.regs()[number];
  if (rule.is_number()) {
    if (reg.is_scalar()) return;
    refuse(EACCES, fmt::format("R{} type={} expected=scalar: argument {} of bpf_{} is a number, not {}", number,
                               type_name(reg), number, meta.helper->name, say(reg)));
  }
  check_pointer_kind(meta, index, rule);
  if (reg.reference != 0) {
    if (meta.reference != 0 && meta.reference != reg.reference) {
      refuse(EACCES, fmt::format("more than one arg with ref_obj_id R{} {} {}", number, reg.reference, meta.reference));
    }
    meta.reference = reg.reference;
  }
  if (index == 0 && releases(meta.helper->name)) check_release(meta, index);
}

void Analysis::check_pointer_kind(const CallMeta& meta, u32 index, const ArgRule& rule) {
  const u32 number = index + 1;
  const Reg& reg = state_.regs()[number];
  const auto wrong = [&](std::string hint) {
    refuse(EACCES,
           fmt::format("R{} type={} expected={}: argument {} of bpf_{} is {}", number, type_name(reg), rule.expected,
                       number, meta.helper->name, say(reg)),
           std::move(hint));
  };
  if (reg.is_packet() && !meta.helper->takes_packet) {
    refuse(EACCES,
           fmt::format("helper access to the packet is not allowed: argument {} of bpf_{} must not point into it",
                       number, meta.helper->name),
           "copy the bytes to the stack first");
  }
  const bool record = rule.arg != Arg::alloc_mem || reg.origin == Origin::record;
  // The values of maps of sockets are sockets.
  const bool of_sockets = rule.arg == Arg::map_value && meta.map.type == RegType::map &&
                          (spec_of(meta.map).type == MapType::sockmap || spec_of(meta.map).type == MapType::sockhash);
  const TypeSet types = of_sockets ? rule_of(Arg::socket_common).types : rule.types;
  // What no argument asks for by its structure is an object without one.
  const isa::KernelStruct object = rule.arg == Arg::seq_file ? isa::KernelStruct::seq_file : isa::KernelStruct::none;
  const bool other_object = reg.type == RegType::object && reg.object != object;
  if (!reg.is_pointer() || (set_of(reg.type) & types) == 0 || !record || other_object) wrong("");
  if (reg.maybe_null) wrong("compare it with NULL, and pass it only where it is not");
  const bool moved = reg.offset != 0 || !reg.scalar.is_constant() || reg.scalar.value() != 0;
  if (!moved || !wants_no_offset(reg.type)) return;
  refuse(EACCES,
         fmt::format("{} {} ptr R{} off={} disallowed", reg.offset < 0 ? "negative offset" : "dereference of modified",
                     type_name(reg), number, reg.offset));
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

// What the argument means for the call; gives the bytes of memory that the helper may reach there.
u64 Analysis::check_meaning(CallMeta& meta, u32 index, const ArgRule& rule) {
  const u32 number = index + 1;
  const Reg& reg = state_.regs()[number];
  switch (rule.arg) {
    case Arg::const_map:
      set_map(meta, reg);
      return 0;
    case Arg::map_key:
    case Arg::map_value:
    case Arg::map_value_or_null:
    case Arg::map_value_uninit:
      return check_element(meta, number, rule);
    case Arg::const_size:
    case Arg::const_size_or_zero:
      check_sized(meta, index);
      return 0;
    case Arg::const_alloc_size:
      set_alloc_size(meta, number);
      return 0;
    case Arg::const_string:
      check_string(number);
      return 0;
    case Arg::spin_lock:
      spin_lock(number, meta.helper->name == "spin_lock");
      return 0;
    case Arg::timer:
      check_timer(meta, number);
      return 0;
    case Arg::callback:
      meta.subprogram = reg.map;
      return 0;
    case Arg::dynptr:
    case Arg::dynptr_uninit:
      check_dynptr(meta, index, rule.arg == Arg::dynptr_uninit);
      return 0;
    case Arg::kptr:
      refuse(EINVAL, "kernel pointers in map values are not supported here");
    default:
      if (rule.bytes != 0) check_fixed(meta, number, rule);
      return rule.bytes;
  }
}

void Analysis::set_map(CallMeta& meta, const Reg& reg) {
  const bool of_timer = meta.map.type == RegType::map_value;
  if (of_timer && (meta.map.map != reg.map || meta.map.inner != reg.inner)) {
    refuse(EINVAL, "timer pointer in R1 is not of the map in R2");
  }
  meta.map = reg;
}

void Analysis::set_alloc_size(CallMeta& meta, u32 number) {
  const Scalar& size = state_.regs()[number].scalar;
  if (!size.is_constant()) {
    refuse(EACCES, fmt::format("R{} is not a known constant: argument {} of bpf_{} is {}", number, number,
                               meta.helper->name, describe(size)));
  }
  meta.alloc_size = size.value();
  mark_precise(number);
}

}  // namespace forager::verifier
