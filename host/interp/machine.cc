// SPDX-License-Identifier: Apache-2.0
#include "interp/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include "exec/invocation.h"
#include "interp/access.h"
#include "isa/semantics.h"

namespace forager::interp {
namespace {

using u64 = std::uint64_t;
using u32 = std::uint32_t;

constexpr RegisterSet bit(unsigned number) { return static_cast<RegisterSet>(1U << number); }
constexpr RegisterSet kArguments = bit(1) | bit(2) | bit(3) | bit(4) | bit(5);

template <unsigned kBytes>
using Unsigned = std::tuple_element_t<std::bit_width(kBytes) - 1,
                                      std::tuple<std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t>>;

u32 low(u64 value) { return static_cast<u32>(value); }

}  // namespace

Machine::Machine(const exec::DeviceOptions& options, Checking checking)
    : options_(options),
      checking_(checking),
      checked_(checking != Checking::memory),
      memory_(checked_),
      context_region_(memory_.add_fixed({.kind = RegionKind::context})),
      stacks_(memory_),
      units_(memory_,
             options.environment != nullptr ? options.environment->helpers : std::span<const exec::HelperFn>{}),
      assertions_(memory_, stacks_) {
  run_.environment = options.environment != nullptr ? options.environment : &no_environment_;
  run_.cpu = options.cpu;
  run_.random_state = options.seed;
  run_.ports = options_.ports;
  run_.memory = &memory_;
  run_.calls = this;
}

void Machine::set_program(std::shared_ptr<const verifier::VerifiedProgram> program) {
  units_.load(std::move(program));
  assertions_.forget();
}

// ---- one invocation ----

void Machine::run(exec::Frame& frame) {
  start(frame);
  start_entry();
  execute_checked();
  finish();
  ++counters_.packets;
}

void Machine::execute_checked() {
  switch (checking_) {
    case Checking::memory:
      return execute<Checking::memory>();
    case Checking::initialisation:
      return execute<Checking::initialisation>();
    case Checking::facts:
      return execute<Checking::facts>();
  }
}

void Machine::start(exec::Frame& frame) {
  frame.clear_results();
  run_.frame = &frame;
  enter_unit(*units_.loaded(), 0);
  assertions_.start();
  depth_ = base_ = tail_calls_ = 0;
  executed_ = 0;
  r_ = {};
  memory_.reset();
  start_packet();
}

void Machine::start_entry() {
  const isa::ProgTypeRow* type = isa::find_prog_type(static_cast<u32>(unit_->program().type()));
  show_context(*type);
  show_visit();
  r_[1] = Memory::fixed_address(context_region_);
  defined_ = bit(1);
  if (type->type == isa::ProgType::raw_memory) start_raw_memory();
  enter_stack();
}

// r1 is the memory's address, 0 where there is none, and r2 its length.
void Machine::start_raw_memory() {
  const std::size_t size = run_.frame->packet().size();
  r_[1] = size == 0 ? 0 : packet_;
  r_[2] = size;
  defined_ = bit(1) | bit(2);
}

void Machine::enter_unit(const Unit& unit, u32 next) {
  unit_ = &unit;
  steps_ = unit.steps.data();
  run_.program = unit.verified.get();
  next_ = next;
}

void Machine::enter_stack() {
  stacks_.clear(depth_);
  r_[isa::kFramePointer] = stacks_.top(depth_);
  defined_ |= bit(isa::kFramePointer);
}

void Machine::finish() {
  close_records();
  let_go();
  if (trap_ != nullptr) ++counters_.traps;
  exec::set_results(*run_.frame, units_.loaded()->program().type(), r_[0], std::move(trap_));
  counters_.instructions += executed_;
}

bool Machine::stop(ErrorKind kind, int error, std::string message) {
  trap_ = std::make_unique<Diagnostic>(Diagnostic{.kind = kind, .error = error, .message = std::move(message)});
  trap_->instruction = unit_->program().instructions()[at_].slot;
  trap_->source = unit_->program().source_line(at_);
  return false;
}

bool Machine::stop(const Span& span, u64 size, Use use) {
  return stop(ErrorKind::rejected, EACCES, describe(span, size, use));
}

bool Machine::stop_for_regions() {
  return stop(ErrorKind::limit, E2BIG, "too many map values, records and moves of the packet in use");
}

// ---- the loop ----

template <Checking kChecking>
void Machine::execute() {
  while (true) {
    at_ = next_++;
    const Step& s = steps_[at_];
    if (executed_++ == options_.instruction_budget) {
      std::ignore = stop(ErrorKind::limit, ETIME, "the program runs too long, in instructions");
      trap_->limit = options_.instruction_budget;
      return;
    }
    if constexpr (kChecking == Checking::facts) {
      if (!assert_before()) return;
    }
    if constexpr (kChecking != Checking::memory) {
      if (!check_registers(s)) return;
    }
    if (!step(s)) return;
    if constexpr (kChecking == Checking::facts) {
      if (!assert_after()) return;
    }
  }
}

bool Machine::assert_before() {
  const std::string wrong = assertions_.before({.unit = unit_, .at = at_, .depth = depth_}, r_);
  return wrong.empty() || stop(ErrorKind::bug, EINVAL, fmt::format("the verifier's fact does not hold: {}", wrong));
}

bool Machine::assert_after() {
  const std::string wrong = assertions_.after({.unit = unit_, .at = next_, .depth = depth_}, r_);
  return wrong.empty() || stop(ErrorKind::bug, EINVAL, fmt::format("the verifier's fact does not hold: {}", wrong));
}

bool Machine::check_registers(const Step& s) {
  const bool returns = s.op == isa::Op::exit && depth_ != base_;  // to a caller that need not read r0
  if (const RegisterSet missing = returns ? 0 : s.reads & ~defined_; missing != 0) {
    return stop(ErrorKind::rejected, EACCES,
                fmt::format("r{} is read but was never written", std::countr_zero(missing)));
  }
  defined_ = (defined_ & ~s.clears) | s.writes;
  return true;
}

namespace row = isa::semantics::row;

// One step; false at the end of the invocation.
[[gnu::always_inline]] inline bool Machine::step(const Step& s) {
  using isa::Op;
  u64& dst = r_[s.dst];
  const u64 src = r_[s.src];
  switch (s.op) {
#define FORAGER_ALU(name, ...)                  \
  case Op::name##64_imm:                        \
    dst = row::name<u64>(dst, s.imm);           \
    return true;                                \
  case Op::name##64_reg:                        \
    dst = row::name<u64>(dst, src);             \
    return true;                                \
  case Op::name##32_imm:                        \
    dst = row::name<u32>(low(dst), low(s.imm)); \
    return true;                                \
  case Op::name##32_reg:                        \
    dst = row::name<u32>(low(dst), low(src));   \
    return true;
#define FORAGER_MOVSX(name, width, ...)                      \
  case Op::name:                                             \
    dst = row::name(static_cast<std::uint##width##_t>(src)); \
    return true;
#define FORAGER_UNARY(name, mnemonic, opcode, imm, width, expr) \
  case Op::name:                                                \
    dst = row::name(static_cast<std::uint##width##_t>(dst));    \
    return true;
#define FORAGER_JUMP(name, ...)                                      \
  case Op::name##64_imm:                                             \
    next_ = row::name<u64>(dst, s.imm) ? s.target : next_;           \
    return true;                                                     \
  case Op::name##64_reg:                                             \
    next_ = row::name<u64>(dst, src) ? s.target : next_;             \
    return true;                                                     \
  case Op::name##32_imm:                                             \
    next_ = row::name<u32>(low(dst), low(s.imm)) ? s.target : next_; \
    return true;                                                     \
  case Op::name##32_reg:                                             \
    next_ = row::name<u32>(low(dst), low(src)) ? s.target : next_;   \
    return true;
#define FORAGER_CONTROL(name, ...) \
  case Op::name:                   \
    return name(s);
#define FORAGER_WIDE(name, ...) \
  case Op::name:                \
    dst = s.imm;                \
    return true;
#define FORAGER_LOAD(name, mnemonic, opcode, bytes, sign) \
  case Op::name:                                          \
    return load_memory<Unsigned<bytes>, sign>(s);
#define FORAGER_STORE(name, mnemonic, opcode, bytes, form) \
  case Op::name:                                           \
    return store_memory<Unsigned<bytes>>(s, form(s));
#define FORAGER_PACKET(name, mnemonic, opcode, bytes, form) \
  case Op::name:                                            \
    return load_packet(s, bytes, isa::Form::form == isa::Form::packet_ind ? src : 0);
#define FORAGER_ATOMIC(name, mnemonic, imm_value, fetch, symbol, expr)                          \
  case Op::name##64:                                                                            \
    return update_memory<u64, fetch>(s, (imm_value) == 0xf1 ? 0 : s.src,                        \
                                     [&](u64 old) { return row::name<u64>(old, src, r_[0]); }); \
  case Op::name##32:                                                                            \
    return update_memory<u32, fetch>(s, (imm_value) == 0xf1 ? 0 : s.src,                        \
                                     [&](u32 old) { return row::name<u32>(old, low(src), low(r_[0])); });
#include "isa/isa.def"
  }
  return stop(ErrorKind::bug, EINVAL, "an instruction that no row describes");
}

bool Machine::step_one(const Step& s) { return step(s); }

// ---- memory ----

template <class T, bool kSign>
bool Machine::load_memory(const Step& s) {
  const Span span = memory_.access(r_[s.src] + static_cast<u64>(s.offset), sizeof(T), Use::read);
  if (span.fault == Fault::context) return load_context(s, span, sizeof(T), kSign);
  if (span.fault != Fault::none) return stop(span, sizeof(T), Use::read);
  const T value = load<T>(span.host);
  r_[s.dst] = kSign ? static_cast<u64>(static_cast<std::int64_t>(static_cast<std::make_signed_t<T>>(value))) : value;
  return true;
}

template <class T>
bool Machine::store_memory(const Step& s, u64 value) {
  const Span span = memory_.access(r_[s.dst] + static_cast<u64>(s.offset), sizeof(T), Use::write);
  if (span.fault == Fault::context) return store_context(s, span, sizeof(T), value);
  if (span.fault != Fault::none) return stop(span, sizeof(T), Use::write);
  store<T>(span.host, static_cast<T>(value));
  return true;
}

template <class T, bool kFetch, class Update>
bool Machine::update_memory(const Step& s, unsigned old_register, Update update) {
  const Span span = memory_.access(r_[s.dst] + static_cast<u64>(s.offset), sizeof(T), Use::read_write);
  if (span.fault != Fault::none) return stop(span, sizeof(T), Use::read_write);
  if (!is_aligned<T>(span.host)) {
    return stop(ErrorKind::rejected, EACCES, describe(span, sizeof(T), Use::read_write) + ", which is not aligned");
  }
  const T old = modify<T, kFetch>(span.host, update);
  if (kFetch) r_[old_register] = old;
  return true;
}

// ---- control flow ----

bool Machine::ja(const Step& s) {
  next_ = s.target;
  return true;
}
bool Machine::ja32(const Step& s) { return ja(s); }

bool Machine::call_local(const Step& s) {
  if (depth_ + 1 == isa::kMaxCallFrames) {
    std::ignore = stop(ErrorKind::limit, E2BIG, "calls nest too deep, in frames");
    trap_->limit = isa::kMaxCallFrames;
    return false;
  }
  callers_[depth_++] = {.unit = unit_, .next = next_, .saved = {r_[6], r_[7], r_[8], r_[9]}, .defined = defined_};
  next_ = s.target;
  defined_ &= kArguments;
  enter_stack();
  return true;
}

// Back to the caller; a program that a subprogram tail-called returns to that subprogram's caller.
bool Machine::exit(const Step&) {
  if (depth_ == base_) return false;
  const Caller& caller = callers_[--depth_];
  enter_unit(*caller.unit, caller.next);
  std::ranges::copy(caller.saved, r_.begin() + 6);
  std::fill_n(r_.begin() + 1, 5, 0);
  r_[isa::kFramePointer] = stacks_.top(depth_);
  defined_ = (caller.defined & ~(kArguments | bit(0))) | (defined_ & bit(0));
  return true;
}

bool Machine::call_kfunc(const Step&) {
  return stop(ErrorKind::unsupported, EOPNOTSUPP, "calls of kernel functions (kfuncs)");
}
bool Machine::callx(const Step&) { return stop(ErrorKind::unsupported, EOPNOTSUPP, "calls through a register"); }

}  // namespace forager::interp
