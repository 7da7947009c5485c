// SPDX-License-Identifier: Apache-2.0
//
// Reg: what is known of one register, or of a register's value spilled to the stack.
//
// A pointer is its kind, a fixed offset, and a Scalar for the variable part of its offset. Identities (`id`) tie
// values together: copies of one scalar, of one pointer that may be null, packet pointers with one variable part.
// `reference` names what must be given back. Numbers of identities are of one path only; states are compared up to
// renaming.
#pragma once

#include <string>
#include <string_view>

#include "program/program.h"
#include "verifier/facts.h"
#include "verifier/scalar.h"

namespace forager::verifier {

enum class RegType : std::uint8_t {
  uninit,
  scalar,
  context,
  map,  // the map itself
  map_value,
  map_key,  // of the element that a callback visits
  stack,
  packet,
  packet_meta,
  packet_end,
  flow_keys,
  socket,
  socket_common,
  tcp_socket,
  xdp_socket,
  memory,  // `bytes` of it: a record, a slice, an argument of a global function
  raw,     // the memory of a raw_memory program, of a length that only the run knows
  object,  // of the kernel; its members may be read if it is one of isa::KernelStruct
  function,
  dynptr,  // handed to a callback
  buffer,  // what an iterator is shown, of a size that is compared with the program's reach when it is attached: a
           // value, or a key (read_only)
};

// Where memory comes from: a parameter of a global function (whatever the caller passes), a ring buffer, a dynptr.
enum class Origin : std::uint8_t { parameter, record, slice };

// How a number relates to the others of its identity: it is their value, or that plus `offset`, in 64 bits or in 32
// (zero-extended; then the value itself fits 32 bits).
enum class Delta : std::uint8_t { none, wide, half };

enum class DynptrType : std::uint8_t { none, local, record };

// Ranges of packet pointers that are known to be at, or beyond, the packet's end (they can reach no byte).
inline constexpr s32 kAtPacketEnd = -1;
inline constexpr s32 kBeyondPacketEnd = -2;

// Offsets beyond this are refused (Linux BPF_MAX_VAR_OFF); so are sizes (BPF_MAX_VAR_SIZ).
inline constexpr s64 kMaxOffset = s64{1} << 29;
inline constexpr s64 kMaxPacketOffset = 0xffff;

struct Reg {
  RegType type = RegType::uninit;
  bool maybe_null = false;
  bool read_only = false;
  bool inner = false;  // map, map_value: of a map that an outer map (`map`) holds
  Origin origin = Origin::parameter;
  DynptrType dynptr = DynptrType::none;
  bool first_slot = false;  // of a dynptr on the stack
  Delta delta = Delta::none;
  isa::KernelStruct object = isa::KernelStruct::none;  // object: which
  s32 offset = 0;                                      // fixed part of a pointer's offset
  u32 map = program::kNone;                            // index in Program::maps(); function: its subprogram
  s32 range = 0;                                       // packet: bytes after the variable part known to exist
  u32 bytes = 0;                                       // memory
  u32 frame = 0;                                       // stack
  u32 id = 0;
  u32 reference = 0;
  u32 slice_of = 0;  // memory: the dynptr's id; map: which lookup of the outer map found it
  // A number that was a pointer until a call at this instruction took away what it pointed to.
  RegType was = RegType::uninit;
  u32 ended_at = program::kNone;
  Scalar scalar = Scalar::constant(0);

  [[nodiscard]] bool is_scalar() const { return type == RegType::scalar; }
  [[nodiscard]] bool is_pointer() const { return type != RegType::scalar && type != RegType::uninit; }
  [[nodiscard]] bool is_packet() const { return type == RegType::packet || type == RegType::packet_meta; }
  [[nodiscard]] bool is_null() const { return is_scalar() && scalar.is_constant() && scalar.value() == 0; }
  [[nodiscard]] bool has_constant_offset() const { return scalar.is_constant(); }
  // The whole offset of a pointer whose variable part is constant.
  [[nodiscard]] s64 whole_offset() const { return offset + static_cast<s64>(scalar.value()); }

  friend bool operator==(const Reg&, const Reg&) = default;
};

[[nodiscard]] inline Reg scalar_reg(const Scalar& value = {}) {
  Reg out;
  out.type = RegType::scalar;
  out.scalar = value;
  return out;
}
// What is left of a pointer whose object is gone.
[[nodiscard]] inline Reg ended_pointer(const Reg& reg, u32 at) {
  Reg out = scalar_reg();
  out.was = reg.type;
  out.ended_at = at;
  return out;
}
[[nodiscard]] inline Reg constant_reg(u64 value) { return scalar_reg(Scalar::constant(value)); }

// The number stands for itself again.
inline void unlink(Reg& reg) {
  reg.id = 0;
  reg.delta = Delta::none;
  reg.offset = 0;
}

// "map_value_or_null", as the kernel's log names types; and the words for people: "a map value that may be null".
[[nodiscard]] std::string type_name(const Reg& reg);
[[nodiscard]] std::string describe(const Reg& reg, std::span<const program::MapSpec> maps);
// "R1_w=scalar(...)" contents, without the register's name.
[[nodiscard]] std::string to_text(const Reg& reg, std::span<const program::MapSpec> maps);
// "between 0 and 255", "5", "any number".
[[nodiscard]] std::string describe(const Scalar& scalar);

[[nodiscard]] Region region_of(const Reg& reg);

}  // namespace forager::verifier
