// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/address_effect.h"

#include "tests/fuzz/verifier/address_rules.h"

namespace forager::fuzz {
namespace {

using isa::Form;
using isa::Op;
using verifier::Region;

bool is_null(const verifier::ValueFact& fact) { return fact.is_constant() && fact.min == 0; }

// Whether it reads its first operand.
bool only_moves(Op op) {
  switch (op) {
    case Op::mov64_reg:
    case Op::mov64_imm:
    case Op::mov32_reg:
    case Op::mov32_imm:
    case Op::movsx8:
    case Op::movsx16:
    case Op::movsx32:
    case Op::movsx8w:
    case Op::movsx16w:
      return true;
    default:
      return false;
  }
}

class Effect {
 public:
  Effect(const verifier::VerifiedProgram& program, std::uint32_t at, AddressState& state)
      : program_(program),
        insn_(program.program().instructions()[at]),
        row_(isa::row(insn_.op)),
        facts_(program.facts()[at]),
        bytes_(row_.width / 8U),
        state_(state) {}

  bool execute() {
    switch (row_.form) {
      case Form::alu_imm:
      case Form::alu_reg:
      case Form::unary:
        arithmetic();
        break;
      case Form::wide:
        state_.set(insn_.dst, insn_.op == Op::lddw ? kNumber : kOtherPointer);
        break;
      case Form::load:
        load();
        break;
      case Form::store_imm:
      case Form::store_reg:
        store();
        break;
      case Form::atomic:
        atomic();
        break;
      case Form::jump_imm:
      case Form::jump_reg:
        compare();
        break;
      case Form::call:
        call();
        break;
      case Form::packet_ind:
        look_at(src());
        [[fallthrough]];
      case Form::packet_abs:
        state_.clobber();
        state_.set(0, kNumber);
        break;
      case Form::exit:
        if (state_.depth() == 1) look_at(state_.reg(0));
        break;
      case Form::call_register:
        shows_ = true;
        break;
      case Form::jump:
      case Form::jump_long:
        break;
    }
    return shows_;
  }

 private:
  void look_at(Classes classes) { shows_ |= (classes & kAddress) != 0; }

  // What the verifier knows the value of is no address.
  [[nodiscard]] Classes dst() const { return facts_.dst.is_constant() ? kNumber : state_.reg(insn_.dst); }
  [[nodiscard]] Classes src() const { return facts_.src.is_constant() ? kNumber : state_.reg(insn_.src); }

  void arithmetic() {
    const Classes second = row_.form == Form::alu_reg ? src() : kNumber;
    if (insn_.op == Op::mov64_reg) return state_.set(insn_.dst, second);
    if (insn_.op == Op::add64_imm || insn_.op == Op::sub64_imm) return;
    if (insn_.op == Op::add64_reg) return add(dst(), second);
    if (insn_.op == Op::sub64_reg) return subtract(dst(), second);
    look_at(second);
    if (!only_moves(insn_.op)) look_at(dst());
    state_.set(insn_.dst, kNumber);
  }

  void add(Classes first, Classes second) {
    if ((first & kAddress) != 0) look_at(second);
    state_.set(insn_.dst, ((first | second) & kAddress) | (first & second & kNumber));
  }

  void subtract(Classes first, Classes second) {
    if ((second & kAddress) == 0) return state_.set(insn_.dst, first);
    shows_ |= first != kPacketPointer || second != kPacketPointer;
    state_.set(insn_.dst, kNumber);
  }

  void compare() {
    const bool decided = facts_.branch != verifier::Branch::both;
    if (decided || compares_with_null(insn_, facts_)) return;
    const Classes second = row_.form == Form::jump_reg ? src() : kNumber;
    const bool tests_bits = insn_.op == Op::jset64_reg;
    if (row_.width == 64 && !tests_bits && dst() == kPacketPointer && second == kPacketPointer) return;
    look_at(dst() | second);
  }

  // ---- memory ----

  // The stack that a load, store or atomic through a register may reach.
  [[nodiscard]] StackRange reached(unsigned base) const {
    const verifier::AccessFact& access = facts_.access;
    if (access.region == Region::stack) {
      StackRange range = state_.range(access.frame, access.offset_min, access.offset_max, bytes_);
      range.aligned = access.aligned && bytes_ == 8;
      return range;
    }
    const bool maybe = access.region == Region::unknown && (state_.reg(base) & kStackPointer) != 0;
    return maybe ? state_.any_stack() : StackRange{};
  }

