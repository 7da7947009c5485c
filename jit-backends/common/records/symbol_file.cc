// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/records/symbol_file.h"

#include <elf.h>

#include <cstring>
#include <string_view>

#include "jit-backends/common/records/append.h"
#include "jit-backends/common/records/code_symbols.h"
#include "jit-backends/common/records/debug_lines.h"

namespace forager::jit {
namespace {

using Bytes = std::vector<std::byte>;

class ElfFile {
 public:
  ElfFile() {
    append(file_, Elf64_Ehdr{});
    add_headers_only({});  // section 0 is none
  }

  // The section's number.
  unsigned add(std::string_view name, Elf64_Shdr header, const Bytes& bytes) {
    file_.resize((file_.size() + 7) & ~std::size_t{7});
    header.sh_name = name_at(name);
    header.sh_offset = file_.size();
    header.sh_size = bytes.size();
    header.sh_addralign = 8;
    append_bytes(file_, bytes);
    return add_headers_only(header);
  }

  // What stands in memory and not here.
  unsigned add_memory(std::string_view name, Elf64_Shdr header) {
    header.sh_name = name_at(name);
    header.sh_type = SHT_NOBITS;
    header.sh_addralign = 16;
    return add_headers_only(header);
  }

  Bytes finish(std::uint16_t machine) && {
    const std::string_view own = ".shstrtab";
    const std::uint32_t name = name_at(own);
    Elf64_Shdr header{.sh_name = name, .sh_type = SHT_STRTAB, .sh_offset = file_.size(), .sh_size = names_.size()};
    header.sh_addralign = 1;
    append_bytes(file_, names_);
    const unsigned names = add_headers_only(header);
    file_.resize((file_.size() + 7) & ~std::size_t{7});
    write_header(machine, names);
    for (const Elf64_Shdr& each : sections_) append(file_, each);
    return std::move(file_);
  }

 private:
  unsigned add_headers_only(const Elf64_Shdr& header) {
    sections_.push_back(header);
    return static_cast<unsigned>(sections_.size() - 1);
  }

  std::uint32_t name_at(std::string_view name) {
    const auto at = static_cast<std::uint32_t>(names_.size());
    append_text(names_, name);
    return at;
  }

  void write_header(std::uint16_t machine, unsigned names) {
    Elf64_Ehdr header{.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                      .e_type = ET_EXEC,
                      .e_machine = machine,
                      .e_version = EV_CURRENT};
    header.e_shoff = file_.size();
    header.e_ehsize = sizeof header;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = static_cast<std::uint16_t>(sections_.size());
    header.e_shstrndx = static_cast<std::uint16_t>(names);
    std::memcpy(file_.data(), &header, sizeof header);
  }

  Bytes file_, names_{std::byte{0}};
  std::vector<Elf64_Shdr> sections_;
};

void add_symbols(ElfFile& file, const std::vector<CodeSymbol>& symbols, std::uint64_t address, unsigned text) {
  Bytes table, names{std::byte{0}};
  append(table, Elf64_Sym{});
  for (const CodeSymbol& symbol : symbols) {
    append(table, Elf64_Sym{.st_name = static_cast<std::uint32_t>(names.size()),
                            .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                            .st_shndx = static_cast<std::uint16_t>(text),
                            .st_value = address + symbol.offset,
                            .st_size = symbol.size});
    append_text(names, symbol.name);
  }
  const unsigned strings = file.add(".strtab", {.sh_type = SHT_STRTAB}, names);
  file.add(".symtab", {.sh_type = SHT_SYMTAB, .sh_link = strings, .sh_info = 1, .sh_entsize = sizeof(Elf64_Sym)},
           table);
}

}  // namespace

std::vector<std::byte> symbol_file(const JitImage& image, std::uint64_t address) {
  ElfFile file;
  const std::uint32_t size = image.code().code_end;
  const unsigned text =
      file.add_memory(".text", {.sh_flags = SHF_ALLOC | SHF_EXECINSTR, .sh_addr = address, .sh_size = size});
  const auto symbols = symbols_of(image);
  add_symbols(file, symbols, address, text);
  if (const auto lines = lines_of(image); !lines.empty()) {
    const DebugSections debug = debug_sections(symbols, lines, {address, size});
    file.add(".debug_abbrev", {.sh_type = SHT_PROGBITS}, debug.abbreviations);
    file.add(".debug_info", {.sh_type = SHT_PROGBITS}, debug.info);
    file.add(".debug_line", {.sh_type = SHT_PROGBITS}, debug.lines);
  }
  return std::move(file).finish(image.arch() == Arch::x86_64 ? EM_X86_64 : EM_AARCH64);
}

}  // namespace forager::jit
