// SPDX-License-Identifier: Apache-2.0
//
// Scenario `maps`: what map operations cost, here and in the kernel, side by side in one run.
//
//   maps/user/<type>/k<key>/v<value>/n<entries>/<occupancy>/<operation>/t<threads>
//     bpf(2) as a libbpf application calls it. Time is ours, of one call on one thread's clock times nothing: wall time
//     by calls of all threads. The kernel's calls alternate with ours in short blocks, so that a busy machine slows
//     both.
//   maps/program/<type>/...
//     what a program's helper call costs: exec::Map here, the slope of BPF_PROG_TEST_RUN there (program_side.h).
//   maps/memory/hash
//     ten million entries.
//
// Counters: ours_ns and kernel_ns per operation; ratio = kernel_ns / ours_ns (above 1: ours is faster);
// bytes_per_entry, and of_budget = bytes / (key + value + 16).
//
// Answers are compared first: a row whose sides differ is an error, not a figure.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <ctime>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/common/plain_names.h"
#include "bench/maps/program_side.h"
#include "bench/maps/sides.h"
#include "maps/registry.h"

namespace forager::bench {
namespace {

using Clock = std::chrono::steady_clock;

double nanoseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

// The calling thread's own time on a CPU: what others do on the machine does not count.
double thread_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// ---- from user space ---------------------------------------------------------------------------------------------

struct Operation {
  const char* name;
  // One operation on entry n; false if it failed.
  bool (*run)(const MapUnderTest& map, std::uint32_t n, std::byte* key, std::byte* value);
};

bool is_present(const MapUnderTest& map, std::uint32_t n, std::byte* key, std::byte* value) {
  map.key_of(n, key);
  return map.element(BPF_MAP_LOOKUP_ELEM, key, value) == 0;
}
bool is_absent(const MapUnderTest& map, std::uint32_t n, std::byte* key, std::byte* value) {
  map.key_of(map.shape().entries() + n, key);
  return map.element(BPF_MAP_LOOKUP_ELEM, key, value) == -ENOENT;
}
bool update(const MapUnderTest& map, std::uint32_t n, std::byte* key, std::byte* value) {
  map.key_of(n, key);
  return map.element(BPF_MAP_UPDATE_ELEM, key, value) == 0;
}
bool delete_and_insert(const MapUnderTest& map, std::uint32_t n, std::byte* key, std::byte* value) {
  map.key_of(n, key);
  return map.element(BPF_MAP_DELETE_ELEM, key, nullptr) == 0 && map.element(BPF_MAP_UPDATE_ELEM, key, value) == 0;
}
// As an iteration goes: on from the key that came last; behind the end, by a key that is not there, from the first.
bool next_key(const MapUnderTest& map, std::uint32_t, std::byte* key, std::byte* value) {
  const std::size_t bytes = map.shape().key_size;
  const long error = map.element(BPF_MAP_GET_NEXT_KEY, key, value);
  if (error == 0) std::memcpy(key, value, bytes);
  if (error == -ENOENT) std::memset(key, 0xff, bytes);
  return error == 0 || error == -ENOENT;
}

constexpr Operation kLookup = {"lookup", is_present}, kMiss = {"miss", is_absent}, kUpdate = {"update", update},
                    kDelete = {"delete+insert", delete_and_insert}, kNext = {"next_key", next_key};
constexpr unsigned kBlock = 20'000;  // operations of a thread at a time

struct Block {
  double cpu_ns = 0;   // of an operation, on its thread
  double wall_ns = 0;  // from one operation to the next, of all threads together
};

// Threads work on entries of their own, and all begin together.
Block run_block(const MapUnderTest& map, const Operation& operation, unsigned threads, std::atomic<bool>& failed) {
  std::atomic<unsigned> waiting = threads;
  std::vector<Block> spent(threads);
  const auto work = [&](unsigned thread) {
    alignas(8) std::array<std::byte, 512> key{};
    alignas(8) std::array<std::byte, 8192> value{};
    const std::uint32_t entries = map.shape().entries();
    --waiting;
    while (waiting != 0) std::this_thread::yield();
    const auto start = Clock::now();
    const double before = thread_ns();
    for (unsigned i = 0; i < kBlock; ++i) {
      const std::uint32_t n = (i * threads + thread) * 7 % entries;
      if (!operation.run(map, n, key.data(), value.data())) failed = true;
    }
    spent[thread] = {thread_ns() - before, nanoseconds_since(start)};
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back(work, i);
  work(0);
  for (std::thread& other : others) other.join();
  Block all;
  for (const Block& one : spent) {
    all.cpu_ns += one.cpu_ns / (kBlock * threads);
    all.wall_ns = std::max(all.wall_ns, one.wall_ns / (kBlock * threads));
  }
  return all;
}

void add_ratio(benchmark::State& state, double ours, double kernel) {
  state.counters["ours_ns"] = ours;
  state.counters["kernel_ns"] = kernel;
  state.counters["ratio"] = kernel / ours;
}

void user_side(benchmark::State& state, const Shape& shape, const Operation& operation, unsigned threads) {
  const MapUnderTest ours(Side::ours, shape), kernel(Side::kernel, shape);
  for (const MapUnderTest* map : {&ours, &kernel}) {
    if (!map->error().empty()) return state.SkipWithError(map->error().c_str());
  }
  if (const std::string why = difference(ours, kernel); !why.empty()) return state.SkipWithError(why.c_str());
  std::atomic<bool> failed = false;
  Block here, there;
  for (auto _ : state) {
    const Block block = run_block(ours, operation, threads, failed);
    const Block other = run_block(kernel, operation, threads, failed);
    here = {here.cpu_ns + block.cpu_ns, here.wall_ns + block.wall_ns};
    there = {there.cpu_ns + other.cpu_ns, there.wall_ns + other.wall_ns};
    state.SetIterationTime(block.wall_ns * kBlock * threads * 1e-9);
  }
  if (failed) return state.SkipWithError("an operation failed");
  const auto rounds = static_cast<double>(state.iterations());
  add_ratio(state, here.cpu_ns / rounds, there.cpu_ns / rounds);
  state.counters["wall_ratio"] = there.wall_ns / here.wall_ns;
}

void register_user(const Shape& shape, const Operation& operation, unsigned threads) {
  const std::string name = fmt::format("maps/user/{}/{}/t{}", shape.name(), operation.name, threads);
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) { user_side(state, shape, operation, threads); })
      ->UseManualTime()
      ->MinTime(0.05);
}

// ---- from programs -----------------------------------------------------------------------------------------------

std::shared_ptr<exec::Map> exec_map(const MapUnderTest& like) {
  const Shape& shape = like.shape();
  auto map = maps::create({.type = static_cast<isa::MapType>(shape.type),
                           .key_size = shape.key_size,
                           .value_size = shape.value_size,
                           .max_entries = shape.max_entries,
                           .name = "bench"},
                          1);
  if (!map) return nullptr;
  std::vector<std::byte> key(shape.key_size), value(shape.value_size);
  for (std::uint32_t n = 0; n < shape.entries(); ++n) {
    like.key_of(n, key.data());
    std::memcpy(value.data(), &n, std::min(sizeof n, value.size()));
    if ((*map)->write(key.data(), value.data(), 0) != 0) return nullptr;
  }
  return *map;
}

// One turn of the same loop; `operation` is given the key. A step that is not inlined, as a helper call is none.
template <class Step>
double exec_turn_ns(const MapUnderTest& like, Step step) {
  constexpr unsigned kTurns = kProgramTurns;
  alignas(8) std::array<std::byte, 64> key{};
  double best = -1;
  for (int round = 0; round < 200; ++round) {
    std::uint32_t n = 0;  // each run of a program begins anew, so that it meets the same entries
    const double start = thread_ns();
    for (unsigned i = 0; i < kTurns; ++i) {
      like.key_of(n, key.data());
      step(key.data());
      n = (n * 5 + 1) & (like.shape().entries() - 1);
    }
    const double ns = (thread_ns() - start) / kTurns;
    if (best < 0 || ns < best) best = ns;
  }
  return best;
}

double exec_ns(const MapUnderTest& like, exec::Map& map, ProgramOperation operation) {
  std::vector<std::byte> value(like.shape().value_size);
  const double empty = exec_turn_ns(like, [](const std::byte* key) { benchmark::DoNotOptimize(key); });
  const double full = exec_turn_ns(like, [&](const std::byte* key) {
    if (operation == ProgramOperation::lookup) {
      benchmark::DoNotOptimize(map.lookup(key, 0));
    } else {
      benchmark::DoNotOptimize(map.update(key, value.data(), 0, 0));
    }
  });
  return full - empty;
}

double kernel_ns(const MapUnderTest& map, ProgramOperation operation, std::string& error) {
  const double full = kernel_turn_ns(map, operation, error);
  return full - kernel_turn_ns(map, ProgramOperation::nothing, error);
}

void program_side(benchmark::State& state, const Shape& shape, ProgramOperation operation) {
  const MapUnderTest ours(Side::ours, shape), kernel(Side::kernel, shape);
  for (const MapUnderTest* map : {&ours, &kernel}) {
    if (!map->error().empty()) return state.SkipWithError(map->error().c_str());
  }
  if (const std::string why = difference(ours, kernel); !why.empty()) return state.SkipWithError(why.c_str());
  const auto map = exec_map(kernel);
  if (map == nullptr) return state.SkipWithError("the map is not to be had");
  std::string error;
  double here = 0, there = 0;
  for (auto _ : state) {
    const double once = exec_ns(kernel, *map, operation);
    there += kernel_ns(kernel, operation, error);
    here += once;
    state.SetIterationTime(once * 1e-9);
  }
  if (!error.empty()) return state.SkipWithError(error.c_str());
  const auto rounds = static_cast<double>(state.iterations());
  add_ratio(state, here / rounds, there / rounds);
}

void register_program(const Shape& shape) {
  constexpr std::pair<const char*, ProgramOperation> kOperations[] = {{"lookup", ProgramOperation::lookup},
                                                                      {"update", ProgramOperation::update}};
  for (const auto& [text, operation] : kOperations) {
    const std::string name = fmt::format("maps/program/{}/{}", shape.name(), text);
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { program_side(state, shape, operation); })
        ->UseManualTime()
        ->Iterations(3);
  }
}

