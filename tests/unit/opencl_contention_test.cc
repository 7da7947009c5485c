// SPDX-License-Identifier: Apache-2.0
//
// Maps under contention: all work-items at one key, the same keys, and more keys than there is room for. Whatever the
// order, nothing is lost, nothing is there twice, and errors are the right ones.
#include <gmock/gmock.h>

#include <atomic>
#include <cstring>
#include <map>
#include <thread>

#include "jit-backends/opencl/mirror.h"
#include "maps/registry.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::Rig;

constexpr unsigned kCpus = 4, kPackets = 20'000;

struct Case {
  const char* name;
  isa::MapType type;
  bool copies;
};

class OpenclContention : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (testing::opencl_here() == nullptr) GTEST_SKIP() << opencl::backend().capabilities().reason;
  }

  void make(std::uint32_t entries) {
    auto map = maps::create(
        {.type = GetParam().type, .key_size = 4, .value_size = 8, .max_entries = entries, .name = "values"}, kCpus);
    ASSERT_TRUE(map) << map.error().text();
    rig_.maps = {*map};
  }

  // Packet n begins with the number n; what the program gives stands behind it.
  std::vector<std::int64_t> run(const std::string& text) {
    const auto device = testing::open_device(
        rig_, text, {.order = exec::Order::none, .offload = {.copies = GetParam().copies, .batch = 3000}});
    std::vector<Frame> frames = testing::numbered_packets(kPackets, 32);
    std::vector<std::int64_t> results;
    if (device == nullptr) return results;
    const auto ran = device->run(frames);
    EXPECT_TRUE(ran) << ran.error().text();
    for (const Frame& frame : frames) {
      EXPECT_EQ(frame.results().trap, nullptr);
      std::memcpy(&results.emplace_back(), frame.packet().data() + 8, 8);
    }
    return results;
  }

  [[nodiscard]] std::size_t keys() const {
    std::size_t count = 0;
    each_key(*rig_.maps[0], [&](const std::byte*) { ++count; });
    return count;
  }
  [[nodiscard]] std::uint64_t sum_of(std::uint32_t key) const {
    std::vector<std::uint64_t> values(exec::host_value_size(rig_.maps[0]->spec(), kCpus) / 8);
    EXPECT_EQ(rig_.maps[0]->read(&key, values.data(), 0), 0) << key;
    std::uint64_t sum = 0;
    for (const std::uint64_t value : values) sum += value;
    return sum;
  }

  Rig rig_;
};

// r7 = the packet, r6 = its number.
std::string with(const std::string& middle) {
  return "r7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr0 = r7\nr0 += 32\nif r0 > r8 goto out\nr6 = *(u32 *)(r7 + "
         "0)\n" +
         middle + "out: r0 = 2\nexit";
}

// Looks key r6 up, inserts it with 1 if it is not there, and adds 1 to it otherwise.
std::string count_by_key(unsigned mask) {
  return with("r6 &= " + std::to_string(mask) +
              "\n*(u32 *)(r10 - 4) = r6\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall bpf_map_lookup_elem\n"
              "if r0 != 0 goto there\n*(u64 *)(r10 - 16) = 0\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 1\n"
              "r1 = map[values] ll\ncall bpf_map_update_elem\nr2 = r10\nr2 += -4\nr1 = map[values] ll\n"
              "call bpf_map_lookup_elem\nif r0 == 0 goto out\nthere: r1 = 1\nlock *(u64 *)(r0 + 0) += r1\n");
}

TEST_P(OpenclContention, CountsByKeyLoseNothing) {
  make(1024);
  run(count_by_key(255));
  EXPECT_EQ(keys(), 256U);
  for (std::uint32_t key = 0; key < 256; ++key) {
    EXPECT_EQ(sum_of(key), kPackets / 256 + (key < kPackets % 256 ? 1 : 0)) << key;
  }
}

TEST_P(OpenclContention, ExactlyOneInsertsAKey) {
  make(1024);
  const auto results = run(with(
      "r1 = r6\nr1 &= 63\n*(u32 *)(r10 - 4) = r1\n*(u64 *)(r10 - 16) = r6\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\n"
      "r4 = 1\nr1 = map[values] ll\ncall bpf_map_update_elem\n*(u64 *)(r7 + 8) = r0\n"));
  EXPECT_EQ(std::ranges::count(results, 0), 64);
  EXPECT_EQ(std::ranges::count(results, -EEXIST), kPackets - 64);
  EXPECT_EQ(keys(), 64U);
}

