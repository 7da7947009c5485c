// SPDX-License-Identifier: Apache-2.0
#include "bench/opencl/side.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cerrno>
#include <thread>
#include <utility>

#include "bench/opencl/traffic.h"
#include "maps/lock.h"
#include "syscall/process.h"

namespace forager::bench {
namespace {

class Single final : public Side {
 public:
  Single(Stage stage, std::unique_ptr<exec::Device> device) : stage_(std::move(stage)), device_(std::move(device)) {}

  Result<exec::RunReport> run(exec::PacketBatch frames) override { return device_->run(frames); }
  Stage& stage() override { return stage_; }

 private:
  Stage stage_;
  std::unique_ptr<exec::Device> device_;
};

// Waits for what another thread does. Where something else has that thread's CPU, spinning would keep it from this one.
class Spin {
 public:
  void pause() {
    maps::relax();
    if (++times_ % kPatience == 0) sched_yield();
  }

 private:
  static constexpr unsigned kPatience = 10'000;
  unsigned times_ = 0;
};

// The CPUs that this process may use, as it began.
const cpu_set_t& all_cpus() {
  static const cpu_set_t kCpus = [] {
    cpu_set_t found;
    CPU_ZERO(&found);
    sched_getaffinity(0, sizeof found, &found);
    return found;
  }();
  return kCpus;
}

// The nth of them, or all if it has not so many.
cpu_set_t cpu_number(unsigned n) {
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &all_cpus()) || n-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return one;
  }
  return all_cpus();
}

void keep_to(pthread_t thread, const cpu_set_t& cpus) { pthread_setaffinity_np(thread, sizeof cpus, &cpus); }

// A thread that runs what it is given on a device of its own.
class Worker {
 public:
  explicit Worker(std::unique_ptr<exec::Device> device) : device_(std::move(device)), thread_([this] { work(); }) {
    keep_to(thread_.native_handle(), cpu_number(1));
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    tell(Order::end);
    thread_.join();
  }

  void ready() {
    awake_.store(false, std::memory_order_relaxed);
    tell(Order::ready);
    for (Spin spin; !awake_.load(std::memory_order_acquire);) spin.pause();
  }
  void rest() { order_.store(Order::rest, std::memory_order_release); }
  // Between ready() and rest().
  void begin(exec::PacketBatch frames) {
    frames_ = frames;
    order_.store(Order::go, std::memory_order_release);
  }
  Result<exec::RunReport> end() {
    for (Spin spin; order_.load(std::memory_order_acquire) == Order::go;) spin.pause();
    return std::move(done_);
  }

 private:
  enum class Order : std::uint8_t { rest, ready, go, end };

  void tell(Order order) {
    order_.store(order, std::memory_order_release);
    order_.notify_one();
  }

  void work() {
    Spin spin;
    for (Order order = order_.load(); order != Order::end; order = order_.load(std::memory_order_acquire)) {
      if (order == Order::rest) order_.wait(Order::rest);
      if (order == Order::ready) {
        awake_.store(true, std::memory_order_release);
        spin.pause();
      }
      if (order != Order::go) continue;
      done_ = device_->run(frames_);
      order_.store(Order::ready, std::memory_order_release);
    }
  }

  std::unique_ptr<exec::Device> device_;
  exec::PacketBatch frames_;
  Result<exec::RunReport> done_;
  std::atomic<Order> order_ = Order::rest;
  std::atomic<bool> awake_ = false;
  std::thread thread_;
};

class Threads final : public Side {
 public:
  Threads(Stage stage, std::unique_ptr<exec::Device> mine, std::unique_ptr<exec::Device> other)
      : stage_(std::move(stage)), device_(std::move(mine)), worker_(std::move(other)) {}

  void ready() override {
    keep_to(pthread_self(), cpu_number(0));
    worker_.ready();
  }
  void rest() override {
    worker_.rest();
    keep_to(pthread_self(), all_cpus());
  }
  Result<exec::RunReport> run(exec::PacketBatch frames) override {
    const std::size_t half = frames.size() / kThreads;
    worker_.begin(frames.subspan(half));
    auto report = device_->run(frames.first(half));
    auto other = worker_.end();
    if (!other) return other;
    if (!report) return report;
    report->packets += other->packets;
    report->traps += other->traps;
    report->busy_ns += other->busy_ns;
    return report;
  }
  Stage& stage() override { return stage_; }

 private:
  Stage stage_;
  std::unique_ptr<exec::Device> device_;
  Worker worker_;
};

}  // namespace

SideResult make_single(const ExampleProgram& program, const char* backend, exec::Order order) {
  auto stage = Stage::open(program);
  if (!stage) return std::unexpected(stage.error());
  auto device = open_device(backend, *stage, {.order = order});
  if (!device) return std::unexpected(std::move(device.error()));
  return std::make_unique<Single>(std::move(*stage), std::move(*device));
}

SideResult make_threads(const ExampleProgram& program, const char* backend) {
  if (syscall::process().runtime.environment.cpus < kThreads) {
    return fail(ErrorKind::unsupported, EOPNOTSUPP, "two threads need a machine of two CPUs");
  }
  auto stage = Stage::open(program);
  if (!stage) return std::unexpected(stage.error());
  std::unique_ptr<exec::Device> devices[kThreads];
  for (unsigned cpu = 0; cpu < kThreads; ++cpu) {
    auto device = open_device(backend, *stage, {.order = exec::Order::none, .cpu = cpu});
    if (!device) return std::unexpected(std::move(device.error()));
    devices[cpu] = std::move(*device);
  }
  return std::make_unique<Threads>(std::move(*stage), std::move(devices[0]), std::move(devices[1]));
}

}  // namespace forager::bench
