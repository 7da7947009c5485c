// SPDX-License-Identifier: Apache-2.0
//
// Helper calls: maps, records, sizes from ranges, the packet's edges, tail calls.
#include "tests/fuzz/verifier/generator.h"

namespace forager::fuzz {
namespace {

bool is_context(const Reg& reg) { return reg.kind == Kind::context; }

constexpr std::uint32_t kArgumentRegisters = 0x3e;  // r1-r5

}  // namespace

void Generator::stack_pointer(unsigned reg, int offset) {
  code_.emit(copy(reg, 10));
  code_.emit(add(reg, offset));
  state_.set(reg, {.kind = Kind::stack, .offset = offset});
}

// A key on the stack: one that exists, any, or, by mistake, none.
void Generator::put_key(unsigned map, int at) {
  const std::uint32_t bytes = map_specs()[map].key_size;
  if (state_.is_written(at, bytes) && random_.coin()) return;
  if (mistake()) return;
  const int number = find([](const Reg& reg) { return reg.kind == Kind::scalar; });
  const unsigned size = bytes == 8 ? BPF_DW : BPF_W;
  if (number >= 0 && random_.percent(30)) {
    code_.emit(store(size, 10, at, static_cast<unsigned>(number)));
  } else {
    code_.emit(store_imm(size, 10, at, random_.percent(80) ? random_.between(0, 3) : -1));
  }
  state_.write_stack(at, bytes);
}

// r2 becomes a pointer to a key: on the stack, a caller's, in a value, or in the packet.
void Generator::key_pointer(unsigned map) {
  const std::uint32_t bytes = map_specs()[map].key_size;
  if (current_ != 0 && random_.percent(70) && key_in_one_of_two_frames(map)) return;
  if (random_.percent(20) && memory_argument(2, bytes)) return;
  const int at = -8 * static_cast<int>(1 + random_.below(4));
  put_key(map, at);
  stack_pointer(2, at);
}

// A copy of a pointer to so many bytes of a value, the packet or a record, if there is one.
bool Generator::memory_argument(unsigned reg, std::uint32_t bytes) {
  const int from = find([](const Reg& one) { return is_memory(one.kind) && one.kind != Kind::stack; });
  if (from < 0) return false;
  const Reg pointer = state_.regs[static_cast<unsigned>(from)];
  const std::int64_t last = std::int64_t{room_of(pointer)} - pointer.offset - pointer.spread - bytes;
  if (last < 0 && !mistake()) return false;
  code_.emit(copy(reg, static_cast<unsigned>(from)));
  const std::int64_t further =
      last > 0 ? static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(last) + 1)) : 0;
  if (further > 0) code_.emit(add(reg, further + (mistake() ? 1 : 0)));
  state_.set(reg, {});
  return true;
}

bool Generator::lookup() {
  if ((kept_ & kArgumentRegisters) != 0 && !mistake()) return false;
  constexpr MapIndex kMaps[] = {kSmall, kLarge, kOdd, kWide, kPerCpu, kConstant};
  const MapIndex map = random_.pick(kMaps);
  key_pointer(map);
  const bool of_any_cpu = map == kPerCpu && random_.percent(30);
  if (of_any_cpu) set_arguments(3, 3);
  code_.emit_wide(1, BPF_PSEUDO_MAP_IDX, map);
  code_.emit(helper(of_any_cpu ? BPF_FUNC_map_lookup_percpu_elem : BPF_FUNC_map_lookup_elem));
  state_.clobber();
  state_.set(0, {.kind = Kind::value_or_null, .map = map, .id = ++state_.ids});
  if (random_.percent(40)) {  // r0 does not live long
    const unsigned to = fresh();
    if (to != 0) code_.emit(copy(to, 0)), state_.set(to, state_.regs[0]);
  }
  if (mistake()) state_.resolve(state_.ids, false);
  if (random_.percent(80)) check_null();
  return true;
}

bool Generator::check_null() {
  const int found =
      find([](const Reg& reg) { return reg.kind == Kind::value_or_null || reg.kind == Kind::record_or_null; });
  if (found < 0) return false;
  const auto reg = static_cast<unsigned>(found);
  const std::uint32_t id = state_.regs[reg].id;
  const bool is_record = state_.regs[reg].kind == Kind::record_or_null;
  if (is_record || depth_ >= 2 || random_.percent(60)) {
    if (state_.records > (is_record ? 1U : 0U)) {
      // Both ways go on; nothing is done with a null.
      const Code::Label null = code_.label();
      code_.jump(branch(BPF_JMP, BPF_JEQ, reg, 0), null);
      const State before = state_;
      state_.resolve(id, false);
      touch(reg);
      state_.meet(before);
      code_.bind(null);
      return true;
    }
    code_.jump(branch(BPF_JMP, mistake() ? BPF_JNE : BPF_JEQ, reg, 0), out_);
    state_.resolve(id, false);
    return true;
  }
  const bool equal = random_.coin();
  const auto null = [&] {
    state_.resolve(id, true);
    block(static_cast<unsigned>(random_.below(2)));
  };
  const auto value = [&] {
    state_.resolve(id, false);
    touch(reg);
    block(1 + static_cast<unsigned>(random_.below(2)));
  };
  const Slot test = branch(BPF_JMP, equal ? BPF_JEQ : BPF_JNE, reg, 0);
  if (equal) {
    both_ways(test, null, value);
  } else {
    both_ways(test, value, null);
  }
  return true;
}

