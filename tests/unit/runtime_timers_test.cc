// SPDX-License-Identifier: Apache-2.0
//
// Timers: what programs are answered, when callbacks run and when not, what ends a timer and what a timer keeps alive.
// The clock is the tests' own, but for the last ones, which are there for ThreadSanitizer.
#include <fmt/format.h>

#include <condition_variable>
#include <ctime>
#include <random>
#include <thread>

#include "exec_testing.h"
#include "maps/registry.h"
#include "runtime/runtime.h"
#include "runtime/session.h"
#include "runtime/timers.h"

namespace forager::runtime {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::trap_of;

constexpr std::uint64_t kAbsolute = 1, kPinned = 2;  // BPF_F_TIMER_ABS, _CPU_PIN
constexpr unsigned kCpus = 2;                        // of the plain environment

exec::MapSpec timed_spec(isa::MapType type) {
  exec::MapSpec spec{.type = type, .key_size = 4, .value_size = 40, .max_entries = 64, .name = "values"};
  spec.fields = {{program::ValueField::Kind::timer, 8, 16}};
  return spec;
}

// A map whose values hold: a count, a timer, the key that the callback saw, and what it was answered.
struct Value {
  std::uint64_t count, timer[2], key, answer;
};
static_assert(sizeof(Value) == 40);

// The program names the function, so that it is verified; what it does at each run is nothing.
std::string names(const std::string& function) {
  return "*(u32 *)(r10 -4) = 99\nr1 = map[0] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 != 0 goto "
         "+1\nexit\n"
         "r1 = r0\nr1 += 8\nr2 = subprog[tick] ll\ncall bpf_timer_set_callback\nr0 = 0\nexit\ntick: " +
         function + "r0 = 0\nexit";
}
const std::string kCount =
    "r2 = *(u32 *)(r2 +0)\n*(u64 *)(r3 +24) = r2\nr1 = *(u64 *)(r3 +0)\nr1 += 1\n*(u64 *)(r3 +0) = r1\n";
const std::string kTimerOfR6 = "r1 = r6\nr1 += 8\n";

class Timers : public ::testing::Test {
 protected:
  Timers() : map_(maps::create(timed_spec(isa::MapType::hash), kCpus).value()) {
    open(std::make_unique<TimerQueue>(environment_, TimerQueue::OwnerOf{}, [this](int) { return time_.load(); }));
    for (std::uint32_t key = 0; key < 4; ++key) insert(key);
  }
  ~Timers() override {
    users_ = 0;
    queue_->release(*map_);
    queue_->forget(*map_);
    queue_.reset();
  }

  void open(std::unique_ptr<TimerQueue> queue) {
    queue_ = std::move(queue);
    environment_.timers = queue_.get();
    map_->set_hooks(queue_.get());
    queue_->watch(*map_, users_);
  }
  void insert(std::uint32_t key) {
    const Value value{};
    ASSERT_EQ(map_->update(&key, &value, 0, 0), 0);
  }
  Value& value(std::uint32_t key) { return *static_cast<Value*>(map_->lookup(&key, 0)); }
  void* timer(std::uint32_t key) { return value(key).timer; }
  // What stands in the value, read as the host reads.
  Value read(std::uint32_t key) {
    Value copy{};
    EXPECT_EQ(map_->read(&key, &copy, 0), 0);
    return copy;
  }

  exec::TimerCallback callback(const std::string& function = kCount) {
    const auto program = exec::testing::verified({.maps = {map_}}, names(function));
    if (program == nullptr) return {};
    return {.program = program,
            .maps = std::make_shared<exec::MapList>(exec::MapList{map_}),
            .function = program->program().subprograms()[1].begin};
  }
  // A timer that is ready to be started.
  void make(std::uint32_t key, const std::string& function = kCount) {
    ASSERT_EQ(queue_->init(*map_, timer(key), CLOCK_MONOTONIC), 0);
    ASSERT_EQ(queue_->set_callback(timer(key), callback(function)), 0);
  }
  void at(std::uint64_t time) {
    time_ = time;
    queue_->clock_changed();
  }
  void wait_for_calls(std::uint64_t calls) {
    while (queue_->counts().called < calls) std::this_thread::yield();
  }

