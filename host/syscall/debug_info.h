// SPDX-License-Identifier: Apache-2.0
//
// The BTF function and line records of BPF_PROG_LOAD: checked as the kernel checks them (kernel/bpf/verifier.c
// check_btf_info), kept for OBJ_GET_INFO_BY_FD, and turned into the names, files and C lines of a program::Source.
//
// Tested by: tests/unit/syscall_debug_info_test.cc.
#pragma once

#include <string>

#include "program/program.h"
#include "syscall/commands.h"

namespace forager::syscall {

// Fills lines and functions of `source`, whose slots and type are there. Without records nothing is asked of
// prog_btf_fd. What is wrong is appended to `log`.
[[nodiscard]] Errno<runtime::DebugInfo> read_debug_info(const Call& call, program::Source& source, std::string& log);

}  // namespace forager::syscall
