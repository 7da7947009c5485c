// SPDX-License-Identifier: Apache-2.0
//
// Map values: rights of the map, the bytes that the runtime keeps for itself, constants in frozen ones.
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>

#include "verifier/analysis.h"

namespace forager::verifier {

using isa::MapType;

const MapSpec& Analysis::spec_of(const Reg& reg) const {
  const MapSpec& outer = program_.maps()[reg.map];
  return reg.inner && outer.inner != nullptr ? *outer.inner : outer;
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

}  // namespace forager::verifier
