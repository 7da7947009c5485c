// SPDX-License-Identifier: Apache-2.0
#include "syscall/perf_event.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "syscall/probe_event.h"

namespace forager::syscall {
namespace {

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

// The attributes that a caller gives, which may be fewer or more than we know.
Errno<perf_event_attr> read_attributes(UserAddress at) {
  perf_event_attr attributes{};
  std::uint32_t size = 0;
  if (const long error = copy_from_user(&size, at + offsetof(perf_event_attr, size), sizeof size); error != 0) {
    return std::unexpected(error);
  }
  if (size == 0) size = PERF_ATTR_SIZE_VER0;
  if (const long error = check_tail_zero(at, sizeof attributes, size); error != 0) return std::unexpected(error);
  const long error = copy_from_user(&attributes, at, std::min<std::size_t>(size, sizeof attributes));
  if (error != 0) return std::unexpected(error);
  return attributes;
}

std::uint64_t position(const maps::PerfRing& ring, std::size_t offset) {
  return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(ring.memory().base + offset))
      .load(std::memory_order_acquire);
}

}  // namespace

int PerfEvent::write(std::span<const std::byte> first, std::span<const std::byte> second) {
  if (!enabled_) return -EOPNOTSUPP;
  if (ring_.load(std::memory_order_acquire) == nullptr) return -ENOSPC;
  return owned_->write(first, second);
}

std::uint64_t PerfEvent::lost() const {
  const auto* ring = ring_.load(std::memory_order_acquire);
  return ring == nullptr ? 0 : ring->lost();
}

void PerfEvent::lose(std::uint64_t samples) {
  if (ring_.load(std::memory_order_acquire) != nullptr) owned_->lose(samples);
}

Errno<int> PerfEvent::open_buffer(std::size_t length, bool writable) {
  if (!writable || length % page_bytes() != 0 || length < 2 * page_bytes()) return std::unexpected(-EINVAL);
  const std::lock_guard guard(mutex_);
  if (!owned_) {
    auto ring = maps::PerfRing::create(static_cast<std::uint32_t>(length / page_bytes() - 1), wakeup_events_);
    if (!ring) return std::unexpected(-ring.error().error);
    owned_ = std::move(*ring);
    ring_.store(owned_.get(), std::memory_order_release);
  }
  if (owned_->memory().size != length) return std::unexpected(-EINVAL);
  return owned_->memory().fd;
}

int PerfEvent::notify_fd() const {
  const auto* ring = ring_.load(std::memory_order_acquire);
  return ring == nullptr ? -1 : ring->notify_fd();
}

bool PerfEvent::empty() const {
  const auto* ring = ring_.load(std::memory_order_acquire);
  return ring == nullptr || position(*ring, offsetof(perf_event_mmap_page, data_head)) ==
                                position(*ring, offsetof(perf_event_mmap_page, data_tail));
}

void PerfEvent::settle() const {
  const int notify = notify_fd();
  std::uint64_t count = 0;
  if (notify < 0 || read(notify, &count, sizeof count) < 0 || empty()) return;
  count = 1;
  // Its counter is far from full: there was nothing in it a moment ago.
  [[maybe_unused]] const ssize_t written = ::write(notify, &count, sizeof count);
}

std::optional<long> open_perf_event(Process& process, UserAddress attributes, int pid, int cpu) {
  const auto asked = read_attributes(attributes);
  if (!asked) return std::nullopt;
  if (asked->type != PERF_TYPE_SOFTWARE || asked->config != PERF_COUNT_SW_BPF_OUTPUT) {
    return open_probe_event(process, *asked, pid, cpu);
  }
  if (asked->sample_type != PERF_SAMPLE_RAW || (pid == -1 && cpu == -1)) return -EINVAL;
  if (cpu >= static_cast<int>(process.runtime.environment.cpus)) return -ENODEV;
  const std::uint32_t wakeup_events = asked->watermark != 0 ? 0 : asked->wakeup_events;
  return process.fds.install(std::make_shared<PerfEvent>(wakeup_events, asked->disabled == 0));
}

std::optional<long> control_perf_event(const FdTable& fds, int fd, unsigned long request) {
  const auto event = fds.find<PerfEvent>(fd);
  if (!event) return std::nullopt;
  if (request != PERF_EVENT_IOC_ENABLE && request != PERF_EVENT_IOC_DISABLE) return -ENOTTY;
  (*event)->enable(request == PERF_EVENT_IOC_ENABLE);
  return 0;
}

}  // namespace forager::syscall
