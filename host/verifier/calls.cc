// SPDX-License-Identifier: Apache-2.0
//
// Calls of the program's own functions, and the ways out of them (Linux check_func_call, prepare_func_exit,
// check_return_code). A static function is explored where it is called; a global one by itself, so a call of it only
// checks the arguments.
#include <cerrno>

#include "verifier/analysis.h"

namespace forager::verifier {

using ParameterKind = program::Parameter::Kind;

namespace {

// A rule that excludes nothing that 32 bits can say leaves the value unchecked, as Linux does.
bool allows_all(const isa::ReturnRange& range) { return range.min == 0 && range.max >= Limits<u32>::max(); }

bool within(const Scalar& value, const isa::ReturnRange& range) {
  return value.s.min >= static_cast<s64>(range.min) && value.s.max <= static_cast<s64>(range.max);
}

std::string allowed(const isa::ReturnRange& range) {
  return range.min == range.max ? fmt::format("{}", range.min) : fmt::format("{} to {}", range.min, range.max);
}

}  // namespace

Analysis::Flow Analysis::call_local(const Instruction& insn) {
  const u32 callee = program_.subprogram_of(insn.target);
  if (structure_.subprograms[callee].global) {
    check_global_call(callee);
    return Flow::next;
  }
  if (state_.frames.size() >= isa::kMaxCallFrames) {
    refuse_limit("the call stack is too deep", isa::kMaxCallFrames, state_.frames.size() + 1, "inline some functions");
  }
  const std::array<Reg, isa::kRegisters> caller = state_.regs();
  enter(state_, callee, at_, FrameKind::function);
  for (u32 i = 1; i <= 5; ++i) state_.regs()[i] = caller[i];
  clear_caller_saved(state_.frames[state_.frames.size() - 2].regs);
  return Flow::jumped;
}

void Analysis::check_global_call(u32 callee) {
  const program::FunctionInfo& info = *structure_.subprograms[callee].info;
  static const isa::HelperRow kThis{};
  if (state_.lock() != nullptr) {
    refuse(EINVAL, "global function calls are not allowed while holding a lock, use static function instead");
  }
  for (u32 i = 0; i < info.parameters.size() && i < 5; ++i) {
    const program::Parameter& parameter = info.parameters[i];
    const u32 number = i + 1;
    const Reg reg = state_.regs()[number];
    const auto wrong = [&](std::string_view wanted) {
      refuse(EINVAL,
             fmt::format("Caller passes invalid args into func#{} ('{}'): R{} ('{}') is {}, expected {}", callee,
                         info.name, number, parameter.name, say(reg), wanted),
             "a call of a global function is checked against its signature alone");
    };
    if (parameter.kind == ParameterKind::scalar && !reg.is_scalar()) wrong("a number");
    if (parameter.kind == ParameterKind::context) {
      if (reg.type != RegType::context) wrong("the context");
      if (reg.offset != 0)
        refuse(EACCES, fmt::format("dereference of modified ctx ptr R{} off={} disallowed", number, reg.offset));
    }
    if (parameter.kind != ParameterKind::memory) continue;
    if (!parameter.nullable && (reg.maybe_null || reg.is_null())) wrong("memory that is not null");
    if (reg.is_null()) {
      mark_precise(number);
      continue;
    }
    Reg& shown = state_.regs()[number];
    if (!shown.is_pointer()) wrong("memory");
    shown.maybe_null = false;
    try {
      check_memory(number, parameter.size, 0, Touch::update, true, kThis);
    } catch (Refusal& refusal) {
      refusal.diagnostic.error = EINVAL;
      refusal.diagnostic.message = fmt::format("Caller passes invalid args into func#{} ('{}'): '{}': {}", callee,
                                               info.name, parameter.name, refusal.diagnostic.message);
      throw;
    }
    shown.maybe_null = reg.maybe_null;
  }
  for (u32 i = 0; i < info.parameters.size() && i < 5; ++i) {
    if (info.parameters[i].kind == ParameterKind::other) {
      refuse(EINVAL,
             fmt::format("parameter {} of global function {}() is of a type that cannot be checked", i + 1, info.name));
    }
  }
  global_called_[callee] = true;
  clear_caller_saved(state_.regs());
  state_.regs()[0] = scalar_reg();
  if (structure_.subprograms[callee].moves_packet) forget_packet_pointers();
}

Analysis::Flow Analysis::exit() {
  const Frame& frame = state_.frame();
  if (state_.frames.size() == 1) {
    check_nothing_held(frame.kind == FrameKind::function ? "BPF_EXIT instruction in main prog"
                                                         : "BPF_EXIT of a callback");
    check_return_value();
    return Flow::ended;
  }
  if (frame.kind == FrameKind::callback) return return_from_callback();
  const Reg result = state_.regs()[0];
  if (result.type == RegType::stack) {
    refuse(EINVAL, "cannot return stack pointer to the caller", "the frame is gone when the function returns");
  }
  const u32 call_site = frame.call_site;
  state_.frames.pop_back();
  state_.regs()[0] = result;
  state_.at = call_site + 1;
  return Flow::jumped;
}

// What may end the program in the middle of a function stands only where the result is a number, by its signature.
void Analysis::check_may_end_early(std::string_view what) {
  if (state_.frames.size() == 1 && entry_subprogram_ == 0) return;
  const program::FunctionInfo* info = structure_.subprograms[state_.frame().subprogram].info;
  if (info == nullptr)
    refuse(EINVAL, fmt::format("{} is not allowed in subprogs without BTF", what), "compile with -g");
  if (info->returns == program::FunctionInfo::Returns::scalar) return;
  refuse(EINVAL, fmt::format("{} is only allowed in functions that return 'int': {}() does not", what, info->name));
}

void Analysis::check_tail_call() {
  check_nothing_held("tail_call");
  if (state_.frame().kind != FrameKind::function) refuse(EINVAL, "tail calls are not allowed in callbacks");
  check_may_end_early("tail_call");
}

// The program may have been replaced by another one, which then returned here in the function's place.
void Analysis::return_after_tail_call() {
  push_path(state_.frame().call_site + 1);
  State& state = pending_.back();
  state.frames.pop_back();
  clear_caller_saved(state.regs());
  state.regs()[0] = scalar_reg();
  state.for_each_reg([](Reg& reg) {
    if (reg.is_packet() || reg.type == RegType::packet_end) reg = scalar_reg();
  });
}

void Analysis::check_return_value() {
  const Frame& frame = state_.frame();
  const bool global = frame.kind == FrameKind::function && entry_subprogram_ != 0;
  const Reg& result = read_reg(0);
  if (global) {
    if (!result.is_scalar()) {
      refuse(EINVAL,
             fmt::format("At subprogram exit the register R0 is not a scalar value ({}): a global function returns "
                         "a number",
                         type_name(result)));
    }
    return;
  }
  const bool callback = frame.kind != FrameKind::function;
  const isa::ReturnRange range =
      callback ? frame.callback_returns : isa::return_range(type_, program_.source().attach_type);
  if (!callback && allows_all(range)) return;
  const char* where = callback ? "async callback" : "program";
  if (!result.is_scalar()) {
    refuse(EINVAL, fmt::format("At {} exit the register R0 is not a known value ({}), should have been in [{}, {}]",
                               where, type_name(result), range.min, range.max));
  }
  mark_precise(0);
  if (within(result.scalar, range)) return;
  refuse(EINVAL,
         fmt::format("At {} exit the register R0 has {}, should have been in [{}, {}]: a program of type {} returns {}",
                     where, describe(result.scalar), range.min, range.max, type_.name, allowed(range)),
         "return one of the values that the type defines, on every path");
}

}  // namespace forager::verifier
