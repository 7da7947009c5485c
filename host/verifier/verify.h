// SPDX-License-Identifier: Apache-2.0
//
// verify(): the only door from a Program to a VerifiedProgram, the only thing backends accept.
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
