// SPDX-License-Identifier: Apache-2.0
//
// The packet: its edges, the comparisons with them in every shape that people and compilers write, and its metadata.
#include <algorithm>

#include "tests/fuzz/verifier/generator.h"

namespace forager::fuzz {

bool Generator::load_packet_pointers() {
  const int context = find([](const Reg& reg) { return reg.kind == Kind::context; });
  if (context < 0) return false;
  const auto from = static_cast<unsigned>(context);
  const unsigned data = random_.percent(70) && (kept_ >> 7 & 1) == 0 ? 7 : fresh();
  if (data == from) return false;
  code_.emit(load(BPF_W, data, from, 0));
  state_.set(data, {.kind = Kind::packet});
  const unsigned end = random_.percent(70) && (kept_ >> 8 & 1) == 0 && data != 8 ? 8 : fresh();
  if (end == from || end == data) return true;
  code_.emit(load(BPF_W, end, from, 4));
  state_.set(end, {.kind = Kind::packet_end});
  if (random_.percent(15) && state_.records == 0) use_metadata(from, data);
  return true;
}

void Generator::use_metadata(unsigned context, unsigned data) {
  const unsigned meta = fresh();
  if (meta == context || meta == data) return;
  code_.emit(load(BPF_W, meta, context, 8));
  state_.set(meta, {.kind = Kind::packet_meta});
  const unsigned moved = fresh();
  if (moved == data || moved == meta) return;
  const auto bytes = 4 * random_.between(1, 3);
  code_.emit(copy(moved, meta));
  code_.emit(add(moved, bytes));
  guard(random_.coin() ? branch_reg(BPF_JMP, BPF_JGT, moved, data) : branch_reg(BPF_JMP, BPF_JLT, data, moved));
  state_.regs[moved] = {};
  if (random_.coin()) {
    code_.emit(store_imm(BPF_W, meta, bytes - 4 + (mistake() ? 1 : 0), 1));
  } else {
    const unsigned to = fresh();
    code_.emit(load(BPF_W, to, meta, bytes - 4 + (mistake() ? 1 : 0)));
    state_.set_scalar(to, 0xffffffff);
  }
}

// "Are there n more bytes?" from where the pointer stands.
bool Generator::check_packet() {
  const int packet = find([](const Reg& reg) { return reg.kind == Kind::packet; });
  const int end = find([](const Reg& reg) { return reg.kind == Kind::packet_end; });
  if (packet < 0 || end < 0 || state_.records > 0) return load_packet_pointers();
  const auto base = static_cast<unsigned>(packet);
  const Reg pointer = state_.regs[base];
  const unsigned moved = fresh();
  if (moved == base || moved == static_cast<unsigned>(end)) return false;
  constexpr unsigned kNeeded[] = {1, 2, 4, 8, 14, 14, 18, 20, 34, 34, 42, 54};
  const unsigned bytes = random_.pick(kNeeded);
  code_.emit(copy(moved, base));
  code_.emit(add(moved, bytes));
  const bool one_more = compare_with_end(moved, static_cast<unsigned>(end));
  const unsigned room = bytes + (one_more ? 1 : 0) + (mistake() ? 1 : 0);
  Reg further = pointer;
  further.offset += static_cast<std::int32_t>(bytes);
  state_.set(moved, further);
  state_.grow(pointer.id, static_cast<std::uint32_t>(pointer.offset) + room);
  return true;
}

// More bytes are found on one way than on the other, and what both found, or one, is read.
bool Generator::check_packet_two_ways() {
  const int packet = find([](const Reg& reg) { return reg.kind == Kind::packet && reg.offset == 0; });
  const int end = find([](const Reg& reg) { return reg.kind == Kind::packet_end; });
  if (packet < 0 || end < 0 || state_.records > 0 || kept_ != 0) return false;
  const auto base = static_cast<unsigned>(packet), limit = static_cast<unsigned>(end);
  const Slot test = comparison(scalar());
  const unsigned moved = fresh();
  const bool still = state_.regs[base].kind == Kind::packet && state_.regs[limit].kind == Kind::packet_end;
  if (!still || moved == base || moved == limit) return false;
  const auto check = [&](std::int64_t bytes) {
    code_.emit(copy(moved, base));
    code_.emit(add(moved, bytes));
    guard(branch_reg(BPF_JMP, BPF_JGT, moved, limit));
    code_.emit(mov(moved, 0));
    state_.set_scalar(moved, 0);
  };
  const std::int64_t one = random_.between(1, 40), other = random_.between(1, 40);
  both_ways(test, [&] { check(one); }, [&] { check(other); });
  const std::int64_t bytes = random_.coin() ? std::min(one, other) : std::max(one, other);
  code_.emit(load(BPF_B, moved, base, bytes - 1));
  state_.set_scalar(moved, 255);
  return true;
}

// A pointer that was found to be behind the end goes on from there, moved, and is compared again.
bool Generator::come_back_from_the_end() {
  const int packet = find([](const Reg& reg) { return reg.kind == Kind::packet; });
  const int end = find([](const Reg& reg) { return reg.kind == Kind::packet_end; });
  if (packet < 0 || end < 0 || state_.records > 0 || kept_ != 0) return false;
  const auto base = static_cast<unsigned>(packet), limit = static_cast<unsigned>(end);
  const unsigned moved = fresh();
  if (moved == base || moved == limit) return false;
  constexpr unsigned kBehind[] = {BPF_JGT, BPF_JGE};
  constexpr unsigned kCompared[] = {BPF_JGT, BPF_JGE, BPF_JLT, BPF_JLE};
  comes_back_ = true;
  const auto bytes = random_.between(1, 60);
  code_.emit(copy(moved, base));
  code_.emit(add(moved, bytes));
  const Code::Label behind = code_.label();
  code_.jump(branch_reg(BPF_JMP, random_.pick(kBehind), moved, limit), behind);
  code_.jump(out_);
  code_.bind(behind);
  if (random_.percent(70)) {
    code_.emit(add(moved, random_.coin() ? -bytes : random_.between(-64, 8)));
  } else {
    const int number = find([](const Reg& reg) { return reg.kind == Kind::scalar; });
    if (number < 0 || static_cast<unsigned>(number) == moved) return true;
    code_.emit(alu(BPF_ALU64, BPF_AND, static_cast<unsigned>(number), 63));
    code_.emit(alu_reg(BPF_ALU64, random_.coin() ? BPF_SUB : BPF_ADD, moved, static_cast<unsigned>(number)));
  }
  state_.regs[moved] = {};
  guard(branch_reg(BPF_JMP, random_.pick(kCompared), moved, limit));
  return true;
}

// Leaves if the pointer is behind the end. True if it leaves at the end too, so that there is a byte more.
bool Generator::compare_with_end(unsigned moved, unsigned end) {
  switch (random_.below(6)) {
    case 0:
    case 1:
      guard(branch_reg(BPF_JMP, BPF_JGT, moved, end));
      return false;
    case 2:
      guard(branch_reg(BPF_JMP, BPF_JLT, end, moved));
      return false;
    case 3:
      guard(branch_reg(BPF_JMP, BPF_JGE, moved, end));
      return true;
    case 4:
      guard(branch_reg(BPF_JMP, BPF_JLE, end, moved));
      return true;
    default: {  // the other way round: what is inside is behind the branch
      const Code::Label inside = code_.label();
      const bool strict = random_.percent(30);
      const unsigned pointer_first = strict ? BPF_JLT : BPF_JLE, end_first = strict ? BPF_JGT : BPF_JGE;
      code_.jump(
          random_.coin() ? branch_reg(BPF_JMP, pointer_first, moved, end) : branch_reg(BPF_JMP, end_first, end, moved),
          inside);
      code_.jump(out_);
      code_.bind(inside);
      return strict;
    }
  }
}

}  // namespace forager::fuzz
