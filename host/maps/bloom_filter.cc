// SPDX-License-Identifier: Apache-2.0
//
// BLOOM_FILTER: which values were pushed, with false positives and no false negatives, in about 1.4 bits for each value
// and hash function (kernel/bpf/bloom_filter.c). max_entries says how many values are expected, no more; map_extra, 1
// to 15, how many hash functions there are, 5 if it is 0.
//
// Size, masks and hash are Linux's, so that a filter with BPF_F_ZERO_SEED confuses the values that Linux's would. Both
// operations are atomic loads and ORs of words, without a lock. A value is never taken out again.
//
// For bpf(2), a lookup asks about the value that it brings along.
//
// Tested by: tests/unit/maps_values_test.cc (a model, and the kernel), maps_values_concurrency_test.cc.
#include <linux/bpf.h>
#include <sys/random.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "maps/attributes.h"
#include "maps/jhash.h"
#include "maps/memory.h"
#include "maps/snapshot.h"
#include "maps/types.h"
#include "maps/value_map.h"
#include "maps/words.h"

namespace forager::maps {
namespace {

constexpr std::uint64_t kMaxHashes = 15, kDefaultHashes = 5;
constexpr unsigned kWordBits = 64;

std::uint32_t hashes_of(const exec::MapSpec& spec) {
  return static_cast<std::uint32_t>(spec.extra == 0 ? kDefaultHashes : spec.extra);
}

// Linux counts in 32 bits, and takes all of them where it would overflow.
std::uint64_t bits_of(const exec::MapSpec& spec) {
  constexpr std::uint64_t kAll = std::uint64_t{1} << 32, kLargest = std::uint64_t{1} << 31;
  const std::uint64_t product = std::uint64_t{spec.max_entries} * hashes_of(spec);
  const std::uint64_t bits = product / 5 * 7;  // 1 / ln 2 is about 7/5
  if (product >= kAll || bits > kLargest) return kAll;
  return bits <= kWordBits ? kWordBits : std::bit_ceil(bits);
}

std::uint32_t seed_of(const exec::MapSpec& spec) {
  std::uint32_t seed = 0;
  if ((spec.flags & kZeroSeed) != 0) return seed;
  // Where there is no randomness yet (early boot), seed 0 is as good as another.
  [[maybe_unused]] const auto ignored = getrandom(&seed, sizeof seed, GRND_NONBLOCK);
  return seed;
}

class BloomFilterMap final : public ValueMap, public Snapshot {
 public:
  BloomFilterMap(exec::MapSpec spec, Region bits)
      : ValueMap(std::move(spec)),
        bits_(std::move(bits)),
        view_{.base = bits_.base(),
              .mask = static_cast<std::uint32_t>(bits_of(this->spec()) - 1),
              .hashes = hashes_of(this->spec()),
              .seed = seed_of(this->spec())} {
    abilities_.bloom = &view_;
  }

  int push(const void* value, std::uint64_t flags) override {
    if (flags != BPF_ANY) return -EINVAL;
    for (std::uint32_t i = 0; i < view_.hashes; ++i) {
      const std::uint32_t bit = bit_of(value, i);
      __atomic_fetch_or(word_of_bit(bit), mask_of_bit(bit), __ATOMIC_ACQ_REL);
    }
    return 0;
  }
  int pop(void*) override { return -EOPNOTSUPP; }
  int peek(void* value) override {
    for (std::uint32_t i = 0; i < view_.hashes; ++i) {
      const std::uint32_t bit = bit_of(value, i);
      if ((__atomic_load_n(word_of_bit(bit), __ATOMIC_ACQUIRE) & mask_of_bit(bit)) == 0) return -ENOENT;
    }
    return 0;
  }

  int erase(const void*) override { return -EOPNOTSUPP; }
  int next_key(const void*, void*) override { return -EOPNOTSUPP; }
  // How many values went in, nobody knows.
  [[nodiscard]] exec::MapUsage usage() const override { return {0, bits_.size() + sizeof *this}; }

  // The bits, and the seed that gives them their meaning.
  [[nodiscard]] std::vector<std::byte> copy_out() const override {
    std::vector<std::byte> bytes(words() * sizeof(Word) + sizeof view_.seed);
    for (std::size_t i = 0; i < words(); ++i) {
      const Word word = load_word(bits_.base() + i * sizeof word);
      std::memcpy(bytes.data() + i * sizeof word, &word, sizeof word);
    }
    std::memcpy(bytes.data() + words() * sizeof(Word), &view_.seed, sizeof view_.seed);
    return bytes;
  }
  bool copy_in(std::span<const std::byte> bytes) override {
    const std::size_t size = words() * sizeof(Word);
    if (bytes.size() != size + sizeof view_.seed) return false;
    std::memcpy(bits_.base(), bytes.data(), size);
    std::memcpy(&view_.seed, bytes.data() + size, sizeof view_.seed);
    return (spec().flags & kZeroSeed) == 0 || view_.seed == 0;
  }

 private:
  [[nodiscard]] std::uint32_t bit_of(const void* value, std::uint32_t function) const {
    return jhash(value, spec().value_size, view_.seed + function) & view_.mask;
  }
  [[nodiscard]] std::size_t words() const { return (std::size_t{view_.mask} + 1) / kWordBits; }
  [[nodiscard]] StoredWord* word_of_bit(std::uint32_t bit) const {
    return reinterpret_cast<StoredWord*>(bits_.base()) + bit / kWordBits;
  }
  static Word mask_of_bit(std::uint32_t bit) { return Word{1} << (bit % kWordBits); }

  Region bits_;
  exec::BloomBits view_;
};

}  // namespace

MapResult make_bloom_filter(exec::MapSpec spec, unsigned) {
  const auto checked = Checks(spec)
                           .at_most("value_size", spec.value_size, kMaxKmalloc, E2BIG)
                           .equal("key_size", spec.key_size, 0)
                           .at_least("value_size", spec.value_size, 1)
                           .at_most("map_extra", spec.extra, kMaxHashes, EINVAL)
                           .done();
  if (!checked) return std::unexpected(checked.error());
  auto bits = Region::reserve(bits_of(spec) / 8);
  if (!bits) return std::unexpected(bits.error());
  return std::make_shared<BloomFilterMap>(std::move(spec), std::move(*bits));
}

}  // namespace forager::maps
