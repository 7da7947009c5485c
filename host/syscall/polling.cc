// SPDX-License-Identifier: Apache-2.0
#include "syscall/polling.h"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "maps/ring_map.h"
#include "syscall/perf_event.h"

namespace forager::syscall {
namespace {

// The ring buffer of a map, or null.
const maps::RingMap* ring_of(const Object& object) {
  const auto* map = std::get_if<std::shared_ptr<runtime::MapUser>>(&object);
  return map == nullptr ? nullptr : dynamic_cast<const maps::RingMap*>((*map)->object()->map.get());
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

// Takes the signal back if there is nothing to do.
void settle(const Object& object) {
  if (const auto* ring = ring_of(object)) ring->settle();
  if (const auto* event = event_of(object)) event->settle();
}

bool ready(const Object& object) {
  if (const auto* ring = ring_of(object)) return ring->ready();
  const auto* event = event_of(object);
  return event != nullptr && !event->empty();
}

// An eventfd can be read and written; the map that it stands for, one of the two.
void restrict_events(const maps::RingMap& ring, epoll_event& event) {
  constexpr std::uint32_t kBoth = EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;
  event.events &= ~kBoth | ring.poll_events();
}

}  // namespace

std::optional<long> poll_control(FdTable& fds, int epoll, int operation, int fd, epoll_event* event) {
  const auto object = fds.find(fd);
  if (!object) return std::nullopt;
  const int notify = notify_of(*object);
  if (notify < 0) return -EPERM;  // what epoll_ctl(2) says of descriptors that cannot be polled
  epoll_event wanted = event != nullptr ? *event : epoll_event{};
  // The kernel asks a ring buffer for data or room when it is added; a perf event knows wake-ups only.
  if (const auto* ring = ring_of(*object)) {
    restrict_events(*ring, wanted);
    if (operation == EPOLL_CTL_ADD) ring->settle();
  }
  if (::syscall(SYS_epoll_ctl, epoll, operation, notify, event != nullptr ? &wanted : nullptr) != 0) return -errno;
  if (operation == EPOLL_CTL_ADD) fds.watch(fd, epoll, notify);
  if (operation == EPOLL_CTL_DEL) fds.forget(fd, epoll);
  return 0;
}

void before_wait(const FdTable& fds) {
  for (const Object& object : fds.watched()) {
    if (!ready(object)) settle(object);
  }
}

}  // namespace forager::syscall
