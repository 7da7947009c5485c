// SPDX-License-Identifier: Apache-2.0
//
// Side: an engine with a program of its own stage, which takes batches. It is made ready before each run and dismissed
// after it, so that what one side keeps spinning does not take the other's core.
//
//   opencl   one device, which shares a batch among its lanes
//   x86_64   two devices, each on a thread with the CPU number of its own, maps shared; the first half of a batch is
//   the
//            calling thread's. The other thread spins from ready() to rest(), so that being told of a batch costs no
//            system call, and each of the two has a CPU of its own meanwhile.
//   interp   the reference
//
// Tested by: bench_opencl compares what sides do.
#pragma once

#include <memory>
#include <string>

#include "bench/peers/stage.h"
#include "exec/backend.h"

namespace forager::bench {

inline constexpr unsigned kThreads = 2;

class Side {
 public:
  virtual ~Side() = default;
  virtual void ready() {}
  [[nodiscard]] virtual Result<exec::RunReport> run(exec::PacketBatch frames) = 0;
  virtual void rest() {}
  [[nodiscard]] virtual Stage& stage() = 0;
};
using SideResult = Result<std::unique_ptr<Side>>;

// Errors: those of Stage, of compilation and of the device.
[[nodiscard]] SideResult make_single(const ExampleProgram& program, const char* backend, exec::Order order);
[[nodiscard]] SideResult make_threads(const ExampleProgram& program, const char* backend);

}  // namespace forager::bench
