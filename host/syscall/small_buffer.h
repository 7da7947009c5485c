// SPDX-License-Identifier: Apache-2.0
//
// SmallBuffer: bytes for the time of a call. Up to kSmall they stand in the caller's frame and cost nothing; a key or
// value that is larger costs an allocation, as in the kernel.
//
// Tested by: tests/unit/syscall_map_test.cc (values of all sizes).
#pragma once

#include <cstddef>
#include <memory>

namespace forager::syscall {

class SmallBuffer {
 public:
  static constexpr std::size_t kSmall = 256;

  // Not initialised.
  explicit SmallBuffer(std::size_t size)
      : large_(size > kSmall ? std::make_unique_for_overwrite<std::byte[]>(size) : nullptr), size_(size) {}

  [[nodiscard]] std::byte* data() { return large_ ? large_.get() : small_; }
  [[nodiscard]] const std::byte* data() const { return large_ ? large_.get() : small_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::unique_ptr<std::byte[]> large_;
  std::size_t size_;
  alignas(8) std::byte small_[kSmall];
};

}  // namespace forager::syscall
