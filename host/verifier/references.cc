// SPDX-License-Identifier: Apache-2.0
//
// What must be given back: ring-buffer records, sockets, dynptrs on records, spin locks. And timers, which like locks
// live inside map values.
#include <algorithm>
#include <cerrno>

#include "verifier/analysis.h"

namespace forager::verifier {

using program::ValueField;

namespace {

const ValueField* field_of(const MapSpec& spec, ValueField::Kind kind) {
  const auto found = std::ranges::find(spec.fields, kind, &ValueField::kind);
  return found == spec.fields.end() ? nullptr : &*found;
}

}  // namespace

u32 Analysis::take_reference() {
  const u32 id = next_id();
  state_.references.push_back({.kind = Reference::Kind::object, .id = id, .instruction = at_});
  return id;
}

// The reference is given back: what it led to is no memory of the program's any more.
void Analysis::release(u32 reference) {
  const auto held = std::erase_if(
      state_.references, [=](const Reference& r) { return r.kind == Reference::Kind::object && r.id == reference; });
  if (held == 0) {
    refuse(EINVAL, "the reference has not been acquired before, or was given back already");
  }
  state_.for_each_reg([=, this](Reg& reg) {
    if (reg.reference == reference) reg = ended_pointer(reg, at_);
  });
}

void Analysis::spin_lock(u32 number, bool lock) {
  const Reg reg = read_reg(number);
  const MapSpec& spec = spec_of(reg);
  const ValueField* field = field_of(spec, ValueField::Kind::spin_lock);
  if (!reg.scalar.is_constant()) {
    refuse(EINVAL,
           fmt::format("R{} doesn't have constant offset. bpf_spin_lock has to be at the constant offset", number));
  }
  if (field == nullptr) refuse(EINVAL, fmt::format("map '{}' has no valid bpf_spin_lock", spec.name));
  if (reg.whole_offset() != field->offset) {
    refuse(EINVAL, fmt::format("off {} doesn't point to 'struct bpf_spin_lock' that is at {}", reg.whole_offset(),
                               field->offset));
  }
  const Reference* held = state_.lock();
  if (lock) {
    if (held != nullptr) refuse(EINVAL, "Locking two bpf_spin_locks are not allowed", "unlock the first one before");
    state_.references.push_back({Reference::Kind::lock, reg.id, at_, reg.map});
    return;
  }
  if (held == nullptr) refuse(EINVAL, "bpf_spin_unlock without taking a lock");
  if (held->id != reg.id || held->map != reg.map)
    refuse(EINVAL, "bpf_spin_unlock of different lock", "unlock through the pointer by which it was locked");
  std::erase_if(state_.references, [](const Reference& r) { return r.kind == Reference::Kind::lock; });
}

void Analysis::check_timer(CallMeta& meta, u32 number) {
  const Reg reg = read_reg(number);
  const MapSpec& spec = spec_of(reg);
  const ValueField* field = field_of(spec, ValueField::Kind::timer);
  if (!reg.scalar.is_constant()) {
    refuse(EINVAL, fmt::format("R{} doesn't have constant offset. bpf_timer has to be at the constant offset", number));
  }
  if (field == nullptr) refuse(EINVAL, fmt::format("map '{}' has no valid bpf_timer", spec.name));
  if (reg.whole_offset() != field->offset) {
    refuse(EINVAL,
           fmt::format("off {} doesn't point to 'struct bpf_timer' that is at {}", reg.whole_offset(), field->offset));
  }
  meta.map = reg;
}

// What ends the program, or may, must leave nothing behind.
void Analysis::check_nothing_held(std::string_view what) {
  if (state_.references.empty()) return;
  const Reference& first = state_.references.front();
  const std::string source = program_.source_line(first.instruction);
  const std::string from =
      fmt::format("instruction {}{}", instruction(first.instruction).slot, source.empty() ? "" : " (" + source + ")");
  if (first.kind == Reference::Kind::lock) {
    refuse(
        EINVAL,
        fmt::format("{} cannot be used inside bpf_spin_lock-ed region: the lock taken at {} is still held", what, from),
        "unlock it on this path too");
  }
  refuse(EINVAL,
         fmt::format("Unreleased reference id={} alloc_insn={}: {} would lead to reference leak: what {} took is "
                     "not given back on this path",
                     first.id, instruction(first.instruction).slot, what, from),
         "submit, discard or release it on this path too");
}

}  // namespace forager::verifier
