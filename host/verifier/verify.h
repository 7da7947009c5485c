// SPDX-License-Identifier: Apache-2.0
//
// verify(): the only door from a Program to a VerifiedProgram, the only thing backends accept.
//
// What a VerifiedProgram has proved today is structure: every instruction is reachable in the control-flow graph; every
// helper exists, is allowed in the program's type and its licence, and takes the map it is given where the block shows
// which; maps named are of types that run, direct map values lie inside their map; packet loads stand in types that
// have them; accesses to the frame that a block shows are inside it and aligned; calls do not recurse, at most 8
// frames. Instructions that constant branches leave out are not judged, as in Linux, and have no `reachable` fact.
//
// What engines must still check at run time, until values and pointers are tracked through the whole program: bounds of
// every access without an in_bounds fact, null and uninitialised registers and stack bytes, pointer kinds of stores and
// helper arguments, the map argument of calls without a map fact, return values, stack depth over all frames, and that
// the program ends. Options::strict_alignment changes nothing yet.
//
// Tested by: tests/unit/verifier_structure_test.cc.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "forager/result.h"
#include "program/program.h"
#include "verifier/facts.h"

namespace forager::verifier {

struct Options {
  bool strict_alignment = false;  // BPF_F_STRICT_ALIGNMENT
  unsigned log_level = 0;         // as bpf_attr.log_level; 0 = no log text
};

// What verification cost and said; filled for rejected programs too.
struct Report {
  std::string log;
  std::uint64_t processed_instructions = 0;
};

class VerifiedProgram {
 public:
  [[nodiscard]] const program::Program& program() const { return program_; }
  [[nodiscard]] std::span<const Facts> facts() const { return facts_; }     // one per instruction
  [[nodiscard]] std::span<const MapUse> map_uses() const { return uses_; }  // one per Program::maps() entry

 private:
  explicit VerifiedProgram(program::Program program) : program_(std::move(program)) {}
  friend Result<std::shared_ptr<const VerifiedProgram>> verify(program::Program, const Options&, Report*);

  program::Program program_;
  std::vector<Facts> facts_;
  std::vector<MapUse> uses_;
};

// Errors: rejected with the errno Linux gives for the same class (EINVAL, EACCES, EPERM, E2BIG), instruction and
// source line; unsupported where Linux would accept what this build does not know.
[[nodiscard]] Result<std::shared_ptr<const VerifiedProgram>> verify(program::Program program,
                                                                    const Options& options = {},
                                                                    Report* report = nullptr);

}  // namespace forager::verifier
