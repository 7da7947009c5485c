// SPDX-License-Identifier: Apache-2.0
//
// The commands of bpf(2), one function each. They get a private copy of the attributes whose unused bytes are known to
// be zero, and return a result or a negative errno.
#pragma once

#include <linux/bpf.h>

#include "syscall/process.h"
#include "syscall/user_memory.h"

namespace forager::syscall {

struct Call {
  Process& process;
  const bpf_attr& attr;
  UserAddress user_attr;  // where results that travel in the attributes go
  unsigned size;          // bytes of attributes that the caller has

  [[nodiscard]] runtime::Runtime& runtime() const { return process.runtime; }
  [[nodiscard]] FdTable& fds() const { return process.fds; }
};

// map_commands.cc
[[nodiscard]] long map_create(const Call& call);
[[nodiscard]] long map_freeze(const Call& call);
// map_elements.cc
[[nodiscard]] long map_lookup(const Call& call);
[[nodiscard]] long map_update(const Call& call);
[[nodiscard]] long map_delete(const Call& call);
[[nodiscard]] long map_next_key(const Call& call);
[[nodiscard]] long map_lookup_and_delete(const Call& call);
// map_batch.cc
[[nodiscard]] long map_lookup_batch(const Call& call);
[[nodiscard]] long map_lookup_and_delete_batch(const Call& call);
[[nodiscard]] long map_update_batch(const Call& call);
[[nodiscard]] long map_delete_batch(const Call& call);
// prog_load.cc, prog_commands.cc, test_run.cc
[[nodiscard]] long prog_load(const Call& call);
[[nodiscard]] long prog_bind_map(const Call& call);
[[nodiscard]] long prog_test_run(const Call& call);
// btf_commands.cc
[[nodiscard]] long btf_load(const Call& call);
// link_create.cc, link_probes.cc, link_commands.cc, link_iter.cc
[[nodiscard]] long link_create(const Call& call);
[[nodiscard]] long raw_tracepoint_open(const Call& call);
[[nodiscard]] long link_update(const Call& call);
[[nodiscard]] long link_detach(const Call& call);
[[nodiscard]] long iter_create(const Call& call);
// attach_commands.cc
[[nodiscard]] long prog_attach(const Call& call);
[[nodiscard]] long prog_detach(const Call& call);
[[nodiscard]] long prog_query(const Call& call);
// pin_commands.cc
[[nodiscard]] long obj_pin(const Call& call);
[[nodiscard]] long obj_get(const Call& call);
// query_commands.cc
[[nodiscard]] long enable_stats(const Call& call);
[[nodiscard]] long task_fd_query(const Call& call);
// object_info.cc
[[nodiscard]] long object_info(const Call& call);
// ids.cc
[[nodiscard]] long map_next_id(const Call& call);
[[nodiscard]] long prog_next_id(const Call& call);
[[nodiscard]] long btf_next_id(const Call& call);
[[nodiscard]] long link_next_id(const Call& call);
[[nodiscard]] long map_fd_by_id(const Call& call);
[[nodiscard]] long prog_fd_by_id(const Call& call);
[[nodiscard]] long btf_fd_by_id(const Call& call);
[[nodiscard]] long link_fd_by_id(const Call& call);

// A descriptor for a map: writable, readable or both by BPF_F_RDONLY and BPF_F_WRONLY in `flags`.
[[nodiscard]] long install_map(FdTable& fds, std::shared_ptr<runtime::MapObject> map, unsigned flags);

// A 16-byte name: letters, digits, '_' and '.', ended by a zero; -EINVAL for any other.
[[nodiscard]] Errno<std::string> object_name(const char (&field)[BPF_OBJ_NAME_LEN]);

using exec::kNotSupported;

}  // namespace forager::syscall
