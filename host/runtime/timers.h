// SPDX-License-Identifier: Apache-2.0
//
// TimerQueue: the timers of a runtime's programs (bpf_timer_*, kernel/bpf/helpers.c).
//
// A timer is made in a map's value, where its number stands in the first eight bytes, and ends with that value: when
// the element is deleted, replaced or overwritten (exec::ValueHooks), or when the last user of its map goes
// (MapUser). One thread, made when the first timer is started, runs the callbacks one after another, in the order of
// their deadlines.
//
// What keeps what alive:
//   timer -> engine -> program, its object, its maps     from set_callback until cancel or the timer's end
//   timer -> map                                          by a weak reference: a map's timers end before it does
//   a callback that runs -> its engine and its map        so that neither goes under its feet
// The circle map -> timer -> engine -> map is broken by the last user of the map, as in Linux: a map without users has
// no timers, and gets none (-EPERM).
//
// Invariants, on which the absence of deadlocks rests:
//   - mutex_ is a leaf: while it is held nothing of a map, a program or a device is called or destroyed. Engines that
//     a call sets free are destroyed after it is released (Freed).
//   - released() and release() wait for nobody. A callback that runs when its timer ends runs to its end, as in Linux;
//     the value it sees stays memory of the map.
//   - cancel() waits for a running callback, holding nothing. From within that callback it is -EDEADLK. Of two
//     callbacks that cancel each other none waits, since only one runs at a time.
//   - A timer's bytes are read and written under mutex_, and numbers are never used twice: bytes that hold an old
//     number are those of no timer.
//
// Tested by: tests/unit/runtime_timers_test.cc (under ThreadSanitizer too), tests/e2e/values.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "exec/environment.h"
#include "exec/timers.h"
#include "runtime/timer_engine.h"

namespace forager::runtime {

// Nanoseconds of a clock (CLOCK_MONOTONIC, _REALTIME, _BOOTTIME).
using TimerClock = std::function<std::uint64_t(int clock)>;

class TimerQueue final : public exec::Timers, public exec::ValueHooks {
 public:
  // What keeps a program listed while timers call it; null is allowed.
  using OwnerOf = std::function<std::shared_ptr<const void>(const verifier::VerifiedProgram&)>;

  // `clock` null: the machine's. With one of its own, the queue looks at it only when it is told to (clock_changed).
  // The environment outlives the queue.
  explicit TimerQueue(const exec::Environment& environment, OwnerOf owner = {}, TimerClock clock = {});
  ~TimerQueue() override;
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  // A map whose values may have timers, and how many users it has. forget() before the counter is gone.
  void watch(const exec::Map& map, const std::atomic<unsigned>& users);
  void forget(const exec::Map& map);
  // The map's last user went: all its timers end.
  void release(const exec::Map& map);

  // exec::Timers, called by programs
  [[nodiscard]] int init(exec::Map& map, void* timer, std::uint64_t flags) override;
  [[nodiscard]] int set_callback(void* timer, exec::TimerCallback callback) override;
  [[nodiscard]] int start(void* timer, std::uint64_t nanoseconds, std::uint64_t flags) override;
  [[nodiscard]] int cancel(void* timer) override;
  // exec::ValueHooks
  void released(exec::Map& map, void* value) override;

  // Waits for the callback that runs, if any; no other runs afterwards.
  void stop();
  void clock_changed();
  // Timers that exist, and callbacks that ran to their end or were stopped.
  struct Counts {
    std::size_t timers = 0;
    std::uint64_t called = 0;
    std::uint64_t failed = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  using Id = std::uint64_t;
  static constexpr unsigned kClocks = 3;
  struct Timer {
    std::byte* place = nullptr;  // its bytes in the value
    std::byte* value = nullptr;
    const exec::Map* map = nullptr;
    std::weak_ptr<exec::Map> alive;       // the same map
    unsigned clock = 0;                   // index of kClockIds
    std::shared_ptr<TimerEngine> engine;  // null: no callback
    std::uint32_t function = 0;
    bool armed = false;
    std::pair<std::uint64_t, std::uint64_t> due{};  // deadline, and order among equals
  };
  struct Armed {
    std::pair<std::uint64_t, std::uint64_t> due;
    Id id = 0;
    friend auto operator<=>(const Armed&, const Armed&) = default;
  };
  using Freed = std::vector<std::shared_ptr<TimerEngine>>;
  using Guard = std::unique_lock<std::mutex>;

  [[nodiscard]] Timer* find_locked(const void* place);
  [[nodiscard]] bool has_users_locked(const exec::Map& map) const;
  [[nodiscard]] std::uint64_t now(unsigned clock) const;
  void disarm_locked(Id id, Timer& timer);
  void end_locked(Id id, Freed& freed);
  [[nodiscard]] std::shared_ptr<TimerEngine> engine_for(exec::TimerCallback callback);

  void work();
  [[nodiscard]] Id next_due_locked() const;
  void wait_locked(Guard& guard);
  void run_locked(Guard& guard, Id id);
  [[nodiscard]] static Result<> call(const Timer& timer);

  const exec::Environment& environment_;
  const OwnerOf owner_of_;
  const TimerClock clock_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // what is armed, or the clock, or stop_
  std::condition_variable ended_;    // a callback
  std::unordered_map<Id, Timer> timers_;
  std::unordered_map<const exec::Map*, const std::atomic<unsigned>*> users_;
  std::array<std::set<Armed>, kClocks> armed_;
  Id last_id_ = 0;
  std::uint64_t last_order_ = 0;
  Id running_ = 0;
  Counts counts_;
  bool stop_ = false;
  std::thread thread_;

  std::mutex engines_mutex_;
  std::unordered_map<const verifier::VerifiedProgram*, std::weak_ptr<TimerEngine>> engines_;
};

}  // namespace forager::runtime
