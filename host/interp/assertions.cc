// SPDX-License-Identifier: Apache-2.0
#include "interp/assertions.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "exec/host_helpers.h"

namespace forager::interp {
namespace {

using exec::HelperId;
using isa::Arg;
using isa::Form;
using verifier::ArgumentFact;
using verifier::Branch;
using verifier::MapUse;
using verifier::ValueFact;

// No region's address, and no number that programs compute by chance.
constexpr std::uint64_t kJunk = 0xdeadbeef'00c0ffee;

constexpr RegisterSet bit(unsigned number) { return static_cast<RegisterSet>(1U << number); }
constexpr RegisterSet kMayDie = bit(isa::kFramePointer) - 1;

std::string_view name(verifier::Region region) {
  constexpr std::string_view kNames[] = {"unknown",     "stack",  "context", "packet",     "packet_meta", "map_value",
                                         "ring_record", "memory", "socket",  "tcp_socket", "other"};
  return kNames[static_cast<unsigned>(region)];
}

bool is(const Region& region, verifier::Region claimed) {
  switch (claimed) {
    case verifier::Region::unknown:
      return true;
    case verifier::Region::stack:
      return region.kind == RegionKind::stack;
    case verifier::Region::context:
      return region.kind == RegionKind::context;
    case verifier::Region::packet:
    case verifier::Region::packet_meta:
      return region.kind == RegionKind::packet;
    case verifier::Region::map_value:
      return region.kind == RegionKind::map_value;
    case verifier::Region::ring_record:
      return region.kind == RegionKind::record;
    case verifier::Region::memory:
      return region.kind == RegionKind::memory;
    case verifier::Region::socket:
    case verifier::Region::tcp_socket:
      return region.kind == RegionKind::socket;
    case verifier::Region::other:  // packet: its end is a pointer too; memory: keys and dynptrs lent to callbacks
      return region.kind == RegionKind::map || region.kind == RegionKind::code || region.kind == RegionKind::packet ||
             region.kind == RegionKind::socket || region.kind == RegionKind::memory;
  }
  return false;
}

// Where the offsets of a fact count from, and where they end.
std::int64_t first(const Region& region, verifier::Region claimed) {
  return claimed == verifier::Region::packet_meta || region.kind != RegionKind::packet ? region.begin : region.origin;
}
std::int64_t end(const Region& region, verifier::Region claimed) {
  return claimed == verifier::Region::packet_meta ? region.origin : region.end;
}

std::string show(const ValueFact& fact) {
  return fmt::format("[{:#x}, {:#x}], signed [{}, {}], bits {:#x} but for {:#x}", fact.min, fact.max, fact.signed_min,
                     fact.signed_max, fact.bits, fact.unknown_bits);
}

bool is_conditional(Form form) { return form == Form::jump_imm || form == Form::jump_reg; }
bool is_store(Form form) { return form == Form::store_imm || form == Form::store_reg; }

// Calls that leave the map as it is.
bool only_looks(const isa::HelperRow& row) {
  switch (static_cast<HelperId>(row.id)) {
    case HelperId::map_lookup_elem:
    case HelperId::map_lookup_percpu_elem:
    case HelperId::tail_call:
    case HelperId::redirect_map:
    case HelperId::perf_event_output:
    case HelperId::ringbuf_query:
      return true;
    default:
      return false;
  }
}

}  // namespace

// ---- before an instruction ----

std::string Assertions::before(const Point& point, const Registers& registers) {
  point_ = point;
  facts_ = &point.unit->verified->facts()[point.at];
  if (!facts_->reachable) return "reachable: it is said to be dead code";
  const bool returns = step().op == isa::Op::exit && point.depth > 0;  // to a caller that need not read r0
  if (const RegisterSet read = returns ? RegisterSet{0} : step().reads & dead_; read != 0) {
    return fmt::format("live: r{} is read, and was said to be read no more", std::countr_zero(read));
  }
  if (auto wrong = check_operands(registers); !wrong.empty()) return wrong;
  if (auto wrong = check_access(registers); !wrong.empty()) return wrong;
  return check_call(registers);
}

std::string Assertions::check_operands(const Registers& registers) const {
  const Step& s = step();
  const isa::Fields fields = isa::fields_of(isa::row(s.op).form);
  if (fields.dst && (s.reads & bit(s.dst)) != 0 && !facts_->dst.allows(registers[s.dst])) {
    return fmt::format("dst: r{} is {:#x}, said to be in {}", s.dst, registers[s.dst], show(facts_->dst));
  }
  if (fields.src && (s.reads & bit(s.src)) != 0 && !facts_->src.allows(registers[s.src])) {
    return fmt::format("src: r{} is {:#x}, said to be in {}", s.src, registers[s.src], show(facts_->src));
  }
  return {};
}

std::string Assertions::check_access(const Registers& registers) {
  const Step& s = step();
  const isa::Row& row = isa::row(s.op);
  const bool loads = row.form == Form::load;
  if (!loads && !is_store(row.form) && row.form != Form::atomic) return {};
  const std::uint64_t address = registers[loads ? s.src : s.dst] + static_cast<std::uint64_t>(s.offset);
  if (auto wrong = check_place(facts_->access, address, row.width / 8U); !wrong.empty()) return wrong;
  const Region& region = memory_.region(address);
  if (region.kind != RegionKind::map_value) return {};
  if (row.form == Form::atomic && !row.fetches) return check_use(region.map, Touch::combine, row.mnemonic);
  return check_use(region.map, loads ? Touch::read : Touch::write);
}

std::string Assertions::check_place(const verifier::AccessFact& fact, std::uint64_t address, std::uint32_t size) const {
  const Region& region = memory_.region(address);
  if (region.ended != nullptr) return {};  // the machine stops by itself
  if (!is(region, fact.region)) {
    return fmt::format("region: the access is to {}, said to be to {}", name_of(region), name(fact.region));
  }
  if (fact.map != program::kNone && region.map != point_.unit->maps[fact.map].get()) {
    return fmt::format("map: the access is to {}, said to be to a value of map {}", name_of(region), fact.map);
  }
  const std::int64_t offset = Memory::offset(address) - first(region, fact.region);
  const bool known = fact.region != verifier::Region::unknown;
  if (known && (offset < fact.offset_min || offset > fact.offset_max)) {
    return fmt::format("offset: {}, said to be in [{}, {}]", offset, fact.offset_min, fact.offset_max);
  }
  const std::int64_t last = end(region, fact.region) - first(region, fact.region) - size;
  if (fact.in_bounds && (offset < 0 || offset > last)) {
    return fmt::format("in_bounds: offset {}, and the last is {}", offset, last);
  }
  if (fact.aligned && offset % size != 0) return fmt::format("aligned: offset {} of {} bytes", offset, size);
  const bool on_stack = fact.region == verifier::Region::stack && fact.frame != verifier::AccessFact::kAnyFrame;
  if (const unsigned up = point_.depth - stacks_.depth(address); on_stack && up != fact.frame) {
    return fmt::format("frame: {} calls up, said to be {}", up, fact.frame);
  }
  return {};
}

// ---- calls ----

std::string Assertions::check_call(const Registers& registers) {
  const Step& s = step();
  const verifier::CallFact& fact = facts_->call;
  const std::uint64_t id = s.op == isa::Op::call_helper ? point_.unit->program().instructions()[point_.at].imm : 0;
  if (fact.helper != 0 && fact.helper != id) {
    return fmt::format("helper: {} is called, said to be {}", id, fact.helper);
  }
  if (id == 0) return {};
  const HelperCall& helper = point_.unit->calls[s.imm];
  for (unsigned i = 0; helper.row != nullptr && i < helper.args.size(); ++i) {
    if (helper.args[i] == Arg::none) continue;
    if (auto wrong = check_argument_use(i, registers); !wrong.empty()) return wrong;
    if (fact.arguments == program::kNone) continue;
    const ArgumentFact& argument = point_.unit->verified->call_arguments()[fact.arguments][i];
    if (auto wrong = check_argument(i, argument, registers); !wrong.empty()) {
      return fmt::format("argument {}: {}", i + 1, wrong);
    }
  }
  return {};
}

// How many bytes the helper may touch at an argument; 0 if it is no memory, or of a size that only the helper knows.
std::uint64_t Assertions::reach(unsigned index, const Registers& registers) const {
  const HelperCall& helper = point_.unit->calls[step().imm];
  const auto* map = point_.unit->maps.empty() ? nullptr : memory_.region(registers[1]).map;
  switch (helper.args[index]) {
    case Arg::map_key:
      return map == nullptr ? 0 : map->spec().key_size;
    case Arg::map_value:
    case Arg::map_value_or_null:
    case Arg::map_value_uninit:
      return map == nullptr ? 0 : map->spec().value_size;
    case Arg::mem:
    case Arg::mem_or_null:
    case Arg::mem_uninit:
    case Arg::mem_update:
    case Arg::mem_out:
    case Arg::mem_out_or_null:
      return registers[index + 2];
    case Arg::long_out:
      return 8;
    case Arg::int_out:
      return 4;
    default:
      return 0;
  }
}

std::string Assertions::check_argument(unsigned index, const ArgumentFact& fact, const Registers& registers) const {
  const std::uint64_t value = registers[index + 1];
  if (!fact.value.allows(value)) return fmt::format("{:#x}, said to be in {}", value, show(fact.value));
  const bool pointer = fact.region != verifier::Region::unknown;
  if (value == 0 && pointer) return fact.maybe_null ? "" : "null, said never to be";
  const Region& region = memory_.region(value);
  if (region.ended != nullptr) return {};
  if (!is(region, fact.region)) return fmt::format("{}, said to be {}", name_of(region), name(fact.region));
  if (fact.map != program::kNone && value != 0 && region.map != point_.unit->maps[fact.map].get()) {
    return fmt::format("{}, said to be of map {}", name_of(region), fact.map);
  }
  const std::int64_t offset = Memory::offset(value) - first(region, fact.region);
  // Of what has no bytes a program may touch, offsets count from elsewhere: the packet's end, a function's first step.
  const bool no_memory =
      fact.region == verifier::Region::other && (region.kind == RegionKind::packet || region.kind == RegionKind::code);
  if (pointer && !no_memory && (offset < fact.offset_min || offset > fact.offset_max)) {
    return fmt::format("offset {}, said to be in [{}, {}]", offset, fact.offset_min, fact.offset_max);
  }
  const std::uint64_t bytes = reach(index, registers);
  if (fact.bytes != 0 && bytes > fact.bytes) return fmt::format("{} bytes, said to be {} at most", bytes, fact.bytes);
  return {};
}

std::string Assertions::check_argument_use(unsigned index, const Registers& registers) {
  const HelperCall& helper = point_.unit->calls[step().imm];
  const std::uint64_t value = registers[index + 1];
  const Region& region = memory_.region(value);
  if (helper.args[index] == Arg::const_map) {
    const verifier::CallFact& fact = facts_->call;
    if (fact.map != program::kNone && region.map != point_.unit->maps[fact.map].get()) {
      return fmt::format("map of the call: {}, said to be map {}", name_of(region), fact.map);
    }
    return check_use(region.map, only_looks(*helper.row) ? Touch::look : Touch::write);
  }
  if (region.kind != RegionKind::map_value || reach(index, registers) == 0) return {};
  const Arg arg = helper.args[index];
  const bool writes = arg == Arg::mem_uninit || arg == Arg::mem_update || arg == Arg::mem_out ||
                      arg == Arg::mem_out_or_null || arg == Arg::map_value_uninit || arg == Arg::long_out ||
                      arg == Arg::int_out;
  return check_use(region.map, writes ? Touch::write : Touch::read);
}

// ---- maps ----

std::string Assertions::check_use(const exec::Map* map, Touch touch, std::string_view operation) {
  static constexpr std::string_view kTouches[] = {"looked up", "read", "written", "changed by an atomic"};
  const auto& maps = point_.unit->maps;
  const auto at = std::ranges::find(maps, map, [](const auto& bound) { return bound.get(); });
  if (map == nullptr || at == maps.end()) return {};
  const auto index = static_cast<std::size_t>(at - maps.begin());
  const std::string_view what = kTouches[static_cast<unsigned>(touch)];
  switch (point_.unit->verified->map_uses()[index]) {
    case MapUse::unused:
      return fmt::format("map use: map {} is {}, said to be unused", index, what);
    case MapUse::read_only:
      if (touch == Touch::look || touch == Touch::read) return {};
      return fmt::format("map use: map {} is {}, said to be read only", index, what);
    case MapUse::commutative: {
      if (touch == Touch::look) return {};
      const auto [known, fresh] = combined_.try_emplace({point_.unit, map}, operation);
      if (touch == Touch::combine && known->second == operation) return {};
      return fmt::format("map use: map {} is {}, said to be changed by one kind of atomic only", index, what);
    }
    case MapUse::read_write:
      return {};
  }
  return {};
}

// ---- after an instruction ----

std::string Assertions::check_branch(std::uint32_t next) const {
  const Step& s = step();
  if (!is_conditional(isa::row(s.op).form)) return {};
  if (facts_->branch == Branch::always && next != s.target) return "branch: not taken, said always to be";
  if (facts_->branch == Branch::never && next != point_.at + 1) return "branch: taken, said never to be";
  return {};
}

std::string Assertions::after(const Point& now, Registers& registers) {
  if (auto wrong = check_branch(now.at); !wrong.empty()) return wrong;
  const auto dead = static_cast<RegisterSet>(~facts_->live & kMayDie);
  const bool tail_called = step().op == isa::Op::call_helper && (now.unit != point_.unit || now.at != point_.at + 1);
  if (now.depth > point_.depth) {  // what the call leaves dead is dead when it is back
    callers_dead_[point_.depth] = dead;
    dead_ = 0;
  } else if (now.depth < point_.depth) {
    dead_ = callers_dead_[now.depth];
  } else {
    dead_ = tail_called ? RegisterSet{0} : dead;
  }
  for (unsigned i = 0; i < isa::kFramePointer; ++i) {
    if ((dead_ & bit(i)) != 0) registers[i] = kJunk;
  }
  return {};
}

}  // namespace forager::interp
