// SPDX-License-Identifier: Apache-2.0
//
// Machine code for people, by Capstone, between the BPF instructions and C lines that it was made of.
#include <capstone/capstone.h>
#include <fmt/format.h>

#include <iterator>

#include "jit-backends/common/image.h"
#include "program/text.h"

namespace forager::jit {
namespace {

class Disassembler {
 public:
  explicit Disassembler(Arch arch) {
    const bool x86 = arch == Arch::x86_64;
    open_ = cs_open(x86 ? CS_ARCH_X86 : CS_ARCH_ARM64, x86 ? CS_MODE_64 : CS_MODE_ARM, &handle_) == CS_ERR_OK;
  }
  ~Disassembler() {
    if (open_) cs_close(&handle_);
  }
  Disassembler(const Disassembler&) = delete;
  Disassembler& operator=(const Disassembler&) = delete;

  // "  1a: mov     rax, rdx" lines for [from, to).
  void append(const MachineCode& code, std::uint32_t from, std::uint32_t to, std::string& out) const {
    cs_insn* found = nullptr;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(code.bytes.data()) + from;
    const std::size_t count = open_ ? cs_disasm(handle_, bytes, to - from, from, 0, &found) : 0;
    for (std::size_t i = 0; i < count; ++i) {
      fmt::format_to(std::back_inserter(out), "{:>6x}:  {:<8} {}\n", found[i].address, found[i].mnemonic,
                     found[i].op_str);
    }
    if (count != 0) cs_free(found, count);
  }

 private:
  csh handle_ = 0;
  bool open_ = false;
};

}  // namespace

std::string JitImage::listing() const {
  const Disassembler disassembler(arch_);
  const program::Program& program = program_->program();
  std::string out, source;
  std::uint32_t from = 0;
  for (std::size_t i = 0; i <= code_.lines.size(); ++i) {
    const bool last = i == code_.lines.size();
    const std::uint32_t to = last ? code_.code_end : code_.lines[i].offset;
    disassembler.append(code_, from, to, out);
    if (last) break;
    from = to;
    const std::uint32_t at = code_.lines[i].instruction;
    const std::string line = program.source_line(at);
    if (!line.empty() && line != source) fmt::format_to(std::back_inserter(out), "; {}\n", source = line);
    fmt::format_to(std::back_inserter(out), "{:>4}: {}\n", program.instructions()[at].slot,
                   program::to_text(program, at));
  }
  return out;
}

}  // namespace forager::jit
