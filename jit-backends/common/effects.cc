// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/code.h"

namespace forager::jit {

using verifier::RegisterSet;

namespace {

constexpr RegisterSet kArguments = bit(1) | bit(2) | bit(3) | bit(4) | bit(5);
constexpr RegisterSet kCallerSaved = kArguments | bit(0);

bool ignores_dst(const Step& step) { return step.alu == Alu::mov; }
bool has_result(Atomic atomic) { return atomic >= Atomic::atomic_fetch_add; }

RegisterSet second(const Step& step) { return step.has_imm ? RegisterSet{0} : bit(step.src); }
RegisterSet index(const Step& step) { return step.index == kNoIndex ? RegisterSet{0} : bit(step.index); }

}  // namespace

RegisterSet reads_of(const Step& step) {
  switch (step.kind) {
    case Kind::alu:
      return second(step) | (ignores_dst(step) ? 0 : bit(step.dst));
    case Kind::branch:
      return second(step) | bit(step.dst);
    case Kind::store:
      return second(step) | bit(step.dst) | index(step);
    case Kind::store_context:
      return second(step);
    case Kind::extend:
    case Kind::truncate:
    case Kind::rotate:
    case Kind::add_to:
      return bit(step.src);
    case Kind::load:
    case Kind::load_swapped:
      return bit(step.src) | index(step);
    case Kind::negate:
    case Kind::swap:
      return bit(step.dst);
    case Kind::atomic:
      return bit(step.dst) | bit(step.src) | (step.atomic == Atomic::atomic_cmpxchg ? bit(0) : 0);
    case Kind::load_packet:
      return second(step);
    case Kind::call_helper:
    case Kind::call_function:
    case Kind::tail_call:  // which falls through perhaps, and jumps to a program that reads r1 only
      return kArguments;
    case Kind::look_up:
    case Kind::look_up_key:
      return bit(2);
    case Kind::look_up_index:
      if (step.has_imm) return 0;
      return step.index == kNoIndex ? bit(2) : index(step);
    case Kind::sum:
      return bit(3) | bit(5) | (step.offset != 0 ? bit(1) : 0);
    case Kind::exit:
      return bit(0);
    default:
      return 0;
  }
}

bool only_makes_result(const Step& step) {
  switch (step.kind) {
    case Kind::alu:
    case Kind::constant:
    case Kind::extend:
    case Kind::truncate:
    case Kind::negate:
    case Kind::swap:
    case Kind::rotate:
    case Kind::add_to:
    case Kind::load:
    case Kind::load_swapped:
    case Kind::load_context:
    case Kind::map_object:
    case Kind::map_value:
    case Kind::function:
    case Kind::lane:
    case Kind::sum:
      return true;
    default:
      return false;
  }
}

RegisterSet writes_of(const Step& step) {
  if (only_makes_result(step)) return bit(step.dst);
  switch (step.kind) {
    case Kind::atomic:
      if (!has_result(step.atomic)) return 0;
      return step.atomic == Atomic::atomic_cmpxchg ? bit(0) : bit(step.src);
    case Kind::load_packet:
    case Kind::call_helper:
    case Kind::look_up:
    case Kind::look_up_key:
    case Kind::look_up_index:
    case Kind::random:
    case Kind::call_function:
    case Kind::tail_call:
      return kCallerSaved;
    default:
      return 0;
  }
}

std::uint32_t Code::destination(std::uint32_t instruction) const {
  constexpr int kHops = 8;  // a loop of jumps has no end
  const program::Program& of = program->program();
  for (int hop = 0; hop < kHops && instruction < steps.size(); ++hop) {
    const program::Block& block = of.blocks()[of.block_of(instruction)];
    std::uint32_t at = block.begin;
    while (at < block.end && steps[at].kind == Kind::none) ++at;
    if (at == block.end || steps[at].kind != Kind::jump || !facts(steps[at].target).reachable) break;
    instruction = steps[at].target;
  }
  return instruction;
}

void judge_divisor(Step& step) {
  const bool narrow = step.width == 32;
  const std::uint64_t divisor = narrow ? static_cast<std::uint32_t>(step.imm) : step.imm;
  step.nonzero = divisor != 0;
  step.plain = divisor != (narrow ? UINT32_MAX : UINT64_MAX);
}

}  // namespace forager::jit
