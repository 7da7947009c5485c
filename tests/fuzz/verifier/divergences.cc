// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/divergences.h"

namespace forager::fuzz {
namespace {

struct Row {
  DivergenceKind kind;
  std::string_view message, program, reason;
};
constexpr Row kRows[] = {
#define FORAGER_DIVERGENCE(kind, message, program, reason) {DivergenceKind::kind, message, program, reason},
#include "tests/fuzz/verifier/divergences.def"
};

}  // namespace

std::string_view reason_for(DivergenceKind kind, std::string_view refusal, std::string_view program) {
  for (const Row& row : kRows) {
    if (row.kind == kind && refusal.contains(row.message) && program.contains(row.program)) return row.reason;
  }
  return {};
}

}  // namespace forager::fuzz
