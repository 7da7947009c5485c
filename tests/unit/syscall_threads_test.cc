// SPDX-License-Identifier: Apache-2.0
// bpf(2) from many threads at once: every call answers as it would alone, and nothing is left behind.
#include <atomic>
#include <thread>

#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

constexpr int kThreads = 8;
constexpr int kRounds = 60;

class Threads : public ::testing::Test {
 protected:
  long call(int command, bpf_attr attr) { return system_.bpf(command, &attr, sizeof attr); }
  template <class Body>
  static void run_all(Body body) {
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i) threads.emplace_back(body, i);
    for (std::thread& thread : threads) thread.join();
  }
  OurSystem system_;
};

TEST_F(Threads, ObjectsComeAndGo) {
  std::atomic<int> wrong = 0;
  run_all([&](int thread) {
    for (int round = 0; round < kRounds; ++round) {
      const long map = call(BPF_MAP_CREATE, map_attr(BPF_MAP_TYPE_HASH, 4, 8, 4));
      const __u32 key = static_cast<__u32>(thread);
      const __u64 value = static_cast<__u64>(round);
      __u64 seen = 0;
      wrong += map < 0 || call(BPF_MAP_UPDATE_ELEM, element_attr(map, &key, &value)) != 0;
      wrong += call(BPF_MAP_LOOKUP_ELEM, element_attr(map, &key, &seen)) != 0 || seen != value;
      wrong += system_.close(static_cast<int>(map)) != 0;
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(system_.process.runtime.maps().next(0), std::nullopt);
}

TEST_F(Threads, ListsAreWalkedWhileTheyChange) {
  const long kept = call(BPF_MAP_CREATE, map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1));
  std::atomic<int> missed = 0;
  run_all([&](int thread) {
    for (int round = 0; round < kRounds / 4; ++round) {
      if (thread % 2 == 0) {
        const long map = call(BPF_MAP_CREATE, map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1));
        (void)system_.close(static_cast<int>(map));
        continue;
      }
      bpf_attr attr = empty_attr();
      missed += system_.bpf(BPF_MAP_GET_NEXT_ID, &attr, sizeof attr) != 0 || attr.next_id != 1;
    }
  });
  EXPECT_EQ(missed, 0) << "the first map stays the first";
  EXPECT_EQ(system_.close(static_cast<int>(kept)), 0);
}

TEST_F(Threads, ArraysOfProgramsAreSharedAndCleared) {
  const long array = call(BPF_MAP_CREATE, map_attr(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 2));
  std::atomic<int> wrong = 0;
  run_all([&](int) {
    const Code code = return_2();
    const __u32 zero = 0;
    for (int round = 0; round < kRounds / 4; ++round) {
      const long program = call(BPF_PROG_LOAD, prog_attr(code));
      const __u32 fd = static_cast<__u32>(program);
      wrong += program < 0 || call(BPF_MAP_UPDATE_ELEM, element_attr(array, &zero, &fd)) != 0;
      wrong += system_.close(static_cast<int>(program)) != 0;
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_NE(system_.process.runtime.programs().next(0), std::nullopt) << "the array holds the last";
  EXPECT_EQ(system_.close(static_cast<int>(array)), 0);
  EXPECT_EQ(system_.process.runtime.programs().next(0), std::nullopt);
}

TEST_F(Threads, RunsOfOneProgramAreAllCounted) {
  system_.process.runtime.statistics.always = true;
  const Code code = return_2();
  const long program = call(BPF_PROG_LOAD, prog_attr(code));
  std::atomic<int> wrong = 0;
  run_all([&](int) {
    const std::vector<unsigned char> packet(64);
    for (int round = 0; round < kRounds / 4; ++round) {
      bpf_attr attr = empty_attr();
      attr.test.prog_fd = static_cast<__u32>(program);
      attr.test.data_in = address_of(packet.data());
      attr.test.data_size_in = 64;
      wrong += system_.bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr) != 0 || attr.test.retval != 2;
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(system_.process.runtime.programs().find(1)->run_count, kThreads * (kRounds / 4));
  EXPECT_EQ(system_.close(static_cast<int>(program)), 0);
}

// One thread closes and makes maps while the others use their numbers: whatever a number stands for at the moment, a
// call meets one whole map, or none.
TEST_F(Threads, NumbersAreUsedWhileTheyChange) {
  constexpr __u64 kMark = 0x1234567800000000;
  system_.process.fds.see_closes();
  std::atomic<int> number = -1;
  std::atomic<int> wrong = 0;
  std::atomic<bool> done = false;
  const auto use = [&] {
    const __u32 key = 0;
    while (!done) {
      __u64 value = 0;
      const long error = call(BPF_MAP_LOOKUP_ELEM, element_attr(number, &key, &value));
      wrong += error == 0 ? (value != 0 && value >> 32 != kMark >> 32) : (error != -EBADF && error != -EINVAL);
      const long written = call(BPF_MAP_UPDATE_ELEM, element_attr(number, &key, &kMark));
      wrong += written != 0 && written != -EBADF && written != -EINVAL;
    }
  };
  run_all([&](int thread) {
    if (thread != 0) return use();
    for (int round = 0; round < 4 * kRounds; ++round) {
      const long map = call(BPF_MAP_CREATE, map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1));
      number = static_cast<int>(map);
      const __u32 key = 0;
      const __u64 value = kMark | static_cast<__u64>(round);
      wrong += call(BPF_MAP_UPDATE_ELEM, element_attr(map, &key, &value)) != 0;
      std::this_thread::yield();
      wrong += system_.close(static_cast<int>(map)) != 0;
    }
    done = true;
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(system_.process.runtime.maps().next(0), std::nullopt);
}

}  // namespace
}  // namespace forager::syscall::testing
