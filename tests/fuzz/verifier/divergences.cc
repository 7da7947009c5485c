// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/divergences.h"

namespace forager::fuzz {
namespace {

struct Row {
  DivergenceKind kind;
  std::string_view text, reason;
};
constexpr Row kRows[] = {
#define FORAGER_DIVERGENCE(kind, text, reason) {DivergenceKind::kind, text, reason},
#include "tests/fuzz/verifier/divergences.def"
};

}  // namespace

std::string_view reason_for(DivergenceKind kind, std::string_view refusal) {
  for (const Row& row : kRows) {
    if (row.kind == kind && refusal.contains(row.text)) return row.reason;
  }
  return {};
}

}  // namespace forager::fuzz
