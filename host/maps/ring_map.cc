// SPDX-License-Identifier: Apache-2.0
#include "maps/ring_map.h"

#include <linux/bpf.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include <bit>
#include <cerrno>

#include "maps/attributes.h"

namespace forager::maps {

using exec::kNotSupported;

RingMap::RingMap(exec::MapSpec spec, Parts parts, UserSide user)
    : Map(std::move(spec)),
      mask_(this->spec().max_entries - 1),
      user_(user),
      file_(std::move(parts.file)),
      memory_(std::move(parts.memory)),
      notify_(std::move(parts.notify)) {}

Result<RingMap::Parts> RingMap::open(const exec::MapSpec& spec) {
  const std::uint64_t bytes = 2 * page_size() + spec.max_entries;
  const auto checked = Checks(spec)
                           .equal("key_size", spec.key_size, 0)
                           .equal("value_size", spec.value_size, 0)
                           .require(std::has_single_bit(spec.max_entries) && spec.max_entries % page_size() == 0,
                                    "max_entries must be a power of two, and of whole pages")
                           .allocates(bytes)
                           .done();
  if (!checked) return std::unexpected(checked.error());
  auto file = Fd::memory("forager ring " + spec.name, bytes);
  if (!file) return std::unexpected(file.error());
  auto memory = Region::share_ring(file->get(), 2 * page_size(), spec.max_entries);
  if (!memory) return std::unexpected(memory.error());
  auto notify = Fd::event();
  if (!notify) return std::unexpected(notify.error());
  return Parts{std::move(*file), std::move(*memory), std::move(*notify)};
}

void* RingMap::lookup(const void*, unsigned) { return nullptr; }
int RingMap::update(const void*, const void*, std::uint64_t, unsigned) { return -kNotSupported; }
int RingMap::erase(const void*) { return -kNotSupported; }
int RingMap::next_key(const void*, void*) { return -kNotSupported; }
int RingMap::read(const void*, void*, std::uint64_t) { return -kNotSupported; }
int RingMap::write(const void*, const void*, std::uint64_t) { return -kNotSupported; }

exec::MapMemory RingMap::memory() const { return {file_.get(), memory_.base(), 2 * page_size() + spec().max_entries}; }

exec::MapUsage RingMap::usage() const { return {0, 2 * page_size() + spec().max_entries + sizeof *this}; }

std::uint64_t RingMap::record_bytes(std::uint64_t size) { return (size + BPF_RINGBUF_HDR_SZ + 7) & ~std::uint64_t{7}; }

std::uint32_t RingMap::poll_events() const {
  return user_ == UserSide::consumes ? EPOLLIN | EPOLLRDNORM : EPOLLOUT | EPOLLWRNORM;
}

// ---- mmap --------------------------------------------------------------------------------------------------------

// Consumers write the consumer page, and nothing with it; producers everything but it.
bool RingMap::may_write(std::uint64_t offset, std::uint64_t end) const {
  return user_ == UserSide::consumes ? end <= page_size() : offset != 0;
}

void* RingMap::map(void* address, std::size_t length, int protection, int flags, std::uint64_t offset) const {
  const std::uint64_t page = page_size(), size = spec().max_entries;
  const std::uint64_t end = length > 2 * size + 2 * page ? UINT64_MAX : offset + round_up_pages(length);
  if (length == 0 || offset % page != 0 || offset > 2 * size + 2 * page || end > 2 * size + 2 * page) {
    errno = EINVAL;
    return MAP_FAILED;
  }
  if ((protection & PROT_WRITE) != 0 && !may_write(offset, end)) {
    errno = EPERM;
    return MAP_FAILED;
  }
  const std::uint64_t once = 2 * page + size;  // what the file holds
  if (end <= once) return mmap(address, length, protection, flags, file_.get(), static_cast<off_t>(offset));
  if (offset >= once) return mmap(address, length, protection, flags, file_.get(), static_cast<off_t>(offset - size));
  // Both copies of the data: the first mapping claims the whole range, the second replaces its tail.
  const std::uint64_t first = once - offset;
  void* whole = mmap(address, length, protection, flags, file_.get(), static_cast<off_t>(offset));
  if (whole == MAP_FAILED) return MAP_FAILED;
  void* tail = mmap(static_cast<std::byte*>(whole) + first, length - first, protection,
                    (flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED, file_.get(), static_cast<off_t>(2 * page));
  if (tail != MAP_FAILED) return whole;
  const int error = errno;
  munmap(whole, length);
  errno = error;
  return MAP_FAILED;
}

}  // namespace forager::maps
