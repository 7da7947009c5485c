// SPDX-License-Identifier: Apache-2.0
//
// A register's value put together of parts, the highest first: constants, and registers that have nothing above their
// part.
//
// Tested by: tests/unit/rtl_flow_test.cc.
#pragma once

#include <optional>
#include <vector>

#include "jit-backends/rtl/lower.h"
#include "jit-backends/rtl/value.h"

namespace forager::jit::rtl {

class Composer {
 public:
  // For what `of` writes. Nothing is added to `out` before finish().
  Composer(const Operation& of, std::vector<Operation>& out) : of_(of), out_(out) {}

  // False if the part is not one of those that can be.
  [[nodiscard]] bool add(const Value& part, std::int64_t bytes);
  // The value, if all of its parts are constants.
  [[nodiscard]] std::optional<std::uint32_t> constant() const {
    return begun_ ? std::nullopt : std::optional(static_cast<std::uint32_t>(constant_));
  }
  void finish();

 private:
  void put(Slot slot);
  void put_constant();
  [[nodiscard]] bool fits(std::uint64_t value) const { return value <= INT32_MAX; }

  const Operation& of_;
  std::vector<Operation>& out_;
  std::vector<Operation> made_;
  std::uint64_t constant_ = 0;  // lowest bits, that are not in the register yet
  unsigned pending_ = 0;        // bits that the register is to be shifted by
  bool begun_ = false;          // the register has something
};

}  // namespace forager::jit::rtl
