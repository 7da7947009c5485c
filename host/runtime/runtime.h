// SPDX-License-Identifier: Apache-2.0
//
// Runtime: the objects of one instance of forager, and the environment its programs run in. The public library and
// bpf(2) are two views of it.
//
// Functions are safe from any thread; `environment` and `settings` are set up before programs run. Everything returned
// is shared, and must be gone before the runtime is.
//
// Tested by: tests/unit/runtime_objects_test.cc.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/attach.h"
#include "runtime/environment.h"
#include "runtime/id_table.h"
#include "runtime/objects.h"
#include "runtime/placement.h"
#include "runtime/session.h"
#include "runtime/timers.h"
#include "verifier/verify.h"

namespace forager::runtime {

struct ProgramRequest {
  program::Source source;                        // its map specs are filled in from `maps`
  std::vector<std::shared_ptr<MapObject>> maps;  // what the instructions' indices name
  DebugInfo debug;
  verifier::Options verify;
};

// One call of load_program(): of program and error, one is null.
struct LoadAttempt {
  const program::Source& source;
  const ProgramObject* program;
  const Diagnostic* error;
  const verifier::Report& report;
  std::uint64_t verify_ns;  // CPU time of decoding and verifying
};

struct Settings {
  PlacementRequest placement{.backend = "interp", .fallback = {}};  // of BPF_PROG_TEST_RUN
  std::vector<std::uint32_t> ports;                 // virtual ports that exist; empty = every number from 1
  std::function<void(const LoadAttempt&)> on_load;  // sees what libbpf loads, refusals included (`explain`)
  // Where cgroups are mounted: a directory below is a cgroup by its path from here, any other by its whole path.
  std::string cgroup_mount = "/sys/fs/cgroup";
  // Where bpffs is: a normal absolute path. Read at every use; may be no real directory.
  std::string bpffs_mount = "/sys/fs/bpf";
  // Programs are only to be judged: maps of types that are not built become maps without contents, so that programs
  // which use them load, and cannot run.
  bool verify_only = false;
  // Takes the frames of live test runs (BPF_F_TEST_XDP_LIVE_FRAMES) that pass, go back or are redirected; null: nobody,
  // they end there.
  std::function<void(const exec::Frame&)> on_live_frame;
  // Asked of every program besides what its loader asks; limits are the smaller ones.
  verifier::Options verify;
};

class Runtime {
 public:
  explicit Runtime(exec::Environment host = host_environment());
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Errors: those of maps::create; with settings.verify_only, of maps::declare.
  [[nodiscard]] Result<std::shared_ptr<MapObject>> create_map(const program::MapSpec& spec, MapBtf btf = {});
  // Decodes and verifies. Errors: those of both; EINVAL for a PROG_ARRAY, DEVMAP or CPUMAP that is for programs of
  // another kind. The report is filled for refused programs too.
  [[nodiscard]] Result<std::shared_ptr<ProgramObject>> load_program(ProgramRequest request,
                                                                    verifier::Report* report = nullptr);
  [[nodiscard]] std::shared_ptr<BtfObject> add_btf(std::vector<std::byte> bytes, std::shared_ptr<const ::btf> parsed);
  // A link at the places of `spec`, or the negative errno of their policy.
  [[nodiscard]] Attached<std::shared_ptr<LinkObject>> link(LinkSpec spec, const std::shared_ptr<ProgramObject>& program,
                                                           const AttachRequest& request = {}) {
    return points_.link(links_, std::move(spec), program, request);
  }
  [[nodiscard]] bool port_exists(std::uint32_t port) const;
  // How the programs of this runtime run, where nothing else is said.
  [[nodiscard]] SessionOptions session_options() const;

  [[nodiscard]] const IdTable<MapObject>& maps() const { return maps_; }
  [[nodiscard]] const IdTable<ProgramObject>& programs() const { return programs_; }
  [[nodiscard]] const IdTable<BtfObject>& btfs() const { return btfs_; }
  [[nodiscard]] const IdTable<LinkObject>& links() const { return links_; }
  [[nodiscard]] TimerQueue& timers() { return timers_; }
  [[nodiscard]] AttachPoints& points() { return points_; }

  exec::Environment environment;
  Settings settings;
  RunStatistics statistics;
  std::array<std::atomic<std::uint64_t>, 4> live_frames{};  // of live test runs, by exec::Fate
  Cgroups cgroups;
  std::atomic<std::uint64_t> iterator_sessions = 0;  // walks begun so far: each has the number that it was

 private:
  [[nodiscard]] Result<std::shared_ptr<ProgramObject>> verify_and_add(ProgramRequest& request,
                                                                      verifier::Report& report);
  [[nodiscard]] std::shared_ptr<const void> owner_of(const verifier::VerifiedProgram& program) const;

  IdTable<MapObject> maps_;
  IdTable<ProgramObject> programs_;
  IdTable<BtfObject> btfs_;
  IdTable<LinkObject> links_;
  AttachPoints points_{cgroups};
  TimerQueue timers_;  // first to go: it holds programs
};

}  // namespace forager::runtime