TEST_P(OpenclContention, ExactlyOneDeletesAKey) {
  make(1024);
  for (std::uint32_t key = 0; key < 64; ++key) {
    const std::uint64_t values[kCpus] = {key};
    ASSERT_EQ(rig_.maps[0]->write(&key, values, 0), 0);
  }
  const auto results =
      run(with("r1 = r6\nr1 &= 127\n*(u32 *)(r10 - 4) = r1\nr2 = r10\nr2 += -4\nr1 = map[values] ll\n"
               "call bpf_map_delete_elem\n*(u64 *)(r7 + 8) = r0\n"));
  EXPECT_EQ(std::ranges::count(results, 0), 64);
  EXPECT_EQ(std::ranges::count(results, -ENOENT), kPackets - 64);
  EXPECT_EQ(keys(), 0U);
}

TEST_P(OpenclContention, FillAMapToTheBrim) {
  constexpr std::uint32_t kEntries = 1000;
  make(kEntries);
  const auto results =
      run(with("*(u32 *)(r10 - 4) = r6\n*(u64 *)(r10 - 16) = r6\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\n"
               "r1 = map[values] ll\ncall bpf_map_update_elem\n*(u64 *)(r7 + 8) = r0\n"));
  const bool lru = GetParam().type == isa::MapType::lru_hash || GetParam().type == isa::MapType::lru_percpu_hash;
  EXPECT_EQ(keys(), kEntries);
  EXPECT_EQ(std::ranges::count(results, 0), lru ? kPackets : kEntries);
  EXPECT_EQ(std::ranges::count(results, -E2BIG), lru ? 0 : kPackets - kEntries);
}

// Keys that come and go: what was inserted and not deleted is there, and no node is lost on the way.
// The host's keys come and go meanwhile: the table is made anew for each batch, and what the device has is kept.
TEST_P(OpenclContention, HostsChangeOtherKeys) {
  make(2048);
  std::atomic<bool> done = false;
  std::thread host([&] {
    std::uint64_t seed = 1;
    while (!done) {
      seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
      const std::uint32_t key = 10'000 + static_cast<std::uint32_t>(seed >> 40) % 500;
      const std::uint64_t values[kCpus] = {key, key, key, key};
      if ((seed >> 33) % 3 == 0) {
        rig_.maps[0]->erase(&key);
      } else {
        EXPECT_EQ(rig_.maps[0]->write(&key, values, 0), 0);
      }
    }
  });
  for (unsigned round = 1; round <= 2; ++round) {
    run(count_by_key(255));
    std::uint64_t sum = 0;
    for (std::uint32_t key = 0; key < 256; ++key) sum += sum_of(key);
    EXPECT_EQ(sum, std::uint64_t{kPackets} * round);
  }
  done = true;
  host.join();
  EXPECT_LE(keys(), 256U + 500U);
  each_key(*rig_.maps[0], [&](const std::byte* at) {
    std::uint32_t key = 0;
    std::memcpy(&key, at, sizeof key);
    EXPECT_TRUE(key < 256 || (key >= 10'000 && key < 10'500 && sum_of(key) % key == 0)) << key;
  });
}

TEST_P(OpenclContention, KeysComeAndGo) {
  make(600);
  const std::string insert =
      "*(u32 *)(r10 - 4) = r6\n*(u64 *)(r10 - 16) = r6\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\n"
      "r1 = map[values] ll\ncall bpf_map_update_elem\n*(u64 *)(r7 + 8) = r0\nif r0 != 0 goto out\n";
  const auto results = run(with(insert + "r1 = r6\nr1 %= 40\nif r1 == 0 goto out\nr2 = r10\nr2 += -4\n"
                                         "r1 = map[values] ll\ncall bpf_map_delete_elem\n*(u64 *)(r7 + 8) = r0\n"));
  EXPECT_EQ(std::ranges::count(results, 0), kPackets);
  EXPECT_EQ(keys(), kPackets / 40);
  for (std::uint32_t key = 0; key < kPackets; key += 40) EXPECT_EQ(sum_of(key), key);
}

INSTANTIATE_TEST_SUITE_P(, OpenclContention,
                         ::testing::Values(Case{"hash", isa::MapType::hash, false},
                                           Case{"hash_copies", isa::MapType::hash, true},
                                           Case{"lru_hash", isa::MapType::lru_hash, false},
                                           Case{"percpu_hash", isa::MapType::percpu_hash, false},
                                           Case{"percpu_hash_copies", isa::MapType::percpu_hash, true},
                                           Case{"lru_percpu_hash", isa::MapType::lru_percpu_hash, false}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace forager::jit::opencl
