// SPDX-License-Identifier: Apache-2.0
//
// The instruction table: isa.def as constexpr data, and the lookup from raw slot to row.
//
// An instruction is told by its opcode byte and, where several share one, by the value of its offset, immediate or
// source field. A row says which fields those are (Match) and which fields it reads (its Form); every other field is
// reserved and must be zero, as in Linux. That no slot matches two rows is proved at compile time in isa.cc.
//
// Tested by: tests/unit/isa_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace forager::isa {

inline constexpr unsigned kRegisters = 11;               // r0-r10 (RFC 9669 section 2)
inline constexpr unsigned kFramePointer = 10;            // read-only
inline constexpr unsigned kStackBytes = 512;             // per frame (Linux MAX_BPF_STACK)
inline constexpr unsigned kMaxCallFrames = 8;            // Linux MAX_CALL_FRAMES
inline constexpr unsigned kMaxTailCalls = 33;            // Linux MAX_TAIL_CALL_CNT
inline constexpr unsigned kMaxInstructions = 1'000'000;  // slots in one program (Linux BPF_COMPLEXITY_LIMIT_INSNS)

// One 8-byte slot as it stands in memory (RFC 9669 section 3); same layout as the kernel's struct bpf_insn.
struct Slot {
  std::uint8_t opcode = 0;
  std::uint8_t dst : 4 = 0;
  std::uint8_t src : 4 = 0;
  std::int16_t offset = 0;
  std::int32_t imm = 0;
  friend bool operator==(const Slot&, const Slot&) = default;
};
static_assert(sizeof(Slot) == 8);

// Every behaviour has one Op. ALU rows yield four (64/32 bit x immediate/register), jumps four, atomics two.
enum class Op : std::uint8_t {
#define FORAGER_ALU(name, ...) name##64_imm, name##64_reg, name##32_imm, name##32_reg,
#define FORAGER_MOVSX(name, ...) name,
#define FORAGER_UNARY(name, ...) name,
#define FORAGER_JUMP(name, ...) name##64_imm, name##64_reg, name##32_imm, name##32_reg,
#define FORAGER_CONTROL(name, ...) name,
#define FORAGER_WIDE(name, ...) name,
#define FORAGER_LOAD(name, ...) name,
#define FORAGER_STORE(name, ...) name,
#define FORAGER_PACKET(name, ...) name,
#define FORAGER_ATOMIC(name, ...) name##64, name##32,
#include "isa/isa.def"
};

// The shape of an instruction: which fields it reads, and how it is written.
enum class Form : std::uint8_t {
  alu_imm,
  alu_reg,
  unary,
  jump_imm,
  jump_reg,
  jump,
  jump_long,
  call,
  call_register,
  exit,
  wide,
  load,
  store_imm,
  store_reg,
  packet_abs,
  packet_ind,
  atomic,
};

// RFC 9669 section 2.4 conformance groups.
enum class Group : std::uint8_t { base32, base64, divmul32, divmul64, atomic32, atomic64, packet };
inline constexpr std::array<std::string_view, 7> kGroupNames = {"base32",   "base64",   "divmul32", "divmul64",
                                                                "atomic32", "atomic64", "packet"};

// A field that selects the row: absent means that the field does not take part.
struct Match {
  std::optional<std::int16_t> offset;
  std::optional<std::int32_t> imm;
  std::optional<std::uint8_t> src;
};

struct Row {
  Op op;
  std::string_view name;       // unique: "add64_imm"
  std::string_view mnemonic;   // as assemblers write it: "add", "ldxw", "fetch_add"
  std::string_view symbol;     // the operator of kernel-style text: "+=", "s>", or empty
  std::string_view semantics;  // the expression of isa.def, or empty
  std::uint8_t opcode;
  Form form;
  Group group;
  std::uint8_t width;  // operand width in bits (ALU, jump), or bytes of memory x 8 (load, store, atomic)
  bool sign_extends;   // loads
  bool fetches;        // atomics
  Match match;
};

// Fields a form reads besides those that select the row.
struct Fields {
  bool dst, src, offset, imm;
};
[[nodiscard]] constexpr Fields fields_of(Form form) {
  switch (form) {
    case Form::alu_imm:
      return {.dst = true, .src = false, .offset = false, .imm = true};
    case Form::alu_reg:
      return {.dst = true, .src = true, .offset = false, .imm = false};
    case Form::unary:
      return {.dst = true, .src = false, .offset = false, .imm = false};
    case Form::jump_imm:
      return {.dst = true, .src = false, .offset = true, .imm = true};
    case Form::jump_reg:
      return {.dst = true, .src = true, .offset = true, .imm = false};
    case Form::jump:
      return {.dst = false, .src = false, .offset = true, .imm = false};
    case Form::jump_long:
      return {.dst = false, .src = false, .offset = false, .imm = true};
    case Form::call:
      return {.dst = false, .src = false, .offset = false, .imm = true};
    case Form::call_register:
      return {.dst = true, .src = true, .offset = true, .imm = true};
    case Form::exit:
      return {.dst = false, .src = false, .offset = false, .imm = false};
    case Form::wide:
      return {.dst = true, .src = false, .offset = false, .imm = true};
    case Form::load:
      return {.dst = true, .src = true, .offset = true, .imm = false};
    case Form::store_imm:
      return {.dst = true, .src = false, .offset = true, .imm = true};
    case Form::store_reg:
      return {.dst = true, .src = true, .offset = true, .imm = false};
    case Form::packet_abs:
      return {.dst = false, .src = false, .offset = false, .imm = true};
    case Form::packet_ind:
      return {.dst = false, .src = true, .offset = false, .imm = true};
    case Form::atomic:
      return {.dst = true, .src = true, .offset = true, .imm = false};
  }
  return {};
}

// All rows, indexed by Op.
[[nodiscard]] std::span<const Row> rows();
[[nodiscard]] const Row& row(Op op);

// The row that a slot encodes, or nullptr: unknown opcode or selector.
[[nodiscard]] const Row* find_row(const Slot& slot);

// The name of the first reserved field of the slot that is not zero ("offset", "src", ...), or nullptr.
[[nodiscard]] const char* reserved_field_set(const Row& row, const Slot& slot);

}  // namespace forager::isa
