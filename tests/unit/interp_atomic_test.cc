// SPDX-License-Identifier: Apache-2.0
//
// Programs on several threads and the host share map values: atomics lose nothing, and plain accesses are no data race
// (ThreadSanitizer runs this).
#include <thread>

#include "exec_testing.h"

namespace forager::interp {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::make_array;
using exec::testing::Rig;

constexpr int kThreads = 4;
constexpr int kFrames = 500;

void run_on_threads(const Rig& rig, const std::string& text) {
  std::vector<std::unique_ptr<exec::Device>> devices;
  devices.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) devices.push_back(exec::testing::open_device(rig, text));
  std::vector<std::thread> threads;
  for (auto& device : devices) {
    ASSERT_NE(device, nullptr);
    threads.emplace_back([&device] {
      std::vector<Frame> frames(kFrames);
      for (Frame& frame : frames) frame = *Frame::make({});
      ASSERT_TRUE(device->run(frames));
      for (const Frame& frame : frames) ASSERT_EQ(exec::testing::trap_of(frame), "");
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Atomics, NoAdditionIsLost) {
  for (const char* add : {"lock *(u64 *)(r1 +0) += r2", "r2 = atomic64_fetch_add((u64 *)(r1 +0), r2)",
                          "lock *(u32 *)(r1 +0) += r2", "r2 = atomic_fetch_add((u32 *)(r1 +0), r2)"}) {
    const auto counter = make_array(8);
    run_on_threads({.maps = {counter}}, std::string("r1 = map[0][0]+0 ll\nr2 = 3\n") + add + "\nr0 = 2\nexit");
    EXPECT_EQ(counter->first(), 3U * kThreads * kFrames) << add;
  }
}

TEST(Atomics, CompareAndExchangeTakesTurns) {
  const auto counter = make_array(8);
  // Tries that may go on for ever are no program for a verifier.
  run_on_threads({.unverified = true, .maps = {counter}},
                 "r1 = map[0][0]+0 ll\nagain: r0 = *(u64 *)(r1 +0)\nr3 = r0\nr4 = r0\nr4 += 1\n"
                 "r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r4)\nif r0 != r3 goto again\nr0 = 2\nexit");
  EXPECT_EQ(counter->first(), static_cast<std::uint64_t>(kThreads) * kFrames);
}

TEST(Atomics, PlainAccessesRaceWithoutTearing) {
  const auto map = make_array(16);
  // Every value ever stored has equal halves; each reader checks, and makes a bad access where they differ.
  run_on_threads({.unverified = true, .maps = {map}},
                 "r1 = map[0][0]+0 ll\ncall bpf_get_prandom_u32\nr2 = r0\nr2 <<= 32\nr0 |= r2\nr1 = map[0][0]+0 ll\n"
                 "*(u64 *)(r1 +0) = r0\nr3 = *(u64 *)(r1 +0)\nr4 = r3\nr4 >>= 32\nif w3 == w4 goto +1\nr1 = 0\n"
                 "*(u32 *)(r1 +9) = r3\nr0 = 2\nexit");
}

}  // namespace
}  // namespace forager::interp
