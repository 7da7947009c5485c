// SPDX-License-Identifier: Apache-2.0
//
// The stack: bounds, spills and fills, plain data byte by byte, and what helpers do there (Linux check_stack_*).
//
// Accesses whose offset is known in full track values; one with a variable offset may hit any byte of its range, so a
// write makes tracked bytes there plain data, and a read needs all of them written. Offsets here are from r10.
#include <algorithm>
#include <bit>
#include <cerrno>

#include "verifier/analysis.h"

namespace forager::verifier {

namespace {

constexpr s64 kStack = isa::kStackBytes;

bool fits(const Scalar& value, u32 bytes) {
  return bytes >= 8 || static_cast<u32>(std::bit_width(value.u.max)) <= bytes * 8;
}

s64 lowest(const Reg& base, s64 offset) { return base.offset + offset + base.scalar.s.min; }
s64 highest(const Reg& base, s64 offset) { return base.offset + offset + base.scalar.s.max; }

constexpr const char* kInitialise =
    "write all of it first, paddings too: memset the whole structure, as = {} need not fill what lies between members";

}  // namespace

void Analysis::check_stack_bounds(const Reg& base, u32 reg, s64 offset, u64 bytes, bool write) {
  const char* way = write ? " write to" : " read from";
  if (base.scalar.is_constant()) {
    const s64 first = base.whole_offset() + offset;
    const bool begins = first >= -kStack && first < 0;
    if (begins && first + static_cast<s64>(bytes) <= 0) {
      u32& depth = stack_depths_[state_.frames[base.frame].subprogram];
      depth = std::max(depth, static_cast<u32>(-first));
      return;
    }
    refuse(
        begins ? EINVAL : EACCES,
        fmt::format("invalid{} stack R{} off={} size={}: a frame has bytes -{} to -1", way, reg, first, bytes, kStack),
        first < -kStack ? "the stack of a function has 512 bytes: keep larger data in a per-CPU array" : "");
  }
  if (base.scalar.s.max >= kMaxOffset || base.scalar.s.min <= -kMaxOffset) {
    refuse(
        EACCES,
        fmt::format("invalid unbounded variable-offset{} stack R{}: the offset is {}", way, reg, describe(base.scalar)),
        "check or mask the index before it is added to the pointer");
  }
  const s64 first = lowest(base, offset), end = highest(base, offset) + static_cast<s64>(bytes);
  if (first >= -kStack && first < 0 && end <= 0) {
    u32& depth = stack_depths_[state_.frames[base.frame].subprogram];
    depth = std::max(depth, static_cast<u32>(-first));
    return;
  }
  refuse(
      first >= -kStack && first < 0 ? EINVAL : EACCES,
      fmt::format("invalid variable-offset{} stack R{} off={} size={}: bytes {} to {} are meant, a frame has -{} to -1",
                  way, reg, base.offset + offset, bytes, first, end - 1, kStack),
      "check or mask the index before it is added to the pointer");
}

// ---- writes ----

void Analysis::write_stack(const Reg& base, u32 reg, s64 offset, u32 bytes, const Reg* value, u32 value_reg) {
  check_stack_bounds(base, reg, offset, bytes, true);
  if (base.scalar.is_constant()) {
    write_slot(base.frame, base.whole_offset() + offset, bytes, value, value_reg);
  } else {
    write_stack_somewhere(base, lowest(base, offset), highest(base, offset) + bytes, value, value_reg);
  }
}

void Analysis::write_slot(u32 frame_number, s64 offset, u32 bytes, const Reg* value, u32 value_reg) {
  Frame& frame = state_.frames[frame_number];
  const u32 index = slot_index(offset), byte = byte_index(offset);
  (void)slot_at(frame, index);
  destroy_dynptr(frame_number, index);
  Slot& slot = frame.slots[index];
  const bool whole = bytes == kSlotBytes;
  const auto note = [&] {
    Step& step = state_.steps.back();
    step.kind = Step::Kind::slot;
    step.slot_frame = static_cast<std::uint8_t>(frame_number);
    step.slot = static_cast<std::uint8_t>(index);
  };
  const bool number = value != nullptr && value->is_scalar();
  if ((number && byte == 0) || (value != nullptr && value->is_pointer())) {
    Reg kept = *value;
    if (value->is_pointer()) {
      if (!whole)
        refuse(EACCES,
               fmt::format("invalid size of register spill: {} needs 8 bytes, {} are stored", say(*value), bytes));
      if (frame_number != state_.current_frame() && value->type == RegType::stack) {
        refuse(EINVAL,
               "cannot spill pointers to stack into stack frame of the caller: the frame that it points to ends first");
      }
    } else if (!fits(value->scalar, bytes)) {
      unlink(kept);
    } else if (value_reg != kNone) {
      link_on_copy(state_.regs()[value_reg]);
      kept = state_.regs()[value_reg];
    }
    slot.reg = kept;
    for (u32 i = 0; i < kSlotBytes; ++i) {
      if (i < bytes) {
        slot.bytes[i] = Byte::spill;
      } else {
        scrub(slot.bytes[i]);
      }
    }
    frame.written.add(HalfSet::covered(index, byte, bytes));
    note();
    return;
  }
  forget_spill(slot);
  Byte byte_kind = Byte::misc;
  if (value != nullptr && value->is_null()) {
    if (value_reg != kNone) mark_precise(value_reg);  // zeros in slots are not traced back
    byte_kind = Byte::zero;
  }
  for (u32 i = 0; i < bytes; ++i) slot.bytes[byte + i] = byte_kind;
  frame.written.add(HalfSet::covered(index, byte, bytes));
}

// Any of the bytes in [low, high) may be hit, none need be.
void Analysis::write_stack_somewhere(const Reg& base, s64 low, s64 high, const Reg* value, u32 value_reg) {
  Frame& frame = state_.frames[base.frame];
  const bool zero = value != nullptr && value->is_null();
  bool zero_used = false;
  for (s64 at = low; at < high; ++at) {
    const u32 index = slot_index(at);
    (void)slot_at(frame, index);
    destroy_dynptr(base.frame, index);
    Slot& slot = frame.slots[index];
    Byte& byte = slot.bytes[byte_index(at)];
    if (byte == Byte::spill) {
      if (zero && slot.reg.is_null()) {
        zero_used = true;
        continue;
      }
      forget_spill(slot);
    }
    if (byte == Byte::zero && zero) {
      zero_used = true;
      continue;
    }
    // A byte never written stays so: nobody knows whether this write hit it.
    if (byte != Byte::invalid || privileged_uninitialised()) byte = Byte::misc;
  }
  if (zero_used && value_reg != kNone) mark_precise(value_reg);
}

// ---- reads ----

Reg Analysis::read_stack(const Reg& base, u32 reg, s64 offset, u32 bytes, bool sign) {
  check_stack_bounds(base, reg, offset, bytes, false);
  if (base.scalar.is_constant()) return fill(base.frame, base.whole_offset() + offset, bytes, sign);
  const s64 low = lowest(base, offset), high = highest(base, offset) + bytes;
  check_initialised(base.frame, low, high, reg);
  const Frame& frame = state_.frames[base.frame];
  bool zeros = true;
  for (s64 at = low; at < high; ++at) {
    const Slot& slot = frame.slots[slot_index(at)];
    zeros = zeros && slot.bytes[byte_index(at)] == Byte::zero;
  }
  return zeros ? constant_reg(0) : scalar_reg(Scalar::loaded(bytes, sign));
}

Reg Analysis::fill(u32 frame_number, s64 offset, u32 bytes, bool sign) {
  Frame& frame = state_.frames[frame_number];
  const u32 index = slot_index(offset), byte = byte_index(offset);
  Slot& slot = slot_at(frame, index);
  mark_read(state_, frame_number, HalfSet::touched(index, byte, bytes));
  const auto note = [&] {
    Step& step = state_.steps.back();
    step.kind = Step::Kind::slot;
    step.slot_frame = static_cast<std::uint8_t>(frame_number);
    step.slot = static_cast<std::uint8_t>(index);
  };
  if (slot.is_spill()) {
    const u32 spilled = slot.spilled_bytes();
    if (bytes == kSlotBytes && spilled == kSlotBytes) {
      link_on_copy(slot.reg);
      note();
      return slot.reg;
    }
    if (!slot.reg.is_scalar() && byte < spilled) {
      refuse(EACCES,
             fmt::format("invalid size of register fill: {} of 8 bytes of {} are loaded", bytes, say(slot.reg)));
    }
    if (byte == 0 && bytes <= spilled) {
      if (bytes == 4 && spilled == 4 && fits(slot.reg.scalar, 4)) link_on_copy(slot.reg);
      Reg out = slot.reg;
      if (!fits(out.scalar, bytes) || sign) {
        unlink(out);
      }
      if (sign) {
        out.scalar.sign_extend(bytes);
      } else {
        out.scalar.truncate(bytes);
      }
      note();
      return out;
    }
    if (slot.reg.is_null() && byte + bytes <= spilled) {
      note();
      return constant_reg(0);
    }
  }
  u32 zeros = 0;
  for (u32 i = 0; i < bytes; ++i) {
    const Byte kind = slot.bytes[byte + i];
    if (kind == Byte::zero) ++zeros;
    if (kind == Byte::misc || kind == Byte::zero || kind == Byte::spill) continue;
    if (kind == Byte::invalid && privileged_uninitialised()) continue;
    refuse(EACCES,
           kind == Byte::dynptr
               ? fmt::format("invalid read from stack off {}+{} size {}: a dynptr stands there", offset, i, bytes)
               : fmt::format("invalid read from stack off {}+{} size {}: byte {} was not written on this path", offset,
                             i, bytes, offset + i),
           kind == Byte::dynptr ? "use the bpf_dynptr helpers" : "initialise the variable on every path");
  }
  return zeros == bytes ? constant_reg(0) : scalar_reg(Scalar::loaded(bytes, sign));
}

// Every byte of [low, high) was written, and is data or a spilled register.
void Analysis::check_initialised(u32 frame_number, s64 low, s64 high, u32 reg) {
  Frame& frame = state_.frames[frame_number];
  for (s64 at = low; at < high; ++at) {
    Slot& slot = slot_at(frame, slot_index(at));
    if (at == low || byte_index(at) % 4 == 0) {
      mark_read(state_, frame_number, HalfSet::touched(slot_index(at), byte_index(at), 1));
    }
    const Byte kind = slot.bytes[byte_index(at)];
    if (kind == Byte::misc || kind == Byte::zero || kind == Byte::spill) continue;
    if (kind == Byte::invalid && privileged_uninitialised()) continue;
    if (kind == Byte::dynptr) {
      refuse(EACCES, fmt::format("invalid indirect read from stack R{} off {}+{} size {}: a dynptr stands there", reg,
                                 low, at - low, high - low));
    }
    refuse(EACCES,
           fmt::format("invalid indirect read from stack R{} off {}+{} size {}: byte {} was not written on this path",
                       reg, low, at - low, high - low, at),
           kInitialise);
  }
}

// ---- helpers ----

void Analysis::helper_stack(u32 reg, const Reg& base, u64 bytes, u64 certain, Touch touch) {
  check_stack_bounds(base, reg, 0, bytes, touch != Touch::read);
  if (bytes == 0) return;
  const s64 low = lowest(base, 0), high = highest(base, 0) + static_cast<s64>(bytes);
  if (touch != Touch::write) check_initialised(base.frame, low, high, reg);
  if (touch == Touch::read) return;
  const bool exact = base.scalar.is_constant();
  overwrite(base.frame, low, high, exact && touch == Touch::write ? certain : 0);
}

// [low, high) is overwritten by what nobody tracks, its first `certain` bytes for sure, the others perhaps.
void Analysis::overwrite(u32 frame_number, s64 low, s64 high, u64 certain) {
  Frame& frame = state_.frames[frame_number];
  for (s64 at = low; at < high; ++at) {
    const u32 index = slot_index(at);
    Slot& slot = slot_at(frame, index);
    if (slot.is_dynptr()) {
      refuse(EACCES, fmt::format("potential write to dynptr at off={} disallowed", at), "use the bpf_dynptr helpers");
    }
    forget_spill(slot);
    Byte& byte = slot.bytes[byte_index(at)];
    const bool sure = static_cast<u64>(at - low) < certain;
    if (sure || byte != Byte::invalid) byte = Byte::misc;
    const bool half = byte_index(at) % 4 == 3 && at - low >= 3 && sure;
    if (half) frame.written.add(HalfSet::covered(index, byte_index(at) - 3, 4));
  }
}

}  // namespace forager::verifier
