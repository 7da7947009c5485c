// SPDX-License-Identifier: Apache-2.0
//
// Moves of numbers between registers and memory. Which memory an instruction reaches is taken from its facts, which
// hold for every execution; where they name none, it may be any, and what is loaded there anything.
//
// A frame changes by its own function's stores, by stores through pointers that callees and callbacks were given, and
// by helpers that fill memory: nothing else in the machine can reach it.
#include "verifier/values_effect.h"

#include <cstring>

#include "verifier/structure.h"

namespace forager::verifier {
namespace {

using isa::Arg;
using isa::Form;
using isa::Op;

class Effect {
 public:
  Effect(const program::Program& program, const program::Instruction& insn, const Facts& facts,
         std::span<const ArgumentFacts> arguments, Numbers& numbers)
      : program_(program),
        insn_(insn),
        row_(isa::row(insn.op)),
        bytes_(row_.width / 8U),
        facts_(facts),
        arguments_(arguments),
        numbers_(numbers) {}

  void execute() {
    switch (row_.form) {
      case Form::alu_imm:
      case Form::alu_reg:
      case Form::unary:
        return arithmetic();
      case Form::wide:
        return put(insn_.dst, insn_.op == Op::lddw ? std::optional(Scalar::constant(insn_.imm)) : std::nullopt);
      case Form::load:
        return put(insn_.dst, loaded());
      case Form::store_imm:
      case Form::store_reg:
        return store();
      case Form::atomic:
        return atomic();
      case Form::call:
      case Form::call_register:
        return call();
      case Form::packet_abs:
      case Form::packet_ind:
        numbers_.forget_registers(kArgumentRegisters);
        return put(0, Scalar::loaded(bytes_, false));
      case Form::jump:
      case Form::jump_long:
      case Form::jump_imm:
      case Form::jump_reg:
      case Form::exit:
        return;
    }
  }

 private:
  void put(unsigned reg, const std::optional<Scalar>& value) {
    if (value) {
      numbers_.set(reg, *value);
    } else {
      numbers_.forget(reg);
    }
  }

  void arithmetic() {
    const Scalar immediate = Scalar::constant(insn_.imm);
    const Scalar* src = row_.form == Form::alu_reg ? numbers_.find(insn_.src) : &immediate;
    put(insn_.dst, computed(insn_.op, numbers_.find(insn_.dst), src));
  }

  // ---- memory ----

  [[nodiscard]] bool at_one_place() const { return facts_.access.offset_min == facts_.access.offset_max; }
  [[nodiscard]] bool in_own_frame() const { return facts_.access.region == Region::stack && facts_.access.frame == 0; }

  // A pointer lies on the stack (of 8 bytes) or in a field of the context (of any width) only; all other memory holds
  // numbers to the verifier.
  [[nodiscard]] std::optional<Scalar> loaded() const {
    const Scalar number = Scalar::loaded(bytes_, row_.sign_extends);
    switch (facts_.access.region) {
      case Region::unknown:
        return std::nullopt;
      case Region::context:
        return is_number_field() ? std::optional(number) : std::nullopt;
      case Region::stack:
        if (auto value = stored()) return value;
        return bytes_ < 8 ? std::optional(number) : std::nullopt;
      case Region::map_value:
        return frozen().value_or(number);
      default:
        return number;
    }
  }

  [[nodiscard]] bool is_number_field() const {
    if (!at_one_place()) return false;
    const isa::ContextField* field = isa::check_access({.type = program_.type(),
                                                        .attach_type = program_.source().attach_type,
                                                        .offset = static_cast<u32>(facts_.access.offset_min),
                                                        .bytes = bytes_,
                                                        .store = false,
                                                        .context = program_.context()});
    return field != nullptr && field->kind == isa::FieldKind::scalar;
  }

  [[nodiscard]] std::optional<Scalar> stored() const {
    u32 shift = 0;
    const bool exact = in_own_frame() && at_one_place();
    const Scalar* whole =
        exact ? numbers_.find_stored(static_cast<u32>(facts_.access.offset_min), bytes_, shift) : nullptr;
    if (whole == nullptr) return std::nullopt;
    return extended(alu(Alu::rsh, 64, *whole, Scalar::constant(shift)));
  }