  std::atomic<std::uint64_t> time_ = 1000;
  std::atomic<unsigned> users_ = 1;
  exec::Environment environment_ = exec::testing::plain_environment();
  MapRef map_;
  std::unique_ptr<TimerQueue> queue_;
};

// ---- what programs are answered ----

TEST_F(Timers, AreMadeOnceAndOnClocksThatThereAre) {
  for (const std::uint64_t clock :
       {std::uint64_t{CLOCK_PROCESS_CPUTIME_ID}, std::uint64_t{CLOCK_TAI}, std::uint64_t{16}, ~std::uint64_t{0}}) {
    EXPECT_EQ(queue_->init(*map_, timer(0), clock), -EINVAL);
  }
  EXPECT_EQ(queue_->init(*map_, timer(0), CLOCK_REALTIME), 0);
  EXPECT_EQ(queue_->init(*map_, timer(0), CLOCK_MONOTONIC), -EBUSY);
  EXPECT_EQ(queue_->init(*map_, timer(1), CLOCK_BOOTTIME), 0);
  EXPECT_EQ(queue_->counts().timers, 2U);
}

TEST_F(Timers, OfMapsWithoutUsersAreRefused) {
  ASSERT_EQ(queue_->init(*map_, timer(1), CLOCK_MONOTONIC), 0);
  users_ = 0;
  EXPECT_EQ(queue_->init(*map_, timer(0), CLOCK_MONOTONIC), -EPERM);
  EXPECT_EQ(queue_->set_callback(timer(1), callback()), -EPERM);
  users_ = 1;
  EXPECT_EQ(queue_->init(*map_, timer(0), CLOCK_MONOTONIC), 0);
  const MapRef unknown = maps::create(timed_spec(isa::MapType::array), kCpus).value();
  const std::uint32_t first = 0;
  EXPECT_EQ(queue_->init(*unknown, static_cast<std::byte*>(unknown->lookup(&first, 0)) + 8, CLOCK_MONOTONIC), -EPERM);
}

TEST_F(Timers, WithoutACallbackAreNotStarted) {
  EXPECT_EQ(queue_->set_callback(timer(0), callback()), -EINVAL);
  EXPECT_EQ(queue_->start(timer(0), 5, 0), -EINVAL);
  EXPECT_EQ(queue_->cancel(timer(0)), -EINVAL);
  ASSERT_EQ(queue_->init(*map_, timer(0), CLOCK_MONOTONIC), 0);
  EXPECT_EQ(queue_->start(timer(0), 5, 0), -EINVAL);
  EXPECT_EQ(queue_->set_callback(timer(0), callback()), 0);
  EXPECT_EQ(queue_->start(timer(0), 5, 4), -EINVAL);
  EXPECT_EQ(queue_->start(timer(0), 5, kAbsolute | kPinned), 0);
}

TEST_F(Timers, CancelSaysWhetherItWasArmed) {
  make(0);
  EXPECT_EQ(queue_->cancel(timer(0)), 0);
  EXPECT_EQ(queue_->start(timer(0), 5, 0), -EINVAL) << "the callback is gone with the cancel";
  EXPECT_EQ(queue_->set_callback(timer(0), callback()), 0);
  EXPECT_EQ(queue_->start(timer(0), 5, 0), 0);
  EXPECT_EQ(queue_->cancel(timer(0)), 1);
  EXPECT_EQ(queue_->cancel(timer(0)), 0);
}

TEST_F(Timers, OldNumbersNameNothing) {
  make(0);
  const Value before = value(0);
  const std::uint32_t key = 0;
  ASSERT_EQ(map_->erase(&key), 0);
  insert(0);
  std::memcpy(value(0).timer, before.timer, sizeof before.timer);
  EXPECT_EQ(queue_->start(timer(0), 5, 0), -EINVAL);
  EXPECT_EQ(queue_->init(*map_, timer(0), CLOCK_MONOTONIC), 0);
}

// ---- when callbacks run ----

TEST_F(Timers, RunWhenTheirTimeHasComeInTheOrderOfDeadlines) {
  // The second stamps the count that the first has then.
  make(0);
  make(1);
  make(2);
  ASSERT_EQ(queue_->start(timer(0), 500, 0), 0);
  ASSERT_EQ(queue_->start(timer(1), 300, 0), 0);
  ASSERT_EQ(queue_->start(timer(2), 1301, kAbsolute), 0);
  at(1300);
  wait_for_calls(1);
  EXPECT_EQ(read(1).count, 1U);
  EXPECT_EQ(read(1).key, 1U);
  at(1301);
  wait_for_calls(2);
  EXPECT_EQ(read(2).count, 1U);
  EXPECT_EQ(read(0).count, 0U);
  at(5000);
  wait_for_calls(3);
  EXPECT_EQ(read(0).count, 1U);
  EXPECT_EQ(queue_->counts().timers, 3U) << "a timer that ran is a timer still";
}

TEST_F(Timers, StartingAgainMovesTheDeadline) {
  make(0);
  make(1);
  ASSERT_EQ(queue_->start(timer(0), 100, 0), 0);
  ASSERT_EQ(queue_->start(timer(0), 900, 0), 0);
  ASSERT_EQ(queue_->start(timer(1), 200, 0), 0);
  at(1200);
  wait_for_calls(1);
  EXPECT_EQ(read(0).count, 0U);
  at(1900);
  wait_for_calls(2);
  EXPECT_EQ(read(0).count, 1U);
}

TEST_F(Timers, WhatIsOverRunsAtOnce) {
  make(0);
  make(1);
  ASSERT_EQ(queue_->start(timer(0), 5, kAbsolute), 0);
  ASSERT_EQ(queue_->start(timer(1), ~std::uint64_t{0}, 0), 0);  // -1 nanoseconds
  wait_for_calls(2);
  EXPECT_EQ(read(0).count + read(1).count, 2U);
}

TEST_F(Timers, AreKeptForTheFarFuture) {
  make(0);
  ASSERT_EQ(queue_->start(timer(0), INT64_MAX, 0), 0);
  at(INT64_MAX - 1);
  make(1);
  ASSERT_EQ(queue_->start(timer(1), 0, 0), 0);
  wait_for_calls(1);
  EXPECT_EQ(read(0).count, 0U);
}

const std::string kAgain =
    kCount + "r6 = r3\n" + kTimerOfR6 + "r2 = 100\nr3 = 0\ncall bpf_timer_start\n*(u64 *)(r6 +32) = r0\n";

TEST_F(Timers, MayStartThemselvesAgain) {
  make(0, kAgain);
  ASSERT_EQ(queue_->start(timer(0), 100, 0), 0);
  for (std::uint64_t call = 1; call <= 5; ++call) {
    at(1000 + 100 * call);
    wait_for_calls(call);
  }
  EXPECT_EQ(read(0).count, 5U);
  EXPECT_EQ(read(0).answer, 0U);
  EXPECT_EQ(queue_->cancel(timer(0)), 1);
}

TEST_F(Timers, CannotCancelThemselves) {
  make(0, "r6 = r3\n" + kTimerOfR6 + "call bpf_timer_cancel\n*(u64 *)(r6 +32) = r0\n");
  ASSERT_EQ(queue_->start(timer(0), 0, 0), 0);
  wait_for_calls(1);
  EXPECT_EQ(read(0).answer, static_cast<std::uint64_t>(-EDEADLK));
}

TEST_F(Timers, MayDeleteTheirOwnElement) {
  make(0, "r6 = r3\n*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\ncall bpf_map_delete_elem\n*(u64 *)(r6 +32) = r0\n");
  ASSERT_EQ(queue_->start(timer(0), 0, 0), 0);
  wait_for_calls(1);
  const std::uint32_t key = 0;
  EXPECT_EQ(map_->lookup(&key, 0), nullptr);
  EXPECT_EQ(queue_->counts().timers, 0U);
}

TEST_F(Timers, OneThatIsStoppedStopsNoOther) {
  const auto program =
      exec::testing::verified({.unverified = true, .maps = {map_}}, names("r1 = 0\nr1 = *(u64 *)(r1 +0)\n"));
  ASSERT_EQ(queue_->init(*map_, timer(0), CLOCK_MONOTONIC), 0);
  ASSERT_EQ(queue_->set_callback(timer(0), {.program = program,
                                            .maps = std::make_shared<exec::MapList>(exec::MapList{map_}),
                                            .function = program->program().subprograms()[1].begin}),
            0);
  make(1);
  ASSERT_EQ(queue_->start(timer(0), 0, 0), 0);
  ASSERT_EQ(queue_->start(timer(1), 0, 0), 0);
  wait_for_calls(1);
  EXPECT_EQ(queue_->counts().failed, 1U);
}

// ---- what ends them ----

TEST_F(Timers, EndWithTheirElement) {
  for (std::uint32_t key = 0; key < 3; ++key) {
    make(key);
    ASSERT_EQ(queue_->start(timer(key), 100, 0), 0);
  }
  const std::uint32_t gone = 0;
  ASSERT_EQ(map_->erase(&gone), 0);
  insert(1);  // replaces
  EXPECT_EQ(queue_->counts().timers, 1U);
  at(5000);
  wait_for_calls(1);
  EXPECT_EQ(read(2).count, 1U);
  EXPECT_EQ(read(1).count, 0U);
  EXPECT_EQ(queue_->init(*map_, timer(1), CLOCK_MONOTONIC), 0);
}

TEST_F(Timers, EndWithTheLastUserOfTheirMap) {
  const auto other = maps::create(timed_spec(isa::MapType::array), kCpus).value();
  std::atomic<unsigned> other_users = 1;
  queue_->watch(*other, other_users);
  const std::uint32_t first = 0;
  void* kept = static_cast<std::byte*>(other->lookup(&first, 0)) + 8;
  ASSERT_EQ(queue_->init(*other, kept, CLOCK_MONOTONIC), 0);
  make(0);
  make(1);
  ASSERT_EQ(queue_->start(timer(0), 100, 0), 0);
  users_ = 0;
  queue_->release(*map_);
  EXPECT_EQ(queue_->counts().timers, 1U);
  EXPECT_EQ(queue_->cancel(timer(0)), -EINVAL);
  EXPECT_EQ(queue_->cancel(kept), 0);
  other_users = 0;
  queue_->release(*other);
  queue_->forget(*other);
}

// ---- what they keep alive ----

TEST_F(Timers, KeepTheirProgramUntilTheyHaveNoCallback) {
  auto with = callback();
  const std::weak_ptr<const verifier::VerifiedProgram> program = with.program;
  ASSERT_EQ(queue_->init(*map_, timer(0), CLOCK_MONOTONIC), 0);
  ASSERT_EQ(queue_->init(*map_, timer(1), CLOCK_MONOTONIC), 0);
  ASSERT_EQ(queue_->set_callback(timer(0), with), 0);
  ASSERT_EQ(queue_->set_callback(timer(1), std::move(with)), 0);
  with = {};
  EXPECT_FALSE(program.expired());
  EXPECT_EQ(queue_->cancel(timer(0)), 0);
  EXPECT_FALSE(program.expired());
  EXPECT_EQ(queue_->set_callback(timer(1), callback()), 0);
  EXPECT_TRUE(program.expired());
}

TEST_F(Timers, CancelWaitsForTheCallbackThatRuns) {
  std::mutex mutex;
  std::condition_variable changed;
  bool inside = false, go_on = false;
  environment_.trace = [&](unsigned, std::string_view) {
    std::unique_lock guard(mutex);
    inside = true;
    changed.notify_all();
    changed.wait(guard, [&] { return go_on; });
  };
  const std::string blocks =
      "r6 = r3\n*(u32 *)(r10 -4) = 0x78\nr1 = r10\nr1 += -4\nr2 = 4\ncall bpf_trace_printk\nr3 = r6\n";
  make(0, blocks + "r1 = *(u64 *)(r3 +0)\nr1 += 1\n*(u64 *)(r3 +0) = r1\n");
  ASSERT_EQ(queue_->start(timer(0), 0, 0), 0);
  {
    std::unique_lock guard(mutex);
    changed.wait(guard, [&] { return inside; });
  }
  // cancel() waits for it
  std::atomic<bool> cancelled = false;
  Value& seen = value(0);
  std::jthread canceller([&] {
    EXPECT_EQ(queue_->cancel(timer(0)), 0);
    EXPECT_EQ(__atomic_load_n(&seen.count, __ATOMIC_RELAXED), 1U) << "the callback has come to its end";
    cancelled = true;
  });
  // deleting the element does not
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(cancelled);
  const std::uint32_t key = 1;
  ASSERT_EQ(map_->erase(&key), 0);
  {
    const std::lock_guard guard(mutex);
    go_on = true;
  }
  changed.notify_all();
  canceller.join();
  EXPECT_TRUE(cancelled);
}

TEST_F(Timers, OfAQueueThatStoppedDoNotRun) {
  make(0);
  queue_->stop();
  EXPECT_EQ(queue_->start(timer(0), 0, 0), 0);
  EXPECT_EQ(queue_->cancel(timer(0)), 1);
  EXPECT_EQ(queue_->counts().called, 0U);
}

// ---- from programs, on the machine's clock ----

const std::string kArm =
    "*(u32 *)(r10 -4) = 0\nr1 = map[0] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 != 0 goto +1\nexit\nr6 "
    "= r0\n" +
    kTimerOfR6 + "r2 = map[0] ll\nr3 = 1\ncall bpf_timer_init\nr7 = r0\n" + kTimerOfR6 +
    "r2 = subprog[tick] ll\ncall bpf_timer_set_callback\nr7 += r0\n" + kTimerOfR6 +
    "r2 = 1000\nr3 = 0\ncall bpf_timer_start\nr7 += r0\nr0 = r7\nexit\ntick: " + kCount + "r0 = 0\nexit";

TEST_F(Timers, AreArmedByPrograms) {
  queue_->release(*map_);
  open(std::make_unique<TimerQueue>(environment_));
  const Frame frame = exec::testing::run({.maps = {map_}, .environment = &environment_}, kArm);
  EXPECT_EQ(trap_of(frame), "");
  EXPECT_EQ(frame.return_value, 0U);
  wait_for_calls(1);
  EXPECT_EQ(read(0).count, 1U);
}

TEST_F(Timers, WithoutAQueueAreNotSupported) {
  environment_.timers = nullptr;
  const Frame frame = exec::testing::run({.maps = {map_}, .environment = &environment_}, kArm);
  EXPECT_EQ(static_cast<std::int32_t>(frame.return_value), -3 * EOPNOTSUPP);
}

TEST_F(Timers, StartCancelAndDeleteFromManyThreads) {
  queue_->release(*map_);
  open(std::make_unique<TimerQueue>(environment_));
  constexpr unsigned kThreads = 4, kRounds = 300;
  const auto with = callback(kAgain);
  {
    std::vector<std::jthread> threads;
    for (unsigned thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        std::mt19937 random(thread);
        for (unsigned i = 0; i < kRounds; ++i) {
          const std::uint32_t key = random() % 4;
          void* found = map_->lookup(&key, 0);
          if (found == nullptr || random() % 8 == 0) {
            const Value fresh{};
            EXPECT_EQ(map_->update(&key, &fresh, 0, 0), 0);
            continue;
          }
          void* where = static_cast<Value*>(found)->timer;
          (void)queue_->init(*map_, where, CLOCK_MONOTONIC);
          (void)queue_->set_callback(where, with);
          (void)queue_->start(where, random() % 2000, 0);
          if (random() % 4 == 0) {
            EXPECT_NE(queue_->cancel(where), -EDEADLK);
          }
          if (random() % 16 == 0) (void)map_->erase(&key);
        }
      });
    }
  }
  users_ = 0;
  queue_->release(*map_);
  EXPECT_EQ(queue_->counts().timers, 0U);
}