bool Generator::change_map() {
  if ((kept_ & kArgumentRegisters) != 0 && !mistake()) return false;
  constexpr MapIndex kMaps[] = {kSmall, kOdd, kWide, kPerCpu};
  const MapIndex map = random_.pick(kMaps);
  key_pointer(map);
  const bool erase = random_.percent(30);
  if (!erase) {
    if (random_.percent(70) || !memory_argument(3, map_specs()[map].value_size)) {
      const int size = static_cast<int>((map_specs()[map].value_size + 7) / 8 * 8);
      const int at = -16 - size;
      for (int word = 0; word < size; word += 8) {
        if (!state_.is_written(at + word, 8) && !mistake()) code_.emit(store_imm(BPF_DW, 10, at + word, word));
        state_.write_stack(at + word, 8);
      }
      stack_pointer(3, at);
    }
    load_number(4, random_.percent(80) ? 0 : random_.below(4));
  }
  code_.emit_wide(1, BPF_PSEUDO_MAP_IDX, map);
  code_.emit(helper(erase ? BPF_FUNC_map_delete_elem : BPF_FUNC_map_update_elem));
  state_.clobber();
  state_.set_scalar(0);
  return true;
}

bool Generator::record() {
  if (depth_ > 0 || state_.records > 0 || (kept_ & kArgumentRegisters) != 0) return false;
  const auto size = static_cast<std::uint32_t>(1 + random_.below(48));
  code_.emit_wide(1, BPF_PSEUDO_MAP_IDX, kRing);
  code_.emit(mov(2, size));
  code_.emit(mov(3, 0));
  code_.emit(helper(BPF_FUNC_ringbuf_reserve));
  state_.clobber();
  state_.set(0, {.kind = Kind::record_or_null, .room = size, .id = ++state_.ids});
  code_.jump(branch(BPF_JMP, BPF_JEQ, 0, 0), out_);
  state_.resolve(state_.ids, false);
  state_.records = 1;
  if (!mistake()) {
    code_.emit(copy(9, 0));
    state_.set(9, state_.regs[0]);
    kept_ |= 1U << 9;
  }
  touch(0);
  return true;
}

bool Generator::end_record() {
  if (depth_ > 0 || state_.records == 0) return false;
  end_records();
  return true;
}

void Generator::end_records() {
  if (state_.records == 0 || mistake()) return;
  const int found = find([](const Reg& reg) { return reg.kind == Kind::record && reg.offset == 0 && reg.spread == 0; });
  state_.records = 0;
  kept_ &= ~(1U << 9);
  if (found < 0) return;
  const std::uint32_t id = state_.regs[static_cast<unsigned>(found)].id;
  if (found != 1) code_.emit(copy(1, static_cast<unsigned>(found)));
  code_.emit(mov(2, 0));
  code_.emit(helper(random_.coin() ? BPF_FUNC_ringbuf_submit : BPF_FUNC_ringbuf_discard));
  state_.clobber();
  if (!mistake()) state_.drop_record(id);
}

bool Generator::plain_helper() {
  if ((kept_ & kArgumentRegisters) != 0) return false;
  constexpr int kHelpers[] = {BPF_FUNC_get_prandom_u32, BPF_FUNC_ktime_get_ns, BPF_FUNC_get_smp_processor_id,
                              BPF_FUNC_jiffies64};
  code_.emit(helper(random_.pick(kHelpers)));
  state_.clobber();
  state_.set_scalar(0);
  if (random_.coin() && (kept_ >> 9 & 1) == 0) code_.emit(copy(9, 0)), state_.set_scalar(9);
  return true;
}

// Text in memory against a constant, a route, the packet's length.
bool Generator::other_helper() {
  const int context = find(is_context);
  if ((kept_ & kArgumentRegisters) != 0 || context < 6) return false;
  const auto kind = random_.below(3);
  const int bytes = kind == 0 ? static_cast<int>(8 + 8 * random_.below(4)) : 64;
  const int at = -bytes - 8 * static_cast<int>(random_.below(3));
  for (int word = at; kind != 2 && word < at + bytes; word += 8) {
    if (!state_.is_written(word, 8) && !mistake()) code_.emit(store_imm(BPF_DW, 10, word, random_.between(0, 9)));
    state_.write_stack(word, 8);
  }
  switch (kind) {
    case 0:
      stack_pointer(1, at);
      code_.emit(mov(2, random_.between(1, bytes + (mistake() ? 1 : 0))));
      code_.emit_wide(3, BPF_PSEUDO_MAP_IDX_VALUE, random_.below(32) << 32 | kConstant);
      code_.emit(helper(BPF_FUNC_strncmp));
      break;
    case 1:
      code_.emit(copy(1, static_cast<unsigned>(context)));
      stack_pointer(2, at);
      code_.emit(mov(3, bytes));
      code_.emit(mov(4, 0));
      code_.emit(helper(BPF_FUNC_fib_lookup));
      break;
    default:
      code_.emit(copy(1, static_cast<unsigned>(context)));
      code_.emit(helper(BPF_FUNC_xdp_get_buff_len));
  }
  state_.clobber();
  state_.set_scalar(0);
  return true;
}

