// SPDX-License-Identifier: Apache-2.0
//
// LPM_TRIE where programs run: all its prefixes, sorted (cl/lpm.cl), made anew where the host's generation is another.
// Values stay where the host has them; where the device does not see that, they stand behind the prefixes.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include "jit-backends/opencl/mirror.h"

namespace forager::jit::opencl {
namespace {

using Bytes = std::vector<std::byte>;

// In a prefix of the table.
constexpr std::size_t kLength = 8, kParent = 12, kBits = 16;

struct Prefix {
  std::uint32_t length = 0;
  Bytes bits;  // whole words, 0 behind the length
  std::byte* value = nullptr;

  [[nodiscard]] bool lies_in(const Prefix& other) const {
    if (other.length > length) return false;
    const std::size_t whole = other.length / 8;
    if (!std::equal(bits.begin(), bits.begin() + static_cast<std::ptrdiff_t>(whole), other.bits.begin())) return false;
    const unsigned rest = other.length % 8;
    return rest == 0 || std::to_integer<unsigned>(bits[whole] ^ other.bits[whole]) >> (8 - rest) == 0;
  }
  friend bool operator==(const Prefix& a, const Prefix& b) { return a.length == b.length && a.bits == b.bits; }
  friend bool operator<(const Prefix& a, const Prefix& b) {
    return a.bits != b.bits ? a.bits < b.bits : a.length < b.length;
  }
};

// The first bit is the most significant.
std::uint64_t word_of(const Bytes& bits, std::size_t at) {
  return __builtin_bswap64(value_at<std::uint64_t>(bits, at));
}

class LpmMirror final : public Mirror {
 public:
  LpmMirror(const Table& table, exec::Map& map, const MirrorUse& use) : table_(table), map_(map), use_(use) {}

  std::uint64_t bytes() const override {
    return values_at() + (use_.shared ? 0 : std::uint64_t{table_.entries} * table_.stride());
  }
  std::uint64_t place(std::uint64_t at, unsigned) const override { return at; }

  void put(std::span<std::byte> table, std::uint64_t at) override {
    const auto now = map_.generation();
    if (!made_ || !now || now != generation_) make(table, at);
    generation_ = now;
    made_ = true;
    if (use_.shared) return;
    for (std::size_t i = 0; i < prefixes_.size(); ++i) value_from_host(prefixes_[i].value, value(table, i));
    if (use_.changed) before_.assign(table.begin(), table.end());
  }

  void take(std::span<std::byte> table) override {
    if (use_.shared || !use_.changed) return;
    for (std::size_t i = 0; i < prefixes_.size(); ++i) {
      if (find(prefixes_[i]) != prefixes_[i].value) continue;  // it is gone, or its value is another
      changes_to_host(value(before_, i), value(table, i), prefixes_[i].value, use_.merge);
    }
  }

 private:
  [[nodiscard]] std::size_t values_at() const { return table_.bytes(1); }
  [[nodiscard]] std::span<std::byte> value(std::span<std::byte> table, std::size_t prefix) const {
    return table.subspan(values_at() + prefix * table_.stride(), table_.stride());
  }
  [[nodiscard]] std::byte* find(const Prefix& prefix) const {
    Bytes key(sizeof prefix.length);
    std::memcpy(key.data(), &prefix.length, sizeof prefix.length);
    key.insert(key.end(), prefix.bits.begin(), prefix.bits.end());
    return static_cast<std::byte*>(map_.lookup(key.data(), use_.cpu));
  }

  void make(std::span<std::byte> table, std::uint64_t at) {
    collect();
    put_value(table, 0, static_cast<std::uint32_t>(prefixes_.size()));
    put_index(table);
    std::vector<std::uint32_t> within;  // that the last prefix lies in, and itself: the longest is the last
    for (std::uint32_t i = 0; i < prefixes_.size(); ++i) {
      while (!within.empty() && !prefixes_[i].lies_in(prefixes_[within.back()])) within.pop_back();
      const std::uint64_t place =
          use_.shared ? reinterpret_cast<std::uintptr_t>(prefixes_[i].value) : at + values_at() + i * table_.stride();
      put_prefix(table.subspan(table_.prefixes_at() + i * table_.prefix_bytes()), prefixes_[i], place,
                 within.empty() ? 0 : within.back() + 1);
      within.push_back(i);
    }
  }

  // With zeros behind the length; without bits if it has too many.
  [[nodiscard]] Prefix prefix_of(const std::byte* key) const {
    const std::size_t size = table_.key_size - sizeof(Prefix::length);
    Prefix prefix{.length = value_at<std::uint32_t>({key, sizeof(Prefix::length)}, 0)};
    if (prefix.length > 8 * size) return prefix;
    prefix.bits.resize(in_words(size));
    std::copy_n(key + sizeof prefix.length, (prefix.length + 7) / 8, prefix.bits.begin());
    const unsigned rest = prefix.length % 8;
    if (rest != 0) prefix.bits[prefix.length / 8] &= std::byte{0xff} << (8 - rest);
    return prefix;
  }

  // Sorted; a walk over a map that changes may meet a key twice.
  void collect() {
    prefixes_.clear();
    each_key(map_, [&](const std::byte* key) {
      Prefix prefix = prefix_of(key);
      prefix.value = prefix.bits.empty() ? nullptr : find(prefix);
      if (prefix.value != nullptr) prefixes_.push_back(std::move(prefix));
    });
    std::ranges::sort(prefixes_, std::less<>());
    const auto twice = std::ranges::unique(prefixes_, std::equal_to<>());
    prefixes_.erase(twice.begin(), twice.end());
  }

  // For each value of the first bits, how many prefixes stand before it.
  void put_index(std::span<std::byte> table) const {
    std::vector<std::uint32_t> index((std::size_t{1} << table_.index_bits) + 1, 0);
    for (const Prefix& prefix : prefixes_) {
      ++index[table_.index_bits == 0 ? 1 : (word_of(prefix.bits, 0) >> (64 - table_.index_bits)) + 1];
    }
    std::partial_sum(index.begin(), index.end(), index.begin());
    std::memcpy(table.data() + Table::kHeader, index.data(), index.size() * sizeof index.front());
  }

  static void put_prefix(std::span<std::byte> to, const Prefix& prefix, std::uint64_t place, std::uint32_t parent) {
    put_value(to, 0, place);
    put_value(to, kLength, prefix.length);
    put_value(to, kParent, parent);
    for (std::size_t at = 0; at < prefix.bits.size(); at += 8) put_value(to, kBits + at, word_of(prefix.bits, at));
  }

  Table table_;
  exec::Map& map_;
  MirrorUse use_;
  bool made_ = false;
  std::optional<std::uint64_t> generation_;
  std::vector<Prefix> prefixes_;
  Bytes before_;
};

}  // namespace

std::unique_ptr<Mirror> make_lpm_mirror(const Table& table, exec::Map& map, const MirrorUse& use) {
  return std::make_unique<LpmMirror>(table, map, use);
}

}  // namespace forager::jit::opencl
