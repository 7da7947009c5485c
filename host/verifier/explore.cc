// SPDX-License-Identifier: Apache-2.0
//
// The loop: one instruction after the other along a path, one path after the other (Linux do_check_common).
#include <algorithm>
#include <cerrno>
#include <utility>

#include "verifier/analysis.h"

namespace forager::verifier {

using isa::Form;
using isa::ProgType;

namespace {

constexpr std::size_t kMaxPending = 8192;  // Linux BPF_COMPLEXITY_LIMIT_JMP_SEQ

Reg frame_pointer(u32 frame) {
  Reg out;
  out.type = RegType::stack;
  out.frame = frame;
  return out;
}

Reg parameter(const program::Parameter& parameter, u32 id) {
  using Kind = program::Parameter::Kind;
  Reg out;
  switch (parameter.kind) {
    case Kind::scalar:
      return scalar_reg();
    case Kind::context:
      out.type = RegType::context;
      return out;
    case Kind::memory:
      out.type = RegType::memory;
      out.bytes = parameter.size;
      out.maybe_null = parameter.nullable;
      out.id = parameter.nullable ? id : 0;
      return out;
    case Kind::other:
      break;
  }
  return out;
}

}  // namespace

Analysis::Analysis(const Program& program, const Options& options, const Structure& structure, Report& report)
    : program_(program),
      options_(options),
      structure_(structure),
      report_(report),
      recorder_(program),
      type_(*isa::find_prog_type(static_cast<u32>(program.type()))),
      kept_(structure.point_count),
      stack_depths_(program.subprograms().size(), 0),
      access_types_(program.instructions().size(), RegType::uninit),
      global_called_(program.subprograms().size(), false) {}

Analysis::~Analysis() {
  back_edges_.clear();  // these keep chains of checkpoints alive
}

void Analysis::run() {
  run_main();
  // Global functions that were called are verified from their signatures alone; they may call others.
  std::vector<bool> done(global_called_.size(), false);
  for (bool more = true; more;) {
    more = false;
    for (u32 sub = 0; sub < global_called_.size(); ++sub) {
      if (!global_called_[sub] || done[sub]) continue;
      done[sub] = more = true;
      run_global_function(sub);
    }
  }
}

void Analysis::run_main() {
  entry_subprogram_ = 0;
  state_ = {};
  enter(state_, 0, kNone, FrameKind::function);
  Reg& first = state_.regs()[1];
  if (program_.type() == ProgType::raw_memory) {
    first.type = RegType::raw;
    first.maybe_null = false;
    state_.regs()[2] = scalar_reg();
  } else {
    first.type = RegType::context;
  }
  explore();
}

void Analysis::run_global_function(u32 subprogram) {
  entry_subprogram_ = subprogram;
  state_ = {};
  for (auto& list : kept_) list.clear();
  enter(state_, subprogram, kNone, FrameKind::function);
  const program::FunctionInfo& info = *structure_.subprograms[subprogram].info;
  at_ = state_.at;
  if (info.returns != program::FunctionInfo::Returns::scalar) {
    refuse(EINVAL, fmt::format("global function {}() doesn't return a number, and only those are supported", info.name),
           "make it static, or return an integer");
  }
  if (info.parameters.size() > 5)
    refuse(EINVAL, fmt::format("global function {}() has more than 5 parameters", info.name));
  for (u32 i = 0; i < info.parameters.size(); ++i) {
    state_.regs()[i + 1] = parameter(info.parameters[i], next_id());
    if (info.parameters[i].kind != program::Parameter::Kind::other) continue;
    refuse(EINVAL,
           fmt::format("parameter {} ('{}') of global function {}() is of a type that cannot be checked", i + 1,
                       info.parameters[i].name, info.name),
           "pass numbers, the context or pointers to types of known size, or make the function static");
  }
  explore();
}

void Analysis::explore() {
  jumps_at_checkpoint_ = jumps_;
  processed_at_checkpoint_ = processed_;
  for (bool more = true; more;) {
    at_ = state_.at;
    count_instruction();
    if ((structure_.points[at_] & Structure::kPrunePoint) != 0 && visited()) {
      if ((options_.log_level & 2) != 0) log_line(fmt::format("from {}: safe", instruction(at_).slot));
      end_path();
      more = next_path();
      continue;
    }
    state_.after_callback = false;
    recorder_.reached(at_);
    state_.steps.push_back({.instruction = at_, .frame = static_cast<std::uint8_t>(state_.current_frame())});
    if ((options_.log_level & 2) != 0) log_instruction();
    const Flow flow = step(current());
    if (flow == Flow::next) state_.at = at_ + 1;
    if (flow != Flow::ended) continue;
    end_path();
    more = next_path();
  }
}

void Analysis::count_instruction() {
  report_.processed_instructions = ++processed_;
  if (processed_ <= options_.instruction_limit) return;
  refuse_limit("the program is too complex: too many instructions processed", options_.instruction_limit, processed_,
               "bound loops more tightly, or split the program with tail calls or global functions");
}

Analysis::Flow Analysis::step(const Instruction& insn) {
  switch (isa::row(insn.op).form) {
    case Form::alu_imm:
    case Form::alu_reg:
    case Form::unary:
      arithmetic(insn);
      return Flow::next;
    case Form::wide:
      move(insn);
      return Flow::next;
    case Form::load:
      load(insn);
      return Flow::next;
    case Form::store_imm:
    case Form::store_reg:
      store(insn);
      return Flow::next;
    case Form::atomic:
      atomic(insn);
      return Flow::next;
    case Form::packet_abs:
    case Form::packet_ind:
      packet_load(insn);
      return Flow::next;
    case Form::jump_imm:
    case Form::jump_reg:
      ++jumps_;
      return conditional_jump(insn);
    case Form::jump:
    case Form::jump_long:
      ++jumps_;
      state_.at = insn.target;
      return Flow::jumped;
    case Form::call:
      ++jumps_;
      return insn.op == Op::call_local ? call_local(insn) : call_helper(insn);
    case Form::exit:
      ++jumps_;
      return exit();
    case Form::call_register:
      break;
  }
  refuse(EINVAL, "indirect calls are refused");
}

bool Analysis::next_path() {
  if (pending_.empty()) return false;
  state_ = std::move(pending_.back());
  pending_.pop_back();
  if ((options_.log_level & 2) != 0) log_state("resuming");
  return true;
}

// The current state, going on at another instruction, waits for its turn.
void Analysis::push_path(u32 at) {
  pending_.push_back(state_);
  pending_.back().at = at;
  if (state_.parent != nullptr) ++state_.parent->branches;
  if (pending_.size() <= kMaxPending) return;
  refuse_limit("the program is too complex: too many branches are waiting to be explored", kMaxPending, pending_.size(),
               "split the program with tail calls or global functions");
}

void Analysis::enter(State& state, u32 subprogram, u32 call_site, FrameKind kind) {
  Frame frame;
  frame.subprogram = subprogram;
  frame.call_site = call_site;
  frame.kind = kind;
  frame.references_at_entry = static_cast<u32>(state.references.size());
  frame.regs[isa::kFramePointer] = frame_pointer(static_cast<u32>(state.frames.size()));
  state.frames.push_back(std::move(frame));
  state.at = program_.subprograms()[subprogram].begin;
}

const Reg& Analysis::read_reg(u32 number) {
  const Reg& reg = state_.regs()[number];
  if (reg.type != RegType::uninit) return reg;
  const bool lost = number >= 1 && number <= 5 && called_before();
  refuse(EACCES, fmt::format("R{} !read_ok: r{} is read, but nothing was written to it on this path", number, number),
         lost ? "r1 to r5 hold nothing after a call: keep what is needed in r6 to r9 or on the stack"
              : "give it a value on every path");
}

// A call came before on this path, as far as it is remembered.
bool Analysis::called_before() const {
  const auto calls = [this](const Step& step) { return isa::row(instruction(step.instruction).op).form == Form::call; };
  std::span<const Step> steps = state_.steps;
  if (!steps.empty()) steps = steps.first(steps.size() - 1);  // without the instruction at hand
  if (std::ranges::any_of(steps, calls)) return true;
  for (const Checkpoint* at = state_.parent.get(); at != nullptr; at = at->parent.get()) {
    if (std::ranges::any_of(at->steps, calls)) return true;
  }
  return false;
}

void Analysis::refuse(int error, std::string why, std::string hint) {
  Refusal out{diagnose(program_, at_, ErrorKind::rejected, error, std::move(why))};
  out.diagnostic.hint = std::move(hint);
  out.diagnostic.path = path();
  throw out;
}

void Analysis::refuse_limit(std::string why, u64 limit, u64 asked, std::string hint) {
  Refusal out{diagnose(program_, at_, ErrorKind::limit, E2BIG, std::move(why))};
  out.diagnostic.limit = limit;
  out.diagnostic.asked = asked;
  out.diagnostic.hint = std::move(hint);
  out.diagnostic.path = path();
  throw out;
}

}  // namespace forager::verifier
