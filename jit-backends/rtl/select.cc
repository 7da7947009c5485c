// SPDX-License-Identifier: Apache-2.0
//
// One rule for each kind of step. What the core does not do itself goes to the host (Host), which executes the BPF
// instruction: helpers get their arguments by way of the scratch of their call depth, a store or an index the register
// that travels with a request; where the context is, the host knows. Registers that live across a call of a function
// are kept there too.
#include <bit>
#include <cstddef>
#include <ranges>
#include <tuple>

#include "exec/host_helpers.h"
#include "exec/random.h"
#include "interp/memory.h"
#include "jit-backends/common/dispatch.h"
#include "jit-backends/common/image.h"
#include "jit-backends/common/passes/liveness.h"
#include "jit-backends/rtl/lower.h"
#include "jit-backends/rtl/scratch.h"
#include "jit-backends/rtl/select_maps.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

constexpr std::uint8_t kTemporary = 11, kTemporary2 = 12, kTemporary3 = 13;
constexpr std::uint8_t kIndex = 14;  // of arrays: nobody else writes it, so that a value is found by it for long
constexpr std::uint32_t kEntry = program::kNone - 1;  // the block before the first
constexpr std::uint32_t kContextRegion = 1;           // interp::Machine's first

bool fits(std::uint64_t value) {
  const auto as_signed = static_cast<std::int64_t>(value);
  return as_signed >= INT32_MIN && as_signed <= INT32_MAX;
}

std::uint8_t log2_of(unsigned bytes) { return static_cast<std::uint8_t>(std::countr_zero(bytes)); }

struct AluRow {
  Alu alu;
  CoreOp op;
};
constexpr AluRow kAlu[] = {
    {Alu::add, CoreOp::AluAdd},     {Alu::sub, CoreOp::AluSub},    {Alu::mul, CoreOp::UnitMul},
    {Alu::div, CoreOp::UnitDiv},    {Alu::sdiv, CoreOp::UnitSdiv}, {Alu::mod, CoreOp::UnitMod},
    {Alu::smod, CoreOp::UnitSmod},  {Alu::bit_or, CoreOp::AluOr},  {Alu::bit_and, CoreOp::AluAnd},
    {Alu::bit_xor, CoreOp::AluXor}, {Alu::lsh, CoreOp::AluLsh},    {Alu::rsh, CoreOp::AluRsh},
    {Alu::arsh, CoreOp::AluArsh},   {Alu::mov, CoreOp::AluMov},
};
struct CondRow {
  Cond cond;
  CoreOp taken, inverted;
};
constexpr CondRow kConditions[] = {
    {Cond::jeq, CoreOp::BranchEq, CoreOp::BranchNe},      {Cond::jne, CoreOp::BranchNe, CoreOp::BranchEq},
    {Cond::jgt, CoreOp::BranchGt, CoreOp::BranchLe},      {Cond::jge, CoreOp::BranchGe, CoreOp::BranchLt},
    {Cond::jlt, CoreOp::BranchLt, CoreOp::BranchGe},      {Cond::jle, CoreOp::BranchLe, CoreOp::BranchGt},
    {Cond::jsgt, CoreOp::BranchSgt, CoreOp::BranchSle},   {Cond::jsge, CoreOp::BranchSge, CoreOp::BranchSlt},
    {Cond::jslt, CoreOp::BranchSlt, CoreOp::BranchSge},   {Cond::jsle, CoreOp::BranchSle, CoreOp::BranchSgt},
    {Cond::jset, CoreOp::BranchSet, CoreOp::BranchClear},
};
struct AtomicRow {
  Atomic atomic;
  CoreOp op;
  bool fetches;
};
constexpr AtomicRow kAtomics[] = {
    {Atomic::atomic_add, CoreOp::AtomicAdd, false},      {Atomic::atomic_or, CoreOp::AtomicOr, false},
    {Atomic::atomic_and, CoreOp::AtomicAnd, false},      {Atomic::atomic_xor, CoreOp::AtomicXor, false},
    {Atomic::atomic_fetch_add, CoreOp::AtomicAdd, true}, {Atomic::atomic_fetch_or, CoreOp::AtomicOr, true},
    {Atomic::atomic_fetch_and, CoreOp::AtomicAnd, true}, {Atomic::atomic_fetch_xor, CoreOp::AtomicXor, true},
    {Atomic::atomic_xchg, CoreOp::AtomicXchg, true},     {Atomic::atomic_cmpxchg, CoreOp::AtomicCmpxchg, true},
};

