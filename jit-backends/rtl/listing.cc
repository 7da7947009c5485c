// SPDX-License-Identifier: Apache-2.0
//
// The schedule as people read it: bundles, both slots, and the BPF instruction that each is for.
#include <fmt/format.h>

#include <string>

#include "jit-backends/rtl/image.h"
#include "program/text.h"

namespace forager::jit::rtl {
namespace {

std::string_view name_of(CoreOp op) {
  const unsigned of = static_cast<unsigned>(op) >> 4;
  if (of == static_cast<unsigned>(CoreClass::Load)) return "load";
  if (of == static_cast<unsigned>(CoreClass::Store)) return "store";
  const bool atomic = of == static_cast<unsigned>(CoreClass::Atomic);
  switch (atomic ? static_cast<CoreOp>(static_cast<unsigned>(op) & ~unsigned{kFetches}) : op) {
#define FORAGER_CORE_CLASS(...)
#define FORAGER_CORE_OP(of, name, encoding) \
  case CoreOp::of##name:                    \
    return #of "." #name;
#define FORAGER_CORE_STATE(...)
#define FORAGER_CORE_CAUSE(...)
#include "jit-backends/rtl/isa/ops.def"
    default:
      return "?";
  }
}

std::string text_of(const Slot& slot) {
  if (slot.op == CoreOp::AluNop) return "";
  std::string b = slot.use_imm ? fmt::format("{:#x}", slot.imm) : fmt::format("r{}", slot.b);
  return fmt::format("{}{} r{}, r{}, {}, {}", name_of(slot.op), slot.wide ? "" : ".32", slot.d, slot.a, b, slot.offset);
}

}  // namespace

std::string RtlImage::listing() const {
  std::string out;
  for (std::size_t i = 0; i < made_.bundles.size(); ++i) {
    const auto& slots = made_.bundles[i].slots;
    out += fmt::format("{:5}: {:44} | {:44} ; {}\n", i, text_of(slots[0]), text_of(slots[1]), made_.instructions[i]);
  }
  return out;
}

}  // namespace forager::jit::rtl
