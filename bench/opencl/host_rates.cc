// SPDX-License-Identifier: Apache-2.0
#include "bench/opencl/host_rates.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "bench/opencl/samples.h"
#include "bench/opencl/side.h"

namespace forager::bench {
namespace {

constexpr std::size_t kBytes = std::size_t{128} << 20;
constexpr unsigned kAdditions = 2'000'000, kTimes = 5;

// Seconds until both threads are done.
template <class Work>
double on_threads(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back([&work, i] { work(i); });
  for (std::thread& thread : threads) thread.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

template <class Work>
double median_on_threads(const Work& work) {
  std::vector<double> seconds;
  seconds.reserve(kTimes);
  for (unsigned i = 0; i < kTimes; ++i) seconds.push_back(on_threads(work));
  return spread_of(std::move(seconds)).median;
}

}  // namespace

HostRates measure_host() {
  constexpr std::size_t kPart = kBytes / kThreads / 2;
  std::vector<std::byte> memory(kBytes, std::byte{1});
  const double copying = median_on_threads([&](unsigned i) {
    std::byte* const from = memory.data() + 2 * i * kPart;
    std::memcpy(from + kPart, from, kPart);
  });
  std::atomic<std::uint64_t> word = 0;
  const double adding = median_on_threads([&](unsigned) {
    for (unsigned n = 0; n < kAdditions; ++n) word.fetch_add(1, std::memory_order_relaxed);
  });
  return {.memory_bytes = static_cast<double>(kBytes) / copying, .atomic_ns = adding * 1e9 / (kThreads * kAdditions)};
}

}  // namespace forager::bench
