// SPDX-License-Identifier: Apache-2.0
//
// bpf_csum_diff: the Internet checksum (RFC 1071) of what changed, as net/core/filter.c has it since Linux 6.13:
// the result is folded to 16 bits. Older kernels return the unfolded 32 bits, which are congruent modulo 2^16 - 1.
#include <cstring>

#include "helpers/functions.h"

namespace forager::helpers {
namespace {

// Ones' complement addition: what is carried out comes back in. The sum of anything but zeros is never zero, which
// makes the 32-bit result independent of the order and width of the additions.
constexpr std::uint32_t fold_to_32(u64 sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  return static_cast<std::uint32_t>((sum & 0xffffffff) + (sum >> 32));
}

constexpr u64 fold_to_16(std::uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

// csum_partial: little-endian 32-bit words, the last one filled up with zeros.
std::uint32_t sum_of(std::span<const std::byte> data, std::uint32_t start) {
  u64 sum = start;
  while (!data.empty()) {
    std::uint32_t word = 0;
    const std::size_t size = std::min(data.size(), sizeof(word));
    std::memcpy(&word, data.data(), size);
    sum += word;
    data = data.subspan(size);
  }
  return fold_to_32(sum);
}

}  // namespace

u64 csum_diff(RunContext&, u64 from, u64 from_size, u64 to, u64 to_size, u64 seed) {
  const auto start = static_cast<std::uint32_t>(seed);
  const auto before = bytes(from, static_cast<std::uint32_t>(from_size));
  const auto after = bytes(to, static_cast<std::uint32_t>(to_size));
  if (before.empty()) return fold_to_16(sum_of(after, start));
  if (after.empty()) return fold_to_16(~sum_of(before, ~start));
  return fold_to_16(fold_to_32(u64{sum_of(after, start)} + static_cast<std::uint32_t>(~sum_of(before, 0))));
}

}  // namespace forager::helpers
