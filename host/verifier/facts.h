// SPDX-License-Identifier: Apache-2.0
//
// Facts: what the verifier proved about each instruction, for backends to lower by.
//
// A fact is a proof, never a guess: an absent fact (the default member) claims nothing, so a backend that ignores
// facts is correct and one that uses them is only faster. A wrong fact is a security bug. Facts hold for every
// execution of the program, whatever its input; docs/verifier.md says type by type where each comes from and why it is
// sound.
//
// Tested by: tests/unit/verifier_*_test.cc, tests/verifier (goldens), and the checked interpreter, which asserts them
// at every step (interp/assertions.h, tests/fuzz).
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "isa/tables.h"
#include "program/program.h"

namespace forager::verifier {

enum class Branch : std::uint8_t { both, always, never };

// What a pointer points into.
enum class Region : std::uint8_t {
  unknown,
  stack,
  context,
  packet,
  packet_meta,
  map_value,
  ring_record,
  memory,
  socket,
  tcp_socket,
  other,
};

// Bit n is rn.
using RegisterSet = std::uint16_t;

// What a register holds: every value v has min <= v <= max and signed_min <= (int64)v <= signed_max, and the bits that
// are not in `unknown_bits` are those of `bits`. The default says nothing. Of pointers nothing is said.
struct ValueFact {
  std::uint64_t min = 0;
  std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
  std::int64_t signed_min = std::numeric_limits<std::int64_t>::min();
  std::int64_t signed_max = std::numeric_limits<std::int64_t>::max();
  std::uint64_t bits = 0;
  std::uint64_t unknown_bits = ~std::uint64_t{0};

  [[nodiscard]] bool is_constant() const { return min == max; }
  // True if the fact allows this value.
  [[nodiscard]] bool allows(std::uint64_t value) const {
    const auto as_signed = static_cast<std::int64_t>(value);
    return min <= value && value <= max && signed_min <= as_signed && as_signed <= signed_max &&
           (value & ~unknown_bits) == bits;
  }
  friend bool operator==(const ValueFact&, const ValueFact&) = default;
};

// A load, store or atomic. Offsets are of its first byte, in bytes, inclusive, and count from the region's start: from
// the frame's lowest byte (r10 - 512) on the stack, from data in the packet, from data_meta in the metadata.
struct AccessFact {
  Region region = Region::unknown;
  std::uint32_t map = program::kNone;  // index into Program::maps() if it is one known map
  std::int64_t offset_min = std::numeric_limits<std::int64_t>::min();
  std::int64_t offset_max = std::numeric_limits<std::int64_t>::max();
  bool in_bounds = false;
  bool aligned = false;    // the offset is a multiple of the access's width
  std::uint8_t frame = 0;  // stack: how many calls up the frame is, 0 = the running function's own;
                           // kAnyFrame if it differs from execution to execution
  static constexpr std::uint8_t kAnyFrame = 0xff;
};

// One argument of a helper call.
struct ArgumentFact {
  Region region = Region::unknown;     // of a pointer
  std::uint32_t map = program::kNone;  // of map_value, or the map itself, if one
  bool maybe_null = false;
  std::int64_t offset_min = std::numeric_limits<std::int64_t>::min();  // as in AccessFact
  std::int64_t offset_max = std::numeric_limits<std::int64_t>::max();
  std::uint64_t bytes = 0;  // that the helper may reach there, at most
  ValueFact value;          // of a scalar
};
using ArgumentFacts = std::array<ArgumentFact, 5>;

struct CallFact {
  std::uint32_t helper = 0;                  // Linux's helper id, 0 if the instruction is no helper call
  std::uint32_t map = program::kNone;        // index into Program::maps() if its map argument is one constant map
  std::uint32_t arguments = program::kNone;  // index into VerifiedProgram::call_arguments()
};

struct Facts {
  bool reachable = true;
  Branch branch = Branch::both;
  RegisterSet live = 0x7ff;  // registers whose value may still be read after the instruction
  AccessFact access;
  CallFact call;
  ValueFact dst, src;  // the operands before the instruction, where they are scalars
};

// How one program uses one of its maps; coherence picks its protocol by this.
//   read_only    looked up and read
//   commutative  its values are changed by atomics of one kind without result, and not read otherwise
//   read_write   anything else
enum class MapUse : std::uint8_t { unused, read_only, commutative, read_write };

}  // namespace forager::verifier
