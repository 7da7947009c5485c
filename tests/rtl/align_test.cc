// SPDX-License-Identifier: Apache-2.0
//
// forager_align alone, beside two rows of memory: what is stored at each byte of a row, in each size and order, is what
// stands there and nothing else; and it is loaded again.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstring>
#include <random>

#include "Vforager_align.h"
#include "tests/isa/operands.h"

namespace forager::rtl {
namespace {

constexpr unsigned kRow = 64;
using Memory = std::array<std::uint8_t, 2 * kRow>;  // a row, and the one after

struct Form {
  unsigned bytes;
  bool swapped;
};
constexpr Form kForms[] = {{1, false}, {2, false}, {4, false}, {6, false}, {8, false},
                           {1, true},  {2, true},  {4, true},  {8, true}};

// The bytes of a value as they stand in memory.
std::array<std::uint8_t, 8> bytes_of(std::uint64_t value, unsigned bytes, bool swapped) {
  if (swapped) value = std::byteswap(value) >> (64 - 8 * bytes);
  return std::bit_cast<std::array<std::uint8_t, 8>>(value);
}

std::uint64_t low(std::uint64_t value, unsigned bytes, bool sign) {
  const unsigned above = 64 - 8 * bytes;
  if (sign) return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << above) >> above);
  return value << above >> above;
}

class RtlAlign : public ::testing::Test {
 protected:
  RtlAlign() {
    std::mt19937_64 random(2);  // NOLINT(cert-msc51-cpp): the same in every run
    for (std::uint8_t& byte : memory_) byte = static_cast<std::uint8_t>(random());
  }
  // Where byte `lane` of the core's port is for the access that is at the inputs: banks of eight bytes.
  [[nodiscard]] unsigned place(unsigned lane) const { return lane + ((align_.next_o >> lane / 8 & 1) != 0 ? kRow : 0); }

  Memory store(unsigned at, unsigned bytes, bool swapped, std::uint64_t value) {
    align_.store_byte_i = at;
    align_.store_bytes_i = bytes;
    align_.store_swapped_i = swapped ? 1 : 0;
    align_.store_value_i = value;
    align_.eval();
    Memory out = memory_;
    for (unsigned lane = 0; lane < kRow; ++lane) {
      if ((align_.enable_o >> lane & 1) != 0)
        out[place(lane)] = static_cast<std::uint8_t>(align_.store_o[lane / 4] >> 8 * (lane % 4));
    }
    return out;
  }
  std::uint64_t load(const Memory& memory, unsigned at, unsigned bytes, bool swapped, bool sign) {
    align_.load_byte_i = at;
    align_.load_bytes_i = bytes;
    align_.load_swapped_i = swapped ? 1 : 0;
    align_.load_signed_i = sign ? 1 : 0;
    for (unsigned word = 0; word < kRow / 4; ++word) std::memcpy(&align_.load_i[word], &memory[place(4 * word)], 4);
    align_.eval();
    return align_.value_o;
  }

  Memory memory_{};
  Vforager_align align_;
};

TEST_F(RtlAlign, StoresAndLoadsAtEveryByteOfARow) {
  for (unsigned at = 0; at < kRow; ++at) {
    for (const auto& [bytes, swapped] : kForms) {
      for (const std::uint64_t value : isa::model::kOperands) {
        Memory expected = memory_;
        std::memcpy(&expected[at], bytes_of(value, bytes, swapped).data(), bytes);
        const Memory stored = store(at, bytes, swapped, value);
        ASSERT_EQ(stored, expected) << "byte " << at << ", " << bytes << " of " << value;
        ASSERT_EQ(load(stored, at, bytes, swapped, false), low(value, bytes, false)) << "byte " << at << ", " << bytes;
        // Six bytes have no sign.
        ASSERT_EQ(load(stored, at, bytes, swapped, true), low(value, bytes, bytes != 6))
            << "byte " << at << ", " << bytes;
      }
    }
  }
}

}  // namespace
}  // namespace forager::rtl
