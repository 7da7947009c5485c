// SPDX-License-Identifier: Apache-2.0
//
// IPv4 headers without options. A program that takes four times a nibble of the packet for a length has everything
// behind the header at a place that is not known. Nearly all headers are of one length: a branch asks for it, and as
// what is known of a byte makes a version of the blocks after it (variants.h), that version has it for a constant. The
// other does for every header.
#include <algorithm>
#include <utility>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

constexpr std::uint32_t kPlainHeader = 0x45;  // version 4, five words (RFC 791)
constexpr std::uint32_t kLengthInWords = 0x0f;
constexpr std::size_t kFar = 32;  // operations that are looked at

bool is_byte_of_packet(const Operation& operation) {
  return operation.slot.op == CoreOp::Load && operation.reach.region == verifier::Region::packet;
}

// Follows a byte through registers.
class Byte {
 public:
  explicit Byte(std::uint8_t reg) : whole_(only(reg)) {}

  // Whether the operation takes a length of a header out of it.
  [[nodiscard]] bool is_length(const Slot& slot) const {
    if (slot.op != CoreOp::AluAnd || !slot.use_imm || slot.a_state) return false;
    const bool in_words = (whole_ & only(slot.a)) != 0 && slot.imm == kLengthInWords;
    const bool in_bytes = (times_four_ & only(slot.a)) != 0 && (slot.imm & 0xff) >> 2 << 2 == slot.imm && slot.imm != 0;
    return in_words || in_bytes;
  }
  void step(const Slot& slot) {
    if (!writes_result(slot)) return;
    const auto holds = [](Registers of, std::uint8_t reg) { return (of & only(reg)) != 0; };
    const bool moves = slot.op == CoreOp::AluMov && !slot.use_imm;
    const bool shifts = slot.op == CoreOp::AluLsh && slot.use_imm && slot.imm == 2 && !slot.a_state;
    const bool whole = moves && holds(whole_, slot.b);
    const bool times_four = (moves && holds(times_four_, slot.b)) || (shifts && holds(whole_, slot.a));
    whole_ = with(whole_, slot.d, whole);
    times_four_ = with(times_four_, slot.d, times_four);
  }

 private:
  static Registers with(Registers of, std::uint8_t reg, bool holds) {
    return static_cast<Registers>(holds ? of | only(reg) : of & ~only(reg));
  }
  Registers whole_, times_four_ = 0;
};

bool begins_header(const Flow& flow, const FlowBlock* block, std::size_t load) {
  Byte byte(block->operations[load].slot.d);
  std::size_t at = load + 1;
  for (std::size_t looked = 0; looked < kFar; ++looked) {
    if (at == block->operations.size()) {
      if (block->next == program::kNone) return false;
      block = &flow.blocks[block->next];
      at = 0;
      continue;
    }
    const Slot& slot = block->operations[at++].slot;
    if (byte.is_length(slot)) return true;
    byte.step(slot);
  }
  return false;
}

// What stands behind the load becomes a block of its own, where the branch leads and does not lead.
void ask_behind(Flow& flow, std::uint32_t number, std::size_t load) {
  FlowBlock& block = flow.blocks[number];
  const auto behind = block.operations.begin() + static_cast<std::ptrdiff_t>(load) + 1;
  FlowBlock rest = block;
  rest.operations = {behind, block.operations.end()};
  block.operations.erase(behind, block.operations.end());
  const Operation& byte = block.operations.back();
  block.end = rest.begin = byte.instruction + 1;
  block.next = static_cast<std::uint32_t>(flow.blocks.size());
  block.operations.push_back({.slot = {.op = CoreOp::BranchEq, .a = byte.slot.d, .use_imm = true, .imm = kPlainHeader},
                              .instruction = byte.instruction,
                              .target = block.next,
                              .likely = true});
  flow.blocks.push_back(std::move(rest));
}

}  // namespace

void guess_headers(Flow& flow) {
  for (std::uint32_t number = 0; number < flow.blocks.size(); ++number) {
    const FlowBlock& block = flow.blocks[number];
    if (!block.native || block.function) continue;
    for (std::size_t at = 0; at < block.operations.size(); ++at) {
      if (!is_byte_of_packet(block.operations[at]) || !begins_header(flow, &block, at)) continue;
      ask_behind(flow, number, at);
      break;
    }
  }
}

}  // namespace forager::jit::rtl
