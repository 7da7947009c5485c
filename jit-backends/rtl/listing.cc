// SPDX-License-Identifier: Apache-2.0
//
// The schedule as people read it: a line for each bundle, what both slots do, and above it the line of C that it is
// for.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

#include "exec/host_helpers.h"
#include "jit-backends/rtl/image.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

// "Mul" of Unit Mul.
std::string_view name_of(CoreOp op) {
  switch (op) {
#define FORAGER_CORE_CLASS(...)
#define FORAGER_CORE_OP(of, name, encoding) \
  case CoreOp::of##name:                    \
    return #name;
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

std::string text_a(const Slot& slot) {
  return slot.a_state ? std::string(name_of(static_cast<CoreState>(slot.a))) : fmt::format("r{}", slot.a);
}
std::string text_b(const Slot& slot) {
  if (!slot.use_imm) return fmt::format("r{}", slot.b);
  return fmt::format("{}", static_cast<std::int32_t>(slot.imm));
}

// "[r2 + 12]", "[map 3 + (r1 << 3) + 16]"
std::string place(const Slot& slot) {
  std::string base = text_a(slot);
  if (slot.on_map) {
    const unsigned shift = OnMap::kScales[slot.imm >> 6 & 3];
    if (shift != 0) base = fmt::format("({} << {})", base, shift);
    const bool first = slot.a_state && static_cast<CoreState>(slot.a) == CoreState::Zero;
    base = first ? fmt::format("map {}", slot.imm % kMapsInTable)
                 : fmt::format("map {} + {}", slot.imm % kMapsInTable, base);
  }
  const auto offset = static_cast<std::int16_t>(slot.offset);
  if (offset == 0) return fmt::format("[{}]", base);
  return fmt::format("[{} {} {}]", base, offset < 0 ? '-' : '+', offset < 0 ? -offset : offset);
}

std::string lower(std::string_view name) {
  std::string text(name);
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}
std::string with_width(const std::string& text, const Slot& slot) { return slot.wide ? text : text + ".32"; }

std::string text_alu(const Slot& slot) {
  const std::string name = with_width(lower(name_of(slot.op)), slot), a = text_a(slot), b = text_b(slot);
  switch (slot.op) {
    case CoreOp::AluMov:
    case CoreOp::AluWide:
      return fmt::format("r{} = {}{}", slot.d, b, slot.wide ? "" : " (32)");
    case CoreOp::AluNeg:
      return fmt::format("{} r{} = {}", name, slot.d, a);
    case CoreOp::AluSext:
    case CoreOp::AluZext:
    case CoreOp::AluSwap:
      return fmt::format("{}.{} r{} = {}", name, 8U << (slot.offset & 3), slot.d, a);
    default:
      return fmt::format("{} r{} = {}, {}", name, slot.d, a, b);
  }
}

std::string text_access(const Slot& slot) {
  const auto function = static_cast<unsigned>(slot.op) & 15;
  const bool six = function == kSixBytes;
  std::string name = fmt::format(".{}", 8 * bytes_of(slot.op));
  if (!six && (function & kSigned) != 0) name += "s";
  if (!six && (function & kSwapped) != 0) name += ".be";
  if (class_of(slot.op) == CoreClass::Load) return fmt::format("load{} r{} = {}", name, slot.d, place(slot));
  const std::string value =
      slot.on_map && slot.use_imm ? fmt::format("{}", static_cast<std::int32_t>(slot.imm) >> 8) : text_b(slot);
  return fmt::format("store{} {} = {}", name, place(slot), value);
}

std::string text_atomic(const Slot& slot) {
  const std::string value =
      slot.on_map && slot.use_imm ? fmt::format("{}", static_cast<std::int32_t>(slot.imm) >> 8) : text_b(slot);
  const std::string what = with_width(lower(name_of(without_fetch(slot.op))), slot);
  return writes_result(slot) ? fmt::format("atomic.{} r{} = {}, {}", what, slot.d, place(slot), value)
                             : fmt::format("atomic.{} {}, {}", what, place(slot), value);
}

std::string text_unit(const Slot& slot, const program::Program& program) {
  if (slot.op == CoreOp::UnitHost) {
    const program::Instruction& insn = program.instructions()[slot.imm];
    const isa::HelperRow* helper =
        insn.op == isa::Op::call_helper ? isa::find_helper(static_cast<std::uint32_t>(insn.imm)) : nullptr;
    return fmt::format("host r{} = {}", slot.d,
                       helper != nullptr ? std::string(helper->name) : fmt::format("instruction {}", slot.imm));
  }
  const std::string name = with_width(lower(name_of(slot.op)), slot);
  if (!is_of_engine(slot)) return fmt::format("{} r{} = {}, {}", name, slot.d, text_a(slot), text_b(slot));
  if (moves_edge(slot.op) || slot.op == CoreOp::UnitRedirect)
    return fmt::format("{} r{} = {}", name, slot.d, text_a(slot));
  const std::string map =
      (slot.offset & kMapByPointer) != 0 ? "by pointer" : fmt::format("{}", slot.offset % kMapsInTable);
  const std::string key = (slot.offset & kMapInScratch) != 0 ? "scratch"
                          : slot.use_imm                     ? text_a(slot)
                                                             : text_a(slot) + " " + text_b(slot);
  return fmt::format("{} r{} = map {}[{}]", lower(name_of(slot.op)), slot.d, map, key);
}

std::string text_leave(const Slot& slot) {
  switch (slot.op) {
    case CoreOp::BranchAlways:
      return fmt::format("goto {}", slot.offset);
    case CoreOp::ControlCall:
      return fmt::format("call {}", slot.offset);
    case CoreOp::ControlRet:
      return fmt::format("return {}", text_b(slot));
    case CoreOp::ControlTrap:
      return "trap";
    default:
      return fmt::format("if {} {} {} goto {}", text_a(slot), with_width(lower(name_of(slot.op)), slot), text_b(slot),
                         slot.offset);
  }
}

std::string text_local(const Slot& slot) {
  if (slot.op == CoreOp::LocalState) return fmt::format("r{} = {}", slot.d, text_a(slot));
  if (slot.op == CoreOp::LocalFetch) return fmt::format("r{} = scratch[{}]", slot.d, slot.offset);
  return fmt::format("scratch[{}] = {}", slot.offset, text_b(slot));
}

// Only what the operation uses.
std::string text_of(const Slot& slot, const program::Program& program) {
  switch (class_of(slot.op)) {
    case CoreClass::Alu:
      return slot.op == CoreOp::AluNop ? "" : text_alu(slot);
    case CoreClass::Load:
    case CoreClass::Store:
      return text_access(slot);
    case CoreClass::Atomic:
      return text_atomic(slot);
    case CoreClass::Unit:
      return text_unit(slot, program);
    case CoreClass::Local:
      return text_local(slot);
    default:
      return text_leave(slot);
  }
}

// Both slots make one 64-bit constant.
bool is_wide(const Bundle& bundle) { return bundle.slots[0].op == CoreOp::AluWide; }

std::string text_wide(const Bundle& bundle) {
  return fmt::format("r{} = {:#x}{:08x}", bundle.slots[0].d, bundle.slots[1].imm, bundle.slots[0].imm);
}

// ---- what it costs ----

// Of a thread that nobody holds up. What waits for a map, a division or the host takes about so long in its unit.
std::string estimate(const Bundle& bundle) {
  struct Row {
    CoreOp op;
    unsigned cycles;
  };
  constexpr Row kUnits[] = {{CoreOp::UnitDiv, 66},       {CoreOp::UnitMod, 66},       {CoreOp::UnitSdiv, 66},
                            {CoreOp::UnitSmod, 66},      {CoreOp::UnitMul, 8},        {CoreOp::UnitAdjustHead, 4},
                            {CoreOp::UnitAdjustTail, 4}, {CoreOp::UnitAdjustMeta, 4}, {CoreOp::UnitLookup, 14},
                            {CoreOp::UnitUpdate, 30},    {CoreOp::UnitDelete, 20},    {CoreOp::UnitRedirectMap, 11},
                            {CoreOp::UnitTailCall, 11},  {CoreOp::UnitRedirect, 3}};
  const Slot& slot = bundle.slots[0];
  if (slot.op == CoreOp::UnitHost) return "host";
  const auto* row = std::ranges::find(kUnits, slot.op, &Row::op);
  const bool waits = row != std::end(kUnits) && !is_product(slot);
  const bool slow = (class_of(slot.op) != CoreClass::Alu && class_of(slot.op) != CoreClass::Branch) ||
                    class_of(bundle.slots[1].op) == CoreClass::Control;
  return std::to_string((slow ? 5U : 4U) + (waits ? 5U + row->cycles : 0U));
}
std::string text_cost(const Bundle& bundle, const BundleCost* cost) {
  std::string out = fmt::format("{:>4}  ", estimate(bundle));
  if (cost == nullptr) return out;
  if (cost->times == 0) return out + fmt::format("{:>8} {:>7}  ", "-", "");
  return out + fmt::format("{:>8} {:>7.1f}  ", cost->times,
                           static_cast<double>(cost->cycles) / static_cast<double>(cost->times));
}

}  // namespace

std::string RtlImage::listing() const {
  const program::Program& program = program_->program();
  const std::vector<BundleCost> costs = this->costs();
  std::string out = fmt::format(
      "; {} bundles; each takes a cycle of the core, and a thread issues one in four at the most\n"
      "; first column: cycles until the thread may go on, estimated{}\n",
      made_.bundles.size(), costs.empty() ? "" : "; then how often it was executed, and measured cycles");
  std::string above;
  for (std::size_t i = 0; i < made_.bundles.size(); ++i) {
    const Bundle& bundle = made_.bundles[i];
    if (std::string line = program.source_line(made_.instructions[i]); !line.empty() && line != above) {
      out += "; " + line + "\n";
      above = std::move(line);
    }
    out += fmt::format("{:5}: {}{:40} | {:36} ; {}\n", i, text_cost(bundle, i < costs.size() ? &costs[i] : nullptr),
                       is_wide(bundle) ? text_wide(bundle) : text_of(bundle.slots[0], program),
                       is_wide(bundle) ? "" : text_of(bundle.slots[1], program), made_.instructions[i]);
  }
  return out;
}

}  // namespace forager::jit::rtl
