// SPDX-License-Identifier: Apache-2.0
//
// Loads and stores through every kind of pointer, and offsets from numbers.
#include "tests/fuzz/verifier/generator.h"

namespace forager::fuzz {
namespace {

constexpr unsigned kSizes[] = {BPF_B, BPF_H, BPF_W, BPF_DW};

bool reaches_memory(const Reg& reg) { return is_memory(reg.kind); }

}  // namespace

// Bytes behind the start of what the pointer points into.
std::uint32_t Generator::room_of(const Reg& reg) const {
  if (reg.kind == Kind::value) return map_specs()[reg.map].value_size;
  return reg.kind == Kind::stack ? 0 : reg.room;
}

// An instruction's offset that takes the pointer to a place where it may access so many bytes; sometimes a wrong one.
std::optional<int> Generator::place(const Reg& reg, unsigned size) {
  const std::int64_t first = reg.kind == Kind::stack ? -512 : 0;
  const std::int64_t last = std::int64_t{room_of(reg)} - reg.spread - size;
  if (mistake()) return static_cast<int>(last + random_.between(0, 2) - reg.offset);
  if (last < first) return {};
  std::int64_t at = random_.percent(30) ? last : random_.between(first, last);
  if (reg.kind == Kind::stack && reg.spread == 0) at = -8 * random_.between(1, 10) + (random_.coin() ? 0 : 8 - size);
  if (random_.percent(75) || reg.kind == Kind::stack) at -= at % size;
  return static_cast<int>((at < first ? first : at) - reg.offset);
}

void Generator::write_stack_at(unsigned reg, int offset, unsigned size) {
  const Reg& base = state_.regs[reg];
  if (base.kind != Kind::stack) return;
  const int at = base.offset + offset;
  if (base.spread == 0 && at >= -512 && at + static_cast<int>(size) <= 0) state_.write_stack(at, size);
}

// A number from the context, a map value, the packet or the stack.
bool Generator::load_scalar() {
  const int from = find([](const Reg& reg) { return is_memory(reg.kind) || reg.kind == Kind::context; });
  if (from < 0) return false;
  const Reg base = state_.regs[static_cast<unsigned>(from)];
  const unsigned to = fresh();
  if (base.kind == Kind::context) {
    code_.emit(load(BPF_W, to, static_cast<unsigned>(from), random_.coin() ? 12 : 16));
    state_.set_scalar(to, 0xffffffff);
    return true;
  }
  const unsigned size = random_.pick(kSizes);
  const auto offset = place(base, bytes_of(size));
  if (!offset) return false;
  const int at = base.offset + *offset;
  if (base.kind == Kind::stack && base.spread == 0 && at >= -512 && at < 0 && !state_.is_written(at, bytes_of(size)) &&
      !mistake()) {
    return false;
  }
  if (base.kind == Kind::stack && at >= -512 && at < 0 && !mistake()) {
    const Kind spilled = state_.stack_slot(at).spilled.kind;
    if (spilled != Kind::none && spilled != Kind::scalar) return false;
  }
  const bool sign = size != BPF_DW && random_.percent(20);
  code_.emit(load(size, to, static_cast<unsigned>(from), *offset, sign));
  state_.set_scalar(to, sign || size == BPF_DW ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * bytes_of(size)) - 1);
  return true;
}

bool Generator::store_something() {
  const int to = find(reaches_memory);
  if (to < 0) return false;
  const auto base = static_cast<unsigned>(to);
  if (state_.regs[base].kind == Kind::value && state_.regs[base].map == kConstant && !mistake()) return false;
  const unsigned size = random_.pick(kSizes);
  const auto offset = place(state_.regs[base], bytes_of(size));
  if (!offset) return false;
  const bool anything = state_.regs[base].kind != Kind::stack && random_.percent(5);  // pointers too: then it is bytes
  const int number = anything ? find([](const Reg& reg) { return reg.kind != Kind::none; })
                              : find([](const Reg& reg) { return reg.kind == Kind::scalar; });
  if (number >= 0 && random_.percent(70)) {
    code_.emit(store(anything ? BPF_DW : size, base, *offset, static_cast<unsigned>(number)));
  } else {
    code_.emit(store_imm(size, base, *offset, static_cast<std::int32_t>(interesting(random_))));
  }
  write_stack_at(base, *offset, bytes_of(size));
  return true;
}