// Memory and a size that is constant or limited.
bool Generator::memory_helper() {
  const int context = find(is_context);
  if ((kept_ & kArgumentRegisters) != 0 || context < 6) return false;
  const auto kind = random_.below(5);
  const bool variable = random_.percent(60);
  const auto max = static_cast<std::uint64_t>(1 + random_.below(32));
  if (variable) {
    const unsigned number = scalar();
    if (!limit(number, max)) return false;
    if (number != 4) code_.emit(copy(4, number));
    state_.set_scalar(4, max);
    if (random_.percent(85) && state_.records == 0) code_.jump(branch(BPF_JMP, BPF_JEQ, 4, 0), out_);
  } else {
    load_number(4, max);
  }
  const unsigned argument = kind < 3 ? 3 : kind == 3 ? 2 : 1;
  const bool elsewhere = random_.percent(35) && memory_argument(argument, static_cast<std::uint32_t>(max));
  const int at = -40 + (mistake() ? 8 : 0) - 8 * static_cast<int>(random_.below(2));
  if (kind != 0 && !elsewhere) {  // read by the helper
    for (int word = at; word < at + 32; word += 8) {
      if (!state_.is_written(word, 8) && !mistake()) code_.emit(store_imm(BPF_DW, 10, word, 0));
      state_.write_stack(word, 8);
    }
  }
  switch (kind) {
    case 0:
    case 1:
      if (!elsewhere) stack_pointer(3, at);
      code_.emit(mov(2, random_.between(0, 20)));
      code_.emit(copy(1, static_cast<unsigned>(context)));
      code_.emit(helper(kind == 0 ? BPF_FUNC_xdp_load_bytes : BPF_FUNC_xdp_store_bytes));
      break;
    case 2:
      if (!elsewhere) stack_pointer(3, at);
      if (!variable) code_.emit(alu(BPF_ALU64, BPF_AND, 4, ~3));
      code_.emit(mov(1, 0));
      code_.emit(mov(2, 0));
      code_.emit(mov(5, 0));
      code_.emit(helper(BPF_FUNC_csum_diff));
      break;
    case 4:  // a number's text, and where the number goes
      if (!elsewhere) stack_pointer(1, at);
      code_.emit(copy(2, 4));
      code_.emit(mov(3, random_.coin() ? 10 : 0));
      stack_pointer(4, -8);
      code_.emit(helper(random_.coin() ? BPF_FUNC_strtol : BPF_FUNC_strtoul));
      break;
    default:
      if (!elsewhere) stack_pointer(2, at);
      code_.emit(copy(3, 4));
      code_.emit(mov(4, 0));
      code_.emit_wide(1, BPF_PSEUDO_MAP_IDX, kRing);
      code_.emit(helper(BPF_FUNC_ringbuf_output));
  }
  state_.clobber();
  state_.set_scalar(0);
  if (kind == 0 && !elsewhere && !variable) state_.write_stack(at, static_cast<unsigned>(max));
  return true;
}

bool Generator::move_packet() {
  const int context = find(is_context);
  if ((kept_ & kArgumentRegisters) != 0 || context < 6 || state_.records > 0) return false;
  if (kept_ != 0 && find([](const Reg& reg) { return reg.kind == Kind::packet; }) >= 0) return false;
  constexpr int kHelpers[] = {BPF_FUNC_xdp_adjust_head, BPF_FUNC_xdp_adjust_tail, BPF_FUNC_xdp_adjust_meta};
  code_.emit(copy(1, static_cast<unsigned>(context)));
  code_.emit(mov(2, random_.between(-16, 8) * 4));
  code_.emit(helper(random_.pick(kHelpers)));
  state_.clobber();
  state_.set_scalar(0);
  if (!mistake()) state_.drop_packet();
  if (random_.percent(70)) load_packet_pointers();
  return true;
}

bool Generator::tail_call() {
  const int context = find(is_context);
  if ((kept_ & kArgumentRegisters) != 0 || context < 6 || state_.records > 0 || random_.percent(70)) return false;
  code_.emit(copy(1, static_cast<unsigned>(context)));
  code_.emit_wide(2, BPF_PSEUDO_MAP_IDX, kPrograms);
  code_.emit(mov(3, random_.between(0, 4)));
  code_.emit(helper(BPF_FUNC_tail_call));
  state_.clobber();
  return true;
}

}  // namespace forager::fuzz
