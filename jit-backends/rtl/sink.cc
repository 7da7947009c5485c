// SPDX-License-Identifier: Apache-2.0
//
// Stores of the stack go behind the branch where their block ends, to where what they wrote may be read: the key of an
// entry that is seldom added or removed, say, is then written only where that happens.
#include <utility>
#include <vector>

#include "jit-backends/rtl/slots.h"
#include "jit-backends/rtl/stack_liveness.h"

namespace forager::jit::rtl {
namespace {

using Bytes = StackLiveness::Bytes;

constexpr unsigned kRounds = 6;

class Sinker {
 public:
  explicit Sinker(Flow& flow) : flow_(flow), liveness_(flow), entries_(flow.blocks.size(), 0) {
    for (const FlowBlock& block : flow.blocks) each_next(block, [&](std::uint32_t next) { ++entries_[next]; });
  }

  // Whether any did.
  bool run() {
    bool any = false;
    for (std::uint32_t i = 0; i < flow_.blocks.size(); ++i) {
      FlowBlock& block = flow_.blocks[i];
      if (!block.native || block.function || block.next == program::kNone || block.operations.empty()) continue;
      const Operation& last = block.operations.back();
      if (class_of(last.slot.op) == CoreClass::Branch && last.target != block.next && last.target != i &&
          block.next != i)
        any = sink_from(block) || any;
    }
    return any;
  }

 private:
  bool sink_from(FlowBlock& block) {
    const std::uint32_t ways[] = {block.operations.back().target, block.next};
    bool any = false;
    for (std::size_t at = block.operations.size() - 1; at-- > 0;) {
      const Bytes written = definitely_written(block.operations[at]);
      if (written.none() || !may_pass(block, at, written)) continue;
      bool alone = true;
      for (const std::uint32_t way : ways) alone = alone && (entries_[way] == 1 || !is_read(way, written));
      if (!alone) continue;
      const Operation store = block.operations[at];
      block.operations.erase(block.operations.begin() + static_cast<std::ptrdiff_t>(at));
      for (const std::uint32_t way : ways) {
        auto& there = flow_.blocks[way].operations;
        if (is_read(way, written)) there.insert(there.begin(), store);
      }
      any = true;
    }
    return any;
  }
  [[nodiscard]] bool is_read(std::uint32_t block, const Bytes& written) const {
    return (liveness_.at_begin(block) & written).any();
  }

  static Bytes definitely_written(const Operation& operation) {
    const Bytes written = written_on_stack(operation);
    return written.any() && written.count() == bytes_of(operation.slot.op) ? written : Bytes{};
  }

  // What comes after a store in its block neither sees what it wrote nor changes what it needs.
  [[nodiscard]] bool may_pass(const FlowBlock& block, std::size_t store, const Bytes& written) const {
    const Registers needs = reads_of(block.operations[store]);
    for (std::size_t at = store + 1; at + 1 < block.operations.size(); ++at) {
      const Operation& one = block.operations[at];
      if ((writes_of(one) & needs) != 0 || (written_on_stack(one) & written).any()) return false;
      // Read, or led to where it is read.
      if ((liveness_.before(one, {}) & written).any()) return false;
    }
    return true;
  }

  Flow& flow_;
  const StackLiveness liveness_;
  std::vector<std::uint32_t> entries_;  // ways to a block
};

}  // namespace

void sink_stores(Flow& flow) {
  for (unsigned round = 0; round < kRounds && Sinker(flow).run(); ++round) {
  }
}

}  // namespace forager::jit::rtl
