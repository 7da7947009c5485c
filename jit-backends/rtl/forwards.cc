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

// Of the packet, by its first byte.
bool is_of_packet(const Operation& operation) {
  const Slot& slot = operation.slot;
  return slot.a_state && !slot.on_map && slot.a == static_cast<std::uint8_t>(CoreState::Data);
}
bool is_plain(const Operation& operation, CoreClass of) {
  const Reach& reach = operation.reach;
  const bool of_stack = reach.region == verifier::Region::stack && reach.first <= reach.last;
  return class_of(operation.slot.op) == of && (static_cast<unsigned>(operation.slot.op) & 0xf) <= 3 &&
         (of_stack || is_of_packet(operation));
}
// Whether two accesses may be of the same bytes.
bool meet(const Operation& a, const Operation& b) {
  if (!is_of_packet(a) || !is_of_packet(b)) return may_meet(a.reach, b.reach);
  const int a_first = static_cast<std::int16_t>(a.slot.offset), b_first = static_cast<std::int16_t>(b.slot.offset);
  return a_first < b_first + static_cast<int>(bytes_of(b.slot.op)) &&
         b_first < a_first + static_cast<int>(bytes_of(a.slot.op));
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
  // The store that what is loaded comes from, if it is of the same bytes, and of a constant or of what has a number.
  [[nodiscard]] std::optional<std::size_t> source(std::size_t load) const {
    const Operation& wanted = operations_[load];
    for (std::size_t at = load; at-- > 0;) {
      const Operation& one = operations_[at];
      const bool moves = moves_edge(one.slot.op) || one.slot.op == CoreOp::UnitHost;
      if (moves || class_of(one.slot.op) == CoreClass::Control) return std::nullopt;
      if ((writes_of(one) & base_of(wanted)) != 0) return std::nullopt;
      const CoreClass of = class_of(one.slot.op);
      if ((of != CoreClass::Store && of != CoreClass::Atomic) || !meet(one, wanted)) continue;
      const bool same = is_plain(one, CoreClass::Store) && same_place(one.slot, wanted.slot);
      return same && (one.slot.use_imm || one.slot.b >= kFirstValue) ? std::optional(at) : std::nullopt;
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
    if (store.use_imm) return replace_by_constant(operations_[at], store);
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
  static void replace_by_constant(Operation& load, const Slot& store) {
    const unsigned bytes = bytes_of(store.op);
    const std::uint32_t imm = bytes >= 4 ? store.imm : store.imm & ((1U << (8 * bytes)) - 1);
    load.slot = {.op = CoreOp::AluMov, .wide = bytes == 8, .d = load.slot.d, .use_imm = true, .imm = imm};
    load.reach = {};
    load.needs = program::kNone;
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
