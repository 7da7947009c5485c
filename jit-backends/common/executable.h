// SPDX-License-Identifier: Apache-2.0
//
// Executable: memory that holds machine code. It is written first and executable after, never both at once; an unmapped
// page stands on either side, so that running or reading over its edge faults. Whoever holds one runs its code; it is
// unmapped with its owner.
//
// Tested by: tests/unit/jit_device_test.cc.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <utility>

#include "forager/result.h"

namespace forager::jit {

class Executable {
 public:
  Executable() = default;
  Executable(Executable&& other) noexcept
      : pages_(std::exchange(other.pages_, {})), code_(std::exchange(other.code_, {})) {}
  Executable& operator=(Executable&& other) noexcept {
    std::swap(pages_, other.pages_);
    std::swap(code_, other.code_);
    return *this;
  }
  ~Executable();

  // Memory for `size` bytes, near our own code where there is room, so that calls reach it. `write` fills it in.
  // Errors: system (mmap, mprotect).
  [[nodiscard]] static Result<Executable> make(std::size_t size,
                                               const std::function<Result<>(std::span<std::byte>)>& write);

  [[nodiscard]] std::span<const std::byte> code() const { return code_; }

 private:
  std::span<std::byte> pages_;  // with the guards
  std::span<std::byte> code_;
};

}  // namespace forager::jit
