// SPDX-License-Identifier: Apache-2.0
//
// Points where states are kept, liveness of registers, and what subprograms do.
//
// Liveness is the classic backward dataflow, subprogram by subprogram. A call of a subprogram reads of r1 to r5 what
// the callee has live at its entry: the first round assumes all of them, the second uses the first's result.
#include "verifier/structure.h"

#include <algorithm>

namespace forager::verifier {
namespace {

using isa::Form;
using isa::Op;
using program::Instruction;
using program::Program;

constexpr std::string_view kCallBack[] = {"loop", "for_each_map_elem", "find_vma", "user_ringbuf_drain"};

bool named(const Instruction& insn, std::string_view name) {
  const isa::HelperRow* helper = helper_of(insn);
  return helper != nullptr && helper->name == name;
}

RegisterUse helper_use(const Program& program, const Instruction& insn) {
  const isa::HelperRow* helper = helper_of(insn);
  RegisterUse use{.reads = kArgumentRegisters, .writes = kCallerSaved};
  // What a format string asks for is in registers that no row types.
  if (helper == nullptr || helper->name == "trace_printk") return use;
  use.reads = 0;
  const auto args = isa::helper_args(*helper, program.type());
  for (unsigned i = 0; i < args.size(); ++i) {
    if (args[i] != isa::Arg::none) use.reads |= register_bit(i + 1);
  }
  return use;
}

class Liveness {
 public:
  Liveness(const Program& program, Structure& out) : program_(program), out_(out) {}

  void run() {
    for (int round = 0; round < 2; ++round) {
      std::vector<RegisterSet> entry;
      for (const program::Subprogram& sub : program_.subprograms()) {
        solve(sub);
        entry.push_back(out_.live[sub.begin] & kArgumentRegisters);
      }
      entry_ = std::move(entry);
    }
  }

 private:
  void solve(const program::Subprogram& sub) {
    std::vector<std::uint32_t> blocks;
    for (std::uint32_t at = sub.begin; at < sub.end; at = program_.blocks()[blocks.back()].end) {
      blocks.push_back(program_.block_of(at));
    }
    std::vector<bool> waiting(program_.blocks().size(), false);
    std::vector<std::uint32_t> work(blocks.begin(), blocks.end());
    for (const std::uint32_t block : blocks) waiting[block] = true;
    while (!work.empty()) {
      const std::uint32_t block = work.back();
      work.pop_back();
      waiting[block] = false;
      if (!solve_block(program_.blocks()[block])) continue;
      for (const std::uint32_t before : program_.blocks()[block].predecessors) {
        if (!waiting[before]) work.push_back(before);
        waiting[before] = true;
      }
    }
  }

  // True if what is live at the block's begin changed.
  bool solve_block(const program::Block& block) {
    RegisterSet live = 0;
    for (const std::uint32_t next : block.successors) live |= out_.live[program_.blocks()[next].begin];
    const RegisterSet before = out_.live[block.begin];
    for (std::uint32_t at = block.end; at-- > block.begin;) {
      out_.live_after[at] = live;
      const RegisterUse used = use(program_.instructions()[at]);
      live = static_cast<RegisterSet>((live & ~used.writes) | used.reads);
      out_.live[at] = live;
    }
    return live != before;
  }

  RegisterUse use(const Instruction& insn) const {
    RegisterUse out = register_use(program_, insn);
    if (insn.op == Op::call_local && !entry_.empty()) {
      const std::uint32_t callee = program_.subprogram_of(insn.target);
      if (!out_.subprograms[callee].global) out.reads = entry_[callee];
    }
    return out;
  }

