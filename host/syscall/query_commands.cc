// SPDX-License-Identifier: Apache-2.0
//
// BPF_ENABLE_STATS and BPF_TASK_FD_QUERY: what observers ask.
#include <unistd.h>

#include <cerrno>
#include <string>

#include "syscall/commands.h"
#include "syscall/link_info.h"
#include "syscall/probe_event.h"
#include "syscall/statistics.h"

namespace forager::syscall {
namespace {

using runtime::Place;
using runtime::PlaceKind;

// What BPF_TASK_FD_QUERY tells of a descriptor.
struct Traced {
  std::uint32_t program = 0;
  std::uint32_t kind = 0;  // enum bpf_task_fd_type
  std::string name;
  std::uint64_t offset = 0;
};

std::uint32_t kind_of(PlaceKind kind) {
  switch (kind) {
    case PlaceKind::raw_tracepoint:
      return BPF_FD_TYPE_RAW_TRACEPOINT;
    case PlaceKind::tracepoint:
      return BPF_FD_TYPE_TRACEPOINT;
    case PlaceKind::kprobe:
      return BPF_FD_TYPE_KPROBE;
    case PlaceKind::kretprobe:
      return BPF_FD_TYPE_KRETPROBE;
    case PlaceKind::uprobe:
      return BPF_FD_TYPE_UPROBE;
    default:
      return BPF_FD_TYPE_URETPROBE;
  }
}

Traced traced_at(const Place& place, std::uint32_t program) {
  return {.program = program,
          .kind = kind_of(place.kind),
          .name = place.kind == PlaceKind::tracepoint ? std::string(event_name(place)) : place.name,
          .offset = place.number};
}

struct TracedOf {
  Errno<Traced> operator()(const std::shared_ptr<runtime::LinkObject>& link) const {
    if (link->spec.type != runtime::LinkType::raw_tracepoint) return std::unexpected(-exec::kNotSupported);
    return traced_at(link->spec.targets.front().place, link->program()->id);
  }
  Errno<Traced> operator()(const std::shared_ptr<ProbeEvent>& event) const {
    const auto program = event->program();
    if (!program) return std::unexpected(-ENOENT);
    if (event->place.kind == PlaceKind::perf_event) return std::unexpected(-EOPNOTSUPP);
    return traced_at(event->place, program->id);
  }
  template <class T>
  Errno<Traced> operator()(const T&) const {
    return std::unexpected(-exec::kNotSupported);
  }
};

long put_traced(const Call& call, const Traced& traced) {
  using Query = decltype(bpf_attr::task_fd_query);
  const auto& asked = call.attr.task_fd_query;
  const auto put = [&](std::size_t at, auto value) { return put_user(call.user_attr + at, value) != 0; };
  const auto length = static_cast<std::uint32_t>(traced.name.size());
  if (put(offsetof(Query, buf_len), length)) return -EFAULT;
  const long named = asked.buf_len != 0 && asked.buf != 0 ? put_name(asked.buf, asked.buf_len, traced.name) : 0;
  if (named != 0 && named != -ENOSPC) return named;
  if (put(offsetof(Query, prog_id), traced.program) || put(offsetof(Query, fd_type), traced.kind) ||
      put(offsetof(Query, probe_offset), traced.offset) || put(offsetof(Query, probe_addr), std::uint64_t{0})) {
    return -EFAULT;
  }
  return named;
}

}  // namespace

long enable_stats(const Call& call) {
  if (call.attr.enable_stats.type != BPF_STATS_RUN_TIME) return -EINVAL;
  return call.fds().install(std::make_shared<StatisticsUser>(call.runtime().statistics));
}

// Descriptors of other processes are none of ours.
long task_fd_query(const Call& call) {
  const auto& asked = call.attr.task_fd_query;
  if (asked.flags != 0) return -EINVAL;
  if (asked.pid != static_cast<std::uint32_t>(getpid())) return -ENOENT;
  const auto object = call.fds().find(static_cast<int>(asked.fd));
  if (!object) return object.error() == -EINVAL ? -kNotSupported : object.error();
  const auto traced = std::visit(TracedOf{}, *object);
  return traced ? put_traced(call, *traced) : traced.error();
}

}  // namespace forager::syscall
