// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace forager::jit {
namespace {

constexpr std::uint32_t kLoopAlignment = 16;

Step inverted(Step branch, std::uint32_t target) {
  branch.inverted = true;
  branch.target = target;
  return branch;
}

bool leaves_function(Kind kind) {
  constexpr Kind kThese[] = {Kind::call_helper, Kind::call_function, Kind::tail_call,    Kind::look_up,
                             Kind::look_up_key, Kind::load_packet,   Kind::store_context};
  return std::ranges::find(kThese, kind) != std::end(kThese);
}

}  // namespace

Generator::Generator(const Code& code, const Settings& settings, asmjit::Arch arch, asmjit::BaseAssembler& assembler)
    : code_(code), program_(code.program->program()), settings_(settings), assembler_(assembler) {
  holder_.init(asmjit::Environment(arch));
  holder_.setErrorHandler(this);
}

void Generator::handleError(asmjit::Error error, const char* message, asmjit::BaseEmitter*) {
  if (!error_.empty()) return;
  error_ = message;
  too_far_ = error == asmjit::kErrorInvalidDisplacement || error == asmjit::kErrorRelocOffsetOutOfRange;
}

Result<MachineCode> Generator::run() {
  holder_.attach(&assembler_);
  assembler_.addEncodingOptions(asmjit::EncodingOptions::kOptimizedAlign);  // by long no-operations
  leave_ = assembler_.newLabel();
  dead_ = assembler_.newLabel();
  labels_.reserve(program_.blocks().size());
  made_.lines.reserve(code_.steps.size());
  for (std::size_t i = 0; i < program_.blocks().size(); ++i) labels_.push_back(assembler_.newLabel());
  for (std::size_t i = 0; i < program_.subprograms().size(); ++i) functions_.push_back(assembler_.newLabel());
  made_.functions.assign(program_.subprograms().size(), program::kNone);
  made_.enter = offset();
  emit_enter();
  for (std::uint32_t i = 0; i < program_.subprograms().size(); ++i) emit_subprogram(i);
  assembler_.bind(dead_);
  trap();
  made_.code_end = offset();
  emit_data();
  return finish();
}

Result<MachineCode> Generator::finish() {
  // Functions that the verifier found dead, and blocks in them, are named by nothing that runs.
  for (std::size_t i = 0; i < functions_.size(); ++i) {
    if (made_.functions[i] == program::kNone) assembler_.bind(functions_[i]);
  }
  for (const Label& label : labels_) {
    if (!holder_.isLabelBound(label)) assembler_.bind(label);
  }
  holder_.flatten();
  holder_.resolveUnresolvedLinks();
  if (!error_.empty()) {
    return fail(too_far_ ? ErrorKind::limit : ErrorKind::bug, too_far_ ? E2BIG : EINVAL,
                fmt::format("code generation: {}", error_));
  }
  const asmjit::CodeBuffer& buffer = holder_.textSection()->buffer();
  const auto* bytes = reinterpret_cast<const std::byte*>(buffer.data());
  made_.bytes.assign(bytes, bytes + buffer.size());
  return std::move(made_);
}

// ---- functions and blocks ------------------------------------------------------------------------------------------

void Generator::emit_subprogram(std::uint32_t index) {
  if (!code_.facts(program_.subprograms()[index].begin).reachable) return;
  assembler_.align(asmjit::AlignMode::kCode, 16);
  assembler_.bind(functions_[index]);
  made_.functions[index] = offset();
  look_at(index);
  prologue();
  const auto& layout = code_.layout;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (program_.blocks()[layout[i]].subprogram != index) continue;
    const bool last = i + 1 == layout.size();
    emit_block(layout[i], last ? program::kNone : layout[i + 1]);
  }
  emit_later();
}

