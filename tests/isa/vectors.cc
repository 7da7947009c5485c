// SPDX-License-Identifier: Apache-2.0
//
// forager_isa_vectors DIR: writes our own conformance vectors, one file for each behaviour of isa.def, in the format
// of the public bpf_conformance suite. Expected values come from the independent model, so that the vectors judge the
// tables too. With them the repository covers the public suite's ground without it.
//
// Not covered: helper calls and 64-bit immediates that name objects (a raw-memory program has none), packet access
// (it needs a packet), constants that Linux refuses (division by 0, shifts beyond the register).
#include <cstdio>
#include <exception>
#include <iterator>
#include <string>

#include "control_vectors.h"
#include "isa/isa.h"
#include "memory_vectors.h"
#include "model.h"
#include "operands.h"
#include "program_writer.h"

namespace forager::isa::vectors {
namespace {

using model::kOperands;

// "sdiv32_imm" -> "sdiv": the name that the row has in isa.def.
std::string_view base_name(const Row& row) {
  std::string_view name = row.name;
  name.remove_suffix(std::string_view("_imm").size());
  if (name.ends_with("64") || name.ends_with("32")) name.remove_suffix(2);
  return name;
}

bool is_shift(std::string_view name) { return name == "lsh" || name == "rsh" || name == "arsh"; }
bool is_division(std::string_view name) { return name == "div" || name == "mod" || name == "sdiv" || name == "smod"; }

// Constants that Linux refuses.
bool refused(const Row& row, std::int32_t imm) {
  if (is_shift(base_name(row))) return imm < 0 || imm >= row.width;
  return is_division(base_name(row)) && imm == 0;
}

void alu_imm(const Row& row, ProgramWriter& out) {
  for (const std::uint64_t dst : kOperands) {
    for (const std::int32_t imm : model::immediates()) {
      if (refused(row, imm)) continue;
      out.begin_check();
      out.load_operand(1, dst);
      out.emit(row.op, 1, 0, 0, imm);
      out.expect(1, model::alu(base_name(row), row.width, dst, static_cast<std::uint64_t>(std::int64_t{imm})));
    }
  }
}

void alu_reg(const Row& row, ProgramWriter& out) {
  for (const std::uint64_t dst : kOperands) {
    for (const std::uint64_t src : kOperands) {
      out.begin_check();
      out.load_operand(1, dst);
      out.load_operand(2, src);
      out.emit(row.op, 1, 2);
      out.expect(1, model::alu(base_name(row), row.width, dst, src));
    }
    // The same register on both sides, and every other register as either.
    out.begin_check();
    out.load_operand(1, dst);
    out.emit(row.op, 1, 1);
    out.expect(1, model::alu(base_name(row), row.width, dst, dst));
  }
  for (const unsigned reg : {0U, 3U, 4U, 5U, 7U}) {
    out.begin_check();
    out.load_operand(reg, 0x8182838485868788);
    out.load_operand(2, 0x7f);
    out.emit(row.op, reg, 2);
    out.expect(reg, model::alu(base_name(row), row.width, 0x8182838485868788, 0x7f));
    out.begin_check();
    out.load_operand(2, 0x8182838485868788);
    out.load_operand(reg, 33);
    out.emit(row.op, 2, reg);
    out.expect(2, model::alu(base_name(row), row.width, 0x8182838485868788, 33));
    out.expect(reg, 33);
  }
}

void sign_extending_move(const Row& row, ProgramWriter& out) {
  for (const std::uint64_t src : kOperands) {
    out.begin_check();
    out.load_operand(1, 0x5555555555555555);
    out.load_operand(2, src);
    out.emit(row.op, 1, 2);
    out.expect(1, model::move_sign_extended(row.name, src));
  }
}

void one_operand(const Row& row, ProgramWriter& out) {
  for (const std::uint64_t dst : kOperands) {
    out.begin_check();
    out.load_operand(1, dst);
    out.emit(row.op, 1);
    out.expect(1, model::unary(row.name, dst));
  }
}

// The jump goes over one instruction, or does not.
void expect_jump(const Row& row, bool taken, std::int32_t imm, ProgramWriter& out) {
  if (taken) {
    out.emit(row.op, 1, 2, 2, imm);
    out.fail();
    return;
  }
  out.emit(row.op, 1, 2, 1, imm);
  out.emit(Op::ja, 0, 0, 2);
  out.fail();
}

void jump_imm(const Row& row, ProgramWriter& out) {
  for (const std::uint64_t dst : kOperands) {
    for (const std::int32_t imm : model::immediates()) {
      out.begin_check();
      out.load_operand(1, dst);
      const auto src = static_cast<std::uint64_t>(std::int64_t{imm});
      const bool taken = model::jump(base_name(row), row.width, dst, src);
      out.emit(row.op, 1, 0, taken ? 2 : 1, imm);
      if (!taken) out.emit(Op::ja, 0, 0, 2);
      out.fail();
    }
  }
}

void jump_reg(const Row& row, ProgramWriter& out) {
  for (const std::uint64_t dst : kOperands) {
    for (const std::uint64_t src : kOperands) {
      out.begin_check();
      out.load_operand(1, dst);
      out.load_operand(2, src);
      expect_jump(row, model::jump(base_name(row), row.width, dst, src), 0, out);
    }
  }
}

// Whether this file's vectors cover the row's form; control_vectors and memory_vectors have the others.
bool fill(const Row& row, ProgramWriter& out) {
  switch (row.form) {
    case Form::alu_imm:
      alu_imm(row, out);
      return true;
    case Form::alu_reg:
      row.name.starts_with("movsx") ? sign_extending_move(row, out) : alu_reg(row, out);
      return true;
    case Form::unary:
      one_operand(row, out);
      return true;
    case Form::jump_imm:
      jump_imm(row, out);
      return true;
    case Form::jump_reg:
      jump_reg(row, out);
      return true;
    default:
      return fill_memory(row, out) || fill_control(row, out);
  }
}

void write_all(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  for (const Row& row : rows()) {
    ProgramWriter out;
    if (fill(row, out)) out.write(folder / (std::string(row.name) + ".data"), row.name);
  }
}

}  // namespace
}  // namespace forager::isa::vectors

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: forager_isa_vectors DIR\n", stderr);
    return 2;
  }
  try {
    forager::isa::vectors::write_all(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "forager_isa_vectors: %s\n", error.what());
    return 1;
  }
  return 0;
}
