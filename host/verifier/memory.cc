// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores and atomics, by what the pointer points to (Linux check_mem_access). The stack has a file of its own.
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "isa/sets.h"
#include "verifier/analysis.h"

namespace forager::verifier {

using isa::Form;
using isa::MapType;
using isa::ProgType;

namespace {

constexpr u64 kFlowKeysBytes = sizeof(bpf_flow_keys);
constexpr u32 kSocketBytes = sizeof(bpf_sock);
constexpr u32 kPacketAlign = 2;  // NET_IP_ALIGN

// Who may store to packets through pointers (Linux may_access_direct_pkt_data).
bool stores_to_packets(ProgType type) {
  using namespace isa::sets;
  return (isa::set_of(type) & (kTc | xdp | lwt_xmit | sk_skb | sk_msg | cgroup_sockopt)) != 0;
}

s64 low_of(const Reg& reg, s64 offset) { return reg.offset + offset + reg.scalar.s.min; }
s64 high_of(const Reg& reg, s64 offset) {
  return reg.offset + offset + static_cast<s64>(std::min<u64>(reg.scalar.u.max, u64{1} << 40));
}

bool always_aligned(const Reg& base, s64 offset, u32 bytes) {
  const Tnum at = base.scalar.bits + Tnum::constant(static_cast<u64>(base.offset + offset));
  return at.is_aligned(bytes);
}

const char* verb(Touch touch) { return touch == Touch::read ? "read" : "write"; }

// Fields of struct bpf_sock that programs may load, as Linux's bpf_sock_is_valid_access has them; a socket's common
// part has fewer.
bool socket_field(RegType type, s64 offset, u32 bytes) {
  if (offset < 0 || offset + bytes > kSocketBytes || offset % bytes != 0) return false;
  const auto in = [&](std::size_t begin, std::size_t size) {
    return offset >= static_cast<s64>(begin) && offset + bytes <= static_cast<s64>(begin + size);
  };
  if (type == RegType::socket_common) {
    constexpr std::size_t kTypeAndProtocol = offsetof(bpf_sock, type), kRx = offsetof(bpf_sock, rx_queue_mapping);
    if (in(kTypeAndProtocol, 16) || in(kRx, 4)) return false;
  }
  constexpr s64 kPort = offsetof(bpf_sock, dst_port);  // 2 bytes, and 2 of padding that only a 4-byte load takes in
  if (in(kPort, 4)) return bytes == 4 ? offset == kPort : offset + bytes <= kPort + 2;
  if (in(offsetof(bpf_sock, src_ip4), 20) || in(offsetof(bpf_sock, dst_ip4), 20)) return bytes <= 4;
  return bytes <= 4 && (bytes == 4 || offset % 4 == 0);
}

}  // namespace

const MapSpec& Analysis::spec_of(const Reg& reg) const {
  const MapSpec& outer = program_.maps()[reg.map];
  return reg.inner && outer.inner != nullptr ? *outer.inner : outer;
}

void Analysis::load(const Instruction& insn) {
  const isa::Row& row = isa::row(insn.op);
  Reg result = access({insn.src, insn.offset, row.width / 8U, Touch::read}, nullptr, 0, row.sign_extends);
  state_.regs()[insn.dst] = result;
}

void Analysis::store(const Instruction& insn) {
  const isa::Row& row = isa::row(insn.op);
  const bool by_register = row.form == Form::store_reg;
  const Reg value = by_register ? read_reg(insn.src) : constant_reg(insn.imm);
  (void)access({insn.dst, insn.offset, row.width / 8U, Touch::write}, &value, by_register ? insn.src : kNone, false);
}

void Analysis::atomic(const Instruction& insn) {
  const isa::Row& row = isa::row(insn.op);
  const RegisterUse use = register_use(program_, insn);
  (void)read_reg(insn.src);
  const Reg base = read_reg(insn.dst);
  if ((use.reads & 1U) != 0) (void)read_reg(0);
  const bool refused = base.type == RegType::context || base.is_packet() || base.type == RegType::flow_keys ||
                       base.type == RegType::socket || base.type == RegType::socket_common ||
                       base.type == RegType::tcp_socket || base.type == RegType::xdp_socket;
  if (refused) {
    refuse(EACCES, fmt::format("BPF_ATOMIC stores into R{} {} is not allowed", insn.dst, type_name(base)),
           "atomics work on the stack, map values and records");
  }
  const u32 bytes = row.width / 8U;
  const Reg old = access({insn.dst, insn.offset, bytes, Touch::read, true}, nullptr, 0, false);
  (void)access({insn.dst, insn.offset, bytes, Touch::write, true}, nullptr, kNone, false);
  if (base.type == RegType::map_value) recorder_.map_touched(base, Recorder::MapTouch::atomic, insn.op);
  if (!row.fetches) return;
  state_.regs()[use.writes == 1U ? 0 : insn.src] = old;
}

// Legacy packet access: r6 is the packet's context, r0 the result, and the program may end here.
void Analysis::packet_load(const Instruction& insn) {
  constexpr ProgType kTypes[] = {ProgType::socket_filter, ProgType::sched_cls, ProgType::sched_act};
  if (std::ranges::find(kTypes, program_.type()) == std::end(kTypes)) {
    refuse(EINVAL, fmt::format("BPF_LD_[ABS|IND] instructions not allowed for this program type: {}", type_.name));
  }
  check_nothing_held("BPF_LD_[ABS|IND]");
  check_may_end_early("LD_ABS");
  const Reg& context = read_reg(6);
  if (context.type != RegType::context) {
    refuse(EINVAL, "at the time of BPF_LD_ABS|IND R6 != pointer to skb", "keep the context in r6");
  }
  if (context.offset != 0) refuse(EACCES, "at the time of BPF_LD_ABS|IND R6 points into the context, not to its begin");
  if (isa::row(insn.op).form == Form::packet_ind) (void)read_reg(insn.src);
  clear_caller_saved(state_.regs());
  state_.regs()[0] = scalar_reg(Scalar::loaded(isa::row(insn.op).width / 8U, false));
}

// Of a store, `value` is what is stored (null: unknown), in register `value_reg` (kNone: none).
Reg Analysis::access(const Access& a, const Reg* value, u32 value_reg, bool sign) {
  const Reg base = read_reg(a.reg);
  const bool read = a.touch == Touch::read;
  Reg result = scalar_reg(Scalar::loaded(a.bytes, sign));
  if (!base.is_pointer() || base.maybe_null) {
    const std::string hint = base.maybe_null ? "compare it with NULL, and use it only where it is not" : "";
    refuse(EACCES,
           fmt::format("R{} invalid mem access '{}': {} bytes are {} through {}", a.reg, type_name(base), a.bytes,
                       read ? "read" : "written", say(base)),
           hint);
  }
  check_one_kind(base.type);
  check_alignment(a, base, options_.strict_alignment || a.atomic);
  bool in_bounds = true;
  s64 origin = 0;
  std::uint8_t frames_up = 0;
  switch (base.type) {
    case RegType::context:
      result = access_context(a, base);
      break;
    case RegType::stack:
      origin = isa::kStackBytes;
      frames_up = static_cast<std::uint8_t>(state_.current_frame() - base.frame);
      if (read) {
        result = read_stack(base, a.reg, a.offset, a.bytes, sign);
      } else {
        write_stack(base, a.reg, a.offset, a.bytes, value, value_reg);
      }
      break;
    case RegType::packet:
    case RegType::packet_meta:
      access_packet(a, base);
      break;
    case RegType::map_value:
      result = access_map_value(a, base, sign);
      if (!a.atomic) {
        recorder_.map_touched(base, read ? Recorder::MapTouch::read : Recorder::MapTouch::write);
      }
      break;
    case RegType::map_key:
      if (!read) refuse(EACCES, fmt::format("write to change key R{} not allowed", a.reg));
      check_range(a.reg, base, a.offset, a.bytes, spec_of(base).key_size, false, "map key");
      break;
    case RegType::memory:
      if (!read && base.read_only) refuse(EACCES, fmt::format("R{} cannot write into {}", a.reg, type_name(base)));
      check_range(a.reg, base, a.offset, a.bytes, base.bytes, false, "memory");
      break;
    case RegType::raw:
      in_bounds = false;
      break;
    case RegType::flow_keys:
      check_range(a.reg, base, a.offset, a.bytes, kFlowKeysBytes, false, "flow keys");
      break;
    case RegType::socket:
    case RegType::socket_common:
    case RegType::tcp_socket:
    case RegType::xdp_socket:
      access_socket(a, base);
      break;
    default:
      refuse(EACCES, fmt::format("R{} invalid mem access '{}': {} has no bytes that a program may {}", a.reg,
                                 type_name(base), say(base), verb(a.touch)));
  }
  recorder_.accessed(at_, base,
                     {.low = low_of(base, a.offset) + origin,
                      .high = high_of(base, a.offset) + origin,
                      .in_bounds = in_bounds,
                      .aligned = always_aligned(base, a.offset, a.bytes),
                      .frame = frames_up});
  return result;
}

// Engines may turn an access of a context or a socket into something else, so such an instruction accesses nothing else
// on another path (Linux reg_type_mismatch).
void Analysis::check_one_kind(RegType type) {
  const auto special = [](RegType t) {
    return t == RegType::context || t == RegType::socket || t == RegType::socket_common || t == RegType::tcp_socket ||
           t == RegType::xdp_socket || t == RegType::flow_keys;
  };
  RegType& before = access_types_[at_];
  if (before == RegType::uninit) before = type;
  if (before == type || (!special(before) && !special(type))) return;
  refuse(EINVAL, "same insn cannot be used with different pointers: on another path it accessed something else");
}

Reg Analysis::access_context(const Access& a, const Reg& base) {
  if (base.offset != 0 || !base.scalar.is_constant() || base.scalar.value() != 0) {
    if (base.offset < 0)
      refuse(EACCES, fmt::format("negative offset ctx ptr R{} off={} disallowed", a.reg, base.offset));
    refuse(EACCES, fmt::format("dereference of modified ctx ptr R{} off={} disallowed", a.reg, base.offset),
           "use the context pointer as it came in r1");
  }
  const s64 offset = a.offset;
  const isa::ContextField* field = nullptr;
  if (offset >= 0) {
    field = isa::check_access({.type = program_.type(),
                               .attach_type = program_.source().attach_type,
                               .offset = static_cast<u32>(offset),
                               .bytes = a.bytes,
                               .store = a.touch != Touch::read});
  }
  if (field == nullptr) {
    const isa::ContextField* near = offset >= 0 ? isa::find_field(*type_.context, static_cast<u32>(offset)) : nullptr;
    refuse(
        EACCES,
        fmt::format("invalid bpf_context access off={} size={}: programs of type {} may not {} {}", offset, a.bytes,
                    type_.name, verb(a.touch),
                    near != nullptr ? fmt::format("'{}' of {} like this", near->name, type_.context->name)
                                    : fmt::format("there: {} has no field at that offset", type_.context->name)),
        near != nullptr ? fmt::format("'{}' is {} bytes at offset {}", near->name, near->element, near->offset) : "");
  }
  Reg out = scalar_reg(Scalar::loaded(a.bytes, isa::row(current().op).sign_extends));
  if (a.touch != Touch::read) return out;
  using Kind = isa::FieldKind;
  const auto pointer = [&](RegType type, bool maybe_null = false) {
    out = {};
    out.type = type;
    out.maybe_null = maybe_null;
    if (maybe_null) out.id = next_id();
  };
  if (field->kind != Kind::scalar && isa::row(current().op).sign_extends) {
    refuse(EACCES, fmt::format("invalid bpf_context access off={} size={}: a pointer cannot be sign-extended", offset,
                               a.bytes));
  }
  switch (field->kind) {
    case Kind::scalar:
      break;
    case Kind::packet:
      pointer(RegType::packet);
      break;
    case Kind::packet_end:
      pointer(RegType::packet_end);
      break;
    case Kind::packet_meta:
      pointer(RegType::packet_meta);
      break;
    case Kind::socket:
      pointer(RegType::socket);
      break;
    case Kind::socket_or_null:
      pointer(RegType::socket, true);
      break;
    case Kind::socket_common_or_null:
      pointer(RegType::socket_common, true);
      break;
    case Kind::flow_keys:
      pointer(RegType::flow_keys);
      break;
    case Kind::pointer:
      pointer(RegType::object);
      break;
  }
  return out;
}

bool Analysis::may_write_packet() const { return stores_to_packets(program_.type()); }

void Analysis::access_packet(const Access& a, const Reg& base) {
  if (a.touch != Touch::read && !may_write_packet()) {
    refuse(EACCES, fmt::format("cannot write into packet: programs of type {} may only read it", type_.name));
  }
  const bool meta = base.type == RegType::packet_meta;
  const s64 first = base.offset + a.offset;
  if (base.scalar.s.min < 0) {
    refuse(EACCES,
           fmt::format("R{} min value is negative, either use unsigned index or do a if (index >=0) check: the offset "
                       "into the packet is {}",
                       a.reg, describe(base.scalar)));
  }
  if (base.range >= 0 && first >= 0 && first + a.bytes <= base.range) return;
  refuse(EACCES,
         fmt::format("invalid access to packet, off={} size={}, R{}(id={},off={},r={}): the comparisons with {} before "
                     "this prove only {} bytes there",
                     first, a.bytes, a.reg, base.id, base.offset, std::max(base.range, 0), meta ? "data" : "data_end",
                     std::max(base.range, 0)),
         fmt::format("compare first: if (pointer + {} > {}) return ...; with this very pointer", first + a.bytes,
                     meta ? "data" : "data_end"));
}

// [offset, offset + bytes) of a region of `size` bytes, for every value of the variable part (Linux
// check_mem_region_access).
void Analysis::check_range(u32 reg, const Reg& base, s64 offset, u64 bytes, u64 size, bool may_be_empty,
                           std::string_view what) {
  const s64 fixed = base.offset + offset;
  const Scalar& variable = base.scalar;
  const auto inside = [&](s64 first) {
    return first >= 0 && (bytes > 0 || may_be_empty) && static_cast<u64>(first) + bytes <= size;
  };
  const auto outside = [&](std::string_view end, s64 first) {
    const std::string which =
        variable.is_constant() ? "" : fmt::format("R{} {} value is outside of the allowed memory range: ", reg, end);
    const std::string meant =
        bytes == 0 ? "nothing" : fmt::format("bytes {} to {}", first, first + static_cast<s64>(bytes) - 1);
    refuse(EACCES,
           fmt::format("invalid access to {}, {}_size={} off={} size={}: {}{} of {} bytes", what,
                       what == "map value" ? "value" : "mem", size, first, bytes, which, meant, size),
           variable.is_constant() ? "" : "check or mask the index before it is added to the pointer");
  };
  if (variable.s.min < 0 && (variable.s.min == Limits<s64>::min() || fixed + variable.s.min < 0)) {
    refuse(EACCES,
           fmt::format("R{} min value is negative, either use unsigned index or do a if (index >=0) check: the offset "
                       "is {}",
                       reg, describe(variable)));
  }
  if (!inside(fixed + variable.s.min)) outside("min", fixed + variable.s.min);
  if (variable.u.max >= static_cast<u64>(kMaxOffset)) {
    refuse(EACCES,
           fmt::format(
               "R{} unbounded memory access, make sure to bounds check any such access: the offset into the {} is {}",
               reg, what, describe(variable)),
           "check or mask the index before it is added to the pointer");
  }
  if (!inside(fixed + static_cast<s64>(variable.u.max))) outside("max", fixed + static_cast<s64>(variable.u.max));
}

void Analysis::check_map_rights(const Reg& base, u32 reg, Touch touch) {
  const MapSpec& spec = spec_of(base);
  // Linux makes device maps read-only for programs whatever their flags say (kernel/bpf/devmap.c).
  const bool device = spec.type == MapType::devmap || spec.type == MapType::devmap_hash;
  const auto forbidden = [&](const char* way) {
    refuse(EACCES, fmt::format("{} map forbidden: '{}' (R{}), value_size={}", way, spec.name, reg, spec.value_size));
  };
  if (touch != Touch::write && (spec.flags & BPF_F_WRONLY_PROG) != 0) forbidden("read from");
  if (touch != Touch::read && (device || (spec.flags & BPF_F_RDONLY_PROG) != 0)) forbidden("write into");
}

// Locks and timers in values are reached through helpers only.
void Analysis::check_value_fields(const Reg& base, s64 offset, u64 bytes) {
  const s64 first = base.offset + offset + base.scalar.s.min;
  const s64 last = base.offset + offset + static_cast<s64>(base.scalar.u.max + bytes);
  for (const program::ValueField& field : spec_of(base).fields) {
    if (first >= s64{field.offset} + field.size || last <= s64{field.offset}) continue;
    constexpr const char* kNames[] = {"bpf_spin_lock", "bpf_timer", "a kernel-managed field"};
    refuse(EACCES,
           fmt::format("{} cannot be accessed directly by load/store: it stands at bytes {} to {} of the value",
                       kNames[static_cast<std::size_t>(field.kind)], field.offset, field.offset + field.size - 1));
  }
}

Reg Analysis::access_map_value(const Access& a, const Reg& base, bool sign) {
  check_map_rights(base, a.reg, a.touch);
  const MapSpec& spec = spec_of(base);
  check_range(a.reg, base, a.offset, a.bytes, spec.value_size, false, "map value");
  check_value_fields(base, a.offset, a.bytes);
  // Frozen values are constants.
  const s64 at = base.whole_offset() + a.offset;
  const bool frozen = a.touch == Touch::read && !base.inner && spec.frozen != nullptr && base.scalar.is_constant() &&
                      spec.type == MapType::array && static_cast<u64>(at) + a.bytes <= spec.frozen->size();
  if (!frozen) return scalar_reg(Scalar::loaded(a.bytes, sign));
  u64 value = 0;
  std::memcpy(&value, spec.frozen->data() + at, a.bytes);
  Scalar constant = Scalar::constant(value);
  if (sign) constant.sign_extend(a.bytes);
  return scalar_reg(constant);
}

void Analysis::access_socket(const Access& a, const Reg& base) {
  const s64 offset = base.offset + a.offset;
  const bool known = base.scalar.is_constant();
  if (a.touch == Touch::read && known) {
    const bool tcp = base.type == RegType::tcp_socket, xdp = base.type == RegType::xdp_socket;
    const s64 size = tcp ? sizeof(bpf_tcp_sock) : sizeof(bpf_xdp_sock);
    const bool plain =
        offset >= 0 && offset + a.bytes <= size && offset % a.bytes == 0 &&
        (a.bytes == 4 || (tcp && a.bytes == 8 && offset >= static_cast<s64>(offsetof(bpf_tcp_sock, bytes_received)) &&
                          offset < static_cast<s64>(offsetof(bpf_tcp_sock, dsack_dups))));
    if ((tcp || xdp) ? plain : socket_field(base.type, offset, a.bytes)) return;
  }
  refuse(EACCES, fmt::format("R{} invalid {} access off={} size={}: {}", a.reg, type_name(base), offset, a.bytes,
                             a.touch == Touch::read ? "it has no such field" : "programs may only read it"));
}

// Stack accesses are always aligned, since slots are tracked; others only where asked (Linux check_ptr_alignment).
void Analysis::check_alignment(const Access& a, const Reg& base, bool strict) {
  if (base.type == RegType::stack) strict = true;
  if (base.type == RegType::context || base.type == RegType::raw) return;  // fields are checked whole
  if (!strict || a.bytes == 1) return;
  const u32 shift = base.is_packet() ? kPacketAlign : 0;
  if (always_aligned(base, a.offset + shift, a.bytes)) return;
  refuse(EACCES,
         fmt::format("misaligned {}access off ({:#x}; {:#x})+{}+{} size {}: the address is not a multiple of {}",
                     base.is_packet()              ? "packet "
                     : base.type == RegType::stack ? "stack "
                                                   : "value ",
                     base.scalar.bits.value, base.scalar.bits.mask, base.offset, a.offset, a.bytes, a.bytes));
}

void Analysis::forget_packet_pointers() {
  state_.for_each_reg([](Reg& reg) {
    if (reg.is_packet() || reg.type == RegType::packet_end) reg = scalar_reg();
  });
}

}  // namespace forager::verifier
