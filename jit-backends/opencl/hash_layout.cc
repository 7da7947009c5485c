// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/hash_layout.h"

#include <algorithm>

namespace forager::jit::opencl {

void HashLayout::clear(Bytes table) const { std::memset(table.data(), 0, table_.log_at()); }

void HashLayout::finish(Bytes table, std::uint32_t nodes) const {
  put_value(table, kUsed, nodes);
  put_value(table, kFresh, nodes);
  put_value(table, kLeft, table_.nodes - nodes);
}

std::optional<std::uint32_t> HashLayout::add(Bytes table, std::span<const std::byte> words, std::uint32_t node) const {
  std::uint32_t number = hash_of_words(words) & table_.mask;
  for (; slot(table, number).node != 0; number = (number + 1) & table_.mask) {
    if (std::ranges::equal(key(table, slot(table, number).node), words)) return std::nullopt;
  }
  put_slot(table, number, {node, Table::kLive});
  std::ranges::copy(words, key(table, node).begin());
  return number;
}

std::optional<std::uint32_t> HashLayout::find(Bytes table, std::uint32_t node) const {
  std::uint32_t number = home(table, node);
  for (std::uint32_t i = 0; i <= table_.mask; ++i, number = (number + 1) & table_.mask) {
    const std::uint32_t there = slot(table, number).node;
    if (there == node) return number;
    if (there == 0) break;
  }
  return std::nullopt;
}

std::uint32_t HashLayout::home(Bytes table, std::uint32_t node) const {
  return hash_of_words(key(table, node)) & table_.mask;
}

void HashLayout::give(Bytes table, std::uint32_t node) const {
  const auto head = value_at<std::uint64_t>(table, kFree);
  put_value(table, node_at(node) + kNext, static_cast<std::uint32_t>(head));
  put_value(table, kFree, ((head >> 32) + 1) << 32 | node);
  put_value(table, kLeft, value_at<std::uint32_t>(table, kLeft) + 1);
}

std::uint32_t hash_of_words(std::span<const std::byte> key) {
  std::uint64_t hash = 0x2545f4914f6cdd1d;
  for (std::size_t at = 0; at < key.size(); at += 8) {
    hash = (hash ^ value_at<std::uint64_t>(key, at)) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  return static_cast<std::uint32_t>(hash);
}

}  // namespace forager::jit::opencl
