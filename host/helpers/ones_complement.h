// SPDX-License-Identifier: Apache-2.0
//
// Ones' complement arithmetic of Internet checksums (RFC 1071) as Linux's net/checksum.h has it: what is carried out
// comes back in. Sums of 32 bits are of little-endian words; two sums that are congruent modulo 2^16 - 1 are the same
// checksum, but programs see the 32 bits of some (skb->csum), so the steps are the kernel's.
//
// Tested by: tests/unit/helpers_test.cc, tests/unit/helpers_skb_kernel_test.cc.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace forager::helpers {

constexpr std::uint32_t csum_add(std::uint32_t sum, std::uint32_t addend) {
  const std::uint64_t wide = std::uint64_t{sum} + addend;
  return static_cast<std::uint32_t>(wide + (wide >> 32));
}
constexpr std::uint32_t csum_sub(std::uint32_t sum, std::uint32_t addend) { return csum_add(sum, ~addend); }

constexpr std::uint16_t csum16_add(std::uint16_t sum, std::uint16_t addend) {
  const std::uint32_t wide = std::uint32_t{sum} + addend;
  return static_cast<std::uint16_t>(wide + (wide >> 16));
}
constexpr std::uint16_t csum16_sub(std::uint16_t sum, std::uint16_t addend) {
  return csum16_add(sum, static_cast<std::uint16_t>(~addend));
}

constexpr std::uint16_t fold_to_16(std::uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}
constexpr std::uint16_t csum_fold(std::uint32_t sum) { return static_cast<std::uint16_t>(~fold_to_16(sum)); }

// csum_block_add() and _sub(): of a block at an odd offset, the bytes change places.
constexpr std::uint32_t csum_block_add(std::uint32_t sum, std::uint32_t block, std::size_t offset) {
  return csum_add(sum, offset % 2 == 0 ? block : std::rotr(block, 8));
}
constexpr std::uint32_t csum_block_sub(std::uint32_t sum, std::uint32_t block, std::size_t offset) {
  return csum_block_add(sum, ~block, offset);
}

// csum_partial(): the last word is filled up with zeros. The sum of anything but zeros is never zero, which makes the
// result independent of the order and width of the additions.
inline std::uint32_t csum_partial(std::span<const std::byte> data, std::uint32_t start) {
  std::uint64_t sum = start;
  while (!data.empty()) {
    std::uint32_t word = 0;
    const std::size_t size = std::min(data.size(), sizeof(word));
    std::memcpy(&word, data.data(), size);
    sum += word;
    data = data.subspan(size);
  }
  sum = (sum & 0xffffffff) + (sum >> 32);
  return static_cast<std::uint32_t>(sum + (sum >> 32));
}

}  // namespace forager::helpers
