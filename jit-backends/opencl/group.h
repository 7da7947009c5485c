// SPDX-License-Identifier: Apache-2.0
//
// Group: a program, those that it reaches by tail calls, and the maps of them all, as one kernel. It is made when the
// program's maps are known, and made anew when a PROG_ARRAY, or a map of maps, has others in it.
//
// Tested by: tests/unit/opencl_tail_calls_test.cc.
#pragma once

#include <vector>

#include "exec/host_helpers.h"
#include "jit-backends/opencl/image.h"
#include "jit-backends/opencl/mirror.h"
#include "jit-backends/opencl/staging.h"

namespace forager::jit::opencl {

using Maps = std::vector<std::shared_ptr<exec::Map>>;

// A map of a kernel, and what its programs together do with it.
struct GroupMap {
  std::shared_ptr<exec::Map> map;
  verifier::MapUse use = verifier::MapUse::unused;
  Merge merge = Merge::store;
  std::vector<std::uint32_t> programs;  // as of MirrorUse
  std::vector<InnerMap> inner;
};

struct Group {
  KernelSource source;
  std::vector<GroupMap> maps;  // by number: those of source.tables, and those that maps of maps hold
  std::vector<Table> tables;   // of each
  std::uint64_t changes = 0;   // of its PROG_ARRAYs and maps of maps, as it was made

  [[nodiscard]] const verifier::VerifiedProgram& first() const { return *source.programs.front(); }
  // Whether one of its programs calls a helper, or ...
  [[nodiscard]] bool calls(exec::HelperId helper) const { return source.calls(helper); }
  // ... has results that may depend on which packet runs first.
  [[nodiscard]] bool needs_order() const;
  // Whether its work-items would have to wait for one another (cl/values.cl).
  [[nodiscard]] bool needs_one_lane() const;
  [[nodiscard]] FrameUse frame_use(bool shared) const;
};

// Errors: input, if a map is not there, or of another type or other sizes than the program was verified with;
// unsupported, if it has another number of entries.
[[nodiscard]] Result<> check_shape(const program::MapSpec& planned, const exec::Map* map);

// Errors: unsupported, with the name of the program that the device does not take.
[[nodiscard]] Result<Group> group_of(const OpenclImage& image, const Maps& maps);
// Of all PROG_ARRAYs and maps of maps of a group.
[[nodiscard]] std::uint64_t changes_of(const std::vector<GroupMap>& maps);

}  // namespace forager::jit::opencl
