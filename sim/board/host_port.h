// SPDX-License-Identifier: Apache-2.0
//
// HostPort: what a host reaches of the device: its registers and its memories. Whoever fills them for the device uses
// no more than this, so that a test can put something smaller in the device's place.
//
// Tested by: tests/rtl/map_engine_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "forager/result.h"

namespace forager::sim {

inline constexpr std::size_t kRowBytes = 64;
using BundleWords = std::array<std::uint32_t, 5>;

class HostPort {
 public:
  HostPort() = default;
  HostPort(const HostPort&) = delete;
  HostPort& operator=(const HostPort&) = delete;
  virtual ~HostPort() = default;

  // Registers. Errors: input for an offset that the device does not have; bug if it does not answer.
  [[nodiscard]] virtual Result<std::uint32_t> read(std::uint32_t offset) = 0;
  [[nodiscard]] virtual Result<> write(std::uint32_t offset, std::uint32_t value) = 0;

  // Memory; rows of kRowBytes. Errors: bug if it does not answer.
  [[nodiscard]] virtual Result<> write_bundles(std::uint32_t first, std::span<const BundleWords> bundles) = 0;
  [[nodiscard]] virtual Result<> write_rows(std::uint32_t first, std::span<const std::byte> rows) = 0;
  [[nodiscard]] virtual Result<> read_rows(std::uint32_t first, std::span<std::byte> rows) = 0;
};

}  // namespace forager::sim
