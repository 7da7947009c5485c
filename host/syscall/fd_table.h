// SPDX-License-Identifier: Apache-2.0
//
// FdTable: BPF objects behind real file descriptors.
//
// Each descriptor is a memfd, and its inode says which object it stands for. So descriptors may be duplicated, closed
// and their numbers reused behind our back, and still never name the wrong object: every use asks fstat(2). The access
// mode of the descriptor is the object's, as in the kernel (BPF_F_RDONLY, BPF_F_WRONLY). An array that may be mapped
// uses the inode of its own memory, so that mmap(2) on the descriptor maps the values, with or without our help.
//
// The element commands are too many to ask each time. Where the process's close(), dup2(), dup3(), close_range() and
// closefrom() come through this table (see_closes(); wrap.cc sees to it), pin_map() remembers which number is which map
// and takes no lock and no system call for it. A number that is closed past these functions (by a shared library, by
// syscall(2), inside the C library) and given out again still means the old map to pin_map(), until it comes back
// here or sweep() looks; to everything else it never does.
//
// A descriptor's object is let go with the last descriptor of its inode in this process: close() looks for others in
// /proc/self/fd. Descriptors that vanish unseen are found by sweep(), which whoever lists objects calls first. A
// mapping alone does not keep an object (the kernel's does); its memory stays.
//
// Invariant: safe from any thread; no object is destroyed under the lock, because destroying one may close
// descriptors, nor while a pin is on it.
//
// Tested by: tests/unit/syscall_fd_table_test.cc, syscall_threads_test.cc.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/attach.h"
#include "runtime/objects.h"
#include "syscall/fd_slots.h"
#include "syscall/map_pin.h"
#include "syscall/user_memory.h"

namespace forager::syscall {

class AdoptedSocket;
class IteratorFile;
class PerfEvent;
class ProbeEvent;
class StatisticsUser;

using Object = std::variant<std::shared_ptr<runtime::MapUser>, std::shared_ptr<runtime::ProgramObject>,
                            std::shared_ptr<runtime::BtfObject>, std::shared_ptr<runtime::LinkObject>,
                            std::shared_ptr<PerfEvent>, std::shared_ptr<ProbeEvent>, std::shared_ptr<StatisticsUser>,
                            std::shared_ptr<IteratorFile>, std::shared_ptr<AdoptedSocket>>;

class FdTable {
 public:
  // A new descriptor (O_CLOEXEC) for the object, or a negative errno. access: O_RDWR, O_RDONLY or O_WRONLY. backing:
  // the memfd of a map's memory, which stays the map's, or -1.
  [[nodiscard]] long install(Object object, int access = O_RDWR, int backing = -1);

  // Makes a descriptor that is no object's (a socket's) stand for this one, in the place of what its inode stood for.
  void adopt(int fd, Object object);

  // The object a descriptor stands for: -EBADF if it is not open, -EINVAL if it is something else.
  [[nodiscard]] Errno<Object> find(int fd) const;
  // The same, for an object that must be a T.
  template <class T>
  [[nodiscard]] Errno<std::shared_ptr<T>> find(int fd) const {
    auto object = find(fd);
    if (!object) return std::unexpected(object.error());
    auto* held = std::get_if<std::shared_ptr<T>>(&*object);
    if (held == nullptr) return std::unexpected(-EINVAL);
    return std::move(*held);
  }

  // The map a descriptor stands for, to work on its elements; errors as of find().
  [[nodiscard]] Errno<MapPin> pin_map(int fd);
  // From now on every descriptor that goes does so by the functions below.
  void see_closes() {
    if (!sees_closes_.load(std::memory_order_relaxed)) sees_closes_.store(true, std::memory_order_relaxed);
  }

  // close(2), dup3(2) and close_range(2), for descriptors of all kinds. The maps' own are not to be had: -EBADF from
  // close(), -EBUSY from dup_over(), and close_range() leaves them.
  [[nodiscard]] long close(int fd);
  [[nodiscard]] long dup_over(int from, int to, int flags);
  [[nodiscard]] long close_range(unsigned first, unsigned last, int flags);
  // Lets go of objects whose descriptors are all gone.
  void sweep();

  // Remembers that `notify` stands for fd's object in an epoll instance, to take it out again when the object goes.
  void watch(int fd, int epoll, int notify);
  void forget(int fd, int epoll);
  // Every object that some epoll instance watches.
  [[nodiscard]] std::vector<Object> watched() const;

 private:
  using Identity = std::pair<dev_t, ino_t>;
  struct Handle {
    Object object;
    int backing = -1;
    std::vector<std::pair<int, int>> watches;  // epoll instance, notification descriptor
    std::vector<int> remembered;               // numbers whose slots name it
  };
  using Handles = std::map<Identity, Handle>;
  // What is to be destroyed once the lock is free.
  class Released;

  [[nodiscard]] static Errno<Identity> identity_of(int fd);
  // Descriptors open in this process for each of our inodes, the maps' own not counted; false if /proc is not there.
  [[nodiscard]] bool count_open(std::map<Identity, unsigned>& counts) const;
  static void unwatch(const Handle& handle);

  [[nodiscard]] Errno<MapPin> pin_slowly(int fd);
  // Does what makes the descriptor go, and what follows from it; `busy` is the answer for a map's own.
  template <class Change>
  [[nodiscard]] long vanish(int fd, long busy, Change change);
  // The rest are under the lock.
  void forget_stale(const Identity& identity, Handle& handle);
  void release(Handles::iterator at, Released& released);
  void release_closed(Released& released);

  std::atomic<bool> sees_closes_ = false;
  mutable std::mutex mutex_;
  Handles handles_;
  FdSlots slots_;
};

// The access mode of a descriptor.
[[nodiscard]] inline bool may_read(int fd) { return (fcntl(fd, F_GETFL) & O_ACCMODE) != O_WRONLY; }
[[nodiscard]] inline bool may_write(int fd) { return (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY; }

}  // namespace forager::syscall
