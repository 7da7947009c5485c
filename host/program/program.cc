// SPDX-License-Identifier: Apache-2.0
//
// Lookups in a decoded Program.
#include "program/program.h"

#include <algorithm>

#include "program/graph.h"

namespace forager::program {

const isa::ContextRow* Program::context() const {
  if (source_.iterator != nullptr) return source_.iterator->context;
  const isa::ProgTypeRow* row = isa::find_prog_type(static_cast<std::uint32_t>(source_.type));
  return row == nullptr ? nullptr : row->context;
}

std::uint32_t Program::subprogram_of(std::uint32_t instruction) const {
  return blocks_[block_of_[instruction]].subprogram;
}

std::uint32_t Program::instruction_at(std::uint32_t slot) const {
  return slot < slot_to_instruction_.size() ? slot_to_instruction_[slot] : kNone;
}

const LineInfo* Program::line_of(std::uint32_t instruction) const {
  return line_at(source_.lines, instructions_[instruction].slot);
}

std::string Program::source_line(std::uint32_t instruction) const {
  return source_text(source_.lines, instructions_[instruction].slot);
}

const LineInfo* line_at(std::span<const LineInfo> lines, std::uint32_t slot) {
  const auto after = std::ranges::upper_bound(lines, slot, {}, &LineInfo::slot);
  return after == lines.begin() ? nullptr : &*(after - 1);
}

std::string source_text(std::span<const LineInfo> lines, std::uint32_t slot) {
  const LineInfo* line = line_at(lines, slot);
  if (line == nullptr) return {};
  return line->file + ":" + std::to_string(line->line) + ": " + line->text;
}

}  // namespace forager::program
