// SPDX-License-Identifier: Apache-2.0
//
// Lowering: slots as the kernel takes them. There is little to do, for eBPF is the kernel's language: maps are named by
// file descriptor instead of index, and raw-memory programs, a type of ours, become XDP programs.
//
// A raw-memory program gets r1 = memory, r2 = its length and returns 64 bits. The memory becomes the value of an array
// map, which the kernel's verifier lets a program use more freely than packet bytes (atomics, variable offsets), and r0
// is stored in another. Around the program stands a frame that is part of its main function:
//
//       goto start
//   end: result[0] = r0; return XDP_PASS
//   start: r1 = memory; r2 = length
//       ... the program, each exit of its main function a goto end ...
//
// Calling the program as a subprogram would be simpler, but would take one of its 8 call frames and some of its 512
// bytes of stack, so that programs which use them all would be refused.
//
// Tested by: tests/unit/linux_device_test.cc, tests/unit/linux_raw_memory_test.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "forager/result.h"
#include "program/program.h"

namespace forager::jit::linux_kernel {

using Slots = std::vector<isa::Slot>;

// The program's slots, with maps by the file descriptors `map_fds` (by map index, one for each of Program::maps()).
[[nodiscard]] Slots with_map_fds(const program::Program& program, std::span<const int> map_fds);

struct RawMemoryMaps {
  int memory = -1;  // array of one value of memory_bytes; unused where that is 0
  std::uint32_t memory_bytes = 0;
  int result = -1;  // array of one value of 8 bytes
};
inline constexpr std::uint32_t kRawMemoryFrameSlots = 9;  // that stand before the program's first
// `slots` is what with_map_fds gave for the program.
[[nodiscard]] Slots wrap_raw_memory(const program::Program& program, Slots slots, const RawMemoryMaps& maps);

// A Diagnostic from the kernel verifier's log: its last line that says why, and the instruction that it was looking at.
// `frame_slots`: slots that were put before the program's first.
[[nodiscard]] Diagnostic explain_rejection(const program::Program& program, long negative_errno, const std::string& log,
                                           std::uint32_t frame_slots);

}  // namespace forager::jit::linux_kernel