template <class Row, class Key>
const Row& row_of(std::span<const Row> rows, Key Row::* key, Key value) {
  for (const Row& row : rows) {
    if (row.*key == value) return row;
  }
  __builtin_unreachable();
}

CoreOp with(CoreOp op, unsigned function) { return static_cast<CoreOp>(static_cast<unsigned>(op) | function); }

class Selector {
 public:
  Selector(const Code& code, const ChipPlan& plan)
      : code_(code), program_(code.program->program()), plan_(plan), liveness_(code) {}

  std::vector<OperationBlock> run() {
    enter();
    for (const std::uint32_t block : code_.layout) select_block(block);
    return std::move(blocks_);
  }

  // ---- rules, by dispatch.h ----

  void alu(const Step& step) {
    const CoreOp op = row_of<AluRow>(kAlu, &AluRow::alu, step.alu).op;
    Slot slot = {.op = op, .wide = step.width == 64, .d = step.dst, .a = step.dst};
    put(with_second(slot, step.has_imm, step.imm, step.src));
  }
  void constant(const Step& step) { load_constant(step.dst, step.imm); }
  void extend(const Step& step) { sized(CoreOp::AluSext, step, step.width == 64); }
  void truncate(const Step& step) { sized(CoreOp::AluZext, step, true); }
  void swap(const Step& step) { sized(CoreOp::AluSwap, step, true); }
  void negate(const Step& step) { put({.op = CoreOp::AluNeg, .wide = step.width == 64, .d = step.dst, .a = step.dst}); }
  void rotate(const Step& step) {
    put({.op = CoreOp::AluRotl,
         .wide = step.width == 64,
         .d = step.dst,
         .a = step.src,
         .use_imm = true,
         .imm = static_cast<std::uint32_t>(step.imm)});
  }
  void add_to(const Step& step) {
    put(with_second({.op = CoreOp::AluAdd, .wide = step.width == 64, .d = step.dst, .a = step.src}, true, step.imm, 0));
  }

  void load(const Step& step) { load_as(step, step.sign ? kSigned : 0); }
  void load_swapped(const Step& step) { load_as(step, kSwapped); }
  void store(const Step& step) {
    const Slot slot = {.op = with(CoreOp::Store, log2_of(step.bytes)), .a = step.dst, .offset = offset_of(step)};
    put_access(with_second(slot, step.has_imm, step.imm, step.src), step.bytes);
  }
  void atomic(const Step& step) {
    const AtomicRow& row = row_of<AtomicRow>(kAtomics, &AtomicRow::atomic, step.atomic);
    const bool compares = step.atomic == Atomic::atomic_cmpxchg;
    Operation made = {.slot = {.op = with(row.op, row.fetches ? kFetches : 0U),
                               .wide = step.bytes == 8,
                               .d = compares ? std::uint8_t{0} : step.src,
                               .a = step.dst,
                               .b = step.src,
                               .offset = offset_of(step)}};
    if (compares) made.beside = Slot{.b = 0};
    made.reach = reach_of(step.bytes);
    put(made);
  }

  void load_context(const Step& step) {
    const isa::ContextField* field = isa::find_field(*program_.context(), static_cast<std::uint32_t>(step.imm));
    if (field != nullptr) {
      if (const auto state = state_of(*field, step)) {
        return put(read_state(step.dst, *state));
      }
    }
    host(step.dst, 0);
  }
  void store_context(const Step& step) { host(kUnusedRegister, step.src); }
  void load_packet(const Step& step) { host(0, step.src); }

