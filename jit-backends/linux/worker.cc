// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/linux/worker.h"

#include <pthread.h>
#include <sched.h>

#include <cerrno>
#include <csignal>
#include <exception>
#include <string>
#include <system_error>

namespace forager::jit::linux_kernel {
namespace {

Result<> guarded(const std::function<Result<>()>& task) {
  try {
    return task();
  } catch (const std::exception& error) {
    return fail(ErrorKind::system, ENOMEM, std::string("the linux backend ran out of resources: ") + error.what());
  }
}

void pin_to(unsigned cpu) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  (void)sched_setaffinity(0, sizeof(only), &only);  // cannot fail: the CPU is one of those allowed
}

}  // namespace

// The thread inherits the mask of its creator, so signals are blocked before there is a moment to catch one in.
Result<> Worker::start(unsigned cpu) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  Result<> result;
  try {
    thread_ = std::thread([this, cpu] {
      pin_to(cpu);
      serve();
    });
  } catch (const std::system_error& error) {
    result = fail(ErrorKind::system, error.code().value(), std::string("cannot start a thread: ") + error.what());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return result;
}

Result<> Worker::call(std::function<Result<>()> task) {
  std::unique_lock lock(mutex_);
  task_ = std::move(task);
  done_ = false;
  changed_.notify_all();
  changed_.wait(lock, [this] { return done_; });
  task_ = nullptr;
  return std::move(result_);
}

void Worker::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || (task_ && !done_); });
    if (stopping_) return;
    result_ = guarded(task_);
    done_ = true;
    changed_.notify_all();
  }
}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace forager::jit::linux_kernel
