// SPDX-License-Identifier: Apache-2.0
//
// bpf(2) in user space.
//
// The same commands, attributes, checks and errno values as the kernel's (include/uapi/linux/bpf.h, kernel/bpf/
// syscall.c), on a runtime of this process. A command that this build does not know is -EINVAL, which is what an older
// kernel answers and what libbpf's feature probes expect. Everybody has every capability: there is nobody to protect.
//
// Tested by: tests/unit/syscall_*_test.cc, most of them on the real one too; tests/e2e.
#pragma once

#include <linux/bpf.h>

#include "syscall/process.h"

namespace forager::syscall {

// A result (a descriptor, or 0), or a negative errno. `attr` may be any address at all.
[[nodiscard]] long bpf(int command, union bpf_attr* attr, unsigned size);
[[nodiscard]] long bpf(Process& process, int command, union bpf_attr* attr, unsigned size);

}  // namespace forager::syscall
