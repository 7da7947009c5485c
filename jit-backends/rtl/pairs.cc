// SPDX-License-Identifier: Apache-2.0
//
// Counters of packets and bytes: where one is added to eight bytes and something else to the eight behind them, one
// atomic does both (AtomicCount). Nobody comes between the two then, and what a program means is never less than that.
#include <algorithm>
#include <optional>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/schedule.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

constexpr std::int64_t kPair = 16, kWord = 8;
constexpr std::uint32_t kMapAndScale = 0xff;  // of an immediate with on_map
constexpr std::size_t kFar = 64;              // operations that are looked at

class Pairer {
 public:
  Pairer(FlowBlock& block, const ChipPlan& plan) : block_(block), plan_(plan) {}

  void run() {
    for (std::size_t packets = 0; packets < size(); ++packets) {
      if (!counts_packets(operation(packets)) || !is_aligned(operation(packets))) continue;
      if (const auto bytes = partner(packets)) join(packets, *bytes);
    }
    std::erase_if(block_.operations, [](const Operation& one) { return one.slot.op == CoreOp::AluNop && !one.result; });
  }

 private:
  [[nodiscard]] std::size_t size() const { return block_.operations.size(); }
  [[nodiscard]] const Operation& operation(std::size_t at) const { return block_.operations[at]; }

  static bool adds(const Slot& slot) { return slot.op == CoreOp::AtomicAdd && slot.wide; }
  static bool counts_packets(const Operation& one) {
    const Slot& slot = one.slot;
    return adds(slot) && slot.use_imm && (slot.on_map ? slot.imm >> 8 : slot.imm) == 1;
  }

  // Values begin at a row.
  [[nodiscard]] bool is_aligned(const Operation& one) const {
    const Slot& slot = one.slot;
    const Reach& reach = one.reach;
    if (slot.on_map) return slot.offset % kPair == 0 && (slot.a_state || OnMap::kScales[slot.imm >> 6 & 3] >= 4);
    if (reach.pairs) return true;
    if (reach.region != verifier::Region::map_value || reach.last != reach.first + kWord - 1) return false;
    const ChipMap* map = plan_.find(reach.map);
    return map != nullptr && reach.first % kPair == 0 && map->in_pairs();
  }

  [[nodiscard]] std::optional<std::size_t> partner(std::size_t packets) const {
    for (std::size_t at = packets < kFar ? 0 : packets - kFar; at < std::min(size(), packets + kFar); ++at) {
      if (is_behind(operation(packets).slot, operation(at).slot) && may_meet(packets, at)) return at;
    }
    return std::nullopt;
  }
  static bool is_behind(const Slot& packets, const Slot& bytes) {
    const bool same_map = packets.on_map == bytes.on_map &&
                          (!packets.on_map || (packets.imm & kMapAndScale) == (bytes.imm & kMapAndScale));
    return adds(bytes) && !bytes.use_imm && same_map && packets.a == bytes.a && packets.a_state == bytes.a_state &&
           static_cast<std::int16_t>(bytes.offset) == static_cast<std::int16_t>(packets.offset) + kWord;
  }

  // The earlier one can wait for the later one.
  [[nodiscard]] bool may_meet(std::size_t packets, std::size_t bytes) const {
    const std::size_t first = std::min(packets, bytes), last = std::max(packets, bytes);
    const Operation& waits = operation(first);
    return std::ranges::none_of(
        block_.operations.begin() + static_cast<std::ptrdiff_t>(first) + 1,
        block_.operations.begin() + static_cast<std::ptrdiff_t>(last), [&](const Operation& one) {
          return leaves(one.slot) || sees_memory(one, waits) || (writes_of(one) & reads_of(waits)) != 0;
        });
  }
  static bool sees_memory(const Operation& one, const Operation& waits) {
    switch (class_of(one.slot.op)) {
      case CoreClass::Unit:
        return one.slot.op > CoreOp::UnitSmod;
      case CoreClass::Load:
      case CoreClass::Store:
      case CoreClass::Atomic:
        return rtl::may_meet(one.reach, waits.reach);
      default:
        return false;
    }
  }

  void join(std::size_t packets, std::size_t bytes) {
    Operation made = operation(bytes);
    const Operation& counted = operation(packets);
    made.slot.op = CoreOp::AtomicCount;
    made.slot.offset = counted.slot.offset;
    if (made.slot.on_map) made.slot.imm &= kMapAndScale;
    made.reach.first = counted.reach.first;
    block_.operations[std::max(packets, bytes)] = made;
    block_.operations[std::min(packets, bytes)] = {.slot = {}, .instruction = counted.instruction};
  }

  FlowBlock& block_;
  const ChipPlan& plan_;
};

}  // namespace

void count_pairs(Flow& flow, const ChipPlan& plan) {
  for (FlowBlock& block : flow.blocks) Pairer(block, plan).run();
}

}  // namespace forager::jit::rtl
