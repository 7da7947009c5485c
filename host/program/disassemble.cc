// SPDX-License-Identifier: Apache-2.0
//
// The disassembler: kernel-style text from the rows' symbols, one small function per instruction form.
//
// The shapes are those of Linux's kernel/bpf/disasm.c, so that texts can be compared with `bpftool prog dump xlated`
// and the verifier's log. Where the kernel prints what only it knows (map ids, addresses) names stand instead.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>

#include <fmt/format.h>

#include "program/text.h"

namespace forager::program {
namespace {

using isa::Form;
using isa::Op;

struct View {
  const isa::Row& row;
  isa::Slot slot;
  std::uint64_t wide;  // all 64 bits of a wide immediate
  const std::vector<std::string>& map_names;

  [[nodiscard]] char letter() const { return row.width == 32 ? 'w' : 'r'; }
  [[nodiscard]] unsigned dst() const { return slot.dst; }
  [[nodiscard]] unsigned src() const { return slot.src; }
};

std::string memory(const View& v, unsigned base) {
  return fmt::format("({}{} *)(r{} {:+})", v.row.sign_extends ? 's' : 'u', v.row.width, base, v.slot.offset);
}

std::string alu_imm(const View& v) { return fmt::format("{}{} {} {}", v.letter(), v.dst(), v.row.symbol, v.slot.imm); }

std::string alu_reg(const View& v) {
  const bool extends = v.row.symbol == "=" && v.row.match.offset.value_or(0) != 0;
  const std::string cast = extends ? fmt::format("(s{})", *v.row.match.offset) : "";
  return fmt::format("{0}{1} {2} {3}{0}{4}", v.letter(), v.dst(), v.row.symbol, cast, v.src());
}

std::string unary(const View& v) {
  const bool negates = v.row.op == Op::neg64 || v.row.op == Op::neg32;
  const std::string operation = negates ? "-" : fmt::format("{} ", v.row.mnemonic);
  return fmt::format("{0}{1} = {2}{0}{1}", v.letter(), v.dst(), operation);
}

std::string jump_imm(const View& v) {
  return fmt::format("if {}{} {} {:#x} goto pc{:+}", v.letter(), v.dst(), v.row.symbol,
                     static_cast<std::uint32_t>(v.slot.imm), v.slot.offset);
}

std::string jump_reg(const View& v) {
  return fmt::format("if {0}{1} {2} {0}{3} goto pc{4:+}", v.letter(), v.dst(), v.row.symbol, v.src(), v.slot.offset);
}

std::string jump(const View& v) { return fmt::format("goto pc{:+}", v.slot.offset); }

std::string jump_long(const View& v) { return fmt::format("gotol pc{:+}", v.slot.imm); }

std::string call(const View& v) {
  if (v.row.op == Op::call_local) return fmt::format("call pc{:+}", v.slot.imm);
  const auto id = static_cast<std::uint32_t>(v.slot.imm);
  if (v.row.op == Op::call_kfunc) return fmt::format("call kfunc#{}", id);
  const isa::HelperRow* helper = isa::find_helper(id);
  return helper == nullptr ? fmt::format("call unknown#{}", id) : fmt::format("call bpf_{}#{}", helper->name, id);
}

std::string call_register(const View& v) { return fmt::format("callx r{}", v.dst()); }

std::string exit(const View&) { return "exit"; }

// A map by its name, or by its index where the name would not be read back as this map.
std::string map_reference(const View& v) {
  const auto index = static_cast<std::uint32_t>(v.wide);
  if (index >= v.map_names.size()) return fmt::format("map[{}]", index);
  const std::string& name = v.map_names[index];
  const auto plain = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '.'; };
  const bool readable = !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
                        std::ranges::all_of(name, plain) && std::ranges::count(v.map_names, name) == 1;
  return readable ? fmt::format("map[{}]", name) : fmt::format("map[{}]", index);
}

std::string wide_operand(const View& v) {
  const auto low = static_cast<std::uint32_t>(v.wide);
  const auto high = static_cast<std::uint32_t>(v.wide >> 32);
  switch (v.row.op) {
    case Op::lddw_map_fd:
      return fmt::format("map_fd[{}]", low);
    case Op::lddw_map_value:
      return fmt::format("map_fd[{}][0]+{}", low, high);
    case Op::lddw_btf_id:
      return fmt::format("btf_id[{}]+{}", low, high);
    case Op::lddw_func:
      return fmt::format("subprog[{:+}]", v.slot.imm);
    case Op::lddw_map_idx:
      return map_reference(v);
    case Op::lddw_map_idx_value:
      return fmt::format("{}[0]+{}", map_reference(v), high);
    default:
      return fmt::format("{:#x}", v.wide);
  }
}

std::string wide(const View& v) { return fmt::format("r{} = {} ll", v.dst(), wide_operand(v)); }

std::string load(const View& v) { return fmt::format("r{} = *{}", v.dst(), memory(v, v.src())); }

std::string store_imm(const View& v) { return fmt::format("*{} = {}", memory(v, v.dst()), v.slot.imm); }

std::string store_reg(const View& v) { return fmt::format("*{} = r{}", memory(v, v.dst()), v.src()); }

std::string packet_abs(const View& v) { return fmt::format("r0 = *(u{} *)skb[{}]", v.row.width, v.slot.imm); }

std::string packet_ind(const View& v) {
  return fmt::format("r0 = *(u{} *)skb[r{} + {}]", v.row.width, v.src(), v.slot.imm);
}

std::string atomic(const View& v) {
  const std::string place = memory(v, v.dst());
  if (!v.row.fetches) return fmt::format("lock *{} {} r{}", place, v.row.symbol, v.src());
  std::string_view name = v.row.mnemonic;
  if (name.ends_with("32")) name.remove_suffix(2);
  const char* prefix = v.row.width == 64 ? "atomic64" : "atomic";
  if (name == "cmpxchg") return fmt::format("r0 = {}_{}({}, r0, r{})", prefix, name, place, v.src());
  return fmt::format("r{0} = {1}_{2}({3}, r{0})", v.src(), prefix, name, place);
}

// By isa::Form.
constexpr std::array<std::string (*)(const View&), 17> kWriters = {
    alu_imm, alu_reg, unary, jump_imm,  jump_reg,  jump,       jump_long,  call,   call_register,
    exit,    wide,    load,  store_imm, store_reg, packet_abs, packet_ind, atomic,
};
static_assert(static_cast<std::size_t>(Form::atomic) + 1 == kWriters.size());

std::string raw(const isa::Slot& slot) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &slot, sizeof bits);
  return fmt::format(".slot {:#018x}", bits);
}

