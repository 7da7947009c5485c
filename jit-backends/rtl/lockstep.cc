// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/lockstep.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "exec/host_helpers.h"
#include "jit-backends/rtl/slots.h"
#include "program/text.h"

namespace forager::jit::rtl {
namespace {

using exec::HelperId;
using interp::Memory;
using interp::Proxy;
using verifier::Region;

constexpr verifier::RegisterSet kSaved = 0x3c0;               // r6 to r9
constexpr std::uint64_t kMostSteps = std::uint64_t{1} << 24;  // of a packet

// Helpers that the interpreter executes for itself: what they do depends on the packet alone, and on PROG_ARRAYs.
constexpr std::array kOwn = {HelperId::csum_diff, HelperId::xdp_adjust_head, HelperId::xdp_adjust_meta,
                             HelperId::xdp_adjust_tail, HelperId::tail_call};

constexpr verifier::RegisterSet bit_of(unsigned reg) { return static_cast<verifier::RegisterSet>(1U << reg); }

// Memory that the interpreter has for itself.
bool is_own(Region region) {
  return region == Region::stack || region == Region::packet || region == Region::packet_meta ||
         region == Region::context;
}

std::uint64_t swapped(std::uint64_t value, unsigned bytes) { return std::byteswap(value) >> (64 - 8 * bytes); }

unsigned swapped_bytes(const Slot& slot) {
  const auto function = static_cast<unsigned>(slot.op) & 0xf;
  const bool swaps = class_of(slot.op) == CoreClass::Load && (function & kSwapped) != 0;
  return swaps ? 1U << (function & 3) : 0;
}

}  // namespace

// ---- what the device does ------------------------------------------------------------------------------------------

void Lockstep::expect(const exec::Frame& frame, bool native) {
  auto log = std::make_unique<Log>();
  if (native) {
    if (auto copy = exec::Frame::make(frame.packet())) {
      copy->context = frame.context;
      copy->id = frame.id;
      copy->timestamp_ns = frame.timestamp_ns;
      log->copy = std::move(*copy);
    }
  }
  log->frame = &frame;
  logs_.push_back(std::move(log));
}

void Lockstep::started(std::uint8_t thread, std::uint64_t cycle) {
  if (begun_ == logs_.size()) return;
  Log& log = *logs_[begun_++];
  log.thread = thread;
  log.last_cycle = cycle;
  now_[thread] = &log;
}

void Lockstep::retired(const sim::Retired& bundle, std::uint64_t cycle) {
  const auto log = now_.find(bundle.thread);
  const Resident* resident = loader_.at(bundle.pc);
  if (log == now_.end() || resident == nullptr) return;
  Log& of = *log->second;
  const CoreProgram& code = resident->image->code();
  const std::uint32_t at = bundle.pc - resident->first;
  // A trace begins, or a branch was taken.
  if (bundle.pc != of.last_pc + 1 || code.traces[at] == at) of.visits.emplace_back();
  of.last_cycle = cycle;
  of.last_pc = bundle.pc;
  for (unsigned lane = 0; lane < 2; ++lane) {
    const Origin& origin = code.origins[at][lane];
    if (!origin.result || !bundle.writes[lane]) continue;
    const unsigned swaps = swapped_bytes(resident->bundle(bundle.pc).slots[lane]);
    of.visits.back().push_back({.at = {resident->image->shared_program().get(), origin.instruction},
                                .cycle = cycle,
                                .value = bundle.values[lane],
                                .pc = bundle.pc,
                                .swapped = static_cast<std::uint8_t>(swaps)});
  }
}

void Lockstep::called(const Call& call) {
  const auto log = std::ranges::find_if(logs_, [&](const auto& one) { return one->frame == &call.frame; });
  if (log == logs_.end()) return;
  Aftermath left{.stack = {}, .packet = {}, .meta = call.frame.data_meta(), .data = call.frame.data()};
  for (unsigned depth = 0; depth <= call.depth; ++depth) {
    const auto before = call.before.subspan(std::size_t{depth} * isa::kStackBytes, isa::kStackBytes);
    const auto now = call.proxy.stack(depth);
    for (unsigned i = 0; i < isa::kStackBytes; ++i) {
      if (before[i] != now[i]) left.stack.push_back({depth, i, now[i]});
    }
  }
  left.packet.assign(call.frame.buffer() + left.meta, call.frame.buffer() + call.frame.data_end());
  (*log)->calls[{call.unit.verified.get(), call.instruction}].push_back(std::move(left));
}

std::optional<Lockstep::Difference> Lockstep::finish(const exec::Frame& frame, std::uint8_t cause) {
  const std::unique_ptr<Log> log = std::move(logs_.front());
  logs_.pop_front();
  if (begun_ > 0) --begun_;
  std::erase_if(now_, [&](const auto& one) { return one.second == log.get(); });
  found_.reset();
  if (log->copy) {
    compare(*log, frame, cause != 0);
  } else {
    ++incomplete_;
  }
  return std::move(found_);
}

// ---- the same in the interpreter -----------------------------------------------------------------------------------

void Lockstep::compare(Log& log, const exec::Frame& frame, bool stopped) {
  unknown_ = 0;
  saved_.clear();
  unknown_bytes_.clear();
  shadow_.begin(*log.copy, cpu_ + log.thread);
  Step how = Step::on;
  for (std::uint64_t i = 0; how == Step::on && i < kMostSteps; ++i) how = step(log);
  if (found_) return;
  if (how != Step::end) {
    ++incomplete_;
    return;
  }
  if (stopped) return;
  compare_rest(log);
  if (!found_) compare_end(log, frame);
}

// What the device did and the interpreter did not.
void Lockstep::compare_rest(const Log& log) {
  for (const auto& visit : log.visits) {
    if (visit.empty()) continue;
    const Event& event = visit.front();
    return differ(event.cycle, fmt::format("{} is executed, which the interpreter does not", where(log, event)));
  }
}

Lockstep::Step Lockstep::step(Log& log) {
  const interp::Unit& unit = *shadow_.unit();
  const Place at{unit.verified.get(), shadow_.next()};
  const program::Instruction& insn = unit.program().instructions()[at.second];
  switch (isa::row(insn.op).form) {
    case isa::Form::jump_imm:
    case isa::Form::jump_reg:
      if ((unknown_ & unit.steps[at.second].reads) != 0) return branch(insn, unit.verified->facts()[at.second].branch);
      return advance();
    case isa::Form::exit:
      return leave();
    case isa::Form::call:
      if (insn.op != isa::Op::call_local) return call_helper(log, insn, at);
      saved_.push_back(unknown_);
      return advance();
    case isa::Form::call_register:
      return Step::lost;
    case isa::Form::load:
      return load(log, insn, at);
    case isa::Form::store_imm:
    case isa::Form::store_reg:
      return store(insn, at);
    case isa::Form::atomic:
      return atomic(log, insn, at);
    case isa::Form::jump:
    case isa::Form::jump_long:
      return advance();
    default:
      break;
  }
  const Known known = (unknown_ & unit.steps[at.second].reads) != 0 ? Known::no : Known::yes;
  const verifier::RegisterSet writes = unit.steps[at.second].writes;
  if (const Step done = advance(); done != Step::on) return done;
  return hold(log, at, static_cast<unsigned>(std::countr_zero(writes)), known);
}

Lockstep::Step Lockstep::branch(const program::Instruction& insn, verifier::Branch ways) {
  if (ways == verifier::Branch::both) return Step::lost;
  shadow_.pass_over(ways == verifier::Branch::always ? insn.target : shadow_.next() + 1);
  return Step::on;
}

Lockstep::Step Lockstep::leave() {
  const bool returns = shadow_.depth() != 0 && !saved_.empty();
  const Step done = advance();
  if (!returns) return done;
  unknown_ = (saved_.back() & kSaved) | (unknown_ & bit_of(0));
  saved_.pop_back();
  return done;
}

Lockstep::Step Lockstep::call_helper(Log& log, const program::Instruction& insn, const Place& at) {
  const bool helper = insn.op == isa::Op::call_helper;
  const bool own = helper && std::ranges::find(kOwn, static_cast<HelperId>(insn.imm)) != kOwn.end();
  const bool known = (unknown_ & shadow_.unit()->steps[at.second].reads) == 0 && unknown_bytes_.empty();
  if (own && known) {
    const interp::Unit* const unit = shadow_.unit();
    if (const Step done = advance(); done != Step::on) return done;
    // A tail call that came off has no result.
    if (shadow_.unit() != unit || shadow_.next() != at.second + 1) return Step::on;
    return hold(log, at, 0, Known::yes);
  }
  if (own && static_cast<HelperId>(insn.imm) != HelperId::csum_diff) return Step::lost;
  if (take(log, at) == Step::lost) return Step::lost;
  std::ignore = pass_over(at);
  return hold(log, at, 0, Known::no);
}

Lockstep::Step Lockstep::load(Log& log, const program::Instruction& insn, const Place& at) {
  const Region region = at.first->facts()[at.second].access.region;
  const bool executes = is_own(region) && (unknown_ & bit_of(insn.src)) == 0;
  const unsigned bytes = isa::row(insn.op).width / 8U;
  Known known = Known::no;
  if (executes) {
    const interp::GuestAddress address = shadow_.registers()[insn.src] + static_cast<std::uint64_t>(insn.offset);
    if (!is_unknown(address, bytes)) known = Known::yes;
    if (const Step done = advance(); done != Step::on) return done;
  } else {
    std::ignore = pass_over(at);
  }
  return hold(log, at, insn.dst, known);
}

Lockstep::Step Lockstep::store(const program::Instruction& insn, const Place& at) {
  if (!is_own(at.first->facts()[at.second].access.region)) return pass_over(at);
  if ((unknown_ & bit_of(insn.dst)) != 0) return Step::lost;
  const interp::GuestAddress address = shadow_.registers()[insn.dst] + static_cast<std::uint64_t>(insn.offset);
  const bool unknown = isa::row(insn.op).form == isa::Form::store_reg && (unknown_ & bit_of(insn.src)) != 0;
  set_unknown(address, isa::row(insn.op).width / 8U, unknown);
  return advance();
}

Lockstep::Step Lockstep::atomic(Log& log, const program::Instruction& insn, const Place& at) {
  const interp::Step& step = shadow_.unit()->steps[at.second];
  Known known = Known::no;
  if (is_own(at.first->facts()[at.second].access.region)) {
    const interp::GuestAddress address = shadow_.registers()[insn.dst] + static_cast<std::uint64_t>(insn.offset);
    if ((unknown_ & step.reads) != 0 || is_unknown(address, isa::row(insn.op).width / 8U)) return Step::lost;
    known = Known::yes;
    if (const Step done = advance(); done != Step::on) return done;
  } else {
    std::ignore = pass_over(at);
  }
  if (step.writes == 0) return Step::on;
  return hold(log, at, static_cast<unsigned>(std::countr_zero(step.writes)), known);
}

Lockstep::Step Lockstep::advance() {
  switch (shadow_.advance()) {
    case Proxy::Outcome::left:
    case Proxy::Outcome::stopped:
      return Step::end;
    default:
      return Step::on;
  }
}

Lockstep::Step Lockstep::pass_over(const Place& at) {
  shadow_.pass_over(at.second + 1);
  return Step::on;
}

// What the device wrote for the execution at hand; nothing if the compiler has no slot for it.
std::optional<Lockstep::Event> Lockstep::next_of(Log& log, const Place& at) {
  for (std::size_t visit = log.visit; visit < log.visits.size(); ++visit) {
    auto& events = log.visits[visit];
    if (events.empty()) continue;
    const auto found = std::ranges::find(events, at, &Event::at);
    if (found == events.end()) return std::nullopt;
    const Event event = *found;
    events.erase(found);
    log.visit = visit;
    return event;
  }
  return std::nullopt;
}

Lockstep::Step Lockstep::hold(Log& log, const Place& at, unsigned reg, Known known) {
  std::uint64_t& value = shadow_.registers()[reg];
  unknown_ = static_cast<verifier::RegisterSet>(unknown_ & ~bit_of(reg));
  const std::optional<Event> event = next_of(log, at);
  if (!event) {
    if (known == Known::no) unknown_ |= bit_of(reg);
    return Step::on;
  }
  if (known == Known::no) {
    value = event->swapped != 0 ? swapped(event->value, event->swapped) : event->value;
    return Step::on;
  }
  ++compared_;
  const std::uint64_t wanted = event->swapped != 0 ? swapped(value, event->swapped) : value;
  if (same(event->value, wanted)) return Step::on;
  differ(event->cycle,
         fmt::format("{} makes r{} {:#x}, in the interpreter {:#x}", where(log, *event), reg, event->value, wanted));
  return Step::end;
}

std::string Lockstep::where(const Log& log, const Event& event) {
  const auto& [program, instruction] = event.at;
  return fmt::format("cycle {}, thread {}, bundle {}: instruction {} ({})", event.cycle, log.thread, event.pc,
                     instruction, program::to_text(program->program(), instruction));
}

bool Lockstep::is_unknown(interp::GuestAddress address, unsigned bytes) const {
  const auto first = unknown_bytes_.lower_bound(address);
  return first != unknown_bytes_.end() && *first < address + bytes;
}

void Lockstep::set_unknown(interp::GuestAddress address, unsigned bytes, bool unknown) {
  for (unsigned i = 0; i < bytes; ++i) {
    if (unknown) unknown_bytes_.insert(address + i);
    if (!unknown && !unknown_bytes_.empty()) unknown_bytes_.erase(address + i);
  }
}

// What the helper changed. Edges are moved by helpers that the interpreter executes too.
Lockstep::Step Lockstep::take(Log& log, const Place& at) {
  auto& queue = log.calls[at];
  if (queue.empty()) return Step::on;
  const Aftermath left = std::move(queue.front());
  queue.pop_front();
  exec::Frame& frame = *log.copy;
  if (frame.data_meta() != left.meta || frame.data() != left.data ||
      frame.data_end() - frame.data_meta() != left.packet.size())
    return Step::lost;
  std::ranges::copy(left.packet, frame.buffer() + left.meta);
  for (const Aftermath::Byte& byte : left.stack) shadow_.stack(byte.depth)[byte.offset] = byte.value;
  return Step::on;
}

// Pointers into a packet that a helper moved may name another region for the same byte; those to values are other bytes
// where the device has a map's memory.
bool Lockstep::same(std::uint64_t device, std::uint64_t interpreter) const {
  if (device == interpreter) return true;
  constexpr std::uint64_t kOffset = (std::uint64_t{1} << Memory::kOffsetBits) - 1;
  const auto kind = shadow_.kind_of(interpreter);
  if (kind == interp::RegionKind::map) return shadow_.kind_of(device) == kind;
  if (kind == interp::RegionKind::map_value) return device >> Memory::kOffsetBits == interpreter >> Memory::kOffsetBits;
  return kind == interp::RegionKind::packet && (device & kOffset) == (interpreter & kOffset) && device > kOffset;
}

void Lockstep::compare_end(const Log& log, const exec::Frame& frame) {
  const bool known = (unknown_ & bit_of(0)) == 0;
  const std::string trap = shadow_.trap() == nullptr ? "" : shadow_.trap()->message;
  if (!trap.empty()) return differ(log.last_cycle, fmt::format("the interpreter stops the program: {}", trap));
  shadow_.finish(shadow_.registers()[0]);
  const exec::Frame& wanted = *log.copy;
  if (known && frame.return_value != wanted.return_value)
    return differ(log.last_cycle,
                  fmt::format("the result is {}, in the interpreter {}", frame.return_value, wanted.return_value));
  const bool edges =
      frame.data() == wanted.data() && frame.data_meta() == wanted.data_meta() && frame.data_end() == wanted.data_end();
  if (!edges)
    return differ(log.last_cycle, fmt::format("the packet is bytes {} to {} of its buffer, in the interpreter {} to {}",
                                              frame.data(), frame.data_end(), wanted.data(), wanted.data_end()));
  const auto here = frame.packet(), there = wanted.packet();
  const auto [at, other] = std::ranges::mismatch(here, there);
  if (at == here.end() || !unknown_bytes_.empty()) return;
  differ(log.last_cycle, fmt::format("byte {} of the packet is {:#04x}, in the interpreter {:#04x}", at - here.begin(),
                                     static_cast<unsigned>(*at), static_cast<unsigned>(*other)));
}

void Lockstep::differ(std::uint64_t cycle, std::string message) {
  if (!found_) found_ = Difference{cycle, std::move(message)};
}

}  // namespace forager::jit::rtl
