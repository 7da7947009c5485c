// SPDX-License-Identifier: Apache-2.0
#include "runtime/timers.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <limits>

namespace forager::runtime {
namespace {

constexpr std::array<int, 3> kClockIds = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
// uapi/linux/bpf.h; older headers lack them.
constexpr std::uint64_t kAbsolute = 1 << 0;                                 // BPF_F_TIMER_ABS
constexpr std::uint64_t kPinned = 1 << 1;                                   // BPF_F_TIMER_CPU_PIN
constexpr std::uint64_t kNever = std::numeric_limits<std::int64_t>::max();  // KTIME_MAX

std::uint64_t read_clock(int clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t number_at(const void* place) {
  std::uint64_t number = 0;
  std::memcpy(&number, place, sizeof number);
  return number;
}
void set_number(void* place, std::uint64_t number) { std::memcpy(place, &number, sizeof number); }

// Where in a value its timer is; values have one at most.
std::uint32_t offset_of_timer(const exec::Map& map) {
  const auto& fields = map.spec().fields;
  const auto field = std::ranges::find(fields, program::ValueField::Kind::timer, &program::ValueField::kind);
  return field == fields.end() ? 0 : field->offset;
}

// A time span or point as the kernel takes it: signed, and what is negative is over already.
std::uint64_t deadline(std::uint64_t now, std::uint64_t nanoseconds, bool absolute) {
  if (nanoseconds > kNever) return 0;
  if (absolute) return nanoseconds;
  return nanoseconds > kNever - std::min(now, kNever) ? kNever : now + nanoseconds;
}

}  // namespace

TimerQueue::TimerQueue(const exec::Environment& environment, OwnerOf owner, TimerClock clock)
    : environment_(environment), owner_of_(std::move(owner)), clock_(std::move(clock)) {}

// Programs that only timers kept alive go here, and their maps with them, which may call forget().
TimerQueue::~TimerQueue() {
  stop();
  std::unordered_map<Id, Timer> timers;
  const std::lock_guard guard(mutex_);
  timers.swap(timers_);
  for (auto& armed : armed_) armed.clear();
}

void TimerQueue::stop() {
  {
    const std::lock_guard guard(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void TimerQueue::clock_changed() {
  const std::lock_guard guard(mutex_);  // not between the thread's look at the clock and its wait
  changed_.notify_all();
}

TimerQueue::Counts TimerQueue::counts() const {
  const std::lock_guard guard(mutex_);
  Counts counts = counts_;
  counts.timers = timers_.size();
  return counts;
}

// ---- maps and their users ------------------------------------------------------------------------------------------

void TimerQueue::watch(const exec::Map& map, const std::atomic<unsigned>& users) {
  const std::lock_guard guard(mutex_);
  users_[&map] = &users;
}

void TimerQueue::forget(const exec::Map& map) {
  const std::lock_guard guard(mutex_);
  users_.erase(&map);
}

// The counter is read under the mutex that release() takes after it became zero: a timer is either refused or ended.
bool TimerQueue::has_users_locked(const exec::Map& map) const {
  const auto at = users_.find(&map);
  return at != users_.end() && at->second->load() != 0;
}

void TimerQueue::release(const exec::Map& map) {
  Freed freed;
  const std::lock_guard guard(mutex_);
  std::vector<Id> ids;
  for (const auto& [id, timer] : timers_) {
    if (timer.map == &map) ids.push_back(id);
  }
  for (const Id id : ids) end_locked(id, freed);
}

void TimerQueue::released(exec::Map& map, void* value) {
  Freed freed;
  const std::lock_guard guard(mutex_);
  std::byte* place = static_cast<std::byte*>(value) + offset_of_timer(map);
  if (find_locked(place) != nullptr) end_locked(number_at(place), freed);
}

void TimerQueue::end_locked(Id id, Freed& freed) {
  Timer& timer = timers_.at(id);
  disarm_locked(id, timer);
  set_number(timer.place, 0);
  freed.push_back(std::move(timer.engine));
  timers_.erase(id);
}

// ---- what programs ask for -----------------------------------------------------------------------------------------

TimerQueue::Timer* TimerQueue::find_locked(const void* place) {
  const auto at = timers_.find(number_at(place));
  return at == timers_.end() || at->second.place != place ? nullptr : &at->second;
}

std::uint64_t TimerQueue::now(unsigned clock) const {
  return clock_ ? clock_(kClockIds[clock]) : read_clock(kClockIds[clock]);
}

int TimerQueue::init(exec::Map& map, void* timer, std::uint64_t flags) {
  const auto clock = std::ranges::find(kClockIds, flags, [](int id) { return static_cast<std::uint64_t>(id); });
  if (clock == kClockIds.end()) return -EINVAL;
  auto* place = static_cast<std::byte*>(timer);
  const std::lock_guard guard(mutex_);
  if (find_locked(place) != nullptr) return -EBUSY;
  if (!has_users_locked(map)) return -EPERM;
  timers_[++last_id_] = {.place = place,
                         .value = place - offset_of_timer(map),
                         .map = &map,
                         .alive = map.weak_from_this(),
                         .clock = static_cast<unsigned>(clock - kClockIds.begin())};
  set_number(place, last_id_);
  return 0;
}

int TimerQueue::set_callback(void* timer, exec::TimerCallback callback) {
  const std::uint32_t function = callback.function;
  auto engine = engine_for(std::move(callback));  // destroyed, or the one it replaces, without the lock
  const std::lock_guard guard(mutex_);
  Timer* found = find_locked(timer);
  if (found == nullptr) return -EINVAL;
  if (!has_users_locked(*found->map)) return -EPERM;
  found->engine.swap(engine);
  found->function = function;
  return 0;
}

int TimerQueue::start(void* timer, std::uint64_t nanoseconds, std::uint64_t flags) {
  if ((flags & ~(kAbsolute | kPinned)) != 0) return -EINVAL;
  const std::lock_guard guard(mutex_);
  Timer* found = find_locked(timer);
  if (found == nullptr || found->engine == nullptr) return -EINVAL;
  const Id id = number_at(timer);
  disarm_locked(id, *found);
  found->armed = true;
  found->due = {deadline(now(found->clock), nanoseconds, (flags & kAbsolute) != 0), ++last_order_};
  armed_[found->clock].insert({found->due, id});
  if (!thread_.joinable() && !stop_) thread_ = std::thread([this] { work(); });
  changed_.notify_all();
  return 0;
}

void TimerQueue::disarm_locked(Id id, Timer& timer) {
  if (timer.armed) armed_[timer.clock].erase({timer.due, id});
  timer.armed = false;
}

// The callback is gone first, as in Linux: one that runs cannot start the timer again.
int TimerQueue::cancel(void* timer) {
  std::shared_ptr<TimerEngine> freed;
  Guard guard(mutex_);
  Timer* found = find_locked(timer);
  if (found == nullptr) return -EINVAL;
  const Id id = number_at(timer);
  if (running_ == id && std::this_thread::get_id() == thread_.get_id()) return -EDEADLK;
  freed.swap(found->engine);
  bool was_armed = found->armed;
  disarm_locked(id, *found);
  ended_.wait(guard, [&] { return running_ != id; });
  if (const auto again = timers_.find(id); again != timers_.end()) {
    was_armed |= again->second.armed;  // by another, meanwhile
    disarm_locked(id, again->second);
  }
  guard.unlock();
  return was_armed ? 1 : 0;
}

// One engine for each program, for as long as a timer has it.
std::shared_ptr<TimerEngine> TimerQueue::engine_for(exec::TimerCallback callback) {
  const verifier::VerifiedProgram* program = callback.program.get();
  {
    const std::lock_guard guard(engines_mutex_);
    const auto known = engines_.find(program);
    if (auto engine = known == engines_.end() ? nullptr : known->second.lock()) return engine;
  }
  auto owner = owner_of_ ? owner_of_(*program) : nullptr;
  auto engine = std::make_shared<TimerEngine>(environment_, std::move(callback), std::move(owner));
  const std::lock_guard guard(engines_mutex_);
  std::erase_if(engines_, [](const auto& entry) { return entry.second.expired(); });
  const auto at = engines_.try_emplace(program, engine).first;
  auto first = at->second.lock();  // of another thread, which was faster
  if (first == nullptr) at->second = engine;
  return first != nullptr ? first : engine;
}

// ---- the thread ----------------------------------------------------------------------------------------------------

void TimerQueue::work() {
  Guard guard(mutex_);
  while (!stop_) {
    const Id id = next_due_locked();
    if (id != 0) {
      run_locked(guard, id);
    } else {
      wait_locked(guard);
    }
  }
}

// The armed timer whose time has come, the longest overdue first; 0 if there is none.
TimerQueue::Id TimerQueue::next_due_locked() const {
  Id id = 0;
  std::uint64_t most = 0;
  for (unsigned clock = 0; clock < kClocks; ++clock) {
    if (armed_[clock].empty()) continue;
    const Armed& first = *armed_[clock].begin();
    const std::uint64_t time = now(clock);
    if (first.due.first > time) continue;
    if (id != 0 && time - first.due.first <= most) continue;
    id = first.id;
    most = time - first.due.first;
  }
  return id;
}

// Until something changes or the next timer is due. REALTIME may be set meanwhile, so that no wait is long.
void TimerQueue::wait_locked(Guard& guard) {
  constexpr std::uint64_t kLongest = 1'000'000'000;
  if (clock_ || std::ranges::all_of(armed_, &std::set<Armed>::empty)) return changed_.wait(guard);
  std::uint64_t left = kLongest;
  for (unsigned clock = 0; clock < kClocks; ++clock) {
    if (armed_[clock].empty()) continue;
    const std::uint64_t due = armed_[clock].begin()->due.first;
    left = std::min(left, due - std::min(due, now(clock)));
  }
  changed_.wait_for(guard, std::chrono::nanoseconds(left));
}

void TimerQueue::run_locked(Guard& guard, Id id) {
  Timer& timer = timers_.at(id);
  disarm_locked(id, timer);
  running_ = id;
  bool done = false;
  {
    Timer copy = timer;  // the timer may end meanwhile
    guard.unlock();
    done = call(copy).has_value();
  }
  guard.lock();
  ++(done ? counts_.called : counts_.failed);
  running_ = 0;
  ended_.notify_all();
}

Result<> TimerQueue::call(const Timer& timer) {
  const auto map = timer.alive.lock();
  if (map == nullptr || map->abilities().elements == nullptr) {
    return fail(ErrorKind::input, EINVAL, "the timer's map is gone");
  }
  std::vector<std::byte> key(map->spec().key_size);
  map->abilities().elements->key_of(timer.value, key.data());
  return timer.engine->call({.function = timer.function, .map = map, .key = key.data(), .value = timer.value});
}

}  // namespace forager::runtime