// Whoever enters the main function keeps r6 to r9 for itself. The target of a tail call does not.
void Generator::look_at(std::uint32_t index) {
  const program::Subprogram& subprogram = program_.subprograms()[index];
  function_ = {.is_main = index == 0, .calls = false, .saved = {}, .cleared = code_.cleared[index]};
  unsigned written = 0;
  for (std::uint32_t at = subprogram.begin; at < subprogram.end; ++at) {
    const Step& step = code_.steps[at];
    function_.calls = function_.calls || leaves_function(step.kind);
    written |= step.kind == Kind::tail_call ? ~0U : writes_of(step);
  }
  for (unsigned r = 6; !function_.is_main && r <= 9; ++r) {
    if ((written >> r & 1) != 0) function_.saved.push_back(r);
  }
}

void Generator::emit_block(std::uint32_t number, std::uint32_t following) {
  const program::Block& block = program_.blocks()[number];
  if (begins_loop(number)) assembler_.align(asmjit::AlignMode::kCode, kLoopAlignment);
  assembler_.bind(labels_[number]);
  for (std::uint32_t at = block.begin; at < block.end; ++at) {
    const Step& step = code_.steps[at];
    const bool jumps_there = step.kind == Kind::jump && begins(following, code_.destination(step.target));
    if (step.kind == Kind::none || jumps_there) continue;
    at_ = at;
    note_line();
    const bool last = at + 1 == block.end;
    if (last && skips(step, following)) return emit_step(inverted(step, block.end));
    emit_step(step);
  }
  const Kind last = code_.steps[block.end - 1].kind;
  if (last == Kind::exit || last == Kind::jump) return;
  if (!begins(following, code_.destination(block.end))) jump(label_of(block.end));
}

// A branch to what follows over a jump elsewhere: better a branch elsewhere.
bool Generator::skips(const Step& step, std::uint32_t following) const {
  return step.kind == Kind::branch && begins(following, code_.destination(step.target)) &&
         !begins(following, code_.destination(at_ + 1));
}

// Something behind it jumps back to it. A processor fetches the head of an aligned loop in one go.
bool Generator::begins_loop(std::uint32_t block) const {
  return std::ranges::any_of(program_.blocks()[block].predecessors, [&](std::uint32_t from) {
    return from >= block && code_.facts(program_.blocks()[from].begin).reachable;
  });
}

bool Generator::begins(std::uint32_t block, std::uint32_t instruction) const {
  return block != program::kNone && program_.blocks()[block].begin == instruction;
}

void Generator::note_line() { made_.lines.push_back({.offset = offset(), .instruction = at_}); }

// What is deferred may defer more.
void Generator::emit_later() {
  while (!later_.empty()) {
    const std::vector<Deferred> now = std::exchange(later_, {});
    for (const Deferred& each : now) {
      at_ = each.at;
      note_line();
      each.emit();
    }
  }
}

// ---- names ---------------------------------------------------------------------------------------------------------

Generator::Label Generator::label_of(std::uint32_t instruction) const {
  if (instruction >= code_.steps.size() || !code_.facts(instruction).reachable) return dead_;
  return labels_[program_.block_of(code_.destination(instruction))];
}

Generator::Label Generator::function_at(std::uint32_t instruction) const {
  return functions_[program_.subprogram_of(instruction)];
}

Generator::Label Generator::veneer(const Symbol& symbol) {
  const auto known = std::ranges::find(veneers_, symbol, &Veneer::symbol);
  if (known != veneers_.end()) return known->label;
  return veneers_.emplace_back(symbol, assembler_.newLabel()).label;
}

void Generator::relocate(Relocation::Kind kind, std::uint32_t at, const Symbol& symbol, std::uint64_t addend) {
  made_.relocations.push_back({.kind = kind, .offset = at, .symbol = symbol, .addend = addend});
}

void Generator::embed_address(const Label& label, const Symbol& symbol, std::uint64_t addend) {
  assembler_.align(asmjit::AlignMode::kData, 8);
  assembler_.bind(label);
  relocate(Relocation::Kind::absolute, offset(), symbol, addend);
  assembler_.embedUInt64(0);
}

}  // namespace forager::jit
