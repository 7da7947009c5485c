// SPDX-License-Identifier: Apache-2.0
//
// The event file of `forager run --events`: what happened, for programs that see no packet. JSON lines, one event each;
// empty lines and lines that begin with # count for nothing.
//
//   {"type": "kprobe", "time_ns": 5, "context": {"rdi": 3, "rsi": "0xffff888000001000"},
//    "task": {"pid": 71, "tgid": 70, "uid": 1000, "gid": 100, "comm": "worker", "cgroup": 42, "ancestors": [1, 42]},
//    "memory": [{"address": "0xffff888000001000", "text": "name"}, {"address": 4096, "user": true, "hex": "01 02"}],
//    "cookie": 9}
//
//   type      the program's, for people; another one is an error
//   context   fields of the program's context by name (docs/tables.md): numbers, "0x..", lists of them, and addresses
//             such as "10.0.0.1" where the field holds one; or all its bytes as one hex string
//   data      hex bytes: a tracepoint's record from its common fields on, a SOCK_OPS packet from the TCP header on
//   task      who ran; kernel_stack and user_stack are lists of addresses, innermost first
//   memory    of the traced machine: the kernel's unless "user" is true
//   function, cookie, retval, counter {counter, enabled_ns, running_ns}, branches (hex), sysctl {name, current, new},
//   saved_syn (hex), option_room: what helpers answer (exec/event.h)
//   socket    {local, local_port, remote, remote_port, protocol, state, uid}: what the context's `sk` points to
//
// Unknown names are errors, so that a misspelt one is not silently ignored.
//
// Tested by: tests/unit/cli_event_file_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "exec/frame.h"
#include "forager/result.h"
#include "isa/tables.h"

namespace forager::cli {

// No event file is larger.
inline constexpr std::size_t kMaxEventFile = std::size_t{256} << 20;

// The events as frames, ready to run. Errors: input, naming the file and the line.
[[nodiscard]] Result<std::vector<exec::Frame>> read_events(const std::string& path, isa::ProgType type);
// One line. Errors: input.
[[nodiscard]] Result<exec::Frame> parse_event(std::string_view line, isa::ProgType type);

}  // namespace forager::cli
