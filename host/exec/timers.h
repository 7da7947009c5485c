// SPDX-License-Identifier: Apache-2.0
//
// Timers: bpf_timer_* as programs see them (kernel/bpf/helpers.c). A timer is 16 opaque bytes in a map value; the first
// eight hold a number of the implementation's, 0 until it is initialised.
//
// Tested by: tests/unit/runtime_timers_test.cc.
#pragma once

#include <cstdint>
#include <memory>

#include "exec/map.h"
#include "verifier/verify.h"

namespace forager::exec {

// What a timer calls: a function of a program, by the index of its first instruction. The program is kept by id and by
// reference: as in Linux, a timer that is armed keeps its program alive.
struct TimerCallback {
  std::shared_ptr<const verifier::VerifiedProgram> program;
  std::shared_ptr<const MapList> maps;
  std::uint32_t function = 0;
};

class Timers {
 public:
  virtual ~Timers() = default;
  // 0, -EBUSY if it is initialised already, -EINVAL for a clock there is none of, -EPERM if no user holds the map.
  virtual int init(Map& map, void* timer, std::uint64_t flags) = 0;
  virtual int set_callback(void* timer, TimerCallback callback) = 0;                   // -EINVAL before init
  virtual int start(void* timer, std::uint64_t nanoseconds, std::uint64_t flags) = 0;  // BPF_F_TIMER_ABS, _CPU_PIN
  virtual int cancel(void* timer) = 0;                                                 // 1: it was armed; -EDEADLK
};

}  // namespace forager::exec
