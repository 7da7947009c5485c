// SPDX-License-Identifier: Apache-2.0
#include "interp/proxy.h"

#include <utility>

#include "exec/host_helpers.h"

namespace forager::interp {

void Proxy::set_program(std::shared_ptr<const verifier::VerifiedProgram> program) {
  machine_.set_program(std::move(program));
}

void Proxy::begin(exec::Frame& frame, unsigned cpu) {
  machine_.run_.cpu = cpu;
  machine_.start(frame);
  machine_.start_entry();
}

void Proxy::finish(std::uint64_t r0) {
  machine_.r_[0] = r0;
  machine_.finish();
  ++machine_.counters_.packets;
}

void Proxy::stop(const Unit& unit, std::uint32_t instruction, ErrorKind kind, int error, std::string message) {
  machine_.enter_unit(unit, instruction);
  machine_.at_ = instruction;
  std::ignore = machine_.stop(kind, error, std::move(message));
}

void Proxy::show_packet() {
  Region& region = machine_.memory_.transient(machine_.packet_);
  const exec::Frame& frame = *machine_.run_.frame;
  region.begin = frame.data_meta();
  region.end = frame.data_end();
  region.origin = frame.data();
}

void Proxy::redirect(exec::Map& map, std::uint32_t key) {
  constexpr auto kHelper = static_cast<std::size_t>(exec::HelperId::redirect_map);
  const exec::HelperFn call = machine_.run_.environment->helpers[kHelper];
  call(machine_.run_, reinterpret_cast<std::uint64_t>(&map), key, 0, 0, 0);
}

// LD_ABS leaves by the exit instruction's way: with the base at this depth, that is the end of the invocation, which
// the device makes the return of its function.
Proxy::Outcome Proxy::execute(const Unit& unit, std::uint32_t instruction, unsigned depth) {
  machine_.enter_unit(unit, instruction + 1);
  machine_.at_ = instruction;
  machine_.depth_ = machine_.base_ = depth;
  machine_.r_[isa::kFramePointer] = machine_.stacks_.top(depth);
  const bool on = machine_.step_one(unit.steps[instruction]);
  if (machine_.trap_ != nullptr) return Outcome::stopped;
  if (!on) return Outcome::left;
  return machine_.unit_ == &unit && machine_.next_ == instruction + 1 ? Outcome::next : Outcome::jumped;
}

Proxy::Outcome Proxy::advance() {
  const Unit* const unit = machine_.unit_;
  const std::uint32_t at = machine_.next_++;
  machine_.at_ = at;
  const bool on = machine_.step_one(machine_.steps_[at]);
  if (machine_.trap_ != nullptr) return Outcome::stopped;
  if (!on) return Outcome::left;
  return machine_.unit_ == unit && machine_.next_ == at + 1 ? Outcome::next : Outcome::jumped;
}

}  // namespace forager::interp
