// SPDX-License-Identifier: Apache-2.0
//
// The schedule as people read it: bundles, both slots, and the BPF instruction that each is for.
#include <fmt/format.h>

#include <string>

#include "jit-backends/rtl/image.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

std::string_view name_of(CoreOp op) {
  if (class_of(op) == CoreClass::Load) return "load";
  if (class_of(op) == CoreClass::Store) return "store";
  switch (class_of(op) == CoreClass::Atomic ? without_fetch(op) : op) {
#define FORAGER_CORE_CLASS(...)
#define FORAGER_CORE_OP(of, name, encoding) \
  case CoreOp::of##name:                    \
    return #of "." #name;
#define FORAGER_CORE_STATE(...)
#define FORAGER_CORE_CAUSE(...)
#define FORAGER_CORE_MAP(...)
#include "jit-backends/rtl/isa/ops.def"
    default:
      return "?";
  }
}

std::string_view name_of(CoreState state) {
  switch (state) {
#define FORAGER_CORE_CLASS(...)
#define FORAGER_CORE_OP(...)
#define FORAGER_CORE_STATE(name, encoding) \
  case CoreState::name:                    \
    return #name;
#define FORAGER_CORE_CAUSE(...)
#define FORAGER_CORE_MAP(...)
#include "jit-backends/rtl/isa/ops.def"
    default:
      return "?";
  }
}

std::string text_of(const Slot& slot) {
  if (slot.op == CoreOp::AluNop) return "";
  std::string b = slot.use_imm ? fmt::format("{:#x}", slot.imm) : fmt::format("r{}", slot.b);
  std::string a = slot.a_state ? std::string(name_of(static_cast<CoreState>(slot.a))) : fmt::format("r{}", slot.a);
  if (slot.on_map) {
    a = fmt::format("map {}[{} << {}]", slot.imm % kMapsInTable, a, OnMap::kScales[slot.imm >> 6 & 3]);
    if (slot.use_imm) b = fmt::format("{:#x}", static_cast<std::int32_t>(slot.imm) >> 8);
  }
  return fmt::format("{}{} r{}, {}, {}, {}", name_of(slot.op), slot.wide ? "" : ".32", slot.d, a, b, slot.offset);
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