  // A value that nobody can change any more is the same in every execution.
  [[nodiscard]] std::optional<Scalar> frozen() const {
    const AccessFact& access = facts_.access;
    if (access.map == program::kNone || !at_one_place()) return std::nullopt;
    const auto& value = program_.maps()[access.map].frozen;
    const auto offset = static_cast<u64>(access.offset_min);
    if (value == nullptr || offset > value->size() || value->size() - offset < bytes_) return std::nullopt;
    u64 word = 0;
    std::memcpy(&word, value->data() + offset, bytes_);
    return extended(Scalar::constant(word));
  }

  [[nodiscard]] Scalar extended(Scalar word) const {
    if (row_.sign_extends) {
      word.sign_extend(bytes_);
    } else {
      word.truncate(bytes_);
    }
    return word;
  }

  // Whatever the access may overwrite in this frame.
  void forget_overwritten() {
    const AccessFact& access = facts_.access;
    if (access.region == Region::unknown) return numbers_.forget_frame();
    const bool callers = access.frame != 0 && access.frame != AccessFact::kAnyFrame;
    if (access.region == Region::stack && !callers)
      numbers_.forget_frame(access.offset_min, access.offset_max + bytes_);
  }

  void store() {
    forget_overwritten();
    const Scalar immediate = Scalar::constant(insn_.imm);
    const Scalar* value = row_.form == Form::store_reg ? numbers_.find(insn_.src) : &immediate;
    if (value == nullptr || !in_own_frame() || !at_one_place()) return;
    numbers_.store(static_cast<u32>(facts_.access.offset_min), bytes_, *value);
  }

  void atomic() {
    const std::optional<Scalar> old = row_.fetches ? loaded() : std::nullopt;
    forget_overwritten();
    if (!row_.fetches) return;
    const bool compares = insn_.op == Op::atomic_cmpxchg64 || insn_.op == Op::atomic_cmpxchg32;
    put(compares ? 0 : insn_.src, old);
  }

  // ---- calls ----

  void call() {
    const isa::HelperRow* helper = helper_of(insn_);
    if (helper == nullptr || calls_back(insn_) || facts_.call.arguments == program::kNone) {
      numbers_.forget_frame();
    } else {
      const auto args = isa::helper_args(*helper, program_.type());
      for (u32 i = 0; i < args.size(); ++i) forget_filled(args[i], i);
    }
    numbers_.forget_registers(kCallerSaved);
    if (helper != nullptr && helper->returns == isa::Ret::integer) numbers_.set(0, Scalar{});
  }

  // What the helper may write through an argument. Of whose frame the offsets are is not said: this one, perhaps.
  void forget_filled(Arg arg, u32 index) {
    const ArgumentFact& fact = arguments_[facts_.call.arguments][index];
    const bool may_be_stack = fact.region == Region::stack || fact.region == Region::unknown;
    if (!fills(arg) || numbers_.find(index + 1) != nullptr || !may_be_stack) return;
    if (fact.region == Region::unknown || fact.bytes == 0) return numbers_.forget_frame();
    numbers_.forget_frame(fact.offset_min, fact.offset_max + static_cast<s64>(fact.bytes));
  }

  static bool fills(Arg arg) {
    switch (arg) {
      case Arg::mem_uninit:
      case Arg::mem_update:
      case Arg::mem_out:
      case Arg::mem_out_or_null:
      case Arg::map_value_uninit:
      case Arg::long_out:
      case Arg::int_out:
      case Arg::stack_or_null:
      case Arg::dynptr:
      case Arg::dynptr_uninit:
        return true;
      default:
        return false;
    }
  }

  const program::Program& program_;
  const program::Instruction& insn_;
  const isa::Row& row_;
  const u32 bytes_;  // of memory
  const Facts& facts_;
  const std::span<const ArgumentFacts> arguments_;
  Numbers& numbers_;
};

}  // namespace

void execute(const program::Program& program, const program::Instruction& insn, const Facts& facts,
             std::span<const ArgumentFacts> arguments, Numbers& numbers) {
  Effect(program, insn, facts, arguments, numbers).execute();
}

}  // namespace forager::verifier
