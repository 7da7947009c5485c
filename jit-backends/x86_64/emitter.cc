// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/x86_64/emitter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace forager::jit::x86_64 {

using namespace asmjit::x86;

Emitter::Emitter(const Code& code, const Settings& settings)
    : code_(code), program_(code.program->program()), settings_(settings) {
  holder_.init(asmjit::Environment(asmjit::Arch::kX64));
  holder_.setErrorHandler(this);
  holder_.attach(&asm_);
}

void Emitter::handleError(asmjit::Error, const char* message, asmjit::BaseEmitter*) {
  if (error_.empty()) error_ = message;
}

Result<MachineCode> Emitter::run() {
  leave_ = asm_.newLabel();
  dead_ = asm_.newLabel();
  for (std::size_t i = 0; i < program_.blocks().size(); ++i) labels_.push_back(asm_.newLabel());
  for (std::size_t i = 0; i < program_.subprograms().size(); ++i) functions_.push_back(asm_.newLabel());
  made_.functions.assign(program_.subprograms().size(), program::kNone);
  emit_enter();
  for (std::uint32_t i = 0; i < program_.subprograms().size(); ++i) emit_subprogram(i);
  asm_.bind(dead_);
  asm_.ud2();
  made_.code_end = static_cast<std::uint32_t>(asm_.offset());
  emit_veneers();
  return finish();
}

Result<MachineCode> Emitter::finish() {
  // Functions that the verifier found dead, and blocks in them, are named by nothing that runs.
  for (std::size_t i = 0; i < functions_.size(); ++i) {
    if (made_.functions[i] == program::kNone) asm_.bind(functions_[i]);
  }
  for (const Label& label : labels_) {
    if (!holder_.isLabelBound(label)) asm_.bind(label);
  }
  holder_.flatten();
  holder_.resolveUnresolvedLinks();
  if (!error_.empty()) return fail(ErrorKind::bug, EINVAL, fmt::format("code generation: {}", error_));
  const asmjit::CodeBuffer& buffer = holder_.textSection()->buffer();
  const auto* bytes = reinterpret_cast<const std::byte*>(buffer.data());
  made_.bytes.assign(bytes, bytes + buffer.size());
  return std::move(made_);
}

// uint64_t enter(Cells*, const void* function): saves what C++ wants saved, notes where to come back to for those who
// stop in the middle, and calls. A callback is entered from inside a helper: the place noted before is kept.
void Emitter::emit_enter() {
  const Gp preserved[] = {rbx, rbp, r12, r13, r14, r15};
  made_.enter = static_cast<std::uint32_t>(asm_.offset());
  for (const Gp& each : preserved) asm_.push(each);
  asm_.mov(kCells, rdi);
  asm_.push(cell(offsetof(Cells, exit_stack)));
  asm_.mov(cell(offsetof(Cells, exit_stack)), rsp);
  asm_.mov(kScratch, rsi);
  for (unsigned i = 0; i < 5; ++i) asm_.mov(reg(i + 1), cell(offsetof(Cells, arguments) + 8 * i));
  asm_.mov(reg(isa::kFramePointer), cell(offsetof(Cells, frame_pointer)));
  asm_.call(kScratch);
  asm_.bind(leave_);
  asm_.mov(rsp, cell(offsetof(Cells, exit_stack)));
  asm_.pop(cell(offsetof(Cells, exit_stack)));
  for (auto each = std::rbegin(preserved); each != std::rend(preserved); ++each) asm_.pop(*each);
  asm_.ret();
}

void Emitter::emit_subprogram(std::uint32_t index) {
  const program::Subprogram& subprogram = program_.subprograms()[index];
  if (!code_.facts(subprogram.begin).reachable) return;
  asm_.align(asmjit::AlignMode::kCode, 16);
  asm_.bind(functions_[index]);
  made_.functions[index] = static_cast<std::uint32_t>(asm_.offset());
  prologue(index);
  const auto& layout = code_.layout;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (program_.blocks()[layout[i]].subprogram != index) continue;
    const bool last = i + 1 == layout.size();
    emit_block(layout[i], last ? program::kNone : layout[i + 1]);
  }
  emit_later();
}

void Emitter::emit_block(std::uint32_t number, std::uint32_t following) {
  const program::Block& block = program_.blocks()[number];
  asm_.bind(labels_[number]);
  for (std::uint32_t at = block.begin; at < block.end; ++at) {
    at_ = at;
    const Step& step = code_.steps[at];
    if (step.kind == Kind::none) continue;
    made_.lines.push_back({.offset = static_cast<std::uint32_t>(asm_.offset()), .instruction = at});
    emit_step(step);
  }
  const Step& last = code_.steps[block.end - 1];
  if (last.kind == Kind::exit || last.kind == Kind::jump) {
    return;
  }
  const bool falls_into = following != program::kNone && program_.blocks()[following].begin == block.end;
  if (!falls_into) asm_.jmp(label_of(block.end));
}

