// SPDX-License-Identifier: Apache-2.0
#include "verifier/values.h"

namespace forager::verifier {
void add_value_facts(const program::Program&, std::span<Facts>, std::span<ArgumentFacts>) {}
}  // namespace forager::verifier
