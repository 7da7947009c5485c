// SPDX-License-Identifier: Apache-2.0
#include "cli/prog_dump.h"

#include <fmt/format.h>

#include "cli/btf_value.h"
#include "program/text.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

// The raw slots of one instruction: one, or two for a 64-bit immediate.
std::span<const std::byte> slots_of(const program::Program& program, std::uint32_t instruction) {
  const auto instructions = program.instructions();
  const std::uint32_t begin = instructions[instruction].slot;
  const std::size_t end =
      instruction + 1 < instructions.size() ? instructions[instruction + 1].slot : program.slots().size();
  return std::as_bytes(program.slots().subspan(begin, end - begin));
}

}  // namespace

std::string xlated_text(const program::Program& program, bool opcodes) {
  return program::disassemble(program, {.lines = true, .opcodes = opcodes});
}

Json xlated_json(const program::Program& program, bool opcodes) {
  Json out = Json::array();
  const program::LineInfo* last = nullptr;
  for (std::uint32_t i = 0; i < program.instructions().size(); ++i) {
    Json row = Json::object();
    const program::LineInfo* line = program.line_of(i);
    if (line != nullptr && line != last) {
      row["src"] = line->text;
      row["file"] = line->file;
      row["linum"] = line->line;
    }
    last = line;
    row["pc"] = program.instructions()[i].slot;
    row["disasm"] = program::to_text(program, i);
    if (opcodes) row["opcodes"] = raw_bytes(slots_of(program, i));
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace forager::cli