std::vector<std::string> names_of(std::span<const MapSpec> maps) {
  std::vector<std::string> names;
  for (const MapSpec& map : maps) names.push_back(map.name);
  return names;
}

std::string bytes_of(std::span<const isa::Slot> slots) {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), slots.data(), slots.size_bytes());
  return fmt::format("{:02x}", fmt::join(bytes.begin(), bytes.begin() + slots.size_bytes(), " "));
}

// Writes one program; remembers the line it printed last, which covers all instructions up to the next one.
class Lister {
 public:
  Lister(const Program& program, const DisassembleOptions& options)
      : program_(program), options_(options), names_(names_of(program.maps())) {}

  std::string list() {
    for (const Subprogram& sub : program_.subprograms()) {
      out_ += fmt::format("{}:\n", sub.name);
      for (std::uint32_t at = sub.begin; at < sub.end; ++at) {
        if (options_.lines) write_line(at);
        write_instruction(at);
      }
    }
    return std::move(out_);
  }

 private:
  void write_line(std::uint32_t at) {
    const LineInfo* line = program_.line_of(at);
    if (line == nullptr || line == last_) return;
    last_ = line;
    out_ += fmt::format("; {} @ {}:{}\n", line->text, line->file, line->line);
  }

  void write_instruction(std::uint32_t at) {
    const Instruction& insn = program_.instructions()[at];
    const auto slots = program_.slots();
    out_ += fmt::format("{:4}: ({:02x}) {}", insn.slot, slots[insn.slot].opcode, to_text(slots, insn.slot, names_));
    const std::size_t width = isa::row(insn.op).form == Form::wide ? 2 : 1;
    if (options_.opcodes) out_ += "  # " + bytes_of(slots.subspan(insn.slot, width));
    out_ += '\n';
  }

  const Program& program_;
  const DisassembleOptions& options_;
  std::vector<std::string> names_;
  const LineInfo* last_ = nullptr;
  std::string out_;
};

}  // namespace

std::string to_text(std::span<const isa::Slot> slots, std::size_t slot, const std::vector<std::string>& map_names) {
  const isa::Slot& first = slots[slot];
  const isa::Row* row = isa::find_row(first);
  if (row == nullptr) return raw(first);
  const bool has_second = row->form == Form::wide && slot + 1 < slots.size();
  const std::uint64_t high = has_second ? static_cast<std::uint32_t>(slots[slot + 1].imm) : 0;
  const View view{*row, first, high << 32 | static_cast<std::uint32_t>(first.imm), map_names};
  return kWriters[static_cast<std::size_t>(row->form)](view);
}

std::string to_text(const Program& program, std::uint32_t instruction) {
  return to_text(program.slots(), program.instructions()[instruction].slot, names_of(program.maps()));
}

std::string disassemble(const Program& program, const DisassembleOptions& options) {
  return Lister(program, options).list();
}

}  // namespace forager::program
