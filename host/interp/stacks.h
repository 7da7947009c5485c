// SPDX-License-Identifier: Apache-2.0
//
// The stack frames of a machine: 512 bytes for each call depth, each a region of its own, so that running over the edge
// of one is noticed and a pointer into a caller's frame works.
//
// Tested by: tests/unit/interp_access_test.cc, interp_calls_test.cc.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "interp/memory.h"

namespace forager::interp {

class Stacks {
 public:
  explicit Stacks(Memory& memory) : checked_(memory.checked()), first_region_(memory.fixed_count()) {
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      memory.add_fixed({.kind = RegionKind::stack,
                        .readable = true,
                        .writable = true,
                        .base = bytes_[i].data(),
                        .written = checked_ ? written_[i].data() : nullptr,
                        .end = isa::kStackBytes,
                        .origin = isa::kStackBytes});
    }
  }

  // Makes the frame at `depth` fresh. It holds zeros, so that a program which reads what it never wrote at least does
  // the same each time.
  void clear(unsigned depth) {
    bytes_[depth].fill(std::byte{0});
    if (checked_) written_[depth].fill(0);
  }

  [[nodiscard]] std::span<std::byte> frame(unsigned depth) { return bytes_[depth]; }

  // What r10 is at this depth: one past the frame's last byte.
  [[nodiscard]] GuestAddress top(unsigned depth) const {
    return Memory::fixed_address(first_region_ + depth, isa::kStackBytes);
  }
  // The depth of the frame that a stack address lies in.
  [[nodiscard]] unsigned depth(GuestAddress address) const {
    return static_cast<unsigned>(address >> Memory::kOffsetBits) - first_region_;
  }

 private:
  bool checked_;
  std::uint32_t first_region_;
  std::vector<std::array<std::byte, isa::kStackBytes>> bytes_{isa::kMaxCallFrames};
  std::vector<std::array<std::uint8_t, isa::kStackBytes>> written_{isa::kMaxCallFrames};  // used in checked mode
};

}  // namespace forager::interp
