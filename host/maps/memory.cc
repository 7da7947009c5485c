// SPDX-License-Identifier: Apache-2.0
#include "maps/memory.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <tuple>

namespace forager::maps {
namespace {

// The largest range worth asking mmap() for: sizes beyond would overflow ours.
constexpr std::uint64_t kMaxBytes = std::numeric_limits<std::int64_t>::max() / 2;

constexpr std::uint64_t kWorthHugePages = std::uint64_t{8} << 20;

std::unexpected<Diagnostic> no_memory(std::uint64_t bytes) {
  return fail(ErrorKind::system, ENOMEM,
              fmt::format("cannot map {} bytes for a map: {}", bytes, std::strerror(ENOMEM)));
}

void* map_shared(void* at, std::uint64_t bytes, int fd, std::uint64_t offset) {
  const int fixed = at == nullptr ? 0 : MAP_FIXED;
  return mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | fixed, fd, static_cast<off_t>(offset));
}

}  // namespace

std::size_t page_size() {
  static const auto kSize = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return kSize;
}

std::uint64_t round_up_pages(std::uint64_t bytes) { return (bytes + page_size() - 1) / page_size() * page_size(); }

Result<> check_memory(std::uint64_t bytes) {
  const auto machine = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * page_size();
  if (bytes <= machine) return {};
  auto error = fail(ErrorKind::limit, ENOMEM, "the map needs more bytes than the machine has memory");
  error.error().limit = machine;
  error.error().asked = bytes;
  return error;
}

Region::~Region() {
  if (base_ != nullptr) munmap(base_, size_);
}

Result<Region> Region::reserve(std::uint64_t bytes) {
  if (bytes > kMaxBytes) return no_memory(bytes);
  const std::uint64_t size = round_up_pages(bytes);
  void* base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return no_memory(bytes);
  // Tables are read at random: a kernel that has huge pages saves them a walk through page tables. It need not have
  // any.
  if (size >= kWorthHugePages) std::ignore = madvise(base, size, MADV_HUGEPAGE);
  return Region(static_cast<std::byte*>(base), size);
}

Result<Region> Region::share(int fd, std::uint64_t bytes) {
  if (bytes > kMaxBytes) return no_memory(bytes);
  void* base = map_shared(nullptr, bytes, fd, 0);
  if (base == MAP_FAILED) return no_memory(bytes);
  return Region(static_cast<std::byte*>(base), bytes);
}

Result<Region> Region::share_ring(int fd, std::uint64_t head_bytes, std::uint64_t data_bytes) {
  auto region = reserve(head_bytes + 2 * data_bytes);
  if (!region) return region;
  std::byte* base = region->base();
  const bool mapped = map_shared(base, head_bytes + data_bytes, fd, 0) != MAP_FAILED &&
                      map_shared(base + head_bytes + data_bytes, data_bytes, fd, head_bytes) != MAP_FAILED;
  if (!mapped) return no_memory(head_bytes + 2 * data_bytes);
  return region;
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Result<Fd> Fd::memory(const std::string& name, std::uint64_t bytes) {
  Fd fd(memfd_create(name.c_str(), MFD_CLOEXEC));
  if (fd.get() < 0) return fail(ErrorKind::system, errno, fmt::format("memfd_create: {}", std::strerror(errno)));
  if (bytes > kMaxBytes || ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) return no_memory(bytes);
  return fd;
}

Result<Fd> Fd::event() {
  Fd fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (fd.get() < 0) return fail(ErrorKind::system, errno, fmt::format("eventfd: {}", std::strerror(errno)));
  return fd;
}

// A full counter (EAGAIN) is a signal as well, and an empty one is drained, so neither result matters.
void Fd::signal() const { [[maybe_unused]] const int ignored = eventfd_write(fd_, 1); }

void Fd::drain() const {
  eventfd_t count = 0;
  [[maybe_unused]] const int ignored = eventfd_read(fd_, &count);
}

// The largest count there is; that it is there already (EAGAIN) is as well.
void Fd::fill() const { [[maybe_unused]] const int ignored = eventfd_write(fd_, UINT64_MAX - 1); }

}  // namespace forager::maps
