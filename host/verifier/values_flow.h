// SPDX-License-Identifier: Apache-2.0
//
// The dataflow through one function. Private to values*.cc.
//
// Blocks are taken in the program's order, each with what is known at its entry. Every cycle has an edge back, one that
// does not lead forward in that order, whatever its shape. What comes along such edges is widened, and no loop
// structure is asked for. Time is linear: a block whose entry has changed too often gives up what changes, a number at
// a time. Memory is, too: a block that no edge back jumps over is looked at once, when all that reach it are done, and
// what was kept for those before it is freed; and there is a limit on what is kept at one time, beyond which nothing is
// known.
#pragma once

#include <functional>
#include <queue>
#include <span>
#include <vector>

#include "program/program.h"
#include "verifier/values_state.h"

namespace forager::verifier {

// What holds at each of several places.
struct Common {
  Numbers numbers;
  bool any = false;
  void add(Numbers&& now);
};

// A function of the program as its calls see it.
struct Function {
  Common arguments, result;
  bool called_back = false;  // with arguments that no instruction here chooses
  bool ordered = false;
};

class Flow {
 public:
  // Functions by number of their subprogram; results are taken from there, and added there with the arguments of calls.
  Flow(const program::Program& program, std::span<Facts> facts, std::span<ArgumentFacts> arguments,
       std::span<Function> functions)
      : program_(program), facts_(facts), arguments_(arguments), functions_(functions) {}

  // Fills the values of the function's facts, `known` at its entry.
  void run(u32 number, const Numbers& known);

 private:
  struct Entry {
    Numbers numbers;
    u32 loop_end = 0;  // behind the last block with an edge back to here
    u32 changes = 0, rounds = 0;
    bool once = false;  // no edge leads back from here or behind to here or before
    bool reached = false;
    bool waiting = false;
  };

  [[nodiscard]] Entry& entry(u32 block) { return entries_[block - first_]; }
  void find_back_edges(u32 count);

  void visit(u32 block);
  void step(u32 at, Numbers& numbers);
  void note(u32 at, const Numbers& numbers);
  void free_before(u32 block);

  void leave(u32 block, Numbers numbers);
  void arrive(u32 block, Numbers&& numbers, bool back);
  [[nodiscard]] bool join(u32 block, const Numbers& numbers, bool back);
  [[nodiscard]] std::vector<u64> stops(u32 header);

  const program::Program& program_;
  const std::span<Facts> facts_;
  const std::span<ArgumentFacts> arguments_;
  const std::span<Function> functions_;
  Function* function_ = nullptr;  // the one at hand
  u32 first_ = 0;                 // its first block
  std::vector<Entry> entries_;
  std::priority_queue<u32, std::vector<u32>, std::greater<>> waiting_;
  std::size_t kept_ = 0;  // numbers in entries_
  u32 freed_ = 0;         // entries before this have none
};

}  // namespace forager::verifier
