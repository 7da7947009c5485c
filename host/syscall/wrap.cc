// SPDX-License-Identifier: Apache-2.0
//
// The C library's functions as libbpf and an application that is linked against forager_libbpf see them: BPF goes to
// our bpf(2), everything else to where it always went. This is the file that the linker options of forager_libbpf
// (-Wl,--wrap=NAME: calls of NAME come to __wrap_NAME, __real_NAME is the original) are about, and it decides nothing
// but whose a call is.
//
// Tested by: tests/e2e.
#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <optional>

#include "syscall/bpf.h"
#include "syscall/iterator_file.h"
#include "syscall/mapping.h"
#include "syscall/perf_event.h"
#include "syscall/polling.h"
#include "syscall/probe_event.h"

namespace {

namespace ours = forager::syscall;

// As the C library returns a system call's result.
long as_libc(long result) {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

constexpr int kArguments = 6;

std::optional<long> read_ours(int fd, void* to, size_t size) {
  if (!ours::IteratorFile::any()) return std::nullopt;
  return ours::read_iterator(ours::process().fds, fd, reinterpret_cast<ours::UserAddress>(to), size);
}

}  // namespace

extern "C" {

long __real_syscall(long number, ...);
void* __real_mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset);
int __real_close(int fd);
int __real_dup2(int from, int to);
int __real_ioctl(int fd, unsigned long request, ...);
ssize_t __real_read(int fd, void* to, size_t size);
ssize_t __real___read_chk(int fd, void* to, size_t size, size_t room);
int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event* event);
int __real_epoll_wait(int epoll, struct epoll_event* events, int count, int timeout);
int __real_epoll_pwait(int epoll, struct epoll_event* events, int count, int timeout, const sigset_t* signals);

// How many arguments there are depends on the number; like the C library's own, this reads six registers.
long __wrap_syscall(long number, ...) {
  long a[kArguments];
  va_list list;
  va_start(list, number);
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_bpf) {
    ours::Process& process = ours::process();
    process.fds.see_closes();
    return as_libc(ours::bpf(process, static_cast<int>(a[0]), reinterpret_cast<union bpf_attr*>(a[1]),
                             static_cast<unsigned>(a[2])));
  }
  if (number == SYS_perf_event_open) {
    const auto event = ours::open_perf_event(ours::process(), static_cast<ours::UserAddress>(a[0]),
                                             static_cast<int>(a[1]), static_cast<int>(a[2]));
    if (event) return as_libc(*event);
  }
  return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void* __wrap_mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  if (fd >= 0 && (flags & MAP_ANONYMOUS) == 0) {
    const auto mapped = ours::map_object(ours::process().fds, {address, length, protection, flags, fd, offset});
    if (mapped) return reinterpret_cast<void*>(as_libc(*mapped));
  }
  return __real_mmap(address, length, protection, flags, fd, offset);
}

// off_t has 64 bits on every machine that this is built for: the two are one function.
void* __wrap_mmap64(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  return __wrap_mmap(address, length, protection, flags, fd, offset);
}

int __wrap_close(int fd) { return static_cast<int>(as_libc(ours::process().fds.close(fd))); }

int __wrap_dup3(int from, int to, int flags) {
  return static_cast<int>(as_libc(ours::process().fds.dup_over(from, to, flags)));
}

int __wrap_dup2(int from, int to) { return from == to ? __real_dup2(from, to) : __wrap_dup3(from, to, 0); }

int __wrap_close_range(unsigned first, unsigned last, int flags) {
  return static_cast<int>(as_libc(ours::process().fds.close_range(first, last, flags)));
}

void __wrap_closefrom(int first) { __wrap_close_range(first < 0 ? 0 : static_cast<unsigned>(first), ~0U, 0); }

int __wrap_ioctl(int fd, unsigned long request, ...) {
  va_list list;
  va_start(list, request);
  void* argument = va_arg(list, void*);
  va_end(list);
  auto result = ours::control_perf_event(ours::process().fds, fd, request);
  if (!result) {
    result = ours::control_probe_event(ours::process(), fd, request, reinterpret_cast<ours::UserAddress>(argument));
  }
  return result ? static_cast<int>(as_libc(*result)) : __real_ioctl(fd, request, argument);
}

ssize_t __wrap_read(int fd, void* to, size_t size) {
  const auto result = read_ours(fd, to, size);
  return result ? as_libc(*result) : __real_read(fd, to, size);
}

// What read() becomes under _FORTIFY_SOURCE; where the buffer is too small, the original says so.
ssize_t __wrap___read_chk(int fd, void* to, size_t size, size_t room) {
  const auto result = size <= room ? read_ours(fd, to, size) : std::nullopt;
  return result ? as_libc(*result) : __real___read_chk(fd, to, size, room);
}

int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event* event) {
  const auto result = ours::poll_control(ours::process().fds, epoll, operation, fd, event);
  return result ? static_cast<int>(as_libc(*result)) : __real_epoll_ctl(epoll, operation, fd, event);
}

int __wrap_epoll_wait(int epoll, struct epoll_event* events, int count, int timeout) {
  ours::before_wait(ours::process().fds);
  return __real_epoll_wait(epoll, events, count, timeout);
}

int __wrap_epoll_pwait(int epoll, struct epoll_event* events, int count, int timeout, const sigset_t* signals) {
  ours::before_wait(ours::process().fds);
  return __real_epoll_pwait(epoll, events, count, timeout, signals);
}

}  // extern "C"
