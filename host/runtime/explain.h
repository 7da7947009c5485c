// SPDX-License-Identifier: Apache-2.0
//
// explain(): every backend's yes, or everything that keeps it from taking a program, before anything is loaded.
//
// Judged from each backend's Capabilities (exec/blockers.h), which are data, so that a backend that is absent on this
// machine still says what it would have lacked; where they say yes, by its compiler, which may know better.
//
// Tested by: tests/unit/runtime_explain_test.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exec/backend.h"
#include "jit-backends/backends.h"

namespace forager::runtime {

enum class BlockerKind : std::uint8_t { unavailable, program_type, size, map, instruction, helper };
[[nodiscard]] std::string_view to_string(BlockerKind kind);  // as in JSON output

struct Blocker {
  BlockerKind kind{};
  std::string name;       // of the helper, the map, the instruction, ...; the backend's for unavailable
  Diagnostic diagnostic;  // message, instruction slot, C line, limit, asked
};

struct BackendVerdict {
  std::string backend;
  bool takes = false;
  std::vector<Blocker> blockers;  // empty if and only if it takes the program
};

struct Explanation {
  std::vector<BackendVerdict> backends;  // in the order of backends.def
  // The first backend that takes the program: where to go from one that does not. Absent if none does.
  std::optional<std::string> nearest;
};

[[nodiscard]] std::vector<Blocker> name_blockers(const verifier::VerifiedProgram& program, std::string_view backend,
                                                 const exec::Capabilities& capabilities);
[[nodiscard]] Explanation explain(const verifier::VerifiedProgram& program);

}  // namespace forager::runtime
