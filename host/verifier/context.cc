// SPDX-License-Identifier: Apache-2.0
//
// The context and what it leads to: fields by the tables of host/isa/ctx, packets between two pointers, sockets, and
// legacy packet loads.
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>

#include "isa/sets.h"
#include "verifier/analysis.h"

namespace forager::verifier {

using isa::Form;
using isa::ProgType;
using Kind = isa::FieldKind;

namespace {

constexpr u32 kSocketBytes = sizeof(bpf_sock);

// Who may store to packets through pointers (Linux may_access_direct_pkt_data).
bool stores_to_packets(ProgType type) {
  using namespace isa::sets;
  return (isa::set_of(type) & (kTc | xdp | lwt_xmit | sk_skb | sk_msg | cgroup_sockopt)) != 0;
}

// What a load of the field yields.
struct Loaded {
  Kind kind;
  RegType type;
  bool maybe_null = false;
  isa::KernelStruct object = isa::KernelStruct::none;
  bool read_only = false;
};
constexpr bool kOrNull = true;
constexpr Loaded kLoaded[] = {
    {Kind::scalar, RegType::scalar},
    {Kind::packet, RegType::packet},
    {Kind::packet_end, RegType::packet_end},
    {Kind::packet_meta, RegType::packet_meta},
    {Kind::socket, RegType::socket},
    {Kind::socket_or_null, RegType::socket, kOrNull},
    {Kind::socket_common_or_null, RegType::socket_common, kOrNull},
    {Kind::flow_keys, RegType::flow_keys},
    {Kind::pointer, RegType::object},
    {Kind::iter_meta, RegType::object, false, isa::KernelStruct::bpf_iter_meta},
    {Kind::kernel_map, RegType::object, false, isa::KernelStruct::bpf_map},
    {Kind::kernel_map_or_null, RegType::object, kOrNull, isa::KernelStruct::bpf_map},
    {Kind::key_or_null, RegType::buffer, kOrNull, isa::KernelStruct::none, true},
    {Kind::value_or_null, RegType::buffer, kOrNull},
};

Reg loaded(Kind kind) {
  const Loaded& row = kLoaded[static_cast<std::size_t>(kind)];
  Reg out;
  out.type = row.type;
  out.maybe_null = row.maybe_null;
  out.object = row.object;
  out.read_only = row.read_only;
  return out;
}

const char* verb(Touch touch) { return touch == Touch::read ? "load" : "store to"; }

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
  constexpr std::size_t kWhole[] = {offsetof(bpf_sock, bound_dev_if), offsetof(bpf_sock, mark),
                                    offsetof(bpf_sock, priority)};
  const bool in_part =
      offset % 4 == 0 && std::ranges::find(kWhole, static_cast<std::size_t>(offset)) == std::end(kWhole);
  return bytes == 4 || (bytes < 4 && in_part);
}

}  // namespace

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
                               .store = a.touch != Touch::read,
                               .context = program_.context()});
  }
  if (field == nullptr) refuse_context(a);
  const bool sign = isa::row(current().op).sign_extends;
  const bool pointer = a.touch == Touch::read && field->kind != Kind::scalar;
  if (!pointer) return scalar_reg(Scalar::loaded(a.bytes, sign));
  if (sign) {
    refuse(EACCES, fmt::format("invalid bpf_context access off={} size={}: a pointer cannot be sign-extended", offset,
                               a.bytes));
  }
  Reg out = loaded(field->kind);
  if (out.maybe_null) out.id = next_id();
  return out;
}

void Analysis::refuse_context(const Access& a) {
  const isa::ContextRow& context = *program_.context();
  const isa::ContextField* near = a.offset >= 0 ? isa::find_field(context, static_cast<u32>(a.offset)) : nullptr;
  const std::string place = fmt::format("invalid bpf_context access off={} size={}: ", a.offset, a.bytes);
  if (near == nullptr) refuse(EACCES, place + fmt::format("{} has no field at that offset", context.name));
  refuse(EACCES,
         place + fmt::format("programs of type {} may not {} '{}' of {} in this way", type_.name, verb(a.touch),
                             near->name, context.name),
         fmt::format("'{}' is {} bytes at offset {}{}", near->name, near->element, near->offset,
                     near->readers == 0 || near->writers == 0 ? ", and may not be written" : ""));
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
  const std::string edge = meta ? "data" : "data_end";
  refuse(EACCES,
         fmt::format("invalid access to packet, off={} size={}, R{}(id={},off={},r={}): the comparisons with {} before "
                     "this prove only {} bytes there",
                     first, a.bytes, a.reg, base.id, base.offset, std::max(base.range, 0), meta ? "data" : "data_end",
                     std::max(base.range, 0)),
         first < 0 ? "bytes before what was compared are not known to exist"
                   : fmt::format("compare first: if (pointer + {} > {}) return ...; with this very pointer",
                                 first + a.bytes, edge));
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

void Analysis::forget_packet_pointers() {
  state_.for_each_reg([this](Reg& reg) {
    if (reg.is_packet() || reg.type == RegType::packet_end) reg = ended_pointer(reg, at_);
  });
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

}  // namespace forager::verifier
