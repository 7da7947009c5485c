// SPDX-License-Identifier: Apache-2.0
//
// Which backend runs a program. The choice is explicit: the backend that was named, then those of the fallback list in
// order, and each refusal on the way is kept, so that a result can say what ran and why. Nothing is named: the first of
// backends.def that takes the program.
//
// Tested by: tests/unit/runtime_explain_test.cc.
#pragma once

#include <string>
#include <vector>

#include "exec/backend.h"

namespace forager::runtime {

struct PlacementRequest {
  std::string backend;                // empty = the first that takes the program
  std::vector<std::string> fallback;  // tried in order where `backend` refuses
  bool checked = false;               // only engines that have a checked mode
};

struct Refusal {
  std::string backend;
  Diagnostic why;  // its first blocker
};

struct Placement {
  const exec::Backend* backend = nullptr;
  std::vector<Refusal> refused;  // those that came before it
};

// Errors: input for a name that is no backend; otherwise the first refusal, naming the backend.
[[nodiscard]] Result<Placement> place(const verifier::VerifiedProgram& program, const PlacementRequest& request);

}  // namespace forager::runtime
