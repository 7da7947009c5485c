// SPDX-License-Identifier: Apache-2.0
#include "syscall/polling.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "maps/ringbuf.h"
#include "syscall/perf_event.h"

namespace forager::syscall {
namespace {

// The ring buffer of a map, or null.
const maps::RingBufferMap* ring_of(const Object& object) {
  const auto* map = std::get_if<std::shared_ptr<runtime::MapUser>>(&object);
  if (map == nullptr || (*map)->object()->spec().type != isa::MapType::ringbuf) return nullptr;
  return static_cast<const maps::RingBufferMap*>((*map)->object()->map.get());
}

const PerfEvent* event_of(const Object& object) {
  const auto* event = std::get_if<std::shared_ptr<PerfEvent>>(&object);
  return event == nullptr ? nullptr : event->get();
}

int notify_of(const Object& object) {
  if (const auto* ring = ring_of(object)) return ring->notify_fd();
  if (const auto* event = event_of(object)) return event->notify_fd();
  return -1;
}

// Takes the signal back if there are no data.
void settle(const Object& object) {
  if (const auto* ring = ring_of(object)) ring->settle();
  if (const auto* event = event_of(object)) event->settle();
}

bool empty(const Object& object) {
  if (const auto* ring = ring_of(object)) return ring->query(BPF_RB_AVAIL_DATA) == 0;
  const auto* event = event_of(object);
  return event == nullptr || event->empty();
}

}  // namespace

std::optional<long> poll_control(FdTable& fds, int epoll, int operation, int fd, epoll_event* event) {
  const auto object = fds.find(fd);
  if (!object) return std::nullopt;
  const int notify = notify_of(*object);
  if (notify < 0) return -EPERM;  // what epoll_ctl(2) says of descriptors that cannot be polled
  // The kernel asks a ring buffer for data when it is added; a perf event knows wake-ups only.
  if (const auto* ring = ring_of(*object); ring != nullptr && operation == EPOLL_CTL_ADD) ring->settle();
  if (::syscall(SYS_epoll_ctl, epoll, operation, notify, event) != 0) return -errno;
  if (operation == EPOLL_CTL_ADD) fds.watch(fd, epoll, notify);
  if (operation == EPOLL_CTL_DEL) fds.forget(fd, epoll);
  return 0;
}

void before_wait(const FdTable& fds) {
  for (const Object& object : fds.watched()) {
    if (empty(object)) settle(object);
  }
}

}  // namespace forager::syscall
