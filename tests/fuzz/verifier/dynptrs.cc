// SPDX-License-Identifier: Apache-2.0
//
// Dynptrs on values and on ring-buffer records: made on the stack, read, written, sliced; those on records are given
// back, unless by mistake.
#include "tests/fuzz/verifier/generator.h"

namespace forager::fuzz {
namespace {

constexpr std::uint32_t kArgumentRegisters = 0x3e;  // r1-r5
constexpr int kPlace = -48, kBuffer = -72;          // of the dynptr, 16 bytes, and of what is copied, 24
constexpr unsigned kBufferBytes = 24;

}  // namespace

bool Generator::dynptr() {
  if ((kept_ & kArgumentRegisters) != 0) return false;
  const int value = find([](const Reg& reg) { return reg.kind == Kind::value && reg.spread == 0; });
  const bool on_record = value < 0 || random_.percent(40);
  if (on_record) {
    reserve_dynptr();
  } else {
    dynptr_of(static_cast<unsigned>(value));
  }
  for (unsigned uses = 1 + static_cast<unsigned>(random_.below(3)); uses > 0; --uses) use_dynptr();
  if (!on_record || mistake()) return true;
  dynptr_argument(1);
  code_.emit(mov(2, 0));
  code_.emit(helper(random_.coin() ? BPF_FUNC_ringbuf_submit_dynptr : BPF_FUNC_ringbuf_discard_dynptr));
  state_.clobber();
  return true;
}

void Generator::dynptr_argument(unsigned reg) { stack_pointer(reg, kPlace + (mistake() ? 4 : 0)); }

// The call that makes one; its bytes are no memory of the program's any more.
void Generator::make_dynptr(int id) {
  dynptr_argument(4);
  code_.emit(helper(id));
  state_.clobber();
  state_.set_scalar(0);
  for (int at = kPlace; at < kPlace + 16; at += 8) state_.stack_slot(at) = {};
}

void Generator::reserve_dynptr() {
  code_.emit_wide(1, BPF_PSEUDO_MAP_IDX, kRing);
  code_.emit(mov(2, static_cast<std::int64_t>(1 + random_.below(48))));
  code_.emit(mov(3, mistake() ? 1 : 0));
  make_dynptr(BPF_FUNC_ringbuf_reserve_dynptr);
}

void Generator::dynptr_of(unsigned value) {
  const Reg& reg = state_.regs[value];
  const std::int64_t room = std::int64_t{map_specs()[reg.map].value_size} - reg.offset;
  const auto most = static_cast<std::uint64_t>(room > 0 ? room : 1);
  if (value != 1) code_.emit(copy(1, value));
  code_.emit(mov(2, static_cast<std::int64_t>(1 + random_.below(most)) + (mistake() ? 1 : 0)));
  code_.emit(mov(3, random_.percent(10) ? 1 : 0));
  make_dynptr(BPF_FUNC_dynptr_from_mem);
}

// An offset: a constant, or whatever number there is.
void Generator::offset_argument(unsigned reg) {
  const int number = find([](const Reg& one) { return one.kind == Kind::scalar; });
  if (number > 5 && random_.coin()) {
    code_.emit(copy(reg, static_cast<unsigned>(number)));
  } else {
    code_.emit(mov(reg, random_.between(-1, 40)));
  }
}

void Generator::use_dynptr() {
  const std::int64_t length = static_cast<std::int64_t>(random_.below(kBufferBytes + 1));
  switch (random_.below(3)) {
    case 0:
      stack_pointer(1, kBuffer);
      code_.emit(mov(2, length + (mistake() ? 50 : 0)));
      dynptr_argument(3);
      offset_argument(4);
      code_.emit(mov(5, 0));
      code_.emit(helper(BPF_FUNC_dynptr_read));
      state_.write_stack(kBuffer, static_cast<unsigned>(length));
      break;
    case 1:
      for (int at = kBuffer; at < kBuffer + static_cast<int>(kBufferBytes); at += 8) {
        code_.emit(store_imm(BPF_DW, 10, at, random_.between(-3, 3)));
      }
      state_.write_stack(kBuffer, kBufferBytes);
      dynptr_argument(1);
      offset_argument(2);
      stack_pointer(3, kBuffer);
      code_.emit(mov(4, length));
      code_.emit(mov(5, 0));
      code_.emit(helper(BPF_FUNC_dynptr_write));
      break;
    default:
      return slice_dynptr();
  }
  state_.clobber();
  state_.set_scalar(0);
}

void Generator::slice_dynptr() {
  const auto length = static_cast<std::int64_t>(1 + random_.below(16));
  dynptr_argument(1);
  offset_argument(2);
  code_.emit(mov(3, length));
  code_.emit(helper(BPF_FUNC_dynptr_data));
  const Code::Label null = code_.label();
  if (!mistake()) code_.jump(branch(BPF_JMP, BPF_JEQ, 0, 0), null);
  const auto at =
      static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(length))) + (mistake() ? length : 0);
  code_.emit(random_.coin() ? load(BPF_B, 0, 0, at) : store_imm(BPF_B, 0, at, 7));
  code_.bind(null);
  state_.clobber();
}

}  // namespace forager::fuzz
