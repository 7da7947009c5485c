// SPDX-License-Identifier: Apache-2.0
//
// Compiling, linking, running and freeing on several threads at once, over the same programs, images and maps. Says
// most under ThreadSanitizer.
#include <linux/bpf.h>

#include <atomic>
#include <thread>

#include "exec_testing.h"
#include "jit_testing.h"
#include "maps/registry.h"

namespace forager::jit {
namespace {

using exec::Frame;
using exec::testing::as_bytes;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::plain_environment;
using exec::testing::Rig;
using exec::testing::verified;
using isa::MapType;

constexpr unsigned kThreads = 4;
constexpr int kRounds = 60;

MapRef make_map(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t entries) {
  return maps::create(
             {.type = type, .key_size = key_size, .value_size = value_size, .max_entries = entries, .name = "values"},
             kThreads)
      .value();
}

// What a run of a program on a device of its own leaves in r0; 0 if anything fails.
std::uint64_t answer(const std::shared_ptr<const exec::Image>& image, const std::vector<MapRef>& maps, unsigned cpu) {
  auto device = testing::jit_here()->open({.environment = &plain_environment(), .cpu = cpu});
  if (!device || !(*device)->load(image)) return 0;
  for (std::uint32_t i = 0; i < maps.size(); ++i) {
    if (!(*device)->bind(i, maps[i])) return 0;
  }
  Frame frame = *Frame::make(as_bytes(Bytes(64)));
  return (*device)->run({&frame, 1}) && frame.results().trap == nullptr ? frame.return_value : 0;
}

template <class Work>
void on_threads(Work work) {
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back([i, work] { work(i); });
  for (std::thread& each : threads) each.join();
}

class JitConcurrency : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::jit_here() == nullptr) GTEST_SKIP() << "no JIT of ours runs on this machine";
  }
};

TEST_F(JitConcurrency, ProgramsAreCompiledRunAndFreedAtOnce) {
  const auto hash = make_map(MapType::hash, 8, 8, 64);
  const std::uint64_t key = 7, value = 41;
  ASSERT_EQ(hash->write(&key, &value, BPF_ANY), 0);
  const auto program = verified({.maps = {hash}},
                                "*(u64 *)(r10 -8) = 7\nr2 = r10\nr2 += -8\nr1 = map[0] ll\ncall bpf_map_lookup_elem\n"
                                "if r0 == 0 goto +2\nr0 = *(u64 *)(r0 +0)\nr0 += 1\nexit");
  std::atomic<unsigned> right{0};
  on_threads([&](unsigned cpu) {
    for (int round = 0; round < kRounds; ++round) {
      const auto image = testing::jit_here()->compile(program, {});
      right += image && answer(*image, {hash}, cpu) == 42;
    }
  });
  EXPECT_EQ(right, kThreads * kRounds);
}

TEST_F(JitConcurrency, OneImageIsLinkedByMany) {
  const auto counter = make_map(MapType::array, 4, 8, 1);
  const auto program =
      verified({.maps = {counter}}, "r1 = map[0][0]+0 ll\nr2 = 1\nlock *(u64 *)(r1 +0) += r2\nr0 = 5\nexit");
  const auto image = testing::jit_here()->compile(program, {});
  ASSERT_TRUE(image);
  std::atomic<unsigned> right{0};
  on_threads([&](unsigned cpu) {
    for (int round = 0; round < kRounds; ++round) right += answer(*image, {counter}, cpu) == 5;
  });
  EXPECT_EQ(right, kThreads * kRounds);
  std::uint64_t runs = 0;
  const std::uint32_t key = 0;
  ASSERT_EQ(counter->read(&key, &runs, 0), 0);
  EXPECT_EQ(runs, kThreads * kRounds);
}

// Targets come and go while programs jump to them: a run takes one of those that were there, or none.
TEST_F(JitConcurrency, TargetsOfTailCallsChangeMeanwhile) {
  const auto programs = make_map(MapType::prog_array, 4, 4, 2);
  exec::ProgramTable& table = *programs->abilities().programs;
  const auto caller = verified({.maps = {programs}}, "r2 = map[0] ll\nr3 = 1\ncall bpf_tail_call\nr0 = 9\nexit");
  const auto image = testing::jit_here()->compile(caller, {});
  ASSERT_TRUE(image);
  const auto slot = [](const char* text) {
    return exec::ProgramSlot{.id = 1, .program = verified({}, text), .maps = std::make_shared<const exec::MapList>()};
  };
  const exec::ProgramSlot slots[] = {slot("r0 = 3\nexit"), slot("r0 = 4\nexit"), {}};
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::size_t i = 0; !done; ++i) std::ignore = table.set(1, slots[i % std::size(slots)]);
  });
  std::atomic<unsigned> wrong{0};
  on_threads([&](unsigned cpu) {
    auto device = testing::jit_here()->open({.environment = &plain_environment(), .cpu = cpu});
    if (!device || !(*device)->load(*image) || !(*device)->bind(0, programs)) return void(++wrong);
    for (int round = 0; round < 20 * kRounds; ++round) {
      Frame frame = *Frame::make(as_bytes(Bytes(64)));
      const bool ran = (*device)->run({&frame, 1}) && frame.results().trap == nullptr;
      const std::uint64_t r0 = frame.return_value;
      wrong += !ran || (r0 != 3 && r0 != 4 && r0 != 9);
    }
  });
  done = true;
  writer.join();
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace forager::jit
