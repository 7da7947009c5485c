// SPDX-License-Identifier: Apache-2.0
//
// The 64-bit immediates that name a map (RFC 9669 section 5.4, Linux's BPF_PSEUDO_MAP_*): by descriptor or by index,
// and the map itself or an offset into its first value.
//
// Programs inside forager name maps by index only. Descriptors come in at bpf(2)'s PROG_LOAD, ids go out at
// OBJ_GET_INFO_BY_FD; both rewrite with what stands here.
//
// Tested by: tests/unit/program_tag_test.cc.
#pragma once

#include <cstdint>

#include "isa/isa.h"

namespace forager::program {

inline constexpr std::uint8_t kWideOpcode = 0x18;  // BPF_LD | BPF_IMM | BPF_DW
inline constexpr std::uint8_t kSrcMapFd = 1;
inline constexpr std::uint8_t kSrcMapValue = 2;
inline constexpr std::uint8_t kSrcMapIndex = 5;
inline constexpr std::uint8_t kSrcMapIndexValue = 6;

[[nodiscard]] constexpr bool names_value(const isa::Slot& slot) {
  return slot.src == kSrcMapValue || slot.src == kSrcMapIndexValue;
}
[[nodiscard]] constexpr bool names_by_index(const isa::Slot& slot) {
  return slot.src == kSrcMapIndex || slot.src == kSrcMapIndexValue;
}
// The first slot of a map-naming immediate.
[[nodiscard]] constexpr bool is_map_reference(const isa::Slot& slot) {
  return slot.opcode == kWideOpcode && (slot.src == kSrcMapFd || names_value(slot) || names_by_index(slot));
}

}  // namespace forager::program
