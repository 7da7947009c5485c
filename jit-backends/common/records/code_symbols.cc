// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/records/code_symbols.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "program/tag.h"

namespace forager::jit {
namespace {

// Names come from files; a line of a perf map ends where a name has a line's end.
std::string printable(std::string name) {
  std::ranges::replace_if(name, [](char each) { return each <= ' ' || each > '~'; }, '_');
  return name;
}

std::string name_of(const program::Program& program, std::uint32_t index, const program::Tag& tag) {
  const std::string& own = program.subprograms()[index].name;
  return printable(fmt::format("bpf_prog_{:02x}_{}", fmt::join(tag, ""), own.empty() ? program.name() : own));
}

}  // namespace

std::vector<CodeSpan> functions_of(const JitImage& image) {
  const MachineCode& code = image.code();
  std::vector<CodeSpan> spans;
  for (const std::uint32_t begin : code.functions) {
    std::uint32_t end = code.code_end;
    for (const std::uint32_t other : code.functions) end = other > begin ? std::min(end, other) : end;
    spans.push_back(begin == program::kNone ? CodeSpan{} : CodeSpan{begin, end - begin});
  }
  return spans;
}

std::vector<CodeSymbol> symbols_of(const JitImage& image) {
  const program::Program& program = image.program().program();
  std::vector<CodeSymbol> symbols;
  const std::vector<CodeSpan> functions = functions_of(image);
  std::vector<program::Tag> tags = program::function_tags(program);
  tags[0] = program::tag_of(program.slots());
  for (std::uint32_t i = 0; i < functions.size(); ++i) {
    const auto [offset, size] = functions[i];
    if (size != 0) symbols.push_back({.name = name_of(program, i, tags[i]), .offset = offset, .size = size});
  }
  std::ranges::sort(symbols, {}, &CodeSymbol::offset);
  const std::uint32_t enter = image.code().enter;
  symbols.insert(
      symbols.begin(),
      {.name = printable("bpf_enter_" + program.name()), .offset = enter, .size = symbols.front().offset - enter});
  return symbols;
}

std::vector<std::uint32_t> offsets_of(const JitImage& image) {
  const program::Program& program = image.program().program();
  std::vector<std::uint32_t> offsets(program.instructions().size(), program::kNone);
  for (const CodeLine& each : image.code().lines) {
    offsets[each.instruction] = std::min(offsets[each.instruction], each.offset);
  }
  const std::vector<CodeSpan> functions = functions_of(image);
  for (std::uint32_t i = 0; i < functions.size(); ++i) {
    const program::Subprogram& subprogram = program.subprograms()[i];
    std::uint32_t next = functions[i].offset + functions[i].size;
    for (std::uint32_t at = subprogram.end; at-- > subprogram.begin;) {
      next = offsets[at] = offsets[at] == program::kNone ? next : offsets[at];
    }
  }
  return offsets;
}

std::vector<SourcePlace> lines_of(const JitImage& image) {
  std::vector<SourcePlace> places;
  for (const CodeLine& each : image.code().lines) {
    const program::LineInfo* line = image.program().program().line_of(each.instruction);
    if (line != nullptr && (places.empty() || places.back().line != line)) places.push_back({each.offset, line});
  }
  return places;
}

}  // namespace forager::jit
