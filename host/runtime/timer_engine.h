// SPDX-License-Identifier: Apache-2.0
//
// TimerEngine: a program whose functions timers call, on a device of its own.
//
// It stands for the reference that a timer has on its program: the program, its maps and, in the runtime, the program's
// object live as long as one of its timers has a callback. The device is made by the first call, and belongs to the
// thread that calls.
//
// Callbacks run on the interpreter, whatever engine runs the program: what they read and write is maps only. Their lane
// of per-CPU maps is the last CPU's.
//
// Tested by: tests/unit/runtime_timers_test.cc.
#pragma once

#include <memory>
#include <utility>

#include "exec/backend.h"

namespace forager::runtime {

class TimerEngine {
 public:
  // `owner` is kept alive besides.
  TimerEngine(const exec::Environment& environment, exec::TimerCallback callback, std::shared_ptr<const void> owner)
      : environment_(environment), callback_(std::move(callback)), owner_(std::move(owner)) {}

  [[nodiscard]] const verifier::VerifiedProgram* program() const { return callback_.program.get(); }
  // Errors: what stopped the callback, and those of opening a device.
  [[nodiscard]] Result<> call(const exec::AsyncCall& call);

 private:
  [[nodiscard]] Result<> open();

  const exec::Environment& environment_;
  exec::TimerCallback callback_;
  std::shared_ptr<const void> owner_;
  std::unique_ptr<exec::Device> device_;
};

}  // namespace forager::runtime
