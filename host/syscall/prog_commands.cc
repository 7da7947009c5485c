// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_BIND_MAP.
#include <cerrno>

#include "syscall/commands.h"

namespace forager::syscall {

long prog_bind_map(const Call& call) {
  const auto& asked = call.attr.prog_bind_map;
  if (asked.flags != 0) return -EINVAL;
  const auto program = call.fds().find<runtime::ProgramObject>(static_cast<int>(asked.prog_fd));
  if (!program) return program.error();
  const auto map = call.fds().find<runtime::MapUser>(static_cast<int>(asked.map_fd));
  if (!map) return map.error();
  (*program)->bind_also((*map)->object());
  return 0;
}

}  // namespace forager::syscall
