// SPDX-License-Identifier: Apache-2.0
//
// bpf_csum_diff: the Internet checksum (RFC 1071) of what changed, as net/core/filter.c has it since Linux 6.13:
// the result is folded to 16 bits. Older kernels return the unfolded 32 bits, which are congruent modulo 2^16 - 1.
#include "helpers/functions.h"
#include "helpers/ones_complement.h"

namespace forager::helpers {

u64 csum_diff(RunContext&, u64 from, u64 from_size, u64 to, u64 to_size, u64 seed) {
  const auto start = static_cast<std::uint32_t>(seed);
  const auto before = bytes(from, static_cast<std::uint32_t>(from_size));
  const auto after = bytes(to, static_cast<std::uint32_t>(to_size));
  if (before.empty()) return fold_to_16(csum_partial(after, start));
  if (after.empty()) return fold_to_16(~csum_partial(before, ~start));
  return fold_to_16(csum_sub(csum_partial(after, start), csum_partial(before, 0)));
}

}  // namespace forager::helpers
