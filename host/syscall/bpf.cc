// SPDX-License-Identifier: Apache-2.0
#include "syscall/bpf.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>
#include <span>

#include "syscall/commands.h"
#include "syscall/messages.h"

namespace forager::syscall {
namespace {

struct CommandRow {
  int command;
  std::size_t end;  // of the last field that the command reads: what follows must be zero
  long (*run)(const Call&);
};

#define FORAGER_END(field) (offsetof(bpf_attr, field) + sizeof(bpf_attr::field))
#define FORAGER_MEMBER_END(part, field) (offsetof(bpf_attr, part.field) + sizeof(decltype(bpf_attr::part)::field))

// log_true_size and btf_log_true_size follow the last field that <linux/bpf.h> 6.1 has of these structures (Linux 6.4).
constexpr CommandRow kCommands[] = {
    {BPF_MAP_CREATE, FORAGER_END(map_extra), map_create},
    {BPF_MAP_LOOKUP_ELEM, FORAGER_END(flags), map_lookup},
    {BPF_MAP_UPDATE_ELEM, FORAGER_END(flags), map_update},
    {BPF_MAP_DELETE_ELEM, FORAGER_END(key), map_delete},
    {BPF_MAP_GET_NEXT_KEY, FORAGER_END(next_key), map_next_key},
    {BPF_MAP_LOOKUP_AND_DELETE_ELEM, FORAGER_END(flags), map_lookup_and_delete},
    {BPF_MAP_FREEZE, FORAGER_END(map_fd), map_freeze},
    {BPF_PROG_LOAD, FORAGER_END(core_relo_rec_size) + sizeof(__u32), prog_load},
    {BPF_PROG_BIND_MAP, FORAGER_MEMBER_END(prog_bind_map, flags), prog_bind_map},
    {BPF_PROG_TEST_RUN, FORAGER_MEMBER_END(test, batch_size), prog_test_run},
    {BPF_BTF_LOAD, FORAGER_END(btf_log_level) + sizeof(__u32), btf_load},
    {BPF_LINK_CREATE, FORAGER_MEMBER_END(link_create, kprobe_multi.cookies), link_create},
    {BPF_LINK_UPDATE, FORAGER_MEMBER_END(link_update, old_prog_fd), link_update},
    {BPF_LINK_DETACH, FORAGER_MEMBER_END(link_detach, link_fd), link_detach},
    {BPF_OBJ_GET_INFO_BY_FD, FORAGER_MEMBER_END(info, info), object_info},
    {BPF_MAP_GET_NEXT_ID, FORAGER_END(next_id), map_next_id},
    {BPF_PROG_GET_NEXT_ID, FORAGER_END(next_id), prog_next_id},
    {BPF_BTF_GET_NEXT_ID, FORAGER_END(next_id), btf_next_id},
    {BPF_LINK_GET_NEXT_ID, FORAGER_END(next_id), link_next_id},
    {BPF_MAP_GET_FD_BY_ID, FORAGER_END(open_flags), map_fd_by_id},
    {BPF_PROG_GET_FD_BY_ID, FORAGER_END(prog_id), prog_fd_by_id},
    {BPF_BTF_GET_FD_BY_ID, FORAGER_END(btf_id), btf_fd_by_id},
    {BPF_LINK_GET_FD_BY_ID, FORAGER_END(link_id), link_fd_by_id},
};

bool zero_from(const bpf_attr& attr, std::size_t end) {
  return std::ranges::all_of(std::as_bytes(std::span(&attr, 1)).subspan(std::min(end, sizeof attr)),
                             [](std::byte byte) { return byte == std::byte{0}; });
}

long dispatch(Process& process, int command, UserAddress user_attr, unsigned size) {
  bpf_attr attr;
  std::memset(&attr, 0, sizeof attr);
  if (const long error = check_tail_zero(user_attr, sizeof attr, size); error != 0) return error;
  size = std::min<unsigned>(size, sizeof attr);
  if (const long error = copy_from_user(&attr, user_attr, size); error != 0) return error;

  const auto* row = std::ranges::find(kCommands, command, &CommandRow::command);
  if (row == std::end(kCommands) || !zero_from(attr, row->end)) return -EINVAL;
  return row->run({process, attr, user_attr, size});
}

Process* of_child = nullptr;  // written by a child of fork() only, which has one thread

}  // namespace

void start_afresh() {
  forget_captures();
  of_child = new Process;
}

Process& process() {
  if (of_child != nullptr) return *of_child;
  static auto* const kProcess = new Process;
  return *kProcess;
}

long bpf(Process& process, int command, union bpf_attr* attr, unsigned size) {
  try {
    return dispatch(process, command, reinterpret_cast<UserAddress>(attr), size);
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
}

long bpf(int command, union bpf_attr* attr, unsigned size) { return bpf(process(), command, attr, size); }

}  // namespace forager::syscall
