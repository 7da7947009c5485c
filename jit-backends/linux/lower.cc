// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/linux/lower.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include "jit-backends/linux/kernel.h"

namespace forager::jit::linux_kernel {
namespace {

using isa::Op;
using isa::Slot;

constexpr std::int32_t kXdpPass = XDP_PASS;
constexpr std::uint32_t kEndSlot = 1;  // where the frame's "end" is

Slot slot_of(Op op) { return {.opcode = isa::row(op).opcode}; }

Slot go_to(std::uint32_t from, std::uint32_t to) {
  const std::int64_t distance = std::int64_t{to} - std::int64_t{from} - 1;
  const bool near = distance >= std::numeric_limits<std::int16_t>::min();
  Slot slot = slot_of(near ? Op::ja : Op::ja32);
  if (near) slot.offset = static_cast<std::int16_t>(distance);
  if (!near) slot.imm = static_cast<std::int32_t>(distance);
  return slot;
}

void append_move(Slots& slots, std::uint8_t dst, std::int32_t imm) {
  Slot slot = slot_of(Op::mov64_imm);
  slot.dst = dst & 15;
  slot.imm = imm;
  slots.push_back(slot);
}

void append_map_value(Slots& slots, std::uint8_t dst, int fd) {
  Slot slot = slot_of(Op::lddw_map_value);
  slot.dst = dst & 15;
  slot.src = BPF_PSEUDO_MAP_VALUE;
  slot.imm = fd;
  slots.push_back(slot);
  slots.push_back({});
}

Slots frame_of(const RawMemoryMaps& maps) {
  Slots slots = {{}};
  append_map_value(slots, 1, maps.result);
  Slot store = slot_of(Op::stxdw);
  store.dst = 1;
  slots.push_back(store);
  append_move(slots, 0, kXdpPass);
  slots.push_back(slot_of(Op::exit));
  slots[0] = go_to(0, static_cast<std::uint32_t>(slots.size()));
  if (maps.memory_bytes != 0) {
    append_map_value(slots, 1, maps.memory);
  } else {
    append_move(slots, 1, 0);
    append_move(slots, 1, 0);  // the frame has one length
  }
  append_move(slots, 2, static_cast<std::int32_t>(maps.memory_bytes));
  return slots;
}

// Lines that are statistics, or the state of registers around an instruction, and no reason.
bool is_chatter(std::string_view line) {
  constexpr std::array<std::string_view, 10> kStarts = {
      "processed ", "verification time", "stack depth", "mark_precise", "from ",
      "caller:",    "callee:",           " ",           "; ",           "func#"};
  return line.empty() || std::any_of(kStarts.begin(), kStarts.end(), [&](auto s) { return line.starts_with(s); });
}

// The slot of a line such as "12: (71) r1 = *(u8 *)(r6 +4)" or, with registers only, "12: R1=ctx()".
std::optional<std::uint32_t> slot_of_line(std::string_view line) {
  std::uint32_t slot = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), slot);
  const std::string_view rest(end, line.data() + line.size());
  if (error != std::errc() || !(rest.starts_with(": (") || rest.starts_with(": R"))) return std::nullopt;
  return slot;
}

struct LogSummary {
  std::string reason;
  std::optional<std::uint32_t> slot;
};

// The verifier ends with the instruction that it refused and one or two lines that say why, the more general one last.
LogSummary summary_of(std::string_view log) {
  LogSummary summary;
  std::string_view last;
  while (!log.empty()) {
    const std::size_t end = std::min(log.find('\n'), log.size());
    const std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    if (const auto slot = slot_of_line(line)) {
      summary.slot = slot;
      last = {};
    } else if (!is_chatter(line)) {
      summary.reason = last.empty() ? std::string(line) : fmt::format("{}; {}", last, line);
      last = line;
    }
  }
  return summary;
}

ErrorKind kind_of(long negative_errno, bool has_reason) {
  if (negative_errno == -E2BIG) return ErrorKind::limit;
  return has_reason || negative_errno == -EINVAL ? ErrorKind::rejected : ErrorKind::system;
}

}  // namespace

Slots with_map_fds(const program::Program& program, std::span<const int> map_fds) {
  Slots slots(program.slots().begin(), program.slots().end());
  for (const program::Instruction& insn : program.instructions()) {
    if (insn.op != Op::lddw_map_idx && insn.op != Op::lddw_map_idx_value) continue;
    Slot& slot = slots[insn.slot];
    slot.src = insn.op == Op::lddw_map_idx ? BPF_PSEUDO_MAP_FD : BPF_PSEUDO_MAP_VALUE;
    slot.imm = map_fds[program::map_index(insn)];
  }
  return slots;
}

Slots wrap_raw_memory(const program::Program& program, Slots slots, const RawMemoryMaps& maps) {
  Slots wrapped = frame_of(maps);
  const auto main = program.instructions().subspan(0, program.subprograms()[0].end);
  for (const program::Instruction& insn : main) {
    if (insn.op == Op::exit) slots[insn.slot] = go_to(kRawMemoryFrameSlots + insn.slot, kEndSlot);
  }
  wrapped.insert(wrapped.end(), slots.begin(), slots.end());
  return wrapped;
}

Diagnostic explain_rejection(const program::Program& program, long negative_errno, const std::string& log,
                             std::uint32_t frame_slots) {
  const LogSummary summary = summary_of(log);
  Diagnostic diagnostic;
  diagnostic.kind = kind_of(negative_errno, !summary.reason.empty());
  diagnostic.error = static_cast<int>(-negative_errno);
  diagnostic.message = fmt::format("the kernel refused program '{}' with {}{}{}", program.name(),
                                   errno_text(negative_errno), summary.reason.empty() ? "" : ": ", summary.reason);
  if (summary.slot && *summary.slot >= frame_slots) {
    diagnostic.instruction = *summary.slot - frame_slots;
    const std::uint32_t insn = program.instruction_at(*diagnostic.instruction);
    if (insn != program::kNone) diagnostic.source = program.source_line(insn);
  }
  return diagnostic;
}

}  // namespace forager::jit::linux_kernel
