// SPDX-License-Identifier: Apache-2.0
//
// What a call of bpf(2) looked like, in one line, for people:
//
//   bpf(BPF_MAP_CREATE, {map_type=BPF_MAP_TYPE_HASH, key_size=4, ..., map_name="flows"}, 72) = 5 <0.000012>
//
// as strace(1) prints it: fields that are zero are left out, pointers are numbers, an error has its name. Which fields
// a command has is a table. Process::on_call gets the finished call; the library prints nothing itself.
//
// Tested by: tests/unit/syscall_trace_test.cc.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace forager::syscall {

// One call, when it is over.
struct FinishedCall {
  int command = 0;
  const bpf_attr& attr;  // as it was given; bytes that the caller did not give are zero
  unsigned size = 0;     // as it was given
  long result = 0;       // >= 0, or a negative errno
  std::uint64_t nanoseconds = 0;
};

// "BPF_MAP_CREATE", or "99" for a number that is no command of Linux 6.18.
[[nodiscard]] std::string command_name(int command);
[[nodiscard]] std::string trace_line(const FinishedCall& call);

}  // namespace forager::syscall
