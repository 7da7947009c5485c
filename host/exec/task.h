// SPDX-License-Identifier: Apache-2.0
//
// Task: who was running when an event happened, for bpf_get_current_* and bpf_probe_read*. An event brings its own
// (Frame::task); without one, programs run on behalf of the process that runs them, as in Linux's test runs.
//
// Tested by: tests/unit/helpers_event_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace forager::exec {

// A piece of the memory of the traced machine that an event brings along.
struct TracedMemory {
  std::uint64_t address = 0;
  bool user = false;  // user space's, else the kernel's
  std::vector<std::byte> bytes;
};

// Names a PID namespace as stat(2) does its file in /proc/PID/ns. Inode 0: unknown.
struct PidNamespace {
  std::uint64_t device = 0, inode = 0;
};

struct Task {
  std::uint64_t pid_tgid = 0;   // thread group in the upper half, thread in the lower
  std::uint64_t uid_gid = 0;    // group in the upper half, user in the lower
  std::array<char, 16> comm{};  // zero-terminated
  PidNamespace pid_namespace;   // where pid_tgid counts
  std::uint64_t cgroup_id = 1;
  std::vector<std::uint64_t> cgroup_ancestors;  // from the root on, itself last
  std::uint32_t classid = 0;                    // net_cls
  std::vector<std::uint64_t> kernel_stack;      // innermost address first
  std::vector<std::uint64_t> user_stack;
  std::vector<TracedMemory> memory;
};

}  // namespace forager::exec
