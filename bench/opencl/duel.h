// SPDX-License-Identifier: Apache-2.0
//
// Duel: one program on packets of one size, by the OpenCL device and by the x86-64 JIT on two threads.
//
// Answers come first. In order (exec::Order::packet) the device must do to packets and maps what the interpreter does.
// Without order, both sides must give the interpreter's verdicts and packets, unless the program reads map values that
// it writes: what it decides may depend on which packet comes first then, and differences are counted instead. Every
// batch size is compared, between the two, before it is timed.
//
// What is timed is Device::run(). Both sides run the same frames, which are filled anew before each run, and each side
// runs as often as the other, by turns. Maps are each side's own, and go on from batch to batch.
//
// Tested by: nothing asserts figures.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include "bench/opencl/samples.h"
#include "bench/opencl/side.h"
#include "bench/opencl/traffic.h"

namespace forager::bench {

// Nanoseconds a packet.
struct DuelFigure {
  std::size_t turns = 0;
  std::size_t differences = 0;  // packets of the batch whose fate depended on order
  Spread opencl, x86_64;
  double launch = 0;   // of opencl's: what it tells of itself (RunReport::busy_ns), median
  double staging = 0;  // and the rest
  double foreign = 0;  // percent of the machine that others had meanwhile
  // What makes figures worth little: quarters that lie far apart, other processes.
  [[nodiscard]] double noise() const { return std::max({opencl.percent, x86_64.percent, 2 * foreign}); }
  [[nodiscard]] bool is_steady() const { return noise() <= kNoise; }
  static constexpr double kNoise = 25;  // percent
};

class Duel {
 public:
  // Errors: those of Side; input, if no packet of this size is left; bug, where answers differ.
  [[nodiscard]] static Result<std::unique_ptr<Duel>> open(const ExampleProgram& program, std::size_t bytes);

  // At most kMostPackets. Again, up to kTries times, while figures are not steady; the steadiest count.
  // Errors: of the devices; bug, where answers differ.
  [[nodiscard]] Result<DuelFigure> measure(std::size_t batch, std::chrono::milliseconds time);
  [[nodiscard]] double instructions() const { return traffic_.instructions; }
  [[nodiscard]] bool uses_maps() { return opencl_->stage().uses_maps(); }

  static constexpr std::size_t kMostPackets = 16384;
  static constexpr int kTries = 3;

 private:
  explicit Duel(Traffic traffic) : traffic_(std::move(traffic)) {}
  [[nodiscard]] Result<> compare(const ExampleProgram& program);
  [[nodiscard]] Result<> compare_in_order(const ExampleProgram& program, Side& reference, exec::PacketBatch frames,
                                          std::vector<golden::FrameOutcome>& expected) const;
  [[nodiscard]] Result<std::size_t> compare_batch(exec::PacketBatch frames) const;
  [[nodiscard]] Result<std::vector<golden::FrameOutcome>> answers(Side& side, exec::PacketBatch frames) const;
  [[nodiscard]] Result<exec::RunReport> run(Side& side, exec::PacketBatch frames, double* ns) const;
  [[nodiscard]] Result<DuelFigure> take_turns(exec::PacketBatch frames, std::chrono::milliseconds time) const;
  void fill(exec::PacketBatch frames) const;

  Traffic traffic_;
  std::unique_ptr<Side> opencl_, x86_64_;
  bool order_matters_ = false;
};

}  // namespace forager::bench
