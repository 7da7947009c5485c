// SPDX-License-Identifier: Apache-2.0
//
// The log in the kernel's form, for log level 2: each instruction as it is reached, with what is known before it.
#include <algorithm>

#include "program/text.h"
#include "verifier/analysis.h"

namespace forager::verifier {

namespace {

constexpr unsigned kEverything = 2;  // BPF_LOG_LEVEL2
constexpr std::size_t kMaxLog = std::size_t{64} << 20;

char letter(Byte byte) { return "?rm0d"[static_cast<std::size_t>(byte)]; }

std::string slot_text(const Slot& slot, u32 index, std::span<const MapSpec> maps) {
  std::string kinds;
  for (std::size_t i = kSlotBytes; i-- > 0;) kinds += letter(slot.bytes[i]);
  const std::string value = slot.is_full_spill() ? to_text(slot.reg, maps)
                            : slot.is_spill()    ? kinds + ":" + to_text(slot.reg, maps)
                                                 : kinds;
  return fmt::format(" fp-{}={}", (index + 1) * kSlotBytes, value);
}

}  // namespace

void Analysis::log_line(std::string_view text) {
  if ((options_.log_level & kEverything) == 0 || report_.log.size() > kMaxLog) return;
  report_.log += text;
  report_.log += '\n';
}

void Analysis::log_state(std::string_view before) {
  if ((options_.log_level & kEverything) == 0 || report_.log.size() > kMaxLog) return;
  const Frame& frame = state_.frame();
  std::string out(before);
  if (state_.frames.size() > 1) out += fmt::format(" frame{}:", state_.current_frame());
  for (u32 i = 0; i < isa::kRegisters; ++i) {
    if (frame.regs[i].type != RegType::uninit)
      out += fmt::format(" R{}={}", i, to_text(frame.regs[i], program_.maps()));
  }
  for (u32 i = 0; i < frame.slots.size(); ++i) {
    const Slot& slot = frame.slots[i];
    const bool empty = std::ranges::all_of(slot.bytes, [](Byte b) { return b == Byte::invalid; });
    if (!empty) out += slot_text(slot, i, program_.maps());
  }
  log_line(out);
}

void Analysis::log_instruction() {
  if ((options_.log_level & kEverything) == 0 || report_.log.size() > kMaxLog) return;
  const Instruction& insn = current();
  if (const std::string source = program_.source_line(at_); !source.empty()) log_line("; " + source);
  log_state(
      fmt::format("{}: ({:02x}) {} ;", insn.slot, program_.slots()[insn.slot].opcode, program::to_text(program_, at_)));
}

}  // namespace forager::verifier
