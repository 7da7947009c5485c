// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/listing.h"

#include <capstone/capstone.h>
#include <fmt/format.h>

#include <iterator>

#include "program/text.h"

namespace forager::jit {
namespace {

class Disassembler {
 public:
  explicit Disassembler(const JitImage& image) : code_(image.code()) {
    const bool x86 = image.arch() == Arch::x86_64;
    open_ = cs_open(x86 ? CS_ARCH_X86 : CS_ARCH_ARM64, x86 ? CS_MODE_64 : CS_MODE_ARM, &handle_) == CS_ERR_OK;
    cs_option(handle_, CS_OPT_SKIPDATA, CS_OPT_ON);  // what this Capstone does not know is shown as bytes
  }
  ~Disassembler() {
    if (open_) cs_close(&handle_);
  }
  Disassembler(const Disassembler&) = delete;
  Disassembler& operator=(const Disassembler&) = delete;

  // What stands in [from, to); `instruction` is the first one's.
  void append(std::uint32_t from, std::uint32_t to, std::uint32_t instruction, std::vector<MachineLine>& out) const {
    cs_insn* found = nullptr;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(code_.bytes.data()) + from;
    const std::size_t count = open_ && from < to ? cs_disasm(handle_, bytes, to - from, from, 0, &found) : 0;
    for (const cs_insn& one : std::span(found, count)) {
      out.push_back({.offset = static_cast<std::uint32_t>(one.address),
                     .operation = one.mnemonic,
                     .operands = one.op_str,
                     .bytes = std::span(code_.bytes).subspan(one.address, one.size),
                     .instruction = &one == found ? instruction : program::kNone});
    }
    if (count != 0) cs_free(found, count);
  }

 private:
  const MachineCode& code_;
  csh handle_ = 0;
  bool open_ = false;
};

}  // namespace

std::vector<MachineLine> disassemble(const JitImage& image) {
  const MachineCode& code = image.code();
  const Disassembler disassembler(image);
  std::vector<MachineLine> lines;
  std::uint32_t from = 0, instruction = program::kNone;
  for (const CodeLine& line : code.lines) {
    disassembler.append(from, line.offset, instruction, lines);
    from = line.offset;
    instruction = line.instruction;
  }
  disassembler.append(from, code.code_end, instruction, lines);
  return lines;
}

std::string JitImage::listing() const {
  const program::Program& program = program_->program();
  std::string out, source;
  const auto to = std::back_inserter(out);
  for (const MachineLine& line : disassemble(*this)) {
    if (line.instruction != program::kNone) {
      const std::string text = program.source_line(line.instruction);
      if (!text.empty() && text != source) fmt::format_to(to, "; {}\n", source = text);
      fmt::format_to(to, "{:4}: {}\n", program.instructions()[line.instruction].slot,
                     program::to_text(program, line.instruction));
    }
    fmt::format_to(to, "{:>10x}:  {:<8} {}\n", line.offset, line.operation, line.operands);
  }
  return out;
}

}  // namespace forager::jit
