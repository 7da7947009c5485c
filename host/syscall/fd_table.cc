// SPDX-License-Identifier: Apache-2.0
#include "syscall/fd_table.h"

#include <dirent.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <string>

namespace forager::syscall {
namespace {

// Executables that use us may be linked so that close() and epoll_ctl() come back to this file (wrap.cc); syscall() of
// these numbers passes through.
long real_close(int fd) { return ::syscall(SYS_close, fd) == 0 ? 0 : -errno; }
void real_unwatch(int epoll, int notify) { ::syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_DEL, notify, nullptr); }

// What /proc/self/fd shows, which helps whoever looks with lsof.
constexpr const char* kNames[] = {"bpf-map", "bpf-prog", "bpf-btf", "bpf-link", "bpf-perf-event"};

// Another descriptor of the same inode with an access mode of its own.
int reopen(int fd, int access) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  return open(path.c_str(), access | O_CLOEXEC);
}

int open_inode(const char* name, int access, int backing) {
  if (backing >= 0) return access == O_RDWR ? fcntl(backing, F_DUPFD_CLOEXEC, 0) : reopen(backing, access);
  const int fd = memfd_create(name, MFD_CLOEXEC);
  if (fd < 0 || access == O_RDWR) return fd;
  const int narrowed = reopen(fd, access);
  real_close(fd);
  return narrowed;
}

}  // namespace

Errno<FdTable::Identity> FdTable::identity_of(int fd) {
  struct stat status{};
  const int saved = errno;
  const bool open = fstat(fd, &status) == 0;
  errno = saved;
  if (!open) return std::unexpected(-EBADF);
  return Identity{status.st_dev, status.st_ino};
}

long FdTable::install(Object object, int access, int backing) {
  const int fd = open_inode(kNames[object.index()], access, backing);
  if (fd < 0) return -errno;
  const auto identity = identity_of(fd);
  if (!identity) return identity.error();
  const std::lock_guard guard(mutex_);
  handles_.try_emplace(*identity, Handle{std::move(object), backing, {}});  // a second descriptor of a mappable array
  return fd;
}

Errno<Object> FdTable::find(int fd) const {
  const auto identity = identity_of(fd);
  if (!identity) return std::unexpected(identity.error());
  const std::lock_guard guard(mutex_);
  const auto at = handles_.find(*identity);
  if (at == handles_.end()) return std::unexpected(-EINVAL);
  return at->second.object;
}

bool FdTable::count_open(std::map<Identity, unsigned>& counts) const {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc/self/fd"), closedir);
  if (!directory) return false;
  while (const dirent* entry = readdir(directory.get())) {
    int fd = -1;
    const auto [end, error] = std::from_chars(entry->d_name, entry->d_name + std::strlen(entry->d_name), fd);
    if (error != std::errc{}) continue;
    const auto identity = identity_of(fd);
    if (!identity) continue;
    const auto at = handles_.find(*identity);
    if (at != handles_.end() && at->second.backing != fd) ++counts[*identity];
  }
  return true;
}

void FdTable::unwatch(const Handle& handle) {
  const int saved = errno;
  for (const auto& [epoll, notify] : handle.watches) real_unwatch(epoll, notify);
  errno = saved;
}

long FdTable::close(int fd) {
  Object released;  // destroyed after the lock
  const auto identity = identity_of(fd);
  const std::lock_guard guard(mutex_);
  const auto at = identity ? handles_.find(*identity) : handles_.end();
  if (at != handles_.end() && at->second.backing == fd) return -EBADF;  // the map's own
  const long closed = real_close(fd);
  std::map<Identity, unsigned> open;
  if (at == handles_.end() || !count_open(open) || open.contains(at->first)) return closed;
  unwatch(at->second);
  released = std::move(at->second.object);
  handles_.erase(at);
  return closed;
}

void FdTable::sweep() {
  std::vector<Object> released;  // destroyed after the lock
  const std::lock_guard guard(mutex_);
  std::map<Identity, unsigned> open;
  if (!count_open(open)) return;
  for (auto at = handles_.begin(); at != handles_.end();) {
    if (open.contains(at->first)) {
      ++at;
      continue;
    }
    unwatch(at->second);
    released.push_back(std::move(at->second.object));
    at = handles_.erase(at);
  }
}

void FdTable::watch(int fd, int epoll, int notify) {
  const auto identity = identity_of(fd);
  const std::lock_guard guard(mutex_);
  const auto at = identity ? handles_.find(*identity) : handles_.end();
  if (at != handles_.end()) at->second.watches.emplace_back(epoll, notify);
}

void FdTable::forget(int fd, int epoll) {
  const auto identity = identity_of(fd);
  const std::lock_guard guard(mutex_);
  const auto at = identity ? handles_.find(*identity) : handles_.end();
  if (at != handles_.end()) std::erase_if(at->second.watches, [&](const auto& watch) { return watch.first == epoll; });
}

std::vector<Object> FdTable::watched() const {
  std::vector<Object> objects;
  const std::lock_guard guard(mutex_);
  for (const auto& [identity, handle] : handles_) {
    if (!handle.watches.empty()) objects.push_back(handle.object);
  }
  return objects;
}

}  // namespace forager::syscall
