// SPDX-License-Identifier: Apache-2.0
//
// decode(): from the slots a loader hands over to a well-formed Program.
//
// In passes, each of which may rely on those before it: every slot is a known instruction (encoding.h); targets are
// instructions of the program; subprograms are cut at the targets of local calls; jumps stay inside their
// subprogram, which does not fall off its end; then the control-flow graph. Nothing recurses, and all passes are linear
// in the slots, since a hostile program may have a million.
//
// Tested by: tests/unit/program_decode_test.cc.
#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "program/encoding.h"
#include "program/graph.h"
#include "program/program.h"

namespace forager::program {

using isa::Form;
using isa::Op;

class Decoder {
 public:
  explicit Decoder(Source source) { program_.source_ = std::move(source); }

  Result<Program> run() {
    constexpr Result<> (Decoder::* kPasses[])() = {
        &Decoder::check_size,       &Decoder::decode_slots, &Decoder::resolve_targets,
        &Decoder::find_subprograms, &Decoder::check_jumps,  &Decoder::check_ends,
    };
    sort_debug_info();
    for (const auto pass : kPasses) {
      if (auto done = (this->*pass)(); !done) return std::unexpected(std::move(done.error()));
    }
    GraphBuilder(program_).build();
    return std::move(program_);
  }

 private:
  // Lookups by slot are binary searches.
  void sort_debug_info() {
    std::ranges::stable_sort(program_.source_.lines, {}, &LineInfo::slot);
    std::ranges::stable_sort(program_.source_.functions, {}, &FunctionInfo::slot);
  }

  Result<> check_size() {
    const std::size_t count = program_.source_.slots.size();
    if (count > 0 && count <= isa::kMaxInstructions) return {};
    auto error = fail(ErrorKind::limit, E2BIG, count == 0 ? "the program is empty" : "the program is too large");
    if (count > 0) {
      error.error().limit = isa::kMaxInstructions;
      error.error().asked = count;
    }
    return error;
  }

  Result<> decode_slots() {
    const auto& slots = program_.source_.slots;
    program_.instructions_.reserve(slots.size());
    program_.slot_to_instruction_.assign(slots.size(), kNone);
    for (std::uint32_t at = 0; at < slots.size();) {
      const Encoding encoding = encoding_at(at);
      if (auto fault = find_fault(encoding)) return fault_at(at, *fault);
      program_.slot_to_instruction_[at] = static_cast<std::uint32_t>(program_.instructions_.size());
      program_.instructions_.push_back(decoded(encoding, at));
      at += encoding.row->form == Form::wide ? 2 : 1;
    }
    return {};
  }

  Encoding encoding_at(std::uint32_t at) const {
    const auto& slots = program_.source_.slots;
    return {.row = isa::find_row(slots[at]),
            .slot = slots[at],
            .second = at + 1 < slots.size() ? &slots[at + 1] : nullptr,
            .type = program_.source_.type,
            .maps = program_.source_.maps.size()};
  }

  static Instruction decoded(const Encoding& encoding, std::uint32_t at) {
    const isa::Slot& slot = encoding.slot;
    Instruction insn;
    insn.op = encoding.row->op;
    insn.dst = slot.dst;
    insn.src = slot.src;
    insn.offset = slot.offset;
    insn.slot = at;
    insn.imm = static_cast<std::uint64_t>(std::int64_t{slot.imm});
    if (encoding.row->form == Form::wide) {
      insn.imm =
          std::uint64_t{static_cast<std::uint32_t>(encoding.second->imm)} << 32 | static_cast<std::uint32_t>(slot.imm);
    }
    return insn;
  }

  Result<> resolve_targets() {
    for (Instruction& insn : program_.instructions_) {
      if (!has_target(insn)) continue;
      const std::int64_t to = insn.slot + 1LL + distance(insn);
      const bool inside = to >= 0 && to < static_cast<std::int64_t>(program_.source_.slots.size());
      if (!inside) return reject(insn, "{} out of range from insn {} to {}", action(insn), insn.slot, to);
      insn.target = program_.slot_to_instruction_[static_cast<std::size_t>(to)];
      if (insn.target == kNone) {
        return reject(insn, "{} into the middle of a 64-bit immediate, from insn {} to {}", action(insn), insn.slot,
                      to);
      }
    }
    return {};
  }

  static bool is_call(const Instruction& insn) { return insn.op == Op::call_local || insn.op == Op::lddw_func; }
  static bool has_target(const Instruction& insn) { return is_jump(insn) || is_call(insn); }
  static const char* action(const Instruction& insn) { return is_call(insn) ? "call" : "jump"; }
  static std::int64_t distance(const Instruction& insn) {
    const bool in_imm = is_call(insn) || insn.op == Op::ja32;
    return in_imm ? static_cast<std::int32_t>(insn.imm) : insn.offset;
  }

  Result<> find_subprograms() {
    const auto count = static_cast<std::uint32_t>(program_.instructions_.size());
    std::vector<bool> begins(count, false);
    begins[0] = true;
    for (const Instruction& insn : program_.instructions_) {
      if (is_call(insn)) begins[insn.target] = true;
    }
    for (std::uint32_t at = 0; at < count; ++at) {
      if (begins[at]) program_.subprograms_.push_back({.name = function_name(at), .begin = at, .end = count});
    }
    for (std::size_t i = 1; i < program_.subprograms_.size(); ++i) {
      program_.subprograms_[i - 1].end = program_.subprograms_[i].begin;
    }
    return {};
  }

  std::string function_name(std::uint32_t instruction) const {
    const std::uint32_t slot = program_.instructions_[instruction].slot;
    const auto& functions = program_.source_.functions;
    const auto found = std::ranges::lower_bound(functions, slot, {}, &FunctionInfo::slot);
    if (found != functions.end() && found->slot == slot && !found->name.empty()) return found->name;
    if (slot == 0) return program_.source_.name.empty() ? "main" : program_.source_.name;
    return fmt::format("subprog_{}", slot);
  }

  Result<> check_jumps() {
    for (const Subprogram& sub : program_.subprograms_) {
      for (std::uint32_t at = sub.begin; at < sub.end; ++at) {
        const Instruction& insn = program_.instructions_[at];
        if (!is_jump(insn) || (insn.target >= sub.begin && insn.target < sub.end)) continue;
        return reject(insn, "jump out of range from insn {} to {}: it leaves {}", insn.slot,
                      program_.instructions_[insn.target].slot, sub.name);
      }
    }
    return {};
  }

  Result<> check_ends() {
    for (const Subprogram& sub : program_.subprograms_) {
      const Instruction& last = program_.instructions_[sub.end - 1];
      if (falls_through(last)) return reject(last, "last insn is not an exit or jmp: {} falls off its end", sub.name);
    }
    return {};
  }

  template <class... Args>
  std::unexpected<Diagnostic> reject(const Instruction& insn, fmt::format_string<Args...> format,
                                     Args&&... args) const {
    return fault_at(insn.slot, {ErrorKind::rejected, EINVAL, fmt::format(format, std::forward<Args>(args)...)});
  }

  std::unexpected<Diagnostic> fault_at(std::uint32_t slot, const EncodingFault& fault) const {
    auto error = fail(fault.kind, fault.error, fault.message);
    error.error().instruction = slot;
    error.error().source = source_text(program_.source_.lines, slot);
    return error;
  }

  Program program_;
};

Result<Program> Program::decode(Source source) { return Decoder(std::move(source)).run(); }

}  // namespace forager::program
