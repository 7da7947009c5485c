// SPDX-License-Identifier: Apache-2.0
//
// Pairs of operands for blocks that compute: all pairs of boundaries (tests/isa/operands.h), then random ones.
#pragma once

#include <cstdint>
#include <random>

#include "tests/isa/operands.h"

namespace forager::rtl {

// visit(a, b) for each pair. The random ones are of all lengths, and the same in every run.
template <class Visit>
void for_operand_pairs(unsigned random_pairs, Visit visit) {
  for (const std::uint64_t a : isa::model::kOperands) {
    for (const std::uint64_t b : isa::model::kOperands) visit(a, b);
  }
  std::mt19937_64 random(1);  // NOLINT(cert-msc51-cpp): the same in every run
  for (unsigned i = 0; i < random_pairs; ++i) {
    const std::uint64_t a = random() >> random() % 64;
    const std::uint64_t b = random() >> random() % 64;
    visit(a, b);
  }
}

}  // namespace forager::rtl
