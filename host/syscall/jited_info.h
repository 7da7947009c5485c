// SPDX-License-Identifier: Apache-2.0
//
// The machine code in struct bpf_prog_info (kernel/bpf/syscall.c bpf_prog_get_info_by_fd): what the runtime's backend
// for test runs makes of the program, if that is a JIT.
//
// Tested by: tests/unit/syscall_jited_info_test.cc.
#pragma once

#include <linux/bpf.h>

#include "runtime/runtime.h"

namespace forager::syscall {

// Fills in jited_*, nr_jited_* and prog_tags; the first two are zero where no JIT takes the program. Functions stand in
// the order of the program's, dead ones with a length of 0. Addresses are those of a copy that is linked now; where
// there is none, they are not told, as by a kernel that keeps its addresses to itself: the pointer to them comes back
// as 0. Tags are of as many functions, or the program's own where there is one. 0 or a negative errno: EINVAL for
// records of lines that are not addresses.
[[nodiscard]] long fill_jited(bpf_prog_info& info, const runtime::Runtime& runtime, runtime::ProgramObject& program);

}  // namespace forager::syscall
