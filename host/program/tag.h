// SPDX-License-Identifier: Apache-2.0
//
// A program's tag: eight bytes that tell whether two programs are the same code, whatever maps they were given.
//
// The first eight bytes of the SHA-1 of the instructions, in which map references count as none: what Linux computes up
// to version 6.17 (kernel/bpf/core.c bpf_prog_calc_tag; later kernels take SHA-256), so that tags in old captures and
// tools go on matching. Instructions that name maps by index count as those that name them by descriptor.
//
// Tested by: tests/unit/program_tag_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "isa/isa.h"

namespace forager::program {

class Program;

using Tag = std::array<std::uint8_t, 8>;

[[nodiscard]] Tag tag_of(std::span<const isa::Slot> slots);

// The tag of each subprogram's own instructions, by index (kernel/bpf/verifier.c jit_subprogs, which computes them of
// instructions that it has rewritten by then, so that a kernel's differ).
[[nodiscard]] std::vector<Tag> function_tags(const Program& program);

}  // namespace forager::program
