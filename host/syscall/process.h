// SPDX-License-Identifier: Apache-2.0
//
// Process: what one process sees of bpf(2): a runtime, and the descriptors that name its objects. Tests make their own;
// everything else uses the one of this process.
#pragma once

#include "runtime/runtime.h"
#include "syscall/fd_table.h"

namespace forager::syscall {

struct Process {
  runtime::Runtime runtime;
  FdTable fds;  // after the runtime, and so gone before it
};

// Made at its first use, and never destroyed: descriptors may be closed until the very end of the program.
[[nodiscard]] Process& process();

// In a child of fork(): gives it a Process of its own. The parent's may be locked by threads that the child has not
// got.
void start_afresh();

}  // namespace forager::syscall
