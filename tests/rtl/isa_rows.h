// SPDX-License-Identifier: Apache-2.0
//
// isa.def's rows that compute, each beside the core's operation for it: what the blocks are compared with is
// host/isa/semantics.h. A row that no operation stands for has kNone, and a test fails.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "isa/semantics.h"
#include "jit-backends/rtl/isa/core_isa.h"
#include "jit-backends/rtl/slots.h"

namespace forager::rtl {

using jit::rtl::CoreOp;

inline constexpr CoreOp kNone{0xff};

struct Named {
  std::string_view row;
  CoreOp op;
};

inline constexpr Named kOps[] = {
    {"add", CoreOp::AluAdd},     {"sub", CoreOp::AluSub},     {"mul", CoreOp::UnitMul},    {"div", CoreOp::UnitDiv},
    {"sdiv", CoreOp::UnitSdiv},  {"mod", CoreOp::UnitMod},    {"smod", CoreOp::UnitSmod},  {"bit_or", CoreOp::AluOr},
    {"bit_and", CoreOp::AluAnd}, {"bit_xor", CoreOp::AluXor}, {"lsh", CoreOp::AluLsh},     {"rsh", CoreOp::AluRsh},
    {"arsh", CoreOp::AluArsh},   {"mov", CoreOp::AluMov},     {"jeq", CoreOp::BranchEq},   {"jne", CoreOp::BranchNe},
    {"jgt", CoreOp::BranchGt},   {"jge", CoreOp::BranchGe},   {"jlt", CoreOp::BranchLt},   {"jle", CoreOp::BranchLe},
    {"jsgt", CoreOp::BranchSgt}, {"jsge", CoreOp::BranchSge}, {"jslt", CoreOp::BranchSlt}, {"jsle", CoreOp::BranchSle},
    {"jset", CoreOp::BranchSet},
};

constexpr CoreOp op_of(std::string_view row) {
  for (const Named& named : kOps) {
    if (named.row == row) return named.op;
  }
  return kNone;
}

// d = a `row` b.
struct BinaryRow {
  std::string_view name;
  CoreOp op;
  std::uint64_t (*wide)(std::uint64_t, std::uint64_t);
  std::uint32_t (*narrow)(std::uint32_t, std::uint32_t);
};

inline constexpr BinaryRow kAluRows[] = {
#define FORAGER_ALU(name, ...) \
  {#name, op_of(#name), isa::semantics::row::name<std::uint64_t>, isa::semantics::row::name<std::uint32_t>},
#include "isa/isa.def"
};

struct JumpRow {
  std::string_view name;
  CoreOp op;
  bool (*wide)(std::uint64_t, std::uint64_t);
  bool (*narrow)(std::uint32_t, std::uint32_t);
};

inline constexpr JumpRow kJumpRows[] = {
#define FORAGER_JUMP(name, ...) \
  {#name, op_of(#name), isa::semantics::row::name<std::uint64_t>, isa::semantics::row::name<std::uint32_t>},
#include "isa/isa.def"
};

// What the function fields of an operation are in a slot.
constexpr unsigned function_of(CoreOp op) { return static_cast<unsigned>(op) & 15; }
using jit::rtl::class_of;

}  // namespace forager::rtl
