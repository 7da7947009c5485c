// SPDX-License-Identifier: Apache-2.0
#include "program_writer.h"

#include <fmt/format.h>

#include <bit>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace forager::isa::vectors {
namespace {

constexpr int kMaxOffset = 32767;  // of the 16-bit field

}  // namespace

ProgramWriter::ProgramWriter() { emit(Op::mov64_reg, kMemory, 1); }

Slot instruction(Op op, unsigned dst, unsigned src, int offset, std::int32_t imm) {
  const Row& r = row(op);
  return {.opcode = r.opcode,
          .dst = static_cast<std::uint8_t>(dst & 0xf),
          .src = static_cast<std::uint8_t>(r.match.src.value_or(static_cast<std::uint8_t>(src)) & 0xf),
          .offset = r.match.offset.value_or(static_cast<std::int16_t>(offset)),
          .imm = r.match.imm.value_or(imm)};
}

void ProgramWriter::call(std::vector<Slot> functions) {
  calls_.push_back({.at = code_.size(), .functions = std::move(functions)});
  emit(Op::call_local, 0);
}

// The main program, its successful end, and the functions behind it.
std::vector<Slot> ProgramWriter::linked() const {
  auto code = code_;
  code.push_back(instruction(Op::mov64_imm, 0));
  code.push_back(instruction(Op::exit, 0));
  for (const Call& call : calls_) {
    code[call.at].imm = static_cast<std::int32_t>(code.size() - call.at - 1);
    code.insert(code.end(), call.functions.begin(), call.functions.end());
  }
  return code;
}

void ProgramWriter::begin_check() { emit(Op::mov64_imm, kCheck, 0, 0, static_cast<std::int32_t>(++checks_)); }

void ProgramWriter::load_operand(unsigned reg, std::uint64_t value) {
  const auto offset = static_cast<int>(memory_.size());
  if (offset > kMaxOffset) throw std::length_error("a vector's memory is longer than a load's offset reaches");
  for (unsigned byte = 0; byte < 8; ++byte) memory_.push_back(static_cast<std::uint8_t>(value >> (8 * byte)));
  emit(Op::ldxdw, reg, kMemory, offset);
}

void ProgramWriter::expect(unsigned reg, std::uint64_t value) {
  load_operand(8, value);
  emit(Op::jeq64_reg, reg, 8, 2);
  fail();
}

void ProgramWriter::fail() {
  emit(Op::mov64_reg, 0, kCheck);
  emit(Op::exit, 0);
}

void ProgramWriter::write(const std::filesystem::path& file, std::string_view what) const {
  std::string text = fmt::format(
      "# SPDX-License-Identifier: Apache-2.0\n"
      "# {}: {} checks, made by forager_isa_vectors from host/isa/isa.def.\n-- raw\n",
      what, checks_);
  for (const Slot& slot : linked()) {
    fmt::format_to(std::back_inserter(text), "0x{:016x}\n", std::bit_cast<std::uint64_t>(slot));
  }
  text += "-- mem\n";
  for (std::size_t i = 0; i < memory_.size(); ++i) {
    const bool last = i % 16 == 15 || i + 1 == memory_.size();
    fmt::format_to(std::back_inserter(text), "{:02x}{}", memory_[i], last ? '\n' : ' ');
  }
  if (memory_.empty()) text += "00\n";
  text += "-- result\n0x0\n";
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw std::filesystem::filesystem_error("cannot write", file, std::make_error_code(std::errc::io_error));
}

}  // namespace forager::isa::vectors
