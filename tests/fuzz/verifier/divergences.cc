// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/divergences.h"

#include <algorithm>

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

bool occurs(std::string_view pattern, std::string_view text) {
  const auto same = [](char in_text, char wanted) { return wanted == '?' || in_text == wanted; };
  return pattern.empty() || !std::ranges::search(text, pattern, same).empty();
}

}  // namespace

std::string_view reason_for(DivergenceKind kind, std::string_view refusal, std::string_view program) {
  for (const Row& row : kRows) {
    if (row.kind == kind && refusal.contains(row.message) && occurs(row.program, program)) return row.reason;
  }
  return {};
}

}  // namespace forager::fuzz
