// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/isa/core_isa.h"

namespace forager::jit::rtl {
namespace {

// Writes fields from bit 0 up.
class Bits {
 public:
  void put(std::uint64_t value, unsigned width) {
    for (unsigned i = 0; i < width; ++i, ++at_) {
      if ((value >> i & 1) != 0) words_[at_ / 32] |= 1U << at_ % 32;
    }
  }
  [[nodiscard]] const std::array<std::uint32_t, kBundleWords>& words() const { return words_; }

 private:
  std::array<std::uint32_t, kBundleWords> words_{};
  unsigned at_ = 0;
};

}  // namespace

std::array<std::uint32_t, kBundleWords> encode(const Bundle& bundle) {
  Bits bits;
  for (const Slot& slot : bundle.slots) {
    bits.put(slot.wide ? 1 : 0, 1);
    bits.put(static_cast<std::uint8_t>(slot.op), 7);
    bits.put(slot.d, 4);
    bits.put(slot.a, 4);
    bits.put(slot.b, 4);
    bits.put(slot.use_imm ? 1 : 0, 1);
    bits.put(slot.imm, 32);
    bits.put(slot.offset, 16);
    bits.put(slot.a_state ? 1 : 0, 1);
    bits.put(slot.on_map ? 1 : 0, 1);
    bits.put(0, 1);
  }
  return bits.words();
}

}  // namespace forager::jit::rtl
