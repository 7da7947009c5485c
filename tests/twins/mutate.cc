// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/mutate.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

namespace forager::twins {
namespace {

using isa::Slot;

// Opcode fields (RFC 9669 section 3).
enum Class : std::uint8_t { kLd, kLdx, kSt, kStx, kAlu, kJmp, kJmp32, kAlu64 };
constexpr std::uint8_t kRegisterSource = 0x08;
constexpr std::uint8_t kWide = 0x18;
constexpr std::uint8_t kMem = 0x60, kMemSx = 0x80;
constexpr std::uint8_t kSizeDw = 0x18;
constexpr std::uint8_t kAdd = 0x00, kSub = 0x10, kAnd = 0x50, kLsh = 0x60, kRsh = 0x70, kMov = 0xb0;
constexpr std::uint8_t kJa = 0x00, kJset = 0x40, kCall = 0x80, kExit = 0x90;
constexpr std::uint8_t kMov64Imm = 0xb7;

// Each comparison with its opposite, and with what differs from it at the boundary only.
struct Jump {
  std::uint8_t op, opposite, boundary;
};
constexpr Jump kJumps[] = {{0x10, 0x50, 0x30}, {0x20, 0xb0, 0x30}, {0x30, 0xa0, 0x20}, {0x40, 0x10, 0x50},
                           {0x50, 0x10, 0x20}, {0x60, 0xd0, 0x70}, {0x70, 0xc0, 0x60}, {0xa0, 0x30, 0xb0},
                           {0xb0, 0x20, 0xa0}, {0xc0, 0x70, 0xd0}, {0xd0, 0x60, 0xc0}};

std::uint8_t class_of(const Slot& slot) { return slot.opcode & 7U; }
std::uint8_t operation_of(const Slot& slot) { return slot.opcode & 0xf0U; }
bool has_immediate(const Slot& slot) { return (slot.opcode & kRegisterSource) == 0; }
std::int32_t plus(std::int32_t value, std::int64_t delta) { return static_cast<std::int32_t>(value + delta); }

Slot jump(std::int16_t offset) { return {.opcode = kJmp | kJa, .offset = offset}; }
const Slot kNothing = jump(0);

unsigned bytes_of(const Slot& slot) {
  constexpr unsigned kBytes[] = {4, 2, 1, 8};
  return kBytes[(slot.opcode >> 3U) & 3U];
}

class Mutator {
 public:
  explicit Mutator(std::span<const Slot> slots) : slots_(slots) {}

  std::vector<Mutation> all() {
    for (at_ = 0; at_ < slots_.size(); ++at_) {
      const Slot& slot = slots_[at_];
      if (slot.opcode == kWide) {
        ++at_;
        continue;
      }
      switch (class_of(slot)) {
        case kJmp:
        case kJmp32:
          mutate_jump(slot);
          break;
        case kAlu:
        case kAlu64:
          mutate_arithmetic(slot);
          break;
        default:
          mutate_access(slot);
      }
    }
    return std::move(found_);
  }

 private:
  void add(const char* what, Slot after) {
    if (after == slots_[at_]) return;
    found_.push_back({.slot = static_cast<std::uint32_t>(at_), .what = what, .after = after});
  }
  void with_operation(const char* what, Slot slot, std::uint8_t operation) {
    slot.opcode = static_cast<std::uint8_t>((slot.opcode & 0x0fU) | operation);
    add(what, slot);
  }
  void with_immediate(const char* what, Slot slot, std::int32_t imm) {
    slot.imm = imm;
    add(what, slot);
  }
  void with_offset(const char* what, Slot slot, int offset) {
    slot.offset = static_cast<std::int16_t>(offset);
    add(what, slot);
  }

  void mutate_jump(const Slot& slot) {
    const std::uint8_t operation = operation_of(slot);
    if (operation == kCall && slot.src == 0) add("call dropped", {.opcode = kMov64Imm});
    if (operation == kCall || operation == kExit || operation == kJa) return;
    add("never taken", kNothing);
    add("always taken", jump(slot.offset));
    // A test that says nothing of pointers and next to nothing of numbers: both ways stay, what is learnt is gone.
    add("says nothing", {.opcode = kJmp | kJset, .dst = slot.dst, .offset = slot.offset, .imm = 1 << 30});
    const auto* row = std::ranges::find(kJumps, operation, &Jump::op);
    if (row == std::end(kJumps)) return;
    with_operation("opposite", slot, row->opposite);
    with_operation("boundary", slot, row->boundary);
    if (!has_immediate(slot)) return;
    with_immediate("one more", slot, plus(slot.imm, 1));
    with_immediate("one less", slot, plus(slot.imm, -1));
  }