// ---- memory ------------------------------------------------------------------------------------------------------

constexpr std::uint32_t kMany = 10'000'000;

void memory(benchmark::State& state) {
  const exec::MapSpec spec = {
      .type = isa::MapType::hash, .key_size = 16, .value_size = 16, .max_entries = kMany, .name = "ten_million"};
  double bytes = 0;
  for (auto _ : state) {
    auto map = maps::create(spec, 1);
    if (!map) return state.SkipWithError(map.error().text().c_str());
    const auto start = Clock::now();
    std::array<std::uint64_t, 2> key{}, value{};
    for (std::uint32_t n = 0; n < kMany; ++n) {
      key = {n, ~std::uint64_t{n}};
      if ((*map)->update(key.data(), value.data(), 0, 0) != 0) return state.SkipWithError("the map is full too early");
    }
    state.SetIterationTime(nanoseconds_since(start) * 1e-9);
    if ((*map)->usage().entries != kMany) return state.SkipWithError("entries are missing");
    bytes = static_cast<double>((*map)->usage().bytes) / kMany;
  }
  state.counters["bytes_per_entry"] = bytes;
  state.counters["of_budget"] = bytes / (spec.key_size + spec.value_size + 16);
}

// ---- the rows ----------------------------------------------------------------------------------------------------

