// SPDX-License-Identifier: Apache-2.0
//
// Programs of bpf(2) on the JIT, for tests of what is said about machine code.
#pragma once

#include <utility>
#include <vector>

#include "jit_testing.h"
#include "runtime/session.h"
#include "syscall_testing.h"

namespace forager::syscall::testing {

// Keeps a program linked, as an attached one is. The process's placement is the JIT.
inline runtime::Session run_on_jit(Process& process, int fd) {
  process.runtime.settings.placement.backend = jit::testing::jit_here()->name();
  auto opened = runtime::Session::open(process.runtime.environment, *process.fds.find<runtime::ProgramObject>(fd),
                                       process.runtime.session_options());
  exec::Frame frame = *exec::Frame::make(std::vector<std::byte>(64));
  EXPECT_TRUE(opened->run({&frame, 1}));
  return std::move(*opened);
}

}  // namespace forager::syscall::testing
