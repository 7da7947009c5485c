// SPDX-License-Identifier: Apache-2.0
//
// The engine's hash function (hw/rtl/forager_hash.sv), and numbers of nodes as its tables have them.
//
// Tested by: tests/unit/rtl_maps_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace forager::jit::rtl {

// `key` in whole words of 32 bits, zeros behind it.
[[nodiscard]] std::uint32_t chip_hash(std::span<const std::byte> key, std::uint32_t seed);

// A table of links: words of 32 bits, a node's number in the lower 24, what was done with it above.
struct Link {
  std::uint32_t node = 0;
  std::uint8_t used = 0;
};
[[nodiscard]] Link link_at(const std::byte* table, std::uint32_t index);
void put_link(std::vector<std::byte>& table, std::uint32_t index, Link link);

// What of a key in whole words is hashed.
[[nodiscard]] std::span<const std::byte> key_words(std::span<const std::byte> key, std::uint32_t key_bytes);
// Puts a node at the begin of its bucket's chain; `key` as chip_hash() takes it.
void chain(std::span<const std::byte> key, std::uint32_t seed, std::uint32_t mask, std::uint32_t node,
           std::vector<std::byte>& buckets, std::vector<std::byte>& links);

}  // namespace forager::jit::rtl
