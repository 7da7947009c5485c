// SPDX-License-Identifier: Apache-2.0
//
// BPF_*_GET_NEXT_ID and BPF_*_GET_FD_BY_ID: one pattern over four tables of ids.
#include <cerrno>
#include <climits>

#include "syscall/commands.h"

namespace forager::syscall {
namespace {

template <class T>
long next_id(const Call& call, const runtime::IdTable<T>& table) {
  if (call.attr.start_id >= INT_MAX) return -EINVAL;
  call.fds().sweep();
  const auto next = table.next(call.attr.start_id);
  if (!next) return -ENOENT;
  return put_user(call.user_attr + offsetof(bpf_attr, next_id), *next);
}

template <class T>
Errno<std::shared_ptr<T>> find_id(const Call& call, const runtime::IdTable<T>& table) {
  call.fds().sweep();
  auto object = table.find(call.attr.start_id);
  if (!object) return std::unexpected(-ENOENT);
  return object;
}

template <class T>
long fd_by_id(const Call& call, const runtime::IdTable<T>& table) {
  auto object = find_id(call, table);
  return object ? call.fds().install(std::move(*object)) : object.error();
}

}  // namespace

long map_next_id(const Call& call) { return next_id(call, call.runtime().maps()); }
long prog_next_id(const Call& call) { return next_id(call, call.runtime().programs()); }
long btf_next_id(const Call& call) { return next_id(call, call.runtime().btfs()); }
long link_next_id(const Call& call) { return next_id(call, call.runtime().links()); }

long map_fd_by_id(const Call& call) {
  constexpr unsigned kKnown = BPF_F_RDONLY | BPF_F_WRONLY;
  const unsigned flags = call.attr.open_flags;
  if ((flags & ~kKnown) != 0 || (flags & kKnown) == kKnown) return -EINVAL;
  auto map = find_id(call, call.runtime().maps());
  return map ? install_map(call.fds(), std::move(*map), flags) : map.error();
}

long prog_fd_by_id(const Call& call) { return fd_by_id(call, call.runtime().programs()); }
long btf_fd_by_id(const Call& call) { return fd_by_id(call, call.runtime().btfs()); }
long link_fd_by_id(const Call& call) { return fd_by_id(call, call.runtime().links()); }

}  // namespace forager::syscall
