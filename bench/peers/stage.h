// SPDX-License-Identifier: Apache-2.0
//
// Stage: an example program loaded, its maps set up, its packets read, for engines that run frames by themselves. Each
// engine has a stage of its own, and so maps of its own, which all began alike.
//
// Only one program's stages at a time: what the setup says of routes stands in the process's environment.
//
// Tested by: bench_peers compares what engines do on their stages with the interpreter.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "bench/common/programs.h"
#include "tests/golden/outcome.h"

namespace forager::bench {

// Of the packets that every engine takes.
[[nodiscard]] golden::Subject subject_of(const ExampleProgram& program);

class Stage {
 public:
  [[nodiscard]] static Result<Stage> open(const ExampleProgram& program);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::vector<sim::CapturedPacket>& packets() const { return packets_; }
  [[nodiscard]] const runtime::ProgramObject& program() { return engine_.session().program(); }
  [[nodiscard]] bool uses_maps();  // besides those of its global variables
  [[nodiscard]] cli::EngineRun& engine() { return engine_; }
  [[nodiscard]] const std::vector<std::uint32_t>& ports() const { return ports_; }

  // Reads rings and perf buffers, so that they do not fill up. Nothing where there are none: looking at maps moves
  // programs' data out of the caches.
  void drain();

  // The packets from `first` on, as many as a batch has, in frames of their own.
  [[nodiscard]] std::vector<exec::Frame> batch(std::size_t first) const;

 private:
  Stage(std::string name, cli::EngineRun engine, std::vector<sim::CapturedPacket> packets,
        std::vector<std::uint32_t> ports)
      : name_(std::move(name)), engine_(std::move(engine)), packets_(std::move(packets)), ports_(std::move(ports)) {}

  std::string name_;
  cli::EngineRun engine_;
  std::vector<sim::CapturedPacket> packets_;
  std::vector<std::uint32_t> ports_;
};

}  // namespace forager::bench
