// SPDX-License-Identifier: Apache-2.0
//
// verify(): the only door from a Program to a VerifiedProgram, the only thing backends accept.
//
// What a VerifiedProgram has proved: it ends; it reads no register and no stack byte that it did not write; it touches
// its context only where its program type may; every access lies inside its stack, packet, map value or record; helpers
// get what they ask for; references and locks are given back; its return value is one that its type may return.
// docs/verifier.md has the rules and how they are decided. Speculative execution is not considered.
//
// Programs of type raw_memory (conformance vectors) have memory whose length only the run knows: accesses to it are
// accepted without an in_bounds fact, and engines must check them. All else holds for them too.
//
// Tested by: tests/verifier (goldens), tests/unit/verifier_*_test.cc, tests/fuzz/verifier_*.
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
  bool strict_alignment = false;           // BPF_F_STRICT_ALIGNMENT
  bool strict_loops = false;               // refuse every back edge
  bool allow_uninitialised_stack = false;  // stack bytes never written read as zero (Linux >= 6.3 for root)
  bool test_state_freq = false;            // BPF_F_TEST_STATE_FREQ: keep a state at every instruction that may keep one
  unsigned log_level = 0;  // as bpf_attr.log_level: 1 = the path to the error, 2 = everything, 4 = statistics
  std::uint64_t instruction_limit = isa::kMaxInstructions;  // processed instructions
};

// What verification cost and said; filled for rejected programs too.
struct Report {
  std::string log;
  std::uint64_t processed_instructions = 0;
  std::uint64_t total_states = 0;  // kept at some time
  std::uint64_t peak_states = 0;   // kept at one time
  std::uint64_t peak_bytes = 0;    // of states and what hangs on them
  std::uint32_t stack_depth = 0;   // bytes over all frames of the deepest call chain
};

// What an iterator reaches of the keys and values that it is shown, bytes from the first: whoever shows it smaller ones
// must refuse (Linux max_rdonly_access, max_rdwr_access).
struct BufferUse {
  std::uint32_t key = 0;
  std::uint32_t value = 0;
  bool writes = false;  // values
};

class VerifiedProgram {
 public:
  [[nodiscard]] const program::Program& program() const { return program_; }
  [[nodiscard]] std::span<const Facts> facts() const { return facts_; }     // one per instruction
  [[nodiscard]] std::span<const MapUse> map_uses() const { return uses_; }  // one per Program::maps() entry
  [[nodiscard]] std::span<const ArgumentFacts> call_arguments() const { return arguments_; }
  [[nodiscard]] const BufferUse& buffer_use() const { return buffers_; }
  // True if it was verified with allow_uninitialised_stack and needs frames that begin as zeros.
  [[nodiscard]] bool needs_zeroed_stack() const { return needs_zeroed_stack_; }

 private:
  explicit VerifiedProgram(program::Program program) : program_(std::move(program)) {}
  friend Result<std::shared_ptr<const VerifiedProgram>> verify(program::Program, const Options&, Report*);
  friend class UnverifiedForTests;  // tests/unit/unverified.h: engines must hold out against what verify() would refuse

  program::Program program_;
  std::vector<Facts> facts_;
  std::vector<MapUse> uses_;
  std::vector<ArgumentFacts> arguments_;
  BufferUse buffers_;
  bool needs_zeroed_stack_ = false;
};

// Errors: rejected with the errno Linux gives for the same class (EINVAL, EACCES, EPERM), instruction and source line;
// limit (E2BIG) for programs that are too large or too complex.
[[nodiscard]] Result<std::shared_ptr<const VerifiedProgram>> verify(program::Program program,
                                                                    const Options& options = {},
                                                                    Report* report = nullptr);

}  // namespace forager::verifier