  void load() {
    const StackRange range = reached(insn_.src);
    const Classes stored = state_.read(range);
    if (!range.aligned || (stored & kPart) != 0) look_at(stored);
    Classes loaded = bytes_ == 8 ? stored & ~kPart : range.to != 0 ? kNumber : 0;
    if (facts_.access.region != Region::stack) loaded |= elsewhere();
    state_.set(insn_.dst, loaded);
  }

  // What is loaded from other memory: the program itself puts no pointer there without showing it.
  [[nodiscard]] Classes elsewhere() const {
    switch (facts_.access.region) {
      case Region::context:
        return context_field();
      case Region::unknown: {
        const bool maybe_context = (state_.reg(insn_.src) & kContextPointer) != 0;
        return maybe_context ? kNumber | kPacketPointer | kOtherPointer : kNumber;
      }
      case Region::other:
        return kNumber | kOtherPointer;
      default:
        return kNumber;
    }
  }

  [[nodiscard]] Classes context_field() const {
    const program::Program& program = program_.program();
    const isa::ContextField* field = nullptr;
    if (facts_.access.offset_min == facts_.access.offset_max) {
      field = isa::check_access({.type = program.type(),
                                 .attach_type = program.source().attach_type,
                                 .offset = static_cast<std::uint32_t>(facts_.access.offset_min),
                                 .bytes = bytes_,
                                 .store = false,
                                 .context = program.context()});
    }
    return field == nullptr ? kNumber | kPacketPointer | kOtherPointer : class_of(*field);
  }

  void store() {
    const Classes value = row_.form == Form::store_reg ? src() : kNumber;
    if (facts_.access.region != Region::stack || bytes_ < 8) look_at(value);
    state_.write(reached(insn_.dst), value);
  }

  void atomic() {
    const bool compares = insn_.op == Op::atomic_cmpxchg64 || insn_.op == Op::atomic_cmpxchg32;
    const StackRange range = reached(insn_.dst);
    look_at(src() | state_.read(range) | (compares ? state_.reg(0) : kNumber));
    state_.write(range, kNumber);
    if (row_.fetches) state_.set(compares ? 0 : insn_.src, kNumber);
  }

  // ---- helpers ----

  void call() {
    const isa::HelperRow* helper =
        insn_.op == Op::call_helper ? isa::find_helper(static_cast<std::uint32_t>(insn_.imm)) : nullptr;
    if (helper == nullptr || facts_.call.arguments == program::kNone) {
      shows_ = true;
      return;
    }
    const auto args = isa::helper_args(*helper, program_.program().type());
    for (unsigned i = 0; i < args.size(); ++i) argument(use_of(args[i]), i);
    if (helper->changes_packet) state_.move_packet();
    state_.clobber();
    state_.set(0, class_of(helper->returns));
  }

  void argument(Use use, unsigned index) {
    const Classes classes = state_.reg(index + 1);
    const verifier::ArgumentFact& fact = program_.call_arguments()[facts_.call.arguments][index];
    const bool on_stack = fact.region == Region::stack || fact.region == Region::unknown;
    if (use == Use::calls) shows_ = true;
    if (use == Use::is_number && !fact.value.is_constant()) look_at(classes);
    if (use == Use::is_number || !on_stack || (classes & kStackPointer) == 0) return;
    memory_argument(use, fact);
  }

  // Of whose frame the offsets are is not said.
  void memory_argument(Use use, const verifier::ArgumentFact& fact) {
    constexpr unsigned kDynptrBytes = 16;
    const std::uint64_t bytes = use == Use::makes_dynptr ? kDynptrBytes : fact.bytes;
    if (bytes == 0) return;
    StackRange range = state_.range(verifier::AccessFact::kAnyFrame, fact.offset_min, fact.offset_max, bytes);
    range.exact = false;
    if (use == Use::reads || use == Use::updates) look_at(state_.read(range));
    if (use == Use::fills || use == Use::updates) state_.write(range, kNumber);
    if (use == Use::makes_dynptr) state_.write(range, kPart);
  }

  const verifier::VerifiedProgram& program_;
  const program::Instruction& insn_;
  const isa::Row& row_;
  const verifier::Facts& facts_;
  const unsigned bytes_;  // of memory
  AddressState& state_;
  bool shows_ = false;
};

}  // namespace

bool shows_address(const verifier::VerifiedProgram& program, std::uint32_t at, AddressState& state) {
  return Effect(program, at, state).execute();
}

bool compares_with_null(const program::Instruction& insn, const verifier::Facts& facts) {
  if (insn.op == Op::jeq64_imm || insn.op == Op::jne64_imm) return insn.imm == 0;
  return (insn.op == Op::jeq64_reg || insn.op == Op::jne64_reg) && is_null(facts.src);
}

}  // namespace forager::fuzz