void register_all() {
  for (const Operation& operation : {kLookup, kMiss, kUpdate, kDelete, kNext}) {
    register_user({}, operation, 1);
    register_user({.max_entries = 1U << 10}, operation, 1);
  }
  for (const Operation& operation : {kLookup, kUpdate, kNext}) {
    register_user({.type = BPF_MAP_TYPE_ARRAY, .percent = 100}, operation, 1);
  }
  for (const std::uint32_t type : {BPF_MAP_TYPE_LRU_HASH, BPF_MAP_TYPE_PERCPU_HASH}) {
    for (const Operation& operation : {kLookup, kUpdate}) register_user({.type = type}, operation, 1);
  }
  for (const Operation& operation : {kLookup, kUpdate}) {
    register_user({.type = BPF_MAP_TYPE_PERCPU_ARRAY, .percent = 100}, operation, 1);
    register_user({.type = BPF_MAP_TYPE_LPM_TRIE, .key_size = 8}, operation, 1);
    for (const std::uint32_t key_size : {16U, 64U}) register_user({.key_size = key_size}, operation, 1);
    for (const std::uint32_t value_size : {64U, 1024U}) register_user({.value_size = value_size}, operation, 1);
    for (const std::uint32_t percent : {10U, 100U}) register_user({.percent = percent}, operation, 1);
    for (const unsigned threads : {2U, 4U}) {
      register_user({}, operation, threads);
      register_user({.type = BPF_MAP_TYPE_ARRAY, .percent = 100}, operation, threads);
    }
  }
  // Walks of the programs' loops visit powers of two.
  register_program({.percent = 50});
  register_program({.percent = 100});
  register_program({.key_size = 16, .value_size = 64, .percent = 50});
  register_program({.max_entries = 1U << 10, .percent = 50});
  register_program({.type = BPF_MAP_TYPE_ARRAY, .percent = 100});
  register_program({.type = BPF_MAP_TYPE_LRU_HASH, .percent = 50});
  benchmark::RegisterBenchmark("maps/memory/hash", memory)->UseManualTime()->Iterations(1);
}

}  // namespace
}  // namespace forager::bench

int main(int argc, char** argv) {
  forager::bench::register_all();
  return forager::bench::run_plain(argc, argv);
}