  void mutate_arithmetic(const Slot& slot) {
    const std::uint8_t operation = operation_of(slot);
    if (!has_immediate(slot)) {
      if (operation == kMov && slot.offset == 0) add("copy dropped", kNothing);
      if (operation == kAdd || operation == kSub) add("addition dropped", kNothing);
      return;
    }
    switch (operation) {
      case kAnd:
        add("mask dropped", kNothing);
        return with_immediate("mask widened", slot, static_cast<std::int32_t>((std::uint32_t(slot.imm) << 1U) | 1U));
      case kLsh:
      case kRsh:
        with_immediate("shift less", slot, slot.imm == 0 ? 0 : slot.imm - 1);
        return with_immediate("shift more", slot, std::min(slot.imm + 1, class_of(slot) == kAlu ? 31 : 63));
      case kAdd:
      case kMov:
        with_immediate("one more", slot, plus(slot.imm, 1));
        with_immediate("eight less", slot, plus(slot.imm, -8));
        return with_immediate("far", slot, plus(slot.imm, 4096));
      default:
        return;
    }
  }

  void mutate_access(const Slot& slot) {
    const std::uint8_t kind = class_of(slot);
    const std::uint8_t mode = slot.opcode & 0xe0U;
    if (kind == kLd || (mode != kMem && mode != kMemSx)) return;
    const int bytes = static_cast<int>(bytes_of(slot));
    with_offset("further", slot, slot.offset + bytes);
    with_offset("nearer", slot, slot.offset - bytes);
    with_offset("unaligned", slot, slot.offset + 1);
    if (mode == kMem) {
      Slot wide = slot;
      wide.opcode |= kSizeDw;
      add("wider", wide);
    }
    if (kind != kLdx) add("store dropped", kNothing);
  }

  std::span<const Slot> slots_;
  std::size_t at_ = 0;
  std::vector<Mutation> found_;
};

// No verdict on the program: a limit, or (a callback that nobody calls any more) a bug that the kernel admits.
bool ran_out(const Verdict& verdict) {
  const auto says = [&](std::string_view words) { return verdict.message.find(words) != std::string::npos; };
  return verdict.error == E2BIG || says("is too complex") || (verdict.error == EFAULT && says("verifier bug"));
}

Agreement agreement_of(const Verdict& ours, const Verdict& kernel) {
  if (ours.accepted() && kernel.accepted()) return Agreement::accepted;
  if (ran_out(ours) || ran_out(kernel)) return Agreement::cut_off;
  if (ours.accepted()) return Agreement::looser;
  return kernel.accepted() ? Agreement::stricter : Agreement::refused;
}

struct Divergence {
  std::string_view program, mutation, kernel_says;
};
constexpr Divergence kDivergences[] = {
#define FORAGER_DIVERGENCE(program, mutation, kernel_says, reason) {program, mutation, kernel_says},
#include "tests/twins/divergences.def"
};

bool is_listed(const Subject& subject, const Mutation& mutation, const Verdict& kernel) {
  return std::ranges::any_of(kDivergences, [&](const Divergence& row) {
    return row.program == subject.name && row.mutation == mutation.what &&
           kernel.message.find(row.kernel_says) != std::string::npos;
  });
}

Comparison compare(const Subject& subject, const program::Source& source, std::span<const Slot> for_kernel) {
  Comparison out;
  out.ours = ask_ours(source);
  out.kernel = ask_kernel(subject.kernel, for_kernel);
  out.agreement = agreement_of(out.ours, out.kernel);
  if (out.agreement != Agreement::stricter) return out;
  if (ask_ours(source, {.allow_uninitialised_stack = true}).accepted()) out.agreement = Agreement::unwritten;
  return out;
}

}  // namespace

std::vector<Mutation> mutations_of(std::span<const isa::Slot> slots) { return Mutator(slots).all(); }

std::vector<isa::Slot> mutated(std::span<const isa::Slot> slots, const Mutation& mutation) {
  std::vector<Slot> out(slots.begin(), slots.end());
  out[mutation.slot] = mutation.after;
  return out;
}

const char* to_string(Agreement agreement) {
  constexpr const char* kNames[kAgreements] = {"accepted", "refused",  "cut off", "unwritten",
                                               "listed",   "stricter", "LOOSER"};
  return kNames[static_cast<std::size_t>(agreement)];
}

Comparison compare(const Subject& subject, const Mutation& mutation) {
  program::Source source = subject.source;
  source.slots[mutation.slot] = mutation.after;
  Comparison out = compare(subject, source, mutated(subject.kernel.slots(), mutation));
  if (out.agreement == Agreement::looser && is_listed(subject, mutation, out.kernel)) out.agreement = Agreement::listed;
  return out;
}

Comparison compare(const Subject& subject) { return compare(subject, subject.source, subject.kernel.slots()); }

}  // namespace forager::twins
