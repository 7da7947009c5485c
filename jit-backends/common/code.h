// SPDX-License-Identifier: Apache-2.0
//
// Code: a verified program on its way to machine code.
//
// lower() makes one Step of each instruction, with the same index; passes (passes.h) then change steps in place, by the
// verifier's facts, and mark those that are not needed any more. What remains is emitted by an architecture's rules,
// one for each Kind. So a jump's target, a fact and a source line are found by the same number all the way.
//
// Tested by: tests/unit/jit_forms_test.cc, and through every backend.
#pragma once

#include <cstdint>
#include <vector>

#include "verifier/verify.h"

namespace forager::jit {

// Rows of isa.def by name, without width and kind of source.
enum class Alu : std::uint8_t {
#define FORAGER_ALU(name, ...) name,
#include "isa/isa.def"
};
enum class Cond : std::uint8_t {
#define FORAGER_JUMP(name, ...) name,
#include "isa/isa.def"
};
enum class Atomic : std::uint8_t {
#define FORAGER_ATOMIC(name, ...) name,
#include "isa/isa.def"
};

enum class Kind : std::uint8_t {
  none,           // nothing to do
  alu,            // dst = dst `alu` (src or imm), in `width` bits
  constant,       // dst = imm, 64 bits
  extend,         // dst = the low `bytes` of src sign-extended to `width` bits
  truncate,       // dst = the low `bytes` of src
  negate,         // dst = -dst, in `width` bits
  swap,           // dst = the low `bytes` of dst, in the other order
  rotate,         // dst = dst rotated left by imm, in `width` bits
  add_to,         // dst = src + imm, in `width` bits
  load,           // dst = `bytes` at src + index + offset, `sign`-extended or not
  load_swapped,   // ... in network order
  store,          // `bytes` at dst + index + offset = src or imm; 16 of them are zeros
  atomic,         // `bytes` at dst + offset, by `atomic`
  load_context,   // dst = the context's field at imm, `bytes` of it
  store_context,  // ... = src, or `target` if has_imm
  load_packet,    // r0 = `bytes` of the packet in network order, at imm + src (src 0 = none): LD_ABS, LD_IND
  map_object,     // dst = map number imm
  map_value,      // dst = byte `target` of map number imm's values
  function,       // dst = the function at `target`
  jump,           // to target
  branch,         // to target, if dst `cond` (src or imm) in `width` bits
  call_helper,    // number imm
  look_up,        // r0 = what map number imm has at the key at r2, by a function of that map's
  look_up_key,    // ... by a walk of its table in place (exec::HashWalk); keys have `bytes`
  look_up_index,  // ... by arithmetic; `inside`: the index is known to be below max_entries. The index is
                  // `target` if has_imm, in register `index` if there is one, or else at r2
  lane,           // r0 = the number of this CPU
  random,         // r0 = the next random number of 32 bits
  sum,            // r0 = ones' complement sum of r5 and the imm bytes at r3, less the `offset` bytes at r1, in 16 bits;
                  // multiples of 4
  call_function,  // at target
  tail_call,
  exit,
};

inline constexpr std::uint8_t kNoIndex = 0xff;

struct Step {
  Kind kind = Kind::none;
  std::uint8_t dst = 0;
  std::uint8_t src = 0;
  std::uint8_t width = 64;        // bits
  std::uint8_t bytes = 0;         // of memory
  std::uint8_t index = kNoIndex;  // a second register of an address
  Alu alu{};
  Cond cond{};
  Atomic atomic{};
  bool has_imm = false;
  bool sign = false;
  bool checked = false;   // memory: the verifier did not prove it to be in bounds
  bool nonzero = false;   // division: the divisor is not zero
  bool plain = false;     // signed division: the divisor is not -1 either
  bool inside = false;    // see look_up_index
  bool inverted = false;  // branch: if it is not so
  std::int32_t offset = 0;
  std::uint32_t target = program::kNone;
  verifier::RegisterSet live = 0xffff;  // that may be read after it; sweep() says so of divisions
  std::uint64_t imm = 0;
};

// Bytes of a stack frame that begin as zeros, from the frame's lowest byte; multiples of 16.
struct Cleared {
  std::uint32_t begin = 0, end = 0;
};

struct Code {
  const verifier::VerifiedProgram* program = nullptr;
  std::vector<Step> steps;            // by instruction
  std::vector<std::uint32_t> layout;  // blocks in the order in which they are emitted, function by function
  std::vector<Cleared> cleared;       // by subprogram
  std::vector<bool> called_maps;      // whose lookups stay calls of the helper; empty: none

  // Where a jump to an instruction ends that may be a jump itself.
  [[nodiscard]] std::uint32_t destination(std::uint32_t instruction) const;
  [[nodiscard]] const verifier::Facts& facts(std::uint32_t at) const { return program->facts()[at]; }
};

// A register as a set.
[[nodiscard]] constexpr verifier::RegisterSet bit(unsigned number) {
  return static_cast<verifier::RegisterSet>(1U << number);
}

// Registers that a step reads and writes, as bits; a call writes those that it leaves undefined.
[[nodiscard]] verifier::RegisterSet reads_of(const Step& step);
[[nodiscard]] verifier::RegisterSet writes_of(const Step& step);
// Whether it does nothing but give dst a value; a load may be out of bounds besides (`checked`, records of events).
[[nodiscard]] bool only_makes_result(const Step& step);

// Sets what Step says of a divisor from the immediate one.
void judge_divisor(Step& step);

// Errors: unsupported, for what no JIT of ours does (blockers() has passed the program).
[[nodiscard]] Result<Code> lower(const verifier::VerifiedProgram& program);

}  // namespace forager::jit
