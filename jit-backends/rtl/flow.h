// SPDX-License-Identifier: Apache-2.0
//
// Flow: the operations of a program as a graph of blocks, which passes change before they are placed in bundles.
//
// A program may be there twice. The blocks that `native` marks are for packets that came by the port, with `long_bytes`
// at least: there the packet's edges are operands, and comparisons with its end that the length decides are gone. The
// others do for any packet. The two never meet but in functions, which are there once.
//
// Tested by: tests/unit/rtl_flow_test.cc, and everything that runs on the device.
#pragma once

#include <cstdint>
#include <vector>

#include "jit-backends/rtl/lower.h"

namespace forager::jit::rtl {

struct FlowBlock {
  // BPF instructions: the first, and one behind the last, if others of their block are in another.
  std::uint32_t begin = 0, end = program::kNone;
  std::vector<Operation> operations;    // targets are numbers of blocks; a jump at the end is `next` instead
  std::uint32_t next = program::kNone;  // where it goes on, if no operation leaves
  bool native = false;
  bool function = false;          // of a function: a return gives r0 back
  std::uint32_t known_bytes = 0;  // that a packet has when it comes here; native blocks only
};

struct Flow {
  std::vector<FlowBlock> blocks;              // packets begin at the first
  std::uint32_t long_entry = program::kNone;  // ... those of long_bytes and more, block
  std::uint32_t long_bytes = 0;
};

[[nodiscard]] Flow flow_of(const std::vector<OperationBlock>& blocks);

// Adds the native version of the main function.
void add_native(Flow& flow);

// Chooses for how long packets the native version is.
void choose_length(Flow& flow, const ChipPlan& plan);
// Constants, copies, pointers and comparisons are worked out; where the packet's length decides, by what is known of
// it. Addresses are taken apart, so that accesses name their packet or map themselves.
// `composes`: words of the stack that were written in parts are put together in registers.
void propagate(Flow& flow, const ChipPlan& plan, bool composes);
// Lookups in arrays branch where the index is too large.
void branch_on_indexes(Flow& flow);
// Headers of the usual length get a version of what comes after them.
void guess_headers(Flow& flow);
// Keys that only the program and the map engine see stand where the engine reads them.
void keep_keys(Flow& flow);
// `x = *p; x += y; *p = x` becomes an atomic.
void count_at_once(Flow& flow);
// Two counts of neighbouring words become one operation.
void count_pairs(Flow& flow, const ChipPlan& plan);
// Copies of neighbouring bytes become one.
void copy_together(Flow& flow);
// Words of the stack that nobody reads are not written.
void drop_spills(Flow& flow);
// Values of blocks take turns in registers.
void spread_values(Flow& flow);
// Stores of the stack go where what they wrote may be read.
void sink_stores(Flow& flow);
// The likely way is the one behind a branch.
void turn_branches(Flow& flow);
// What nobody reads is not made.
void sweep(Flow& flow);
// All of it, in order. Packets of XDP programs may come by the port; then there are two versions, unless the program is
// long.
void improve(Flow& flow, const ChipPlan& plan, bool by_port);

// Blocks that a block leads to, without functions that it calls.
template <class Visit>
void each_next(const FlowBlock& block, Visit visit) {
  for (const Operation& operation : block.operations) {
    if (operation.target != program::kNone && operation.slot.op != CoreOp::ControlCall) visit(operation.target);
  }
  if (block.next != program::kNone) visit(block.next);
}

// Registers that may be read before they are written, at the begin of each block.
class FlowLiveness {
 public:
  explicit FlowLiveness(const Flow& flow);
  [[nodiscard]] Registers at_begin(std::uint32_t block) const { return at_begin_[block]; }
  [[nodiscard]] Registers at_end(const FlowBlock& block) const {
    return block.next == program::kNone ? Registers{0} : at_begin_[block.next];
  }
  // Before an operation, of what is live after it in its block.
  [[nodiscard]] Registers before(const FlowBlock& block, const Operation& operation, Registers after) const;

 private:
  std::vector<Registers> at_begin_;
};

// None of a number that is no register's (registers.h).
[[nodiscard]] constexpr Registers only(unsigned reg) {
  return reg < 16 ? static_cast<Registers>(1U << reg) : Registers{0};
}
[[nodiscard]] Registers reads_of(const Operation& operation);
[[nodiscard]] Registers writes_of(const Operation& operation);
// Nothing but its result would be missed.
[[nodiscard]] bool is_pure(const Operation& operation);

// Errors: limit, if the program has more bundles than a branch can name.
[[nodiscard]] Result<CoreProgram> place(const Code& code, const Flow& flow);

}  // namespace forager::jit::rtl
