// SPDX-License-Identifier: Apache-2.0
#include "syscall/probe_event.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <vector>

#include "syscall/user_memory.h"

namespace forager::syscall {
namespace {

using isa::ProgType;
using runtime::Place;
using runtime::PlaceKind;

constexpr std::size_t kLongestFunction = 512;  // KSYM_NAME_LEN

// ---- what an event is
// ------------------------------------------------------------------------------------------------

Errno<Place> probe_place(const perf_event_attr& asked) {
  const bool user = asked.type == kUprobeType, returns = (asked.config & 1) != 0;
  const auto where = read_user_string(asked.config1, user ? PATH_MAX : kLongestFunction);
  if (!where) return std::unexpected(where.error());
  if (where->empty()) return std::unexpected(-EINVAL);
  const PlaceKind kinds[2][2] = {{PlaceKind::kprobe, PlaceKind::kretprobe}, {PlaceKind::uprobe, PlaceKind::uretprobe}};
  return Place::probe(kinds[user ? 1 : 0][returns ? 1 : 0], *where, asked.config2);
}

// Sampling without anything to record, but for the raw bytes that a program may add.
bool samples_for_program(const perf_event_attr& asked) {
  const bool counter = asked.type == PERF_TYPE_HARDWARE || asked.type == PERF_TYPE_SOFTWARE ||
                       asked.type == PERF_TYPE_HW_CACHE || asked.type == PERF_TYPE_RAW;
  return counter && asked.sample_period != 0 && (asked.sample_type & ~std::uint64_t{PERF_SAMPLE_RAW}) == 0;
}

// Nothing: the event is not ours.
std::optional<Errno<Place>> place_of_event(Process& process, const perf_event_attr& asked) {
  if (asked.type == kKprobeType || asked.type == kUprobeType) return probe_place(asked);
  if (asked.type == PERF_TYPE_TRACEPOINT) {
    const auto name = process.tracepoints.name_of(asked.config);
    return name ? std::optional(Errno<Place>(Place::tracepoint(*name))) : std::nullopt;
  }
  if (samples_for_program(asked)) return Place::perf_event(asked.type, asked.config);
  return std::nullopt;
}

bool runs(const Place& place, ProgType type) {
  switch (place.kind) {
    case PlaceKind::tracepoint:
      return type == ProgType::tracepoint;
    case PlaceKind::perf_event:
      return type == ProgType::perf_event;
    default:
      return type == ProgType::kprobe;
  }
}

constexpr std::uint32_t kMostQueried = 64 * 64;

// struct perf_event_query_bpf: how many programs run at the place, and their ids.
long query(Process& process, const ProbeEvent& event, UserAddress at) {
  std::uint32_t room = 0;
  if (const long error = copy_from_user(&room, at, sizeof room); error != 0) return error;
  if (event.place.kind == PlaceKind::perf_event) return -EINVAL;
  if (room > kMostQueried) return -E2BIG;
  std::vector<std::uint32_t> ids;
  for (const auto& one : process.runtime.points().effective(event.place)) ids.push_back(one.program->id);
  const auto there_are = static_cast<std::uint32_t>(ids.size());
  if (put_user(at + sizeof room, there_are) != 0) return -EFAULT;
  const std::size_t shown = std::min(room, there_are);
  if (copy_to_user(at + 2 * sizeof room, ids.data(), shown * sizeof ids[0]) != 0) return -EFAULT;
  return room < there_are && room != 0 ? -ENOSPC : 0;
}

}  // namespace

runtime::LinkSpec ProbeEvent::spec(std::uint64_t cookie) const {
  return {.type = runtime::LinkType::perf_event,
          .attach_type = static_cast<std::uint32_t>(isa::AttachType::perf_event),
          .targets = {{place, cookie, semaphore}},
          .enabled = enabled_};
}

long ProbeEvent::set_program(runtime::Runtime& runtime, const std::shared_ptr<runtime::ProgramObject>& program) {
  const std::lock_guard guard(mutex_);
  if (!runs(place, program->type())) return -EINVAL;
  if (!link_.expired()) return -EEXIST;
  auto made = runtime.points().link(no_ids_, spec(0), program, {});
  if (!made) return made.error();
  link_ = hidden_ = std::move(*made);
  return 0;
}

Errno<std::shared_ptr<runtime::LinkObject>> ProbeEvent::link(runtime::Runtime& runtime,
                                                             const std::shared_ptr<runtime::ProgramObject>& program,
                                                             std::uint64_t cookie) {
  const std::lock_guard guard(mutex_);
  if (!runs(place, program->type())) return std::unexpected(-EINVAL);
  if (!link_.expired()) return std::unexpected(-EEXIST);
  runtime::LinkSpec asked = spec(cookie);
  asked.held = shared_from_this();
  auto made = runtime.link(std::move(asked), program);
  if (!made) return std::unexpected(made.error());
  link_ = *made;
  return *made;
}

std::shared_ptr<runtime::ProgramObject> ProbeEvent::program() const {
  const std::lock_guard guard(mutex_);
  const auto link = link_.lock();
  return link ? link->program() : nullptr;
}

std::optional<long> open_probe_event(Process& process, const perf_event_attr& attributes, int pid, int cpu) {
  auto place = place_of_event(process, attributes);
  if (!place) return std::nullopt;
  if (!*place) return place->error();
  if (pid == -1 && cpu == -1) return -EINVAL;
  if (cpu >= static_cast<int>(process.runtime.environment.cpus)) return -ENODEV;
  const std::uint64_t semaphore = attributes.type == kUprobeType ? attributes.config >> 32 : 0;
  return process.fds.install(std::make_shared<ProbeEvent>(std::move(**place), semaphore, attributes.disabled == 0));
}

std::optional<long> control_probe_event(Process& process, int fd, unsigned long request, std::uint64_t argument) {
  const auto event = process.fds.find<ProbeEvent>(fd);
  if (!event) return std::nullopt;
  switch (request) {
    case PERF_EVENT_IOC_ENABLE:
    case PERF_EVENT_IOC_DISABLE:
      (*event)->enable(request == PERF_EVENT_IOC_ENABLE);
      return 0;
    case PERF_EVENT_IOC_SET_BPF: {
      const auto program = process.fds.find<runtime::ProgramObject>(static_cast<int>(argument));
      return program ? (*event)->set_program(process.runtime, *program) : program.error();
    }
    case PERF_EVENT_IOC_QUERY_BPF:
      return query(process, **event, argument);
    default:
      return -ENOTTY;
  }
}

}  // namespace forager::syscall
