// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/chip_table.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "interp/access.h"

namespace forager::jit::rtl {
namespace {

using sim::kRowBytes;

constexpr std::size_t kWord = 8;

// Words of the descriptor, 32 bits each (hw/rtl/forager_maps.sv).
enum Word : std::uint8_t {
  kKind,
  kEntries,
  kMask,
  kBucketRow,
  kLinkRow,
  kEntryRow,
  kValueRow,
  kSizes,
  kCpuRows,
  kFree,
  kSpare,
  kRoot
};
using Descriptor = std::array<std::uint32_t, kRowBytes / 4>;

}  // namespace

Result<> ChipRows::write(sim::HostPort& board, const std::vector<std::byte>& now,
                         const std::function<bool(std::size_t row)>& wanted) {
  const std::size_t rows = bytes_.size() / kRowBytes;
  const auto differs = [&](std::size_t row) {
    if (wanted && !wanted(row)) return false;
    return !known_[row] || std::memcmp(bytes_.data() + row * kRowBytes, now.data() + row * kRowBytes, kRowBytes) != 0;
  };
  for (std::size_t from = 0; from < rows;) {
    std::size_t to = from;
    while (to < rows && differs(to)) ++to;
    if (to > from) {
      const std::span<const std::byte> part(now.data() + from * kRowBytes, (to - from) * kRowBytes);
      if (auto put = board.write_rows(row_ + static_cast<std::uint32_t>(from), part); !put) return put;
      std::ranges::copy(part, bytes_.begin() + static_cast<std::ptrdiff_t>(from * kRowBytes));
      std::fill(known_.begin() + static_cast<std::ptrdiff_t>(from), known_.begin() + static_cast<std::ptrdiff_t>(to),
                true);
    }
    from = to + 1;
  }
  return {};
}

Result<> ChipRows::read(sim::HostPort& board, std::uint32_t first, std::uint32_t rows) {
  const std::span<std::byte> to(bytes_.data() + std::size_t{first} * kRowBytes, std::size_t{rows} * kRowBytes);
  if (auto read = board.read_rows(row_ + first, to); !read) return read;
  std::fill_n(known_.begin() + first, rows, true);
  return {};
}

Result<> write_descriptor(sim::HostPort& board, const ChipMap& map, const program::MapSpec& spec,
                          const ChipPlace& place, const ChipDescriptor& changing) {
  Descriptor words{};
  words[kKind] = static_cast<std::uint32_t>(map.kind) | spec.key_size << 8 | (map.marked ? 1U << 16 : 0) |
                 (map.per_cpu ? 1U << 17 : 0) | (map.nested ? 1U << 18 : 0) | map.shift << 20 | map.value_shift << 24;
  words[kEntries] = spec.max_entries;
  words[kMask] = map.mask;
  words[kBucketRow] = place.row + map.bucket_row;
  words[kLinkRow] = place.row + map.link_row;
  words[kEntryRow] = place.row + map.entry_row;
  words[kValueRow] = place.row + map.value_row;
  words[kSizes] = map.value_offset | map.image_rows << 8 | map.stride << 16;
  words[kCpuRows] = map.value_rows;
  words[kFree] = changing.free;
  words[kSpare] = changing.spare;
  words[kRoot] = changing.root;
  return board.write_rows(place.descriptors + map.index, std::as_bytes(std::span(words)));
}

void value_from_host(std::byte* host, std::span<std::byte> to) {
  for (std::size_t at = 0; at < to.size(); at += kWord) {
    const auto word = interp::load<std::uint64_t>(host + at);
    std::memcpy(to.data() + at, &word, kWord);
  }
}

void changes_to_host(std::span<const std::byte> before, std::span<const std::byte> after, std::byte* host) {
  for (std::size_t at = 0; at < after.size(); at += kWord) {
    std::uint64_t was = 0, is = 0;
    std::memcpy(&was, before.data() + at, kWord);
    std::memcpy(&is, after.data() + at, kWord);
    if (was != is) interp::store<std::uint64_t>(host + at, is);
  }
}

void each_key(exec::Map& map, const std::function<bool(std::span<const std::byte> key)>& visit) {
  std::vector<std::byte> key(in_words(map.spec().key_size)), last;
  for (int more = map.next_key(nullptr, key.data()); more == 0; more = map.next_key(last.data(), key.data())) {
    last = key;
    if (!visit(key)) return;
  }
}

std::byte* peek(exec::Map& map, const void* key, unsigned cpu) {
  exec::Elements* elements = map.abilities().elements;
  return static_cast<std::byte*>(elements != nullptr ? elements->peek(key, cpu) : map.lookup(key, cpu));
}

std::unique_ptr<ChipTable> make_chip_table(const ChipMap& map, exec::Map& host, const ChipPlace& place) {
  if (map.programs || map.redirects || map.nested) return make_chip_words(map, host, place);
  switch (map.kind) {
    case CoreMap::Array:
      return make_chip_array(map, host, place);
    case CoreMap::Hash:
      return make_chip_hash(map, host, place);
    default:
      return make_chip_trie(map, host, place);
  }
}

}  // namespace forager::jit::rtl