  const Program& program_;
  Structure& out_;
  std::vector<RegisterSet> entry_;  // live at subprograms' entries, by the round before
};

void find_points(const Program& program, Structure& out) {
  const auto instructions = program.instructions();
  for (std::uint32_t at = 0; at < instructions.size(); ++at) {
    const Instruction& insn = instructions[at];
    const Form form = isa::row(insn.op).form;
    // Where Linux's visit_insn() marks them, so that a program near the limit here is near it there.
    const bool jumps = insn.target != program::kNone;
    if (form == Form::jump_imm || form == Form::jump_reg || insn.op == Op::call_local || insn.op == Op::lddw_func) {
      out.points[at] |= Structure::kPrunePoint;
    }
    if (jumps) out.points[insn.target] |= Structure::kPrunePoint;
    if (form == Form::call) out.points[at + 1] |= Structure::kPrunePoint;
    if (calls_back_later(insn)) out.points[at] |= Structure::kPrunePoint;
    if (calls_back(insn)) out.points[at] |= Structure::kPrunePoint | Structure::kForced | Structure::kCallback;
  }
}

void describe_subprograms(const Program& program, Structure& out) {
  const auto& functions = program.source().functions;
  for (std::size_t i = 0; i < program.subprograms().size(); ++i) {
    const program::Subprogram& sub = program.subprograms()[i];
    SubprogramFacts& facts = out.subprograms[i];
    const std::uint32_t slot = program.instructions()[sub.begin].slot;
    const auto info = std::ranges::find(functions, slot, &program::FunctionInfo::slot);
    if (info != functions.end()) facts.info = &*info;
    facts.global = i != 0 && facts.info != nullptr && facts.info->linkage == program::FunctionInfo::Linkage::global;
    for (std::uint32_t at = sub.begin; at < sub.end; ++at) {
      const Instruction& insn = program.instructions()[at];
      const isa::HelperRow* helper = helper_of(insn);
      if (helper != nullptr && helper->changes_packet) facts.moves_packet = true;
      // What comes after a tail call in its own function runs only if the call failed; a caller may find the packet
      // moved by the other program.
      if (named(insn, "tail_call")) facts.tail_calls = facts.moves_packet = true;
      if (insn.op == Op::lddw_func) out.subprograms[program.subprogram_of(insn.target)].is_callback = true;
    }
  }
}

// A caller does what its callees do.
void spread_effects(const Program& program, Structure& out) {
  for (bool changed = true; changed;) {
    changed = false;
    for (std::uint32_t at = 0; at < program.instructions().size(); ++at) {
      const Instruction& insn = program.instructions()[at];
      if (insn.op != Op::call_local && insn.op != Op::lddw_func) continue;
      SubprogramFacts& caller = out.subprograms[program.subprogram_of(at)];
      if (caller.moves_packet || !out.subprograms[program.subprogram_of(insn.target)].moves_packet) continue;
      caller.moves_packet = changed = true;
    }
  }
}

}  // namespace

const isa::HelperRow* helper_of(const Instruction& insn) {
  return insn.op == Op::call_helper ? isa::find_helper(static_cast<std::uint32_t>(insn.imm)) : nullptr;
}

bool calls_back(const Instruction& insn) {
  const isa::HelperRow* helper = helper_of(insn);
  return helper != nullptr && std::ranges::find(kCallBack, helper->name) != std::end(kCallBack);
}

bool calls_back_later(const Instruction& insn) { return named(insn, "timer_set_callback"); }

RegisterUse register_use(const Program& program, const Instruction& insn) {
  const isa::Row& row = isa::row(insn.op);
  const isa::Fields fields = isa::fields_of(row.form);
  const RegisterSet dst = fields.dst ? register_bit(insn.dst) : 0, src = fields.src ? register_bit(insn.src) : 0;
  const bool compares = row.semantics.contains("r0");
  switch (row.form) {
    case Form::alu_imm:
    case Form::alu_reg:
    case Form::unary: {
      const bool overwrites = !row.semantics.contains("dst");
      return {static_cast<RegisterSet>(src | (overwrites ? 0 : dst)), dst};
    }
    case Form::wide:
    case Form::load:
      return {src, dst};
    case Form::atomic:
      return {static_cast<RegisterSet>(dst | src | (compares ? register_bit(0) : 0)),
              static_cast<RegisterSet>(row.fetches ? (compares ? register_bit(0) : src) : 0)};
    case Form::call:
      if (insn.op == Op::call_helper) return helper_use(program, insn);
      return {kArgumentRegisters, kCallerSaved};
    case Form::exit:
      return {register_bit(0), 0};
    case Form::packet_abs:
    case Form::packet_ind:
      return {static_cast<RegisterSet>(register_bit(6) | src), kCallerSaved};
    default:
      return {static_cast<RegisterSet>(dst | src), 0};
  }
}

Structure find_structure(const Program& program) {
  Structure out;
  const std::size_t count = program.instructions().size();
  out.points.assign(count, 0);
  out.live.assign(count, 0);
  out.live_after.assign(count, 0);
  out.subprograms.resize(program.subprograms().size());
  describe_subprograms(program, out);
  spread_effects(program, out);
  find_points(program, out);
  for (const std::uint8_t point : out.points) {
    out.point_numbers.push_back(out.point_count);
    if ((point & Structure::kPrunePoint) != 0) ++out.point_count;
  }
  Liveness(program, out).run();
  return out;
}

}  // namespace forager::verifier
