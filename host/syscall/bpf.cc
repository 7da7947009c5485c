// SPDX-License-Identifier: Apache-2.0
#include "syscall/bpf.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <span>
#include <tuple>

#include "syscall/attributes.h"
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

// log_true_size and btf_log_true_size (Linux 6.4), value_type_btf_obj_fd and map_token_fd (6.9) follow the last field
// that <linux/bpf.h> 6.1 has of these structures.
constexpr CommandRow kCommands[] = {
    {BPF_MAP_CREATE, FORAGER_END(map_extra) + 2 * sizeof(__s32), map_create},
    {BPF_MAP_LOOKUP_ELEM, FORAGER_END(flags), map_lookup},
    {BPF_MAP_UPDATE_ELEM, FORAGER_END(flags), map_update},
    {BPF_MAP_DELETE_ELEM, FORAGER_END(key), map_delete},
    {BPF_MAP_GET_NEXT_KEY, FORAGER_END(next_key), map_next_key},
    {BPF_MAP_LOOKUP_AND_DELETE_ELEM, FORAGER_END(flags), map_lookup_and_delete},
    {BPF_MAP_LOOKUP_BATCH, FORAGER_MEMBER_END(batch, flags), map_lookup_batch},
    {BPF_MAP_LOOKUP_AND_DELETE_BATCH, FORAGER_MEMBER_END(batch, flags), map_lookup_and_delete_batch},
    {BPF_MAP_UPDATE_BATCH, FORAGER_MEMBER_END(batch, flags), map_update_batch},
    {BPF_MAP_DELETE_BATCH, FORAGER_MEMBER_END(batch, flags), map_delete_batch},
    {BPF_MAP_FREEZE, FORAGER_END(map_fd), map_freeze},
    {BPF_PROG_LOAD, FORAGER_END(core_relo_rec_size) + sizeof(__u32), prog_load},
    {BPF_PROG_BIND_MAP, FORAGER_MEMBER_END(prog_bind_map, flags), prog_bind_map},
    {BPF_PROG_TEST_RUN, FORAGER_MEMBER_END(test, batch_size), prog_test_run},
    {BPF_BTF_LOAD, FORAGER_END(btf_log_level) + sizeof(__u32), btf_load},
    {BPF_LINK_CREATE, kLinkCreateEnd, link_create},
    {BPF_LINK_UPDATE, FORAGER_MEMBER_END(link_update, old_prog_fd), link_update},
    {BPF_LINK_DETACH, FORAGER_MEMBER_END(link_detach, link_fd), link_detach},
    {BPF_ITER_CREATE, FORAGER_MEMBER_END(iter_create, flags), iter_create},
    {BPF_RAW_TRACEPOINT_OPEN, sizeof(RawTracepointAttributes), raw_tracepoint_open},
    {BPF_PROG_ATTACH, sizeof(AttachAttributes), prog_attach},
    {BPF_PROG_DETACH, sizeof(AttachAttributes), prog_detach},
    {BPF_PROG_QUERY, sizeof(QueryAttributes), prog_query},
    {BPF_OBJ_PIN, kPathEnd, obj_pin},
    {BPF_OBJ_GET, kPathEnd, obj_get},
    {BPF_ENABLE_STATS, FORAGER_MEMBER_END(enable_stats, type), enable_stats},
    {BPF_TASK_FD_QUERY, FORAGER_MEMBER_END(task_fd_query, probe_addr), task_fd_query},
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

constexpr std::size_t kCommandNumbers = 64;

// The rows again, by their number: a row without a function is a command that there is not.
constexpr std::array<CommandRow, kCommandNumbers> by_number() {
  std::array<CommandRow, kCommandNumbers> rows{};
  for (const CommandRow& row : kCommands) rows[static_cast<std::size_t>(row.command)] = row;
  return rows;
}
constexpr auto kByNumber = by_number();

// Nothing but zeros between the command's last field and what the caller gave.
bool zero_between(const bpf_attr& attr, std::size_t end, std::size_t given) {
  if (given <= end) return true;
  return std::ranges::all_of(std::as_bytes(std::span(&attr, 1)).subspan(end, given - end),
                             [](std::byte byte) { return byte == std::byte{0}; });
}

long dispatch(Process& process, int command, UserAddress user_attr, unsigned size) {
  bpf_attr attr;
  if (const long error = check_tail_zero(user_attr, sizeof attr, size); error != 0) return error;
  size = std::min<unsigned>(size, sizeof attr);
  if (const long error = copy_from_user(&attr, user_attr, size); error != 0) return error;
  std::memset(reinterpret_cast<std::byte*>(&attr) + size, 0, sizeof attr - size);

  if (static_cast<std::size_t>(command) >= kCommandNumbers) return -EINVAL;
  const CommandRow& row = kByNumber[static_cast<std::size_t>(command)];
  if (row.run == nullptr || !zero_between(attr, row.end, size)) return -EINVAL;
  return row.run({process, attr, user_attr, size});
}

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// The attributes are read before the call: it may change them.
long traced(Process& process, int command, UserAddress user_attr, unsigned size) {
  bpf_attr attr;
  std::memset(&attr, 0, sizeof attr);
  (void)copy_from_user(&attr, user_attr, std::min<unsigned>(size, sizeof attr));
  const std::uint64_t start = now_ns();
  const long result = dispatch(process, command, user_attr, size);
  process.on_call({.command = command, .attr = attr, .size = size, .result = result, .nanoseconds = now_ns() - start});
  return result;
}

Process* of_child = nullptr;  // written by a child of fork() only, which has one thread

}  // namespace

void start_afresh() {
  forget_captures();
  of_child = new Process;
}

Process& process() {
  if (of_child != nullptr) return *of_child;
  static auto* const kProcess = [] {
    // Callbacks of timers would run into the destruction of what they use.
    std::ignore = std::atexit([] {
      process().runtime.timers().stop();
      process().pin_store.close();
    });
    return new Process;
  }();
  return *kProcess;
}

long bpf(Process& process, int command, union bpf_attr* attr, unsigned size) {
  try {
    const auto user_attr = reinterpret_cast<UserAddress>(attr);
    return process.on_call ? traced(process, command, user_attr, size) : dispatch(process, command, user_attr, size);
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
}

long bpf(int command, union bpf_attr* attr, unsigned size) { return bpf(process(), command, attr, size); }

}  // namespace forager::syscall
