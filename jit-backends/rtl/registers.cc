// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/registers.h"

#include <bit>
#include <cstddef>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

constexpr unsigned kMostValues = 256 - kFirstValue;

Registers named_by(const Operation& operation) {
  return static_cast<Registers>(reads_of(operation) | writes_of(operation) | operation.live_there);
}
template <class Act>
void each_of(Registers registers, Act act) {
  for (; registers != 0; registers &= static_cast<Registers>(registers - 1))
    act(static_cast<unsigned>(std::countr_zero(registers)));
}

// Where the value of operation i is read last; nowhere, if it goes on where a branch leads or behind the stretch.
std::size_t last_reader(std::span<const Operation> operations, std::span<const Registers> live, std::size_t i) {
  const Registers of = only(operations[i].slot.d);
  for (std::size_t j = i + 1; j < operations.size(); ++j) {
    const Operation& one = operations[j];
    if (leaves(one.slot) && (one.live_there & of) != 0) return operations.size();
    if ((writes_of(one) & of) != 0 || (live[j] & of) == 0) return j;
  }
  return operations.size();
}

}  // namespace

void number_values(std::span<Operation> operations, std::span<const Registers> live) {
  unsigned values = 0;
  for (std::size_t i = 0; i < operations.size() && values < kMostValues; ++i) {
    const Slot& slot = operations[i].slot;
    if (!writes_result(slot) || slot.d >= kUnusedRegister || slot.d == isa::kFramePointer) continue;
    const std::size_t end = last_reader(operations, live, i);
    if (end == operations.size()) continue;
    const std::uint8_t old = slot.d, number = static_cast<std::uint8_t>(kFirstValue + values++);
    operations[i].slot.d = number;
    for (std::size_t j = i + 1; j <= end; ++j) {
      each_operand(operations[j], [&](std::uint8_t& reg) { reg = reg == old ? number : reg; });
    }
  }
}

RegisterPool::RegisterPool(std::span<const Operation> operations, Registers live_at_end, int short_at)
    : live_at_end_(static_cast<Registers>(live_at_end | only(isa::kFramePointer) | only(kUnusedRegister))),
      short_at_(short_at),
      registers_(kMostValues),
      readers_(kMostValues) {
  for (const Operation& one : operations) {
    each_operand(one, [&](std::uint8_t reg) {
      if (reg >= kFirstValue) ++readers_[reg - kFirstValue];
    });
    each_of(named_by(one), [&](unsigned reg) { ++names_[reg]; });
  }
  each_of(static_cast<Registers>(~live_at_end_), [&](unsigned reg) {
    if (names_[reg] == 0) left_ |= only(reg);
  });
}

bool RegisterPool::has_room_for(const Operation& operation) const {
  const Slot& slot = operation.slot;
  const bool makes = writes_result(slot) && slot.d >= kFirstValue && readers_[slot.d - kFirstValue] != 0;
  return !makes || left_ != 0 || ended_by(operation) != 0;
}

bool RegisterPool::takes_from(const Operation& operation) const {
  const Slot& slot = operation.slot;
  return writes_result(slot) && slot.d >= kFirstValue && ended_by(operation) == 0;
}

bool RegisterPool::is_short() const { return std::popcount(left_) <= short_at_; }

// A value that is read twice has two readers here.
unsigned RegisterPool::ended_by(const Operation& operation) const {
  unsigned ended = 0, seen = 0;
  std::uint8_t before = 0;
  each_operand(operation, [&](std::uint8_t reg) {
    if (reg < kFirstValue) return;
    seen = reg == before ? seen + 1 : 1;
    before = reg;
    if (readers_[reg - kFirstValue] == seen) ++ended;
  });
  return ended;
}

void RegisterPool::place(Operation& operation) {
  each_of(named_by(operation), [&](unsigned reg) {
    if (--names_[reg] == 0) soon_ |= static_cast<Registers>(only(reg) & ~live_at_end_);
  });
  each_operand(operation, [&](std::uint8_t& reg) {
    if (reg < kFirstValue) return;
    const std::size_t value = reg - kFirstValue;
    reg = registers_[value];
    if (--readers_[value] == 0) left_ |= only(reg);
  });
  Slot& slot = operation.slot;
  if (!writes_result(slot) || slot.d < kFirstValue) return;
  const std::size_t value = slot.d - kFirstValue;
  slot.d = readers_[value] == 0 ? static_cast<std::uint8_t>(kUnusedRegister) : take();
  registers_[value] = slot.d;
}

std::uint8_t RegisterPool::take() {
  const auto reg = static_cast<std::uint8_t>(std::countr_zero(left_));
  left_ &= static_cast<Registers>(~only(reg));
  return reg;
}

}  // namespace forager::jit::rtl
