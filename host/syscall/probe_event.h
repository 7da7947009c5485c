// SPDX-License-Identifier: Apache-2.0
//
// Perf events that programs are attached to: perf_event_open(2) of kprobes, uprobes and tracepoints, and of counters
// that do nothing but sample for a program. They are virtual: nothing in the machine's kernel is probed. A program that
// is attached to one runs when the runtime fires the event's place (runtime/fire.h), whoever it is that knows of it.
//
// Counters that are read, or that write samples to a buffer of their own, stay the kernel's: a program has nothing to
// do with them.
//
// Tested by: tests/unit/syscall_probe_test.cc, tests/e2e.
#pragma once

#include <linux/perf_event.h>

#include <atomic>
#include <memory>
#include <optional>

#include "syscall/process.h"

namespace forager::syscall {

class ProbeEvent : public std::enable_shared_from_this<ProbeEvent> {
 public:
  ProbeEvent(runtime::Place where, std::uint64_t semaphore_offset, bool enabled)
      : place(std::move(where)), semaphore(semaphore_offset), enabled_(std::make_shared<std::atomic<bool>>(enabled)) {}

  // PERF_EVENT_IOC_SET_BPF: the event holds the program. -EEXIST if there is one, -EINVAL for a program of a type that
  // the event does not run.
  [[nodiscard]] long set_program(runtime::Runtime& runtime, const std::shared_ptr<runtime::ProgramObject>& program);
  // BPF_LINK_CREATE: the link holds the event and the program.
  [[nodiscard]] Errno<std::shared_ptr<runtime::LinkObject>> link(runtime::Runtime& runtime,
                                                                 const std::shared_ptr<runtime::ProgramObject>& program,
                                                                 std::uint64_t cookie);
  void enable(bool enabled) { *enabled_ = enabled; }
  // The program that set_program() gave it, or a link; null without.
  [[nodiscard]] std::shared_ptr<runtime::ProgramObject> program() const;

  const runtime::Place place;
  const std::uint64_t semaphore;

 private:
  [[nodiscard]] runtime::LinkSpec spec(std::uint64_t cookie) const;

  mutable std::mutex mutex_;
  std::shared_ptr<std::atomic<bool>> enabled_;
  std::weak_ptr<runtime::LinkObject> link_;      // the one program that there may be
  std::shared_ptr<runtime::LinkObject> hidden_;  // ... where no descriptor shows it
  runtime::IdTable<runtime::LinkObject> no_ids_;
};

// perf_event_open(2): a descriptor or a negative errno; nothing if the event is the kernel's business.
[[nodiscard]] std::optional<long> open_probe_event(Process& process, const perf_event_attr& attributes, int pid,
                                                   int cpu);

// ioctl(2) on such an event: 0 or a negative errno; nothing for any other descriptor.
[[nodiscard]] std::optional<long> control_probe_event(Process& process, int fd, unsigned long request,
                                                      std::uint64_t argument);

}  // namespace forager::syscall
