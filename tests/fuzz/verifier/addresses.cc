// SPDX-License-Identifier: Apache-2.0
//
// A forward dataflow over the blocks of each function, entered anew from each call: verified programs do not recurse,
// and the generated ones are small.
#include "tests/fuzz/verifier/addresses.h"

#include <map>
#include <optional>
#include <set>

#include "tests/fuzz/verifier/address_effect.h"

namespace forager::fuzz {
namespace {

using program::Block;
using program::Instruction;

class Flow {
 public:
  explicit Flow(const verifier::VerifiedProgram& program) : verified_(program), program_(program.program()) {}

  [[nodiscard]] bool shows() {
    std::ignore = run(0, AddressState::at_entry());
    return shows_;
  }

 private:
  // What holds at the returns from a function, if it returns.
  using Exit = std::optional<AddressState>;

  Exit run(std::uint32_t subprogram, const AddressState& entry) {
    std::map<std::uint32_t, AddressState> known;  // at the begin of blocks
    std::set<std::uint32_t> waiting;
    const std::uint32_t first = program_.subprograms()[subprogram].entry_block;
    known.emplace(first, entry);
    waiting.insert(first);
    Exit exit;
    while (!waiting.empty() && !shows_) {
      const std::uint32_t block = *waiting.begin();
      waiting.erase(waiting.begin());
      if (Exit end = after(program_.blocks()[block], known.at(block))) leave(block, *end, known, waiting, exit);
    }
    return exit;
  }

  static void join(Exit& into, const AddressState& state) {
    if (into) {
      into->join(state);
    } else {
      into = state;
    }
  }

  // What holds behind the block's last instruction; nothing if that is not reached.
  Exit after(const Block& block, AddressState state) {
    for (std::uint32_t at = block.begin; at < block.end; ++at) {
      if (shows_ || !verified_.facts()[at].reachable) return {};
      if (!step(at, state)) return {};
    }
    return state;
  }

  // False if what follows is not reached.
  bool step(std::uint32_t at, AddressState& state) {
    constexpr std::uint64_t kMaxSteps = 1 << 16;
    const Instruction& insn = program_.instructions()[at];
    if (++steps_ > kMaxSteps) shows_ = true;
    if (insn.op != isa::Op::call_local) {
      shows_ |= shows_address(verified_, at, state);
      return true;
    }
    AddressState inside = state;
    inside.enter();
    Exit exit = run(program_.subprogram_of(insn.target), inside);
    if (!exit) return false;
    exit->leave();
    state = *std::move(exit);
    return true;
  }

  void leave(std::uint32_t block, const AddressState& end, std::map<std::uint32_t, AddressState>& known,
             std::set<std::uint32_t>& waiting, Exit& exit) {
    const std::uint32_t last = program_.blocks()[block].end - 1;
    if (program_.instructions()[last].op == isa::Op::exit) return join(exit, end);
    for (const std::uint32_t next : program_.blocks()[block].successors) {
      const std::uint32_t begin = program_.blocks()[next].begin;
      if (!verified_.facts()[begin].reachable) continue;
      AddressState state = end;
      learn(last, begin, state);
      const auto [at, fresh] = known.try_emplace(next, state);
      if (fresh || at->second.join(state)) waiting.insert(next);
    }
  }

  // Where a pointer was found to be null, it is a number.
  void learn(std::uint32_t branch, std::uint32_t next, AddressState& state) const {
    const Instruction& insn = program_.instructions()[branch];
    if (!compares_with_null(insn, verified_.facts()[branch]) || insn.target == branch + 1) return;
    const bool if_equal = insn.op == isa::Op::jeq64_imm || insn.op == isa::Op::jeq64_reg;
    if (if_equal == (next == insn.target)) state.set(insn.dst, kNumber);
  }

  const verifier::VerifiedProgram& verified_;
  const program::Program& program_;
  std::uint64_t steps_ = 0;
  bool shows_ = false;
};

}  // namespace

bool shows_addresses(const verifier::VerifiedProgram& program) { return Flow(program).shows(); }

}  // namespace forager::fuzz
