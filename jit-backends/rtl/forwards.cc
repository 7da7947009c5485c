// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/forwards.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/registers.h"
#include "jit-backends/rtl/schedule.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

bool is_plain(const Operation& operation, CoreClass of) {
  const Reach& reach = operation.reach;
  return class_of(operation.slot.op) == of && (static_cast<unsigned>(operation.slot.op) & 0xf) <= 3 &&
         reach.region == verifier::Region::stack && reach.first <= reach.last;
}

// Bits that an operation's result may have.
unsigned bits_of_result(const Slot& slot) {
  if (class_of(slot.op) == CoreClass::Load && (static_cast<unsigned>(slot.op) & 0xf & ~kSwapped) <= 3)
    return 8 * bytes_of(slot.op);
  if (slot.op == CoreOp::AluZext || slot.op == CoreOp::AluSwap) return 8U << (slot.offset & 3);
  if (slot.op == CoreOp::AluAnd && slot.use_imm && slot.imm <= INT32_MAX)
    return static_cast<unsigned>(std::bit_width(slot.imm));
  const bool narrow = class_of(slot.op) == CoreClass::Alu || is_product(slot);
  return narrow && !slot.wide && slot.op != CoreOp::AluSext ? 32 : 64;
}

class Forwarder {
 public:
  explicit Forwarder(std::span<Operation> operations) : operations_(operations) {}

  void run() {
    for (std::size_t at = 0; at < operations_.size(); ++at) {
      if (!is_plain(operations_[at], CoreClass::Load)) continue;
      if (const auto store = source(at)) replace(at, operations_[*store].slot);
    }
  }

 private:
  // The store that what is loaded comes from, if it is of the same bytes and has a value's number.
  [[nodiscard]] std::optional<std::size_t> source(std::size_t load) const {
    const Operation& wanted = operations_[load];
    for (std::size_t at = load; at-- > 0;) {
      const Operation& one = operations_[at];
      if (one.slot.op == CoreOp::UnitHost || class_of(one.slot.op) == CoreClass::Control) return std::nullopt;
      if ((writes_of(one) & base_of(wanted)) != 0) return std::nullopt;
      const CoreClass of = class_of(one.slot.op);
      if ((of != CoreClass::Store && of != CoreClass::Atomic) || !may_meet(one.reach, wanted.reach)) continue;
      const bool same = is_plain(one, CoreClass::Store) && same_place(one.slot, wanted.slot);
      return same && !one.slot.use_imm && one.slot.b >= kFirstValue ? std::optional(at) : std::nullopt;
    }
    return std::nullopt;
  }
  static Registers base_of(const Operation& access) { return access.slot.a_state ? Registers{0} : only(access.slot.a); }
  static bool same_place(const Slot& store, const Slot& load) {
    return store.a == load.a && store.a_state == load.a_state && !store.on_map && !load.on_map &&
           store.offset == load.offset && bytes_of(store.op) == bytes_of(load.op);
  }

  // Readers take the value itself where it has no bits that were not stored; then there is nothing to do.
  void replace(std::size_t at, const Slot& store) {
    Operation& load = operations_[at];
    const std::uint8_t value = store.b, copy = load.slot.d;
    const unsigned bits = 8 * bytes_of(store.op);
    const bool whole = bits_of_value(value) <= bits;
    load.slot = whole ? Slot{.op = CoreOp::AluMov, .d = copy, .b = value}
                      : Slot{.op = CoreOp::AluZext,
                             .d = copy,
                             .a = value,
                             .offset = static_cast<std::uint16_t>(std::countr_zero(bits / 8))};
    load.reach = {};
    load.needs = program::kNone;
    if (!whole || copy < kFirstValue) return;
    load.slot = {};
    for (std::size_t later = at + 1; later < operations_.size(); ++later) {
      each_operand(operations_[later], [&](std::uint8_t& reg) { reg = reg == copy ? value : reg; });
    }
  }
  [[nodiscard]] unsigned bits_of_value(std::uint8_t number) const {
    const auto made = std::ranges::find_if(
        operations_, [&](const Operation& one) { return writes_result(one.slot) && one.slot.d == number; });
    return made == operations_.end() ? 64 : bits_of_result(made->slot);
  }

  std::span<Operation> operations_;
};

}  // namespace

void forward_stores(std::span<Operation> operations) { Forwarder(operations).run(); }

}  // namespace forager::jit::rtl
