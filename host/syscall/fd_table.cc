// SPDX-License-Identifier: Apache-2.0
#include "syscall/fd_table.h"

#include <dirent.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstring>
#include <string>

namespace forager::syscall {
namespace {

// Executables that use us may be linked so that close() and epoll_ctl() come back to this file (wrap.cc); syscall() of
// these numbers passes through.
long as_errno(long result) { return result >= 0 ? result : -errno; }
long real_close(int fd) { return as_errno(::syscall(SYS_close, fd)); }
void real_unwatch(int epoll, int notify) { ::syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_DEL, notify, nullptr); }

// What /proc/self/fd shows, which helps whoever looks with lsof.
constexpr const char* kNames[] = {"bpf-map",        "bpf-prog",        "bpf-btf",   "bpf-link",
                                  "bpf-perf-event", "bpf-probe-event", "bpf-stats", "bpf-iter"};

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

// ---- what a slot remembers: a map's address, and in its low bits the access mode ---------------------------------

constexpr FdSlots::Word kAccess = O_ACCMODE;
static_assert(alignof(runtime::MapObject) > kAccess);

FdSlots::Word word_of(const runtime::MapObject& map, int access) {
  return reinterpret_cast<FdSlots::Word>(&map) | static_cast<FdSlots::Word>(access);
}
runtime::MapObject* map_of(FdSlots::Word word) { return reinterpret_cast<runtime::MapObject*>(word & ~kAccess); }
int access_of(FdSlots::Word word) { return static_cast<int>(word & kAccess); }

}  // namespace

class FdTable::Released {
 public:
  void add(Object object) { objects_.push_back(std::move(object)); }
  ~Released() {
    for (const Object& object : objects_) {
      if (const auto* user = std::get_if<std::shared_ptr<runtime::MapUser>>(&object)) {
        wait_for_pins((*user)->object().get());
      }
    }
  }

 private:
  std::vector<Object> objects_;
};

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
  slots_.clear(fd);  // the number may have gone unseen
  // Two descriptors of a mappable array have one inode.
  handles_.try_emplace(*identity,
                       Handle{.object = std::move(object), .backing = backing, .watches = {}, .remembered = {}});
  return fd;
}

void FdTable::adopt(int fd, Object object) {
  Released released;
  const auto identity = identity_of(fd);
  if (!identity) return released.add(std::move(object));
  const std::lock_guard guard(mutex_);
  const auto [at, fresh] = handles_.try_emplace(*identity, Handle{.object = object, .watches = {}, .remembered = {}});
  if (!fresh) released.add(std::exchange(at->second.object, std::move(object)));
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

// ---- element commands --------------------------------------------------------------------------------------------

Errno<MapPin> FdTable::pin_map(int fd) {
  const bool remembers = sees_closes_.load(std::memory_order_relaxed);
  FdSlots::Word word = remembers ? slots_.get(fd) : 0;
  PinWord* pin = word != 0 ? free_pin() : nullptr;
  if (pin == nullptr) return pin_slowly(fd);
  while (word != 0) {
    pin->store(map_of(word), std::memory_order_seq_cst);
    const FdSlots::Word now = slots_.get(fd);
    if (now == word) return MapPin(*pin, *map_of(word), access_of(word));
    word = now;
  }
  pin->store(nullptr, std::memory_order_release);
  return pin_slowly(fd);
}

Errno<MapPin> FdTable::pin_slowly(int fd) {
  const std::lock_guard guard(mutex_);
  const auto identity = identity_of(fd);  // under the lock: nobody closes it while its slot is written
  if (!identity) return std::unexpected(identity.error());
  const auto at = handles_.find(*identity);
  if (at == handles_.end()) return std::unexpected(-EINVAL);
  const auto* user = std::get_if<std::shared_ptr<runtime::MapUser>>(&at->second.object);
  if (user == nullptr) return std::unexpected(-EINVAL);
  const int access = fcntl(fd, F_GETFL) & O_ACCMODE;
  if (sees_closes_.load(std::memory_order_relaxed)) {
    slots_.set(fd, word_of(*(*user)->object(), access));
    std::vector<int>& remembered = at->second.remembered;
    if (std::ranges::find(remembered, fd) == remembered.end()) remembered.push_back(fd);
  }
  return MapPin(*user, access);
}

// ---- descriptors that go -----------------------------------------------------------------------------------------

void FdTable::release(Handles::iterator at, Released& released) {
  for (const int fd : at->second.remembered) {
    const auto* user = std::get_if<std::shared_ptr<runtime::MapUser>>(&at->second.object);
    if (map_of(slots_.get(fd)) == (*user)->object().get()) slots_.clear(fd);
  }
  unwatch(at->second);
  released.add(std::move(at->second.object));
  handles_.erase(at);
}

template <class Change>
long FdTable::vanish(int fd, long busy, Change change) {
  Released released;
  const std::lock_guard guard(mutex_);
  const auto identity = identity_of(fd);
  const auto at = identity ? handles_.find(*identity) : handles_.end();
  if (at != handles_.end() && at->second.backing == fd) return busy;
  slots_.clear(fd);
  const long result = change();
  if (at == handles_.end()) return result;
  std::erase(at->second.remembered, fd);
  std::map<Identity, unsigned> open;
  if (count_open(open) && !open.contains(at->first)) release(at, released);
  return result;
}

long FdTable::close(int fd) {
  return vanish(fd, -EBADF, [&] { return real_close(fd); });
}

long FdTable::dup_over(int from, int to, int flags) {
  return vanish(to, -EBUSY, [&] { return as_errno(::syscall(SYS_dup3, from, to, flags)); });
}

// In pieces, around the maps' own descriptors.
long FdTable::close_range(unsigned first, unsigned last, int flags) {
  const auto real = [flags](unsigned from, unsigned to) {
    return from > to ? 0 : as_errno(::syscall(SYS_close_range, from, to, flags));
  };
  if (first > last || (flags & CLOSE_RANGE_CLOEXEC) != 0)
    return as_errno(::syscall(SYS_close_range, first, last, flags));
  Released released;
  const std::lock_guard guard(mutex_);
  std::vector<unsigned> own;
  for (const auto& [identity, handle] : handles_) {
    const auto backing = static_cast<unsigned>(handle.backing);
    if (handle.backing >= 0 && backing >= first && backing <= last) own.push_back(backing);
    for (const int fd : handle.remembered) {
      if (static_cast<unsigned>(fd) >= first && static_cast<unsigned>(fd) <= last) slots_.clear(fd);
    }
  }
  std::ranges::sort(own);
  for (const unsigned fd : own) {
    if (const long error = fd == 0 ? 0 : real(first, fd - 1); error < 0) return error;
    first = fd + 1;
  }
  const long result = real(first, last);
  release_closed(released);
  return result;
}

// Slots of numbers that are another file by now.
void FdTable::forget_stale(const Identity& identity, Handle& handle) {
  std::erase_if(handle.remembered, [&](int fd) {
    const auto now = identity_of(fd);
    if (now && *now == identity) return false;
    slots_.clear(fd);
    return true;
  });
}

void FdTable::release_closed(Released& released) {
  std::map<Identity, unsigned> open;
  if (!count_open(open)) return;
  for (auto at = handles_.begin(); at != handles_.end();) {
    const auto here = at++;
    if (open.contains(here->first)) {
      forget_stale(here->first, here->second);
    } else {
      release(here, released);
    }
  }
}

void FdTable::sweep() {
  Released released;
  const std::lock_guard guard(mutex_);
  release_closed(released);
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