bool Generator::spill() {
  const int from = find([](const Reg& reg) { return reg.kind != Kind::none; });
  if (from < 0) return false;
  const Reg reg = state_.regs[static_cast<unsigned>(from)];
  const int at = -8 * static_cast<int>(1 + random_.below(12));
  const bool half = reg.kind == Kind::scalar && random_.percent(30);
  code_.emit(store(half ? BPF_W : BPF_DW, 10, half && random_.coin() ? at + 4 : at, static_cast<unsigned>(from)));
  if (half) return true;
  state_.write_stack(at, 8);
  state_.stack_slot(at).spilled = reg;
  if (random_.percent(8)) {  // partly overwritten
    code_.emit(store_imm(random_.pick(kSizes), 10, at, static_cast<std::int32_t>(interesting(random_))));
    state_.stack_slot(at).spilled = {};
  }
  return true;
}

bool Generator::fill() {
  const auto from = random_.below(16);
  for (unsigned i = 0; i < 16; ++i) {
    const auto index = static_cast<unsigned>((from + i) % 16);
    const Reg reg = state_.stack[index].spilled;
    if (reg.kind == Kind::none) continue;
    const unsigned to = fresh();
    const int at = -8 * static_cast<int>(index + 1);
    const unsigned size = reg.kind == Kind::scalar && random_.percent(35) ? random_.pick(kSizes) : BPF_DW;
    const bool sign = size != BPF_DW && random_.percent(30);
    const int inside = size == BPF_DW || random_.percent(70) ? 0 : 8 - static_cast<int>(bytes_of(size));
    code_.emit(load(size, to, 10, at + inside, sign));
    if (size == BPF_DW) {
      state_.set(to, reg);
    } else {
      state_.set_scalar(to);
    }
    return true;
  }
  return false;
}

bool Generator::atomic_operation() {
  const int to = find([](const Reg& reg) { return reg.kind == Kind::stack || reg.kind == Kind::value; });
  const int number = find([](const Reg& reg) { return reg.kind == Kind::scalar; });
  if (to < 0 || number < 0) return false;
  const auto base = static_cast<unsigned>(to);
  if (state_.regs[base].map == kConstant && state_.regs[base].kind == Kind::value) return false;
  const unsigned size = random_.coin() ? BPF_W : BPF_DW;
  const auto offset = place(state_.regs[base], bytes_of(size));
  if (!offset) return false;
  const int aligned = *offset - (state_.regs[base].offset + *offset) % static_cast<int>(bytes_of(size));
  const int at = state_.regs[base].offset + aligned;
  if (state_.regs[base].kind == Kind::stack) {
    if (state_.regs[base].spread != 0 || at < -512 || at >= 0) return false;
    if (!state_.is_written(at, bytes_of(size))) code_.emit(store_imm(size, base, aligned, 1));
    state_.write_stack(at, bytes_of(size));
  }
  constexpr int kOperations[] = {BPF_ADD,
                                 BPF_ADD,
                                 BPF_OR,
                                 BPF_AND,
                                 BPF_XOR,
                                 BPF_ADD | BPF_FETCH,
                                 BPF_OR | BPF_FETCH,
                                 BPF_AND | BPF_FETCH,
                                 BPF_XOR | BPF_FETCH,
                                 BPF_XCHG,
                                 BPF_CMPXCHG};
  const int operation = random_.pick(kOperations);
  const auto with = static_cast<unsigned>(number);
  if (operation == BPF_CMPXCHG && state_.regs[0].kind != Kind::scalar) {
    if (base == 0 || (kept_ & 1) != 0) return false;
    load_number(0, interesting(random_));
  }
  if ((operation & BPF_FETCH) != 0 && ((kept_ >> with & 1) != 0 || with == base)) return false;
  if (operation == BPF_CMPXCHG && (kept_ & 1) != 0) return false;
  code_.emit(atomic(size, base, aligned, with, operation));
  if ((operation & BPF_FETCH) != 0) state_.set_scalar(operation == BPF_CMPXCHG ? 0 : with);
  return true;
}

