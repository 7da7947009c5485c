// SPDX-License-Identifier: Apache-2.0
//
// What the concurrency tests of maps share: threads that start together.
#pragma once

#include <barrier>
#include <thread>
#include <vector>

namespace forager::maps::testing {

// Races need many tries to show on few cores; sanitizers make a try dear, and find races that do not show.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr int kScale = 1;
#else
inline constexpr int kScale = 10;
#endif

// Runs body(thread number) on so many threads, which start together.
template <class Body>
void on_threads(unsigned count, Body body) {
  std::barrier start(count);
  std::vector<std::thread> threads;
  threads.reserve(count);
  for (unsigned n = 0; n < count; ++n) {
    threads.emplace_back([&, n] {
      start.arrive_and_wait();
      body(n);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace forager::maps::testing
