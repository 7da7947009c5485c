// SPDX-License-Identifier: Apache-2.0
//
// QUEUE, STACK and BLOOM_FILTER where programs run (cl/values.cl). The host gets, in one step, what went at either end
// of a list and what came, and the bits that were set; what others did to the map meanwhile stays.
#include <algorithm>
#include <cstring>

#include "jit-backends/opencl/batch.h"
#include "jit-backends/opencl/mirror.h"

namespace forager::jit::opencl {
namespace {

// In a list's header: the number of the oldest value, of the next one, and the least that this was.
constexpr std::size_t kOldest = 0, kNext = 8, kLeast = 16;
// In a filter's.
constexpr std::size_t kPlace = 0, kMask = 8, kFunctions = 12, kSeed = 16;

class ListMirror final : public Mirror {
 public:
  ListMirror(const Table& table, exec::Map& map) : table_(table), list_(map.abilities().list) {}

  std::uint64_t bytes() const override { return table_.bytes(1); }
  std::uint64_t place(std::uint64_t at, unsigned) const override { return at; }

  void put(std::span<std::byte> table, std::uint64_t) override {
    const std::vector<std::byte> values = list_ == nullptr ? std::vector<std::byte>{} : list_->copy_out();
    count_ = std::min<std::uint64_t>(values.size() / table_.value_size, table_.entries);
    for (std::uint64_t i = 0; i < count_; ++i) {
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(i * table_.value_size), table_.value_size,
                  value(table, i).begin());
    }
    put_value(table, kOldest, std::uint64_t{0});
    put_value(table, kNext, count_);
    put_value(table, kLeast, count_);
  }

  // Values that were there have numbers below count_.
  void take(std::span<std::byte> table) override {
    const auto oldest = value_at<std::uint64_t>(table, kOldest), next = value_at<std::uint64_t>(table, kNext);
    const auto kept = std::min(value_at<std::uint64_t>(table, kLeast), count_);
    if (list_ == nullptr || oldest > next || next - oldest > table_.entries) return;
    std::vector<std::byte> pushed;
    for (std::uint64_t i = std::max(oldest, kept); i < next; ++i) {
      const auto from = value(table, i);
      pushed.insert(pushed.end(), from.begin(), from.end());
    }
    list_->change(std::min(oldest, kept), count_ - kept, pushed);
  }

 private:
  [[nodiscard]] std::span<std::byte> value(std::span<std::byte> table, std::uint64_t number) const {
    return table.subspan(Table::kHeader + number % table_.entries * table_.stride(), table_.value_size);
  }

  Table table_;
  exec::ValueList* list_;
  std::uint64_t count_ = 0;  // of values that the host had
};

class BloomMirror final : public Mirror {
 public:
  BloomMirror(const exec::BloomBits* bits, const MirrorUse& use) : bits_(bits), use_(use) {}

  std::uint64_t bytes() const override {
    return Table::kHeader + (use_.shared || bits_ == nullptr ? 0 : in_lines(bits_->bytes()));
  }
  std::uint64_t place(std::uint64_t at, unsigned) const override { return at; }

  void put(std::span<std::byte> table, std::uint64_t at) override {
    if (bits_ == nullptr) return;
    put_value(table, kPlace, use_.shared ? reinterpret_cast<std::uintptr_t>(bits_->base) : at + Table::kHeader);
    put_value(table, kMask, bits_->mask);
    put_value(table, kFunctions, bits_->hashes);
    put_value(table, kSeed, bits_->seed);
    if (!use_.shared) value_from_host(bits_->base, table.subspan(Table::kHeader, bits_->bytes()));
  }

  void take(std::span<std::byte> table) override {
    if (use_.shared || bits_ == nullptr) return;
    for (std::size_t at = 0; at < bits_->bytes(); at += sizeof(std::uint64_t)) {
      set_on_host(bits_->base + at, value_at<std::uint64_t>(table, Table::kHeader + at));
    }
  }

 private:
  static void set_on_host(std::byte* at, std::uint64_t bits) {
    struct [[gnu::may_alias]] Word {
      std::uint64_t value;
    };
    std::uint64_t* word = &reinterpret_cast<Word*>(at)->value;
    if ((__atomic_load_n(word, __ATOMIC_RELAXED) | bits) != __atomic_load_n(word, __ATOMIC_RELAXED))
      __atomic_fetch_or(word, bits, __ATOMIC_ACQ_REL);
  }

  const exec::BloomBits* bits_;
  MirrorUse use_;
};

}  // namespace

std::unique_ptr<Mirror> make_list_mirror(const Table& table, exec::Map& map) {
  return std::make_unique<ListMirror>(table, map);
}

std::unique_ptr<Mirror> make_bloom_mirror(const Table&, exec::Map& map, const MirrorUse& use) {
  return std::make_unique<BloomMirror>(map.abilities().bloom, use);
}

}  // namespace forager::jit::opencl
