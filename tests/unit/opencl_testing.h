// SPDX-License-Identifier: Apache-2.0
//
// The OpenCL device of the machine that the tests run on, and what its tests compare.
#pragma once

#include <fmt/format.h>

#include <string>

#include "exec_testing.h"
#include "jit-backends/opencl/backend.h"

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

class WithDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    if (opencl_here() == nullptr) GTEST_SKIP() << opencl::backend().capabilities().reason;
  }
};

// Empty if both frames came out alike.
inline std::string difference(const exec::Frame& expected, const exec::Frame& actual) {
  const auto trap = [](const exec::Frame& frame) { return frame.trap == nullptr ? "no" : frame.trap->text(); };
  if ((expected.trap == nullptr) != (actual.trap == nullptr))
    return fmt::format("trap: {} and {}", trap(expected), trap(actual));
  if (expected.return_value != actual.return_value)
    return fmt::format("r0: {:#x} and {:#x}", expected.return_value, actual.return_value);
  if (expected.redirect.ifindex != actual.redirect.ifindex || expected.redirect.map_type != actual.redirect.map_type)
    return fmt::format("redirect: {} and {}", expected.redirect.ifindex, actual.redirect.ifindex);
  if (expected.data() - expected.data_meta() != actual.data() - actual.data_meta()) return "metadata";
  const auto a = expected.packet(), b = actual.packet();
  if (a.size() != b.size()) return fmt::format("bytes: {} and {}", a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) return fmt::format("byte {}: {:#x} and {:#x}", i, static_cast<int>(a[i]), static_cast<int>(b[i]));
  }
  return {};
}

}  // namespace forager::jit::opencl::testing
