// SPDX-License-Identifier: Apache-2.0
//
// What a runtime holds: BTF, programs and links (maps stand in map_object.h). Objects are shared: descriptors, programs
// and links keep what they refer to, and an object is gone when nobody refers to it any more. Apart from the counters
// and a link's program, nothing in them changes after creation.
//
// Tested by: tests/unit/runtime_objects_test.cc.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "exec/backend.h"
#include "program/tag.h"
#include "runtime/map_object.h"
#include "verifier/verify.h"

struct btf;  // libbpf's parsed form

namespace forager::runtime {

struct BtfObject {
  BtfObject(std::uint32_t object_id, std::vector<std::byte> data, std::shared_ptr<const ::btf> form)
      : id(object_id), bytes(std::move(data)), parsed(std::move(form)) {}
  const std::uint32_t id;
  const std::vector<std::byte> bytes;
  const std::shared_ptr<const ::btf> parsed;
};

// What a loader says about a program besides its instructions; records are kept in the loader's own layout.
struct DebugInfo {
  std::shared_ptr<const BtfObject> btf;
  std::vector<std::byte> functions;  // struct bpf_func_info
  std::uint32_t function_count = 0;
  std::vector<std::byte> lines;  // struct bpf_line_info
  std::uint32_t line_count = 0;
};

// Whether runs of programs are counted: always (the sysctl kernel.bpf_stats_enabled), or while somebody asks
// (BPF_ENABLE_STATS).
struct RunStatistics {
  bool always = false;
  std::atomic<unsigned> users = 0;

  [[nodiscard]] bool on() const { return always || users != 0; }
};

class ProgramObject {
 public:
  ProgramObject(std::uint32_t object_id, std::shared_ptr<const verifier::VerifiedProgram> program,
                std::vector<std::shared_ptr<MapObject>> bound, DebugInfo info);

  [[nodiscard]] const program::Source& source() const { return verified->program().source(); }
  [[nodiscard]] const std::string& name() const { return source().name; }
  [[nodiscard]] isa::ProgType type() const { return source().type; }
  // What a PROG_ARRAY takes: the program with its maps.
  [[nodiscard]] exec::ProgramSlot slot() const;

  // Maps that the program keeps alive without naming them (BPF_PROG_BIND_MAP); binding twice is one binding.
  void bind_also(std::shared_ptr<MapObject> map);
  // All maps: those the instructions name, in order, then those bound besides.
  [[nodiscard]] std::vector<std::shared_ptr<MapObject>> all_maps() const;

  // The program compiled by `backend`, once.
  [[nodiscard]] Result<std::shared_ptr<const exec::Image>> image(const exec::Backend& backend,
                                                                 const exec::CompileOptions& options);
  // Told by sessions: packets run, and the time spent in the program. Counted only while statistics are on.
  void count_run(std::uint64_t packets, std::uint64_t nanoseconds);

  const std::uint32_t id;
  const std::shared_ptr<const verifier::VerifiedProgram> verified;
  const std::vector<std::shared_ptr<MapObject>> maps;  // by index in Program::maps()
  const DebugInfo debug;
  const program::Tag tag;
  std::uint64_t load_time_ns = 0;             // boot time
  std::uint32_t created_by = 0;               // user id
  std::uint64_t verified_instructions = 0;    // processed by the verifier
  const RunStatistics* statistics = nullptr;  // null = nothing is counted
  std::atomic<std::uint64_t> run_count = 0;
  std::atomic<std::uint64_t> run_time_ns = 0;

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<MapObject>> also_bound_;
  std::map<std::pair<const exec::Backend*, exec::CompileOptions>, std::shared_ptr<const exec::Image>> images_;
};

}  // namespace forager::runtime
