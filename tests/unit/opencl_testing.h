// SPDX-License-Identifier: Apache-2.0
//
// The OpenCL device of the machine that the tests run on, and what its tests compare.
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exec_testing.h"
#include "jit-backends/opencl/backend.h"
#include "jit-backends/opencl/mirror.h"

namespace forager::jit::opencl::testing {

// Null where there is none.
inline const exec::Backend* opencl_here() {
  return opencl::backend().capabilities().available ? &opencl::backend() : nullptr;
}

// As exec::testing::open_device(), with what else a device is asked for; null if it cannot be had (a failure is
// recorded).
inline std::unique_ptr<exec::Device> open_device(const exec::testing::Rig& rig, std::string_view text,
                                                 exec::DeviceOptions options) {
  const auto program = exec::testing::verified(rig, text);
  if (program == nullptr) return nullptr;
  options.environment = rig.environment;
  const auto image = opencl::backend().compile(program, {});
  auto device = opencl::backend().open(options);
  EXPECT_TRUE(image && device) << text;
  if (!image || !device || !(*device)->load(*image)) return nullptr;
  for (std::uint32_t i = 0; i < rig.maps.size(); ++i) EXPECT_TRUE((*device)->bind(i, rig.maps[i]));
  return std::move(*device);
}

// Packets whose bytes look random.
inline std::vector<exec::Frame> random_packets(unsigned count, std::uint64_t seed, std::size_t size) {
  std::vector<exec::Frame> frames;
  for (unsigned n = 0; n < count; ++n) {
    exec::testing::Bytes bytes(size);
    for (auto& byte : bytes) {
      seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
      byte = static_cast<std::uint8_t>(seed >> 56);
    }
    frames.push_back(*exec::Frame::make(exec::testing::as_bytes(bytes)));
  }
  return frames;
}
// Packet n begins with the number n.
inline std::vector<exec::Frame> numbered_packets(std::uint32_t count, std::size_t size) {
  std::vector<exec::Frame> frames;
  for (std::uint32_t n = 0; n < count; ++n) {
    exec::testing::Bytes bytes(size);
    std::memcpy(bytes.data(), &n, sizeof n);
    frames.push_back(*exec::Frame::make(exec::testing::as_bytes(bytes)));
  }
  return frames;
}

// Keys and values of a map that was made for so many CPUs.
inline std::map<exec::testing::Bytes, exec::testing::Bytes> contents_of(exec::Map& map, unsigned cpus = 1) {
  std::map<exec::testing::Bytes, exec::testing::Bytes> all;
  each_key(map, [&](const std::byte* key) {
    exec::testing::Bytes value(exec::host_value_size(map.spec(), cpus));
    EXPECT_EQ(map.read(key, value.data(), 0), 0);
    all[exec::testing::bytes_of({key, map.spec().key_size})] = std::move(value);
  });
  return all;
}

class WithDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    if (opencl_here() == nullptr) GTEST_SKIP() << opencl::backend().capabilities().reason;
  }
};

// Empty if both frames came out alike.
inline std::string difference(const exec::Frame& expected, const exec::Frame& actual) {
  const auto trap = [](const exec::Frame& frame) {
    return frame.results().trap == nullptr ? "no" : frame.results().trap->text();
  };
  if ((expected.results().trap == nullptr) != (actual.results().trap == nullptr))
    return fmt::format("trap: {} and {}", trap(expected), trap(actual));
  if (expected.return_value != actual.return_value)
    return fmt::format("r0: {:#x} and {:#x}", expected.return_value, actual.return_value);
  if (expected.results().redirect.ifindex != actual.results().redirect.ifindex ||
      expected.results().redirect.map_type != actual.results().redirect.map_type)
    return fmt::format("redirect: {} and {}", expected.results().redirect.ifindex, actual.results().redirect.ifindex);
  if (expected.data() - expected.data_meta() != actual.data() - actual.data_meta()) return "metadata";
  const auto a = expected.packet(), b = actual.packet();
  if (a.size() != b.size()) return fmt::format("bytes: {} and {}", a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) return fmt::format("byte {}: {:#x} and {:#x}", i, static_cast<int>(a[i]), static_cast<int>(b[i]));
  }
  return {};
}

inline void expect_alike(std::span<const exec::Frame> expected, std::span<const exec::Frame> actual,
                         std::string_view what = {}) {
  ASSERT_EQ(expected.size(), actual.size()) << what;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(difference(expected[i], actual[i]), "") << what << "\npacket " << i;
  }
}

// Both run their frames, which come out alike.
inline void expect_alike_runs(exec::Device& reference, exec::Device& tested, std::span<exec::Frame> expected,
                              std::span<exec::Frame> actual, std::string_view what = {}) {
  ASSERT_TRUE(reference.run(expected)) << what;
  const auto ran = tested.run(actual);
  ASSERT_TRUE(ran) << ran.error().text() << what;
  expect_alike(expected, actual, what);
}

}  // namespace forager::jit::opencl::testing
