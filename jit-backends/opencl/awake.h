// SPDX-License-Identifier: Apache-2.0
//
// Awake: while there is one, CPUs with nothing to do poll instead of halting, so that a thread which is woken there
// runs at once (Documentation/power/pm_qos_interface.rst; cyclictest does the same). On a virtual machine that is most
// of what a launch takes (bench/opencl/launch.h). Where we may not ask for it, there is none.
//
// Tested by: tests/unit/opencl_device_test.cc.
#pragma once

namespace forager::jit::opencl {

class Awake {
 public:
  Awake();
  Awake(const Awake&) = delete;
  Awake& operator=(const Awake&) = delete;
  ~Awake();

  [[nodiscard]] bool granted() const { return file_ >= 0; }

 private:
  int file_ = -1;
};

}  // namespace forager::jit::opencl
