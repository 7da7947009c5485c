// SPDX-License-Identifier: Apache-2.0
//
// Dynptrs: 16 bytes of the stack that only helpers may touch. One on a ring-buffer record is a reference; slices of a
// dynptr (bpf_dynptr_data) live as long as it does.
#include <cerrno>

#include "verifier/analysis.h"

namespace forager::verifier {

namespace {

constexpr u32 kDynptrSlots = 2;

}  // namespace

// Argument `index` is a dynptr; `fresh`: stack memory to make one in.
void Analysis::check_dynptr(CallMeta& meta, u32 index, bool fresh) {
  const u32 number = index + 1;
  const Reg reg = read_reg(number);
  if (reg.type == RegType::dynptr) {
    if (fresh) refuse(EINVAL, "Dynptr has to be an uninitialized dynptr");
    meta.dynptr_id = reg.id;
    meta.dynptr = reg.dynptr;
    return;
  }
  if (!reg.scalar.is_constant()) refuse(EINVAL, "dynptr has to be at a constant offset");
  const s64 offset = reg.whole_offset();
  if (offset % kSlotBytes != 0) refuse(EINVAL, fmt::format("cannot pass in dynptr at an offset={}", offset));
  if (offset < -s64{isa::kStackBytes} || offset + s64{kDynptrSlots * kSlotBytes} > 0) {
    refuse(EINVAL, fmt::format("arg {} is no {}initialized dynptr: 16 bytes at offset {} are not all on the stack",
                               number, fresh ? "un" : "", offset));
  }
  check_stack_bounds(reg, number, 0, kDynptrSlots * kSlotBytes, true);
  const u32 first = slot_index(offset);
  Frame& frame = state_.frames[reg.frame];
  (void)slot_at(frame, first);
  if (fresh) {
    for (const u32 slot : {first, first - 1}) destroy_dynptr(reg.frame, slot);
    meta.new_dynptr.reg = number;
    return;
  }
  const Slot& slot = frame.slots[first];
  const bool begins = slot.is_dynptr() && slot.reg.first_slot;
  if (!begins) refuse(EINVAL, fmt::format("Expected an initialized dynptr as arg #{}", number));
  for (u32 i = 0; i < kDynptrSlots; ++i) mark_read(state_, reg.frame, HalfSet::whole(first - i));
  meta.dynptr_id = slot.reg.id;
  meta.dynptr = slot.reg.dynptr;
  if (slot.reg.reference != 0) meta.reference = slot.reg.reference;
}

void Analysis::make_dynptr(const CallMeta& meta) {
  const Reg at = state_.regs()[meta.new_dynptr.reg];
  Frame& frame = state_.frames[at.frame];
  const u32 first = slot_index(at.whole_offset());
  Reg reg;
  reg.type = RegType::dynptr;
  reg.dynptr = meta.helper->name == "ringbuf_reserve_dynptr" ? DynptrType::record : DynptrType::local;
  reg.id = next_id();
  if (reg.dynptr == DynptrType::record) reg.reference = take_reference();
  for (u32 i = 0; i < kDynptrSlots; ++i) {
    Slot& slot = frame.slots[first - i];
    slot.bytes.fill(Byte::dynptr);
    slot.reg = reg;
    slot.reg.first_slot = i == 0;
    frame.written.add(HalfSet::whole(first - i));
  }
}

// A slot is about to be overwritten: the dynptr there, if any, is gone, and its slices with it.
void Analysis::destroy_dynptr(u32 frame_number, u32 index) {
  Frame& frame = state_.frames[frame_number];
  if (index >= frame.slots.size() || !frame.slots[index].is_dynptr()) return;
  const Reg reg = frame.slots[index].reg;
  if (reg.reference != 0) {
    refuse(EINVAL, "cannot overwrite referenced dynptr", "submit or discard it first");
  }
  const u32 first = reg.first_slot ? index : index + 1;
  for (u32 i = 0; i < kDynptrSlots; ++i) {
    Slot& slot = frame.slots[first - i];
    slot.bytes.fill(Byte::invalid);
    slot.reg = {};
    frame.written.add(HalfSet::whole(first - i));
  }
  state_.for_each_reg([&](Reg& other) {
    if (other.slice_of == reg.id && other.type == RegType::memory) other = ended_pointer(other, at_);
  });
}

// Submitted or discarded: every dynptr on this record is gone.
void Analysis::end_dynptr(u32 number) {
  const Reg at = read_reg(number);
  if (at.type != RegType::stack) refuse(EINVAL, "CONST_PTR_TO_DYNPTR cannot be released");
  const u32 index = slot_index(at.whole_offset());
  const u32 reference = state_.frames[at.frame].slots[index].reg.reference;
  if (reference == 0) refuse(EINVAL, fmt::format("arg {} is an unacquired reference", number));
  for (Frame& frame : state_.frames) {
    for (u32 i = 0; i < frame.slots.size(); ++i) {
      Slot& slot = frame.slots[i];
      if (!slot.is_dynptr() || slot.reg.reference != reference) continue;
      slot.bytes.fill(Byte::invalid);
      slot.reg = {};
      frame.written.add(HalfSet::whole(i));
    }
  }
  release(reference);
}

}  // namespace forager::verifier
