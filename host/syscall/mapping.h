// SPDX-License-Identifier: Apache-2.0
//
// mmap(2) of BPF descriptors, with the kernel's layouts and permissions (kernel/bpf/syscall.c bpf_map_mmap,
// kernel/bpf/ringbuf.c ringbuf_map_mmap_kern, kernel/events/core.c perf_mmap):
//
//   array        its values, from offset 0
//   ring buffer  the consumer's page | the producer's page | data | the same data again, so that a record which wraps
//                around is contiguous; only the consumer's page is writable
//   perf event   a control page and 2^n pages of data; this is what makes its buffer
//
// Tested by: tests/unit/syscall_map_test.cc (against the kernel too), tests/e2e.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>

#include "syscall/process.h"

namespace forager::syscall {

struct MappingRequest {
  void* address = nullptr;
  std::size_t length = 0;
  int protection = 0;
  int flags = 0;
  int fd = -1;
  off_t offset = 0;
};

// The address, or a negative errno; nothing if the descriptor is no BPF object, and mmap(2) should have it.
[[nodiscard]] std::optional<long> map_object(const FdTable& fds, const MappingRequest& request);

// True if user space has a writable mapping of the map's memory: freezing it must wait.
[[nodiscard]] bool mapped_writable(const runtime::MapObject& map);

}  // namespace forager::syscall