  void map_object(const Step& step) {
    address(step.dst, {.kind = Relocation::Kind::map_object, .index = static_cast<std::uint32_t>(step.imm)});
  }
  void map_value(const Step& step) {
    address(
        step.dst,
        {.kind = Relocation::Kind::map_value, .index = static_cast<std::uint32_t>(step.imm), .offset = step.target});
  }
  void function(const Step& step) { address(step.dst, {.kind = Relocation::Kind::function, .index = step.target}); }

  void jump_to(const Step& step) { put_branch({.op = CoreOp::BranchAlways}, step.target); }
  void branch(const Step& step) {
    const CondRow& row = row_of<CondRow>(kConditions, &CondRow::cond, step.cond);
    const Slot slot = {.op = step.inverted ? row.inverted : row.taken, .wide = step.width == 64, .a = step.dst};
    put_branch(with_second(slot, step.has_imm, step.imm, step.src), step.target);
  }

  void call_helper(const Step& step) {
    if (by_engine()) return;
    if (step.imm == static_cast<std::uint64_t>(exec::HelperId::ktime_get_ns))
      return put(read_state(0, CoreState::Time));
    const isa::HelperRow* helper = isa::find_helper(static_cast<std::uint32_t>(step.imm));
    const auto arguments = isa::helper_args(*helper, program_.type());
    // What bpf_trace_printk prints stands in registers that its row does not name.
    const bool all = step.imm == static_cast<std::uint64_t>(exec::HelperId::trace_printk);
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const bool known = argument_is_known(*code_.program, at_, arguments[i], i);
      if (!all && (arguments[i] == isa::Arg::none || known)) continue;
      keep(static_cast<std::uint8_t>(i + 1), kArgumentScratch + 8U * static_cast<unsigned>(i));
    }
    host(0, 0);
  }
  void tail_call(const Step&) {
    if (by_engine()) return;
    for (std::uint8_t i = 0; i < 3; ++i) keep(static_cast<std::uint8_t>(i + 1), kArgumentScratch + 8U * i);
    host(0, 0);
  }
  void call_function(const Step& step) {
    const auto saved = [&](auto act) {
      for (std::uint8_t reg = 6; reg <= 9; ++reg) {
        if ((live_ >> reg & 1) != 0) act(reg, kSavedScratch + 8U * (reg - 6U));
      }
    };
    saved([&](std::uint8_t reg, unsigned at) { keep(reg, at); });
    put_branch({.op = CoreOp::ControlCall}, step.target);
    saved([&](std::uint8_t reg, unsigned at) {
      put({.op = CoreOp::LocalFetch, .d = reg, .offset = static_cast<std::uint16_t>(at)});
    });
  }
  // A result that is a constant goes with the instruction, so that it need not wait for r0. Callers read r0 all the
  // same.
  void exit(const Step&) {
    Slot leave = {.op = CoreOp::ControlRet, .b = 0};
    for (const Operation& operation : std::views::reverse(blocks_.back().operations)) {
      if (!writes_result(operation.slot) || operation.slot.d != 0) continue;
      const Slot& made = operation.slot;
      if (made.op == CoreOp::AluMov && made.wide && made.use_imm)
        leave = {.op = leave.op, .use_imm = true, .imm = made.imm};
      break;
    }
    put(leave);
  }

  // Of an array on the chip: the value's address, 0 where the index is too large.
  void look_up_index(const Step& step) {
    const program::MapSpec& map = program_.maps()[step.imm];
    const auto index = static_cast<std::uint32_t>(step.imm);
    const auto stride = static_cast<std::uint32_t>(stride_of(map));
    if (step.has_imm) {
      return address(0, {.kind = Relocation::Kind::map_value, .index = index, .offset = step.target * stride});
    }
    if (step.index == kNoIndex) {
      put(Operation{.slot = {.op = with(CoreOp::Load, log2_of(4)), .d = kIndex, .a = 2},
                    .reach = reach_of_argument(code_, at_, 2, 0, 4)});
    } else {
      put({.op = CoreOp::AluMov, .wide = false, .d = kIndex, .b = step.index});
    }
    if (!step.inside)
      put({.op = CoreOp::AluSub, .d = kTemporary2, .a = kIndex, .use_imm = true, .imm = map.max_entries});
    const std::uint8_t scaled = std::has_single_bit(stride) ? kTemporary3 : kIndex;
    scale(scaled, kIndex, stride);
    address(0, {.kind = Relocation::Kind::map_value, .index = index});
    put({.op = CoreOp::AluAdd, .d = 0, .a = 0, .b = scaled});
    if (step.inside) return;
    put({.op = CoreOp::AluArsh, .d = kTemporary2, .a = kTemporary2, .use_imm = true, .imm = 63});
    put({.op = CoreOp::AluAnd, .d = 0, .a = 0, .b = kTemporary2});
  }

  void lane(const Step&) { put(read_state(0, CoreState::Cpu)); }

  // As exec::next_random. A thread has its state in the last row of its scratch, where nobody calls from.
  void random(const Step&) {
    if (!plan_.random) return host(0, 0);
    using exec::SplitMix;
    const auto xor_shifted = [&](unsigned by) {
      put({.op = CoreOp::AluRsh, .d = kTemporary2, .a = kTemporary, .use_imm = true, .imm = by});
      put({.op = CoreOp::AluXor, .d = kTemporary, .a = kTemporary, .b = kTemporary2});
    };
    const auto times = [&](std::uint64_t by) {
      load_constant(kTemporary2, by);
      put({.op = CoreOp::UnitMul, .d = kTemporary, .a = kTemporary, .b = kTemporary2});
    };
    put({.op = CoreOp::LocalFetch, .d = kTemporary, .offset = kRandomScratch});
    load_constant(kTemporary2, SplitMix::kStep);
    put({.op = CoreOp::AluAdd, .d = kTemporary, .a = kTemporary, .b = kTemporary2});
    keep(kTemporary, kRandomScratch);
    xor_shifted(SplitMix::kShifts[0]);
    times(SplitMix::kFirst);
    xor_shifted(SplitMix::kShifts[1]);
    times(SplitMix::kSecond);
    xor_shifted(SplitMix::kShifts[2]);
    put({.op = CoreOp::AluMov, .wide = false, .d = 0, .b = kTemporary});
  }

  // bpf_csum_diff of known sizes, as the kernel adds up: what is taken away is summed by itself, and its complement
  // added.
  void sum(const Step& step) {
    put({.op = CoreOp::AluMov, .d = kTemporary2, .use_imm = true});
    if (step.offset != 0) {
      add_words(1, static_cast<std::uint32_t>(step.offset));
      fold(32);
      fold(32);
      put({.op = CoreOp::AluXor,
           .wide = false,
           .d = kTemporary2,
           .a = kTemporary2,
           .use_imm = true,
           .imm = UINT32_MAX});
    }
    put({.op = CoreOp::AluMov, .wide = false, .d = kTemporary, .b = 5});
    put({.op = CoreOp::AluAdd, .d = kTemporary2, .a = kTemporary2, .b = kTemporary});
    add_words(3, static_cast<std::uint32_t>(step.imm));
    for (const std::uint32_t width : {32U, 32U, 16U, 16U}) fold(width);
    put({.op = CoreOp::AluMov, .d = 0, .b = kTemporary2});
  }

  // Lookups in maps that are not on the chip stay calls (Code::called_maps).
  void look_up(const Step&) { std::ignore = by_engine(); }
  void look_up_key(const Step&) { std::ignore = by_engine(); }

 private:
  // What a program finds in its registers: r1 is its context, or the memory it works on (0 where there is none) and r2
  // that memory's length.
  void enter() {
    blocks_.push_back({.begin = kEntry, .operations = {}});
    if (program_.type() != isa::ProgType::raw_memory) {
      if ((live_at_entry() & bit(1)) != 0) load_constant(1, interp::Memory::fixed_address(kContextRegion));
      return;
    }
    put(read_state(1, CoreState::Data));
    put(read_state(2, CoreState::DataEnd));
    put({.op = CoreOp::AluSub, .d = 2, .a = 2, .b = 1});
    put(Operation{.slot = {.op = CoreOp::BranchNe, .a = 2, .use_imm = true}, .target = 0});
    put({.op = CoreOp::AluMov, .d = 1, .use_imm = true});
  }

  [[nodiscard]] verifier::RegisterSet live_at_entry() const {
    const program::Block& first = program_.blocks().front();
    verifier::RegisterSet live = liveness_.at_end(0);
    for (std::uint32_t at = first.end; at-- > first.begin;) live = live_before(code_.steps[at], live);
    return live;
  }

  void select_block(std::uint32_t block) {
    const program::Block& of = program_.blocks()[block];
    blocks_.push_back({.begin = of.begin, .operations = {}});
    std::vector<verifier::RegisterSet> after(of.end - of.begin);
    verifier::RegisterSet live = liveness_.at_end(block);
    for (std::uint32_t at = of.end; at-- > of.begin;) {
      after[at - of.begin] = live;
      live = live_before(code_.steps[at], live);
    }
    for (at_ = of.begin; at_ < of.end; ++at_) {
      live_ = after[at_ - of.begin];
      emit_by_rule(*this, code_.steps[at_]);
    }
    fall_through(of);
  }

  // Blocks are placed in the order of the layout; what went on to the next instruction may not stand there any more.
  void fall_through(const program::Block& of) {
    const Kind last = code_.steps[of.end - 1].kind;
    if (last == Kind::jump || last == Kind::exit || of.end == code_.steps.size()) return;
    if (!code_.facts(of.end).reachable) return;
    at_ = of.end - 1;
    put_branch({.op = CoreOp::BranchAlways}, of.end);
  }

  [[nodiscard]] bool by_engine() {
    return select_engine_call(code_, at_, plan_, [this](const Operation& operation) { put(operation); });
  }

  void put(Operation operation) {
    operation.instruction = at_;
    blocks_.back().operations.push_back(operation);
  }
  void put(const Slot& slot) { put(Operation{.slot = slot}); }
  void put_branch(const Slot& slot, std::uint32_t target) {
    put(Operation{.slot = slot, .target = code_.destination(target)});
  }

  Slot with_second(Slot slot, bool has_imm, std::uint64_t imm, std::uint8_t src) {
    slot.b = src;
    if (!has_imm) return slot;
    const std::uint64_t value = slot.wide ? imm : static_cast<std::uint64_t>(static_cast<std::int32_t>(imm));
    if (fits(value)) {
      slot.use_imm = true;
      slot.imm = static_cast<std::uint32_t>(value);
    } else {
      load_constant(kTemporary, value);
      slot.b = kTemporary;
    }
    return slot;
  }

  void load_constant(std::uint8_t reg, std::uint64_t value) {
    const bool half = value <= UINT32_MAX;
    Slot slot = {.op = fits(value) || half ? CoreOp::AluMov : CoreOp::AluWide,
                 .wide = fits(value) || !half,
                 .d = reg,
                 .use_imm = true,
                 .imm = static_cast<std::uint32_t>(value)};
    Operation made = {.slot = slot};
    if (slot.op == CoreOp::AluWide) made.beside = Slot{.imm = static_cast<std::uint32_t>(value >> 32)};
    put(made);
  }

  void address(std::uint8_t reg, const Relocation& relocation) {
    put(Operation{
        .slot = {.op = CoreOp::AluWide, .d = reg, .use_imm = true}, .beside = Slot{}, .relocation = relocation});
  }

  void add_words(std::uint8_t from, std::uint32_t bytes) {
    for (std::uint32_t at = 0; at < bytes; at += 4) {
      put(Operation{.slot = {.op = with(CoreOp::Load, log2_of(4)),
                             .d = kTemporary,
                             .a = from,
                             .offset = static_cast<std::uint16_t>(at)},
                    .reach = reach_of_argument(code_, at_, from, at, 4)});
      put({.op = CoreOp::AluAdd, .d = kTemporary2, .a = kTemporary2, .b = kTemporary});
    }
  }

  // The upper bits of the sum go to the lower ones.
  void fold(std::uint32_t width) {
    put({.op = CoreOp::AluRsh, .d = kTemporary, .a = kTemporary2, .use_imm = true, .imm = width});
    put({.op = CoreOp::AluZext, .d = kTemporary2, .a = kTemporary2, .offset = log2_of(width / 8)});
    put({.op = CoreOp::AluAdd, .d = kTemporary2, .a = kTemporary2, .b = kTemporary});
  }

  void scale(std::uint8_t to, std::uint8_t from, std::uint32_t by) {
    const bool shifts = std::has_single_bit(by);
    put({.op = shifts ? CoreOp::AluLsh : CoreOp::UnitMul,
         .d = to,
         .a = from,
         .use_imm = true,
         .imm = shifts ? static_cast<std::uint32_t>(std::countr_zero(by)) : by});
  }

  void sized(CoreOp op, const Step& step, bool wide) {
    put({.op = op, .wide = wide, .d = step.dst, .a = step.src, .offset = log2_of(step.bytes)});
  }

  void load_as(const Step& step, unsigned how) {
    put_access(
        {.op = with(CoreOp::Load, log2_of(step.bytes) | how), .d = step.dst, .a = step.src, .offset = offset_of(step)},
        step.bytes);
  }

  void put_access(const Slot& slot, unsigned bytes) { put(Operation{.slot = slot, .reach = reach_of(bytes)}); }

  // What the verifier knows of the access at hand.
  [[nodiscard]] Reach reach_of(unsigned bytes) const {
    const verifier::AccessFact& access = code_.facts(at_).access;
    Reach reach = {.region = access.region, .map = access.map, .frame = access.frame, .aligned = access.aligned};
    if (!access.in_bounds) return {};
    if (access.frame != verifier::AccessFact::kAnyFrame) {
      reach.first = access.offset_min;
      reach.last = access.offset_max + bytes - 1;
    }
    return reach;
  }

  static Slot read_state(std::uint8_t to, CoreState state) {
    return {.op = CoreOp::LocalState, .d = to, .a = static_cast<std::uint8_t>(state), .use_imm = true, .a_state = true};
  }

  static std::uint16_t offset_of(const Step& step) { return static_cast<std::uint16_t>(step.offset); }

  void keep(std::uint8_t reg, unsigned at) {
    put({.op = CoreOp::LocalKeep, .b = reg, .offset = static_cast<std::uint16_t>(at)});
  }

  // The instruction at hand, by the host, which gets a register's value; its result goes to another.
  void host(std::uint8_t result, std::uint8_t b) { put({.op = CoreOp::UnitHost, .d = result, .b = b, .imm = at_}); }

  // Fields that a thread knows of its packet.
  [[nodiscard]] std::optional<CoreState> state_of(const isa::ContextField& field, const Step& step) const {
    using isa::FieldKind;
    if (field.kind == FieldKind::packet) return CoreState::Data;
    if (field.kind == FieldKind::packet_end) return CoreState::DataEnd;
    if (field.kind == FieldKind::packet_meta) return CoreState::DataMeta;
    const bool whole = program_.type() == isa::ProgType::xdp && step.bytes == 4 && !step.sign &&
                       step.imm == field.offset && field.kind == FieldKind::scalar;
    if (whole && field.name == "ingress_ifindex") return CoreState::Port;
    if (whole && field.name == "rx_queue_index") return CoreState::Queue;
    return std::nullopt;
  }

  const Code& code_;
  const program::Program& program_;
  const ChipPlan& plan_;
  const Liveness liveness_;
  std::vector<OperationBlock> blocks_;
  std::uint32_t at_ = 0;
  verifier::RegisterSet live_ = 0;  // after at_
};

}  // namespace

std::vector<OperationBlock> select(const Code& code, const ChipPlan& plan) { return Selector(code, plan).run(); }

}  // namespace forager::jit::rtl
