// SPDX-License-Identifier: Apache-2.0
//
// Spin locks of map values: they exclude, and a program that breaks their rules or is stopped leaves none held.
#include <thread>

#include "exec/spin_lock.h"
#include "exec_testing.h"

namespace forager::helpers {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::FakeMap;
using exec::testing::Rig;
using exec::testing::run;
using exec::testing::trap_of;
using ::testing::StartsWith;

using Map = std::shared_ptr<FakeMap>;

// Values of 16 bytes: a counter, and a lock behind it.
Map make_locked() {
  exec::MapSpec spec{.type = isa::MapType::array, .key_size = 4, .value_size = 16, .max_entries = 2, .name = "values"};
  spec.fields = {{program::ValueField::Kind::spin_lock, 8, 4}};
  return std::make_shared<FakeMap>(spec);
}

std::uint32_t& lock_of(const Map& map) { return *reinterpret_cast<std::uint32_t*>(map->memory().base + 8); }

const std::string kValue =
    "*(u32 *)(r10 -4) = 0\nr1 = map[0] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 != 0 goto +2\nr0 = 0\n"
    "exit\nr6 = r0\n";
const std::string kLock = "r1 = r6\nr1 += 8\ncall bpf_spin_lock\n",
                  kUnlock = "r1 = r6\nr1 += 8\ncall bpf_spin_unlock\n";
const std::string kAdd = "r1 = *(u64 *)(r6 +0)\nr1 += 1\n*(u64 *)(r6 +0) = r1\n";

TEST(SpinLock, ExcludesOtherLanesAndTheHost) {
  const Map map = make_locked();
  constexpr unsigned kLanes = 4, kRounds = 2000;
  std::vector<std::unique_ptr<exec::Device>> devices;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    devices.push_back(
        exec::testing::open_device({.maps = {map}, .cpu = lane % 2}, kValue + kLock + kAdd + kUnlock + "r0 = 0\nexit"));
  }
  {
    std::vector<std::jthread> threads;
    for (auto& device : devices) {
      threads.emplace_back([&device] {
        std::vector<Frame> frames(1);
        frames[0] = *Frame::make(exec::testing::as_bytes(Bytes(64)));
        for (unsigned i = 0; i < kRounds; ++i) EXPECT_TRUE(device->run(frames));
      });
    }
    threads.emplace_back([&map] {
      auto* counter = reinterpret_cast<std::uint64_t*>(map->memory().base);
      for (unsigned i = 0; i < kRounds; ++i) {
        exec::lock_value(lock_of(map));
        *counter += 1;
        exec::unlock_value(lock_of(map));
      }
    });
  }
  EXPECT_EQ(map->first(), std::uint64_t{kLanes + 1} * kRounds);
  EXPECT_EQ(lock_of(map), 0U);
}

TEST(SpinLock, AProgramDoesNotWaitForItself) {
  const Map map = make_locked();
  const Rig rig{.unverified = true, .maps = {map}};
  EXPECT_THAT(trap_of(run(rig, kValue + kLock + kLock + kUnlock + "r0 = 0\nexit")),
              StartsWith("bpf_spin_lock is called while the program holds a spin lock"));
  EXPECT_EQ(lock_of(map), 0U);
}

TEST(SpinLock, IsNotTakenTwiceOnAnyEngine) {
  const Map map = make_locked();
  exec::RunContext run;
  const auto lock = reinterpret_cast<std::uint64_t>(&lock_of(map));
  const exec::HelperFn take = table()[93];
  take(run, lock, 0, 0, 0, 0);
  EXPECT_EQ(run.fault, nullptr);
  take(run, lock, 0, 0, 0, 0);
  EXPECT_STREQ(run.fault, "bpf_spin_lock by a program that holds a lock already");
}

TEST(SpinLock, IsHeldOverNoOtherHelper) {
  const Map map = make_locked();
  const std::string update = "r1 = map[0] ll\nr2 = r10\nr2 += -4\nr3 = r6\nr4 = 4\ncall bpf_map_update_elem\n";
  EXPECT_THAT(trap_of(run({.unverified = true, .maps = {map}}, kValue + kLock + update + kUnlock + "r0 = 0\nexit")),
              StartsWith("bpf_map_update_elem is called while the program holds a spin lock"));
  EXPECT_EQ(lock_of(map), 0U);
}

TEST(SpinLock, OnlyTheHolderUnlocks) {
  const Map map = make_locked();
  const Rig rig{.unverified = true, .maps = {map}};
  lock_of(map) = 1;  // another's
  EXPECT_THAT(trap_of(run(rig, kValue + kUnlock + "r0 = 0\nexit")),
              StartsWith("bpf_spin_unlock of a lock that the program does not hold"));
  EXPECT_EQ(lock_of(map), 1U);
}

TEST(SpinLock, AStoppedProgramHoldsNone) {
  const Map map = make_locked();
  const Rig rig{.unverified = true, .maps = {map}};
  EXPECT_THAT(trap_of(run(rig, kValue + kLock + "r1 = 0\nr0 = *(u64 *)(r1 +0)\nexit")), StartsWith("read of 8 bytes"));
  EXPECT_EQ(lock_of(map), 0U);
  EXPECT_EQ(trap_of(run(rig, kValue + kLock + kUnlock + "r0 = 0\nexit")), "");
}

TEST(SpinLock, StandsInMapValuesOnly) {
  EXPECT_THAT(trap_of(run({.unverified = true}, "r1 = r10\nr1 += -8\ncall bpf_spin_lock\nr0 = 0\nexit")),
              StartsWith("argument 1 of bpf_spin_lock is the stack, expected a field of a map value"));
}

}  // namespace
}  // namespace forager::helpers
