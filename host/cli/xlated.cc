// SPDX-License-Identifier: Apache-2.0
#include "cli/xlated.h"

#include <fmt/format.h>

#include "cli/btf_value.h"
#include "cli/prototype.h"
#include "program/text.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;
using program::Program;

// The raw slots of one instruction: one, or two for a 64-bit immediate.
std::span<const isa::Slot> slots_of(const Program& program, std::uint32_t instruction) {
  const auto instructions = program.instructions();
  const std::uint32_t begin = instructions[instruction].slot;
  const std::size_t end =
      instruction + 1 < instructions.size() ? instructions[instruction + 1].slot : program.slots().size();
  return program.slots().subspan(begin, end - begin);
}

// Of the function that begins at the slot, or nothing.
std::string prototype_at(const Program& program, const btf* types, std::uint32_t slot) {
  for (const program::FunctionInfo& function : program.source().functions) {
    if (function.slot == slot) return prototype_of(types, function.btf_type);
  }
  return {};
}

// bpftool shows a line once, where it begins.
struct Row {
  std::uint32_t slot = 0;
  std::string prototype;
  const program::LineInfo* line = nullptr;
  std::string text;
  std::span<const isa::Slot> slots;
};

std::vector<Row> rows_of(const Program& program, const btf* types) {
  std::vector<Row> out;
  const program::LineInfo* last = nullptr;
  for (std::uint32_t i = 0; i < program.instructions().size(); ++i) {
    const std::uint32_t slot = program.instructions()[i].slot;
    const program::LineInfo* line = program.line_of(i);
    out.push_back({slot, prototype_at(program, types, slot), line != last ? line : nullptr,
                   program::to_text(program, i), slots_of(program, i)});
    last = line;
  }
  return out;
}

Json opcodes_json(const isa::Slot& slot) {
  const auto bytes = [](const auto& field) { return raw_bytes(std::as_bytes(std::span(&field, 1))); };
  const std::int16_t offset = slot.offset;
  const std::int32_t immediate = slot.imm;
  return {{"code", fmt::format("{:#04x}", slot.opcode)},
          {"src_reg", fmt::format("{:#x}", static_cast<unsigned>(slot.src))},
          {"dst_reg", fmt::format("{:#x}", static_cast<unsigned>(slot.dst))},
          {"off", bytes(offset)},
          {"imm", bytes(immediate)}};
}

std::string row_text(const Row& row, const XlatedView& view) {
  std::string out;
  if (!row.prototype.empty()) out += row.prototype + ":\n";
  if (row.line != nullptr) {
    out += "; " + row.line->text;
    if (view.lines)
      out += fmt::format(" [file:{} line_num:{} line_col:{}]", row.line->file, row.line->line, row.line->column);
    out += "\n";
  }
  out += fmt::format("{:4}: {}\n", row.slot, row.text);
  if (view.opcodes) out += fmt::format("       {}\n", hex_text(std::as_bytes(row.slots)));
  return out;
}

Json row_json(const Row& row, const XlatedView& view) {
  Json out = Json::object();
  if (!row.prototype.empty()) out["proto"] = row.prototype;
  if (row.line != nullptr) {
    out["src"] = row.line->text;
    if (view.lines) {
      out["file"] = row.line->file;
      out["line_num"] = row.line->line;
      out["line_col"] = row.line->column;
    }
  }
  out["disasm"] = row.text;
  if (view.opcodes) out["opcodes"] = opcodes_json(row.slots.front());
  return out;
}

}  // namespace

std::string xlated_text(const Program& program, const XlatedView& view) {
  std::string out;
  for (const Row& row : rows_of(program, view.types)) out += row_text(row, view);
  return out;
}

Json xlated_json(const Program& program, const XlatedView& view) {
  Json out = Json::array();
  for (const Row& row : rows_of(program, view.types)) out.push_back(row_json(row, view));
  return out;
}

}  // namespace forager::cli
