// SPDX-License-Identifier: Apache-2.0
//
// Worker: the one thread on which a device talks to the kernel.
//
// A test run takes place in the calling thread's network namespace and on its CPU. Neither may change under a user's
// thread, so a device has its own, pinned to the lowest CPU that the process may use, with all signals blocked (a
// pending signal ends a test run with EINTR).
//
// Tested by: tests/unit/linux_device_test.cc.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "forager/result.h"

namespace forager::jit::linux_kernel {

class Worker {
 public:
  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  // Starts the thread on that CPU. Errors: system.
  [[nodiscard]] Result<> start(unsigned cpu);
  // Runs the task on the thread and waits for it; an exception comes back as a Diagnostic.
  [[nodiscard]] Result<> call(std::function<Result<>()> task);

 private:
  void serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<Result<>()> task_;
  Result<> result_;
  bool done_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace forager::jit::linux_kernel