void Emitter::emit_step(const Step& step) {
  switch (step.kind) {
    case Kind::none:
      return;
    case Kind::alu:
      return alu(step);
    case Kind::constant:
      return load_constant(reg(step.dst), step.imm);
    case Kind::extend:
      return extend(step);
    case Kind::truncate:
      return truncate(step);
    case Kind::negate:
      return void(asm_.neg(sized(reg(step.dst), step.width)));
    case Kind::swap:
      return swap(step);
    case Kind::rotate:
      return rotate(step);
    case Kind::add_to:
      return add_to(step);
    case Kind::load:
      return load(step);
    case Kind::load_swapped:
      return load_swapped(step);
    case Kind::store:
      return store(step);
    case Kind::atomic:
      return atomic(step);
    case Kind::load_context:
      return load_context(step);
    case Kind::store_context:
      return store_context(step);
    case Kind::load_packet:
      return load_packet(step);
    case Kind::map_object:
      return load_symbol(reg(step.dst), {.kind = Symbol::Kind::map, .index = static_cast<std::uint32_t>(step.imm)});
    case Kind::map_value:
      return load_symbol(reg(step.dst),
                         {.kind = Symbol::Kind::map_memory, .index = static_cast<std::uint32_t>(step.imm)},
                         step.target);
    case Kind::function:
      return void(asm_.lea(reg(step.dst), ptr(functions_[program_.subprogram_of(step.target)])));
    case Kind::jump:
      return void(asm_.jmp(label_of(step.target)));
    case Kind::branch:
      return branch(step);
    case Kind::call_helper:
      return call_helper(step);
    case Kind::look_up:
      return look_up(step);
    case Kind::look_up_index:
      return look_up_index(step);
    case Kind::call_function:
      return call_function(step);
    case Kind::tail_call:
      return tail_call();
    case Kind::exit:
      return exit();
  }
}

// ---- frames --------------------------------------------------------------------------------------------------------

void Emitter::prologue(std::uint32_t number) {
  const program::Subprogram& subprogram = program_.subprograms()[number];
  is_main_ = number == 0;
  saved_.clear();
  bool calls = false;
  std::uint16_t written = 0;
  for (std::uint32_t at = subprogram.begin; at < subprogram.end; ++at) {
    const Kind kind = code_.steps[at].kind;
    calls = calls || kind == Kind::call_helper || kind == Kind::call_function || kind == Kind::tail_call ||
            kind == Kind::look_up || kind == Kind::load_packet || kind == Kind::store_context;
    written |= writes_of(code_.steps[at]);
    if (kind == Kind::tail_call) written |= 0x3c0;  // r6 to r9: the program that it goes to saves nothing
  }
  for (unsigned r = 6; !is_main_ && r <= 9; ++r) {
    if ((written >> r & 1) != 0) saved_.push_back(reg(r));
  }
  for (const Gp& each : saved_) asm_.push(each);
  padding_ = calls && saved_.size() % 2 == 0 ? 8 : 0;
  if (padding_ != 0) asm_.sub(rsp, padding_);
  clear_frame(code_.cleared[number]);
}

void Emitter::epilogue() {
  if (padding_ != 0) asm_.add(rsp, padding_);
  for (auto each = saved_.rbegin(); each != saved_.rend(); ++each) asm_.pop(*each);
}

void Emitter::clear_frame(const Cleared& range) {
  if (range.begin < range.end) asm_.xorps(xmm0, xmm0);
  for (std::uint32_t at = range.begin; at < range.end; at += 16) {
    asm_.movaps(xmmword_ptr(reg(isa::kFramePointer), static_cast<std::int32_t>(at - isa::kStackBytes)), xmm0);
  }
}

// What is deferred may defer more.
void Emitter::emit_later() {
  while (!later_.empty()) {
    const std::vector<Deferred> now = std::exchange(later_, {});
    for (const Deferred& each : now) {
      at_ = each.at;
      made_.lines.push_back({.offset = static_cast<std::uint32_t>(asm_.offset()), .instruction = at_});
      each.emit();
    }
  }
}

Emitter::Label Emitter::label_of(std::uint32_t instruction) const {
  if (instruction >= code_.steps.size() || !code_.facts(instruction).reachable) return dead_;
  return labels_[program_.block_of(instruction)];
}

}  // namespace forager::jit::x86_64
