// SPDX-License-Identifier: Apache-2.0
//
// epoll(7) on BPF descriptors. A memfd cannot be polled, so an eventfd of the ring buffer or perf event takes its place
// in the epoll instance; producers signal it by the kernel's wake-up rules. What an eventfd cannot know is that the
// consumer has read everything, since consuming is a store to shared memory. So before a wait, each watched buffer that
// is empty takes its signal back. Together this is the kernel's level-triggered behaviour: a buffer that was reported
// is reported again while data is in it, and data committed without a wake-up wakes nobody. A user ring buffer is the
// other way round: its producer waits for room, and its eventfd is writable while there is some.
//
// Tested by: tests/unit/syscall_polling_test.cc, tests/e2e.
#pragma once

#include <sys/epoll.h>

#include <optional>

#include "syscall/process.h"

namespace forager::syscall {

// epoll_ctl(2) on a BPF descriptor: 0 or a negative errno; nothing if the descriptor is no BPF object.
[[nodiscard]] std::optional<long> poll_control(FdTable& fds, int epoll, int operation, int fd, epoll_event* event);

// To be called before every wait on epoll instances.
void before_wait(const FdTable& fds);

}  // namespace forager::syscall