// ---- the runtime's ----

std::shared_ptr<ProgramObject> load(Runtime& runtime, const std::shared_ptr<MapObject>& map, const std::string& text) {
  program::Source source{.name = "timed", .type = isa::ProgType::xdp, .gpl_compatible = true};
  source.slots = program::assemble(text, std::vector<std::string>{"values"}).value();
  auto program = runtime.load_program({.source = std::move(source), .maps = {map}});
  EXPECT_TRUE(program) << program.error().text();
  return program.value_or(nullptr);
}

TEST(TimersOfARuntime, KeepTheirProgramListedUntilTheLastUserOfTheMapGoes) {
  Runtime runtime;
  auto map = runtime.create_map(timed_spec(isa::MapType::hash)).value();
  auto user = std::make_unique<MapUser>(map);
  const std::uint32_t key = 0;
  const Value zero{};
  ASSERT_EQ(map->map->update(&key, &zero, 0, 0), 0);
  auto program = load(runtime, map, kArm);
  ASSERT_NE(program, nullptr);
  Frame frame = *Frame::make(exec::testing::as_bytes(Bytes(64)));
  {
    auto session = Session::open(runtime.environment, program, {.placement = runtime.settings.placement});
    ASSERT_TRUE(session);
    ASSERT_TRUE(session->run({&frame, 1}));
  }
  EXPECT_EQ(trap_of(frame), "");
  EXPECT_EQ(frame.return_value, 0U);
  const std::uint32_t id = program->id;
  program.reset();
  EXPECT_NE(runtime.programs().find(id), nullptr);
  while (runtime.timers().counts().called == 0) std::this_thread::yield();
  user.reset();
  while (runtime.programs().find(id) != nullptr) std::this_thread::yield();  // a callback may just have ended
  EXPECT_EQ(runtime.timers().counts().timers, 0U);
  while (map.use_count() != 1) std::this_thread::yield();
}

TEST(TimersOfARuntime, GoWithIt) {
  auto runtime = std::make_unique<Runtime>();
  auto map = runtime->create_map(timed_spec(isa::MapType::array)).value();
  auto user = std::make_unique<MapUser>(map);
  auto program = load(*runtime, map, kArm);
  ASSERT_NE(program, nullptr);
  Frame frame = *Frame::make(exec::testing::as_bytes(Bytes(64)));
  {
    auto session = Session::open(runtime->environment, program, {.placement = runtime->settings.placement});
    ASSERT_TRUE(session->run({&frame, 1}));
  }
  EXPECT_EQ(runtime->timers().counts().timers, 1U);
  user.reset();
  map.reset();
  program.reset();
  runtime.reset();
}

}  // namespace
}  // namespace forager::runtime
