// SPDX-License-Identifier: Apache-2.0
//
// Contender: one engine with one program on a stage. It gives its answers once, to be compared, and then passes over
// the capture, to be timed.
//
//   device   one of forager's backends, with compile options
//   native   the same C source compiled for the host (native/)
//   dpdk     rte_bpf, where it is installed and takes the program
//
// Tested by: bench_peers compares the answers of each with the interpreter's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bench/peers/stage.h"
#include "exec/backend.h"
#include "exec/invocation.h"

namespace forager::bench {

// What only grows: nanoseconds, or instructions that were executed.
using Meter = std::uint64_t (*)();

class Contender {
 public:
  virtual ~Contender() = default;
  // Of the stage's first pass.
  [[nodiscard]] virtual Result<golden::Outcome> answers() = 0;
  // What the meter counts for each packet in one more pass, whatever an engine needs around programs included. Errors:
  // of the device.
  [[nodiscard]] virtual Result<double> count(Meter meter) = 0;
  // Nanoseconds, as the engine itself tells them where it does.
  [[nodiscard]] virtual Result<double> pass() { return count(exec::run_clock_ns); }
  [[nodiscard]] virtual std::size_t code_bytes() const = 0;
};

using ContenderResult = Result<std::unique_ptr<Contender>>;

[[nodiscard]] ContenderResult make_device_contender(const ExampleProgram& program, const exec::Backend& backend,
                                                    const exec::CompileOptions& options = {});
// Errors: unsupported, where the program has no native twin.
[[nodiscard]] ContenderResult make_native_contender(const ExampleProgram& program);
// Errors: unsupported, where it refuses the program, or was not there when this was built.
[[nodiscard]] ContenderResult make_dpdk_contender(const ExampleProgram& program);

}  // namespace forager::bench