// pointer + number, where the number was limited (or nearly), and an access there.
bool Generator::variable_offset() {
  const unsigned number = scalar();
  const auto max = random_.below(random_.percent(90) ? 48 : 70000);
  return limit(number, max) && offset_by(number, max);
}

// Adds a number that is at most `max` to a pointer that has so much room, and accesses what is there.
bool Generator::offset_by(unsigned number, std::uint64_t max) {
  const int from = find([](const Reg& reg) { return is_memory(reg.kind) && reg.spread < 256; });
  if (from < 0) return false;
  const auto base = static_cast<unsigned>(from);
  const Reg pointer = state_.regs[base];
  const unsigned to = fresh();
  if (number == base || to == number || to == base) return false;
  const int start = pointer.kind == Kind::stack ? written_stack(max) : 0;
  const bool swapped = random_.percent(25);
  const bool subtract = !swapped && pointer.kind != Kind::stack && random_.percent(6);
  code_.emit(copy(to, swapped ? number : base));
  code_.emit(alu_reg(BPF_ALU64, subtract ? BPF_SUB : BPF_ADD, to, swapped ? base : number));
  Reg made = pointer;
  made.spread += static_cast<std::uint32_t>(max);
  if (pointer.kind == Kind::stack) {
    code_.emit(add(to, start - pointer.offset));
    made.offset = start;
  }
  if (pointer.kind == Kind::packet) made = {.kind = Kind::packet, .id = ++state_.ids};
  state_.set(to, made);
  const bool fits = made.kind == Kind::stack || made.spread < room_of(made) || mistake();
  if (made.kind == Kind::packet) {
    check_packet();
  } else if (fits) {
    touch(to);
  }
  return true;
}

// The start of some stack that is written, room for an offset of at most `max` and 8 bytes.
int Generator::written_stack(std::uint64_t max) {
  const int size = static_cast<int>(max > 40 ? 48 : max / 8 * 8 + 8);
  const int start = -size - 8 * static_cast<int>(random_.below(3));
  for (int at = start; at < start + size; at += 8) {
    if (!state_.is_written(at, 8) && !mistake()) code_.emit(store_imm(BPF_DW, 10, at, random_.between(0, 9)));
  }
  state_.write_stack(start, static_cast<unsigned>(size));
  return start;
}

void Generator::touch(unsigned reg) {
  const Reg& base = state_.regs[reg];
  const bool bytes_only = base.kind == Kind::stack && base.spread > 0 && !mistake();
  unsigned size = bytes_only || random_.percent(50) ? BPF_B : random_.pick(kSizes);
  const std::int64_t room = std::int64_t{room_of(base)} - base.spread;
  if (room < bytes_of(size) && !mistake()) size = BPF_B;
  std::int64_t at = room - bytes_of(size) - base.offset;
  if (base.kind == Kind::stack) at = 0;
  if (at > 0 && random_.coin()) at = static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(at) + 1));
  if (mistake()) at += random_.between(-2, 2);
  if (base.kind == Kind::value && base.map == kConstant) {
    const unsigned to = fresh();
    code_.emit(load(size, to, reg, at));
    state_.set_scalar(to);
  } else if (random_.coin()) {
    code_.emit(store_imm(size, reg, at, static_cast<std::int32_t>(interesting(random_))));
  } else {
    const unsigned to = fresh();
    code_.emit(load(size, to, reg, at));
    state_.set_scalar(to);
  }
}

// A value whose address the program text holds.
bool Generator::use_direct_value() {
  const unsigned to = fresh();
  const MapIndex map = random_.percent(65) ? kLarge : kConstant;
  const auto offset = static_cast<std::int32_t>(random_.percent(70) ? 0 : random_.below(map_specs()[map].value_size));
  code_.emit_wide(to, BPF_PSEUDO_MAP_IDX_VALUE, static_cast<std::uint64_t>(offset) << 32 | map);
  state_.set(to, {.kind = Kind::value, .map = map, .offset = offset});
  return true;
}

}  // namespace forager::fuzz
