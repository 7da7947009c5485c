// SPDX-License-Identifier: Apache-2.0
//
// Process: what one process sees of bpf(2): a runtime, and the descriptors that name its objects. Tests make their own;
// everything else uses the one of this process.
#pragma once

#include <functional>

#include "runtime/runtime.h"
#include "syscall/fd_table.h"
#include "syscall/pin_store.h"
#include "syscall/trace.h"
#include "syscall/tracepoint_ids.h"
#include "syscall/virtual_files.h"

namespace forager::syscall {

struct Process {
  runtime::Runtime runtime;
  // Told of every call of bpf(2), when it is over, on the thread that made it. Set up before the first call.
  std::function<void(const FinishedCall&)> on_call;
  TracepointIds tracepoints;
  VirtualFiles files{runtime.settings.bpffs_mount, tracepoints};
  FdTable fds;  // after the runtime, and so gone before it
  PinStore pin_store{*this};
};

// Made at its first use, and never destroyed: descriptors may be closed until the very end of the program.
[[nodiscard]] Process& process();

// In a child of fork(): gives it a Process of its own. The parent's may be locked by threads that the child has not
// got.
void start_afresh();

}  // namespace forager::syscall
