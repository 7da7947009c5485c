// SPDX-License-Identifier: Apache-2.0
#include "verifier/reg.h"

#include <fmt/format.h>

namespace forager::verifier {
namespace {

struct TypeWords {
  RegType type;
  std::string_view name;    // in logs
  std::string_view people;  // in messages
  Region region;
};
constexpr TypeWords kWords[] = {
    {RegType::uninit, "?", "a register that was never written", Region::unknown},
    {RegType::scalar, "scalar", "a number", Region::unknown},
    {RegType::context, "ctx", "the context", Region::context},
    {RegType::map, "map_ptr", "a map", Region::other},
    {RegType::map_value, "map_value", "a map value", Region::map_value},
    {RegType::map_key, "map_key", "a map key", Region::other},
    {RegType::stack, "fp", "the stack", Region::stack},
    {RegType::packet, "pkt", "the packet", Region::packet},
    {RegType::packet_meta, "pkt_meta", "the packet's metadata", Region::packet_meta},
    {RegType::packet_end, "pkt_end", "the packet's end", Region::other},
    {RegType::flow_keys, "flow_keys", "flow keys", Region::other},
    {RegType::socket, "sock", "a socket", Region::socket},
    {RegType::socket_common, "sock_common", "a socket's common part", Region::socket},
    {RegType::tcp_socket, "tcp_sock", "a TCP socket", Region::tcp_socket},
    {RegType::xdp_socket, "xdp_sock", "an XDP socket", Region::socket},
    {RegType::memory, "mem", "memory", Region::memory},
    {RegType::raw, "mem", "the memory", Region::memory},
    {RegType::object, "ptr_", "a kernel object", Region::unknown},  // its members may be pointers
    {RegType::function, "func", "a function", Region::other},
    {RegType::dynptr, "dynptr_ptr", "a dynptr", Region::other},
    {RegType::buffer, "buf", "an element's value", Region::unknown},
};

const TypeWords& words(RegType type) { return kWords[static_cast<std::size_t>(type)]; }

std::string_view name_of(isa::KernelStruct object) {
  constexpr std::string_view kNames[] = {"", "seq_file", "bpf_iter_meta", "bpf_map"};
  return kNames[static_cast<std::size_t>(object)];
}

std::string hex(u64 value) { return fmt::format("{:#x}", value); }

// The views of a scalar that say something, as the kernel's log writes them.
std::string ranges(const Scalar& s) {
  std::string out;
  const auto add = [&](const std::string& part) {
    if (!out.empty()) out += ',';
    out += part;
  };
  if (s.s.min != Limits<s64>::min()) add(fmt::format("smin={}", s.s.min));
  if (s.s.max != Limits<s64>::max()) add(fmt::format("smax={}", s.s.max));
  if (s.u.min != 0) add(fmt::format("umin={}", s.u.min));
  if (s.u.max != Limits<u64>::max()) add(fmt::format("umax={}", s.u.max));
  if (s.s32r.min != Limits<s32>::min() && s.s32r.min != s.s.min) add(fmt::format("smin32={}", s.s32r.min));
  if (s.s32r.max != Limits<s32>::max() && s.s32r.max != s.s.max) add(fmt::format("smax32={}", s.s32r.max));
  if (s.u32r.min != 0 && s.u32r.min != s.u.min) add(fmt::format("umin32={}", s.u32r.min));
  if (s.u32r.max != Limits<u32>::max() && s.u32r.max != s.u.max) add(fmt::format("umax32={}", s.u32r.max));
  if (s.bits.mask != ~u64{0}) add(fmt::format("var_off=({}; {})", hex(s.bits.value), hex(s.bits.mask)));
  return out;
}

std::string map_name(const Reg& reg, std::span<const program::MapSpec> maps) {
  return reg.map < maps.size() ? fmt::format("{}{}", reg.inner ? "inner of " : "", maps[reg.map].name) : "";
}

}  // namespace

std::string type_name(const Reg& reg) {
  std::string out =
      reg.type == RegType::memory && reg.origin == Origin::record ? "ringbuf_mem" : std::string(words(reg.type).name);
  if (reg.object != isa::KernelStruct::none) out = fmt::format("trusted_{}{}", out, name_of(reg.object));
  if (reg.read_only) out = fmt::format("rdonly_{}", out);
  return reg.maybe_null ? fmt::format("{}_or_null", out) : out;
}

std::string describe(const Reg& reg, std::span<const program::MapSpec> maps) {
  if (reg.is_null()) return "null";
  if (reg.is_scalar()) return reg.scalar.is_unknown() ? "a number" : "a number (" + describe(reg.scalar) + ")";
  std::string out(words(reg.type).people);
  if (reg.type == RegType::map_value || reg.type == RegType::map) out += fmt::format(" of '{}'", map_name(reg, maps));
  if (reg.type == RegType::map) out = fmt::format("map '{}'", map_name(reg, maps));
  if (reg.type == RegType::memory && reg.origin == Origin::record) out = "a ring-buffer record";
  if (reg.type == RegType::buffer && reg.read_only) out = "an element's key";
  if (reg.object != isa::KernelStruct::none) out = fmt::format("the kernel's struct {}", name_of(reg.object));
  return reg.maybe_null ? out + " that may be null" : out;
}

std::string to_text(const Reg& reg, std::span<const program::MapSpec> maps) {
  if (reg.is_scalar() && reg.scalar.is_constant()) return fmt::format("{}", static_cast<s64>(reg.scalar.value()));
  if (reg.type == RegType::stack && reg.scalar.is_constant()) return fmt::format("fp{}", reg.whole_offset());
  std::string parts;
  const auto add = [&](const std::string& part) {
    if (!parts.empty()) parts += ',';
    parts += part;
  };
  if (reg.id != 0) add(fmt::format("id={}{}", reg.id, reg.delta != Delta::none ? fmt::format("{:+}", reg.offset) : ""));
  if (reg.reference != 0) add(fmt::format("ref_obj_id={}", reg.reference));
  if (!reg.is_scalar() && reg.offset != 0) add(fmt::format("off={}", reg.offset));
  if (reg.is_packet()) add(fmt::format("r={}", reg.range));
  if (reg.type == RegType::map || reg.type == RegType::map_value) add("map=" + map_name(reg, maps));
  if (reg.type == RegType::map_value && reg.map < maps.size()) {
    const program::MapSpec& spec = reg.inner && maps[reg.map].inner ? *maps[reg.map].inner : maps[reg.map];
    add(fmt::format("ks={},vs={}", spec.key_size, spec.value_size));
  }
  if (reg.type == RegType::memory) add(fmt::format("sz={}", reg.bytes));
  if (reg.is_scalar() || !reg.scalar.is_constant() || reg.scalar.value() != 0) {
    if (const std::string range = ranges(reg.scalar); !range.empty()) add(range);
  }
  return fmt::format("{}({})", type_name(reg), parts);
}

std::string describe(const Scalar& s) {
  if (s.is_constant()) return fmt::format("{}", static_cast<s64>(s.value()));
  if (s.is_unknown()) return "any number";
  if (s.s.min < 0 && s.s.max == Limits<s64>::max() && s.u.max == Limits<u64>::max()) return "any number, even negative";
  if (s.s.min < 0) return fmt::format("{} to {}", s.s.min, s.s.max);
  return fmt::format("{} to {}", s.u.min, s.u.max);
}

Region region_of(const Reg& reg) {
  // Other memory is what somebody else made it: nothing can be said of it in terms of its own region.
  if (reg.type == RegType::memory) return reg.origin == Origin::record ? Region::ring_record : Region::unknown;
  return words(reg.type).region;
}

}  // namespace forager::verifier
