// SPDX-License-Identifier: Apache-2.0
//
// The BTF of the machine's kernel (/sys/kernel/btf/vmlinux, else what libbpf looks for in /boot and elsewhere). Nothing
// of that kernel is called: libbpf names an iterator by the number of a function in this BTF, and relocates a program's
// accesses to kernel structures by it, so numbers and offsets that come to our bpf(2) are those of this file.
//
// Tested by: tests/unit/syscall_iter_test.cc.
#pragma once

#include <bpf/btf.h>

#include <memory>
#include <string>
#include <vector>

#include "isa/iterators.h"
#include "syscall/user_memory.h"

namespace forager::syscall {

// Read anew each time: it is large, and seldom asked for. Null where there is none.
[[nodiscard]] std::shared_ptr<const ::btf> kernel_types();

// The name of a function; -EINVAL, with a line in `log`, if the number is not a function's.
[[nodiscard]] Errno<std::string> function_name(const ::btf& types, std::uint32_t id, std::string& log);

// Where the members of isa::kernel_member_names() stand; those that this kernel does not have are left out.
[[nodiscard]] std::vector<isa::KernelMember> kernel_members(const ::btf& types);

}  // namespace forager::syscall
