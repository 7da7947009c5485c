// SPDX-License-Identifier: Apache-2.0
//
// Onward: what redirected XDP frames meet before they are where they go: the program of the map's entry
// (kernel/bpf/devmap.c dev_map_bpf_prog_run, cpumap.c cpu_map_bpf_prog_run_xdp).
//
//   DEVMAP, DEVMAP_HASH   runs on the way out of the port, which is the context's egress_ifindex. XDP_PASS sends the
//                         frame on; all else drops it.
//   CPUMAP                runs on the CPU. XDP_PASS leaves the frame there, XDP_REDIRECT sends it on, perhaps to the
//                         next program; all else drops it.
//
// Afterwards the frame's verdict is what became of it: XDP_REDIRECT with the way that it went, or XDP_DROP or
// XDP_ABORTED. A broadcast over a map in which some entry has a program becomes a copy for each port (Frame::clones),
// and the frame itself goes to the last.
//
// An Onward belongs to one thread at a time, and must not outlive the runtime.
//
// Tested by: tests/unit/runtime_onward_test.cc.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>

#include "exec/backend.h"
#include "runtime/runtime.h"
#include "runtime/session.h"

namespace forager::runtime {

class Onward {
 public:
  // What a program answered.
  struct Answer {
    std::uint32_t program = 0;  // its id
    std::string name;
    std::uint32_t verdict = 0;
    friend auto operator<=>(const Answer&, const Answer&) = default;
  };

  Onward(const Runtime& runtime, SessionOptions options) : runtime_(runtime), options_(std::move(options)) {}

  // Frames that were not redirected, or where no program waits, stay as they are. The report counts runs of the
  // programs that wait. Errors: of placement, and of the device.
  [[nodiscard]] Result<exec::RunReport> run(exec::PacketBatch batch);

  // Frames by what the programs answered, all run() calls so far. A program that was stopped answers XDP_ABORTED.
  [[nodiscard]] const std::map<Answer, std::uint64_t>& answers() const { return answers_; }

 private:
  struct Waiting {
    Session session;
    bool met = true;  // since the batch began
  };

  [[nodiscard]] Result<> follow(exec::Frame& frame);
  [[nodiscard]] Result<> meet(exec::Frame& frame);
  [[nodiscard]] Result<> spread(exec::Frame& frame);
  [[nodiscard]] Result<Session*> session_of(const exec::ProgramSlot& program);

  const Runtime& runtime_;
  SessionOptions options_;
  std::map<std::uint32_t, Waiting> waiting_;  // by program id
  exec::RunReport report_;                    // of the batch
  std::map<Answer, std::uint64_t> answers_;
};

}  // namespace forager::runtime
