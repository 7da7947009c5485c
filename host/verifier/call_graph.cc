// SPDX-License-Identifier: Apache-2.0
//
// Who calls whom: a depth-first walk over subprograms with its own stack, which finds recursion and, coming back, how
// many frames each subprogram needs. A callback counts as called where its address is taken, as in Linux.
#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "verifier/passes.h"

namespace forager::verifier {
namespace {

using isa::Op;

struct Call {
  std::uint32_t instruction = 0;
  std::uint32_t callee = 0;  // subprogram
};

std::vector<std::vector<Call>> calls_by_subprogram(const Program& program, std::span<const Facts> facts) {
  std::vector<std::vector<Call>> calls(program.subprograms().size());
  for (std::uint32_t at = 0; at < facts.size(); ++at) {
    const Instruction& insn = program.instructions()[at];
    const bool is_call = insn.op == Op::call_local || insn.op == Op::lddw_func;
    if (!is_call || !facts[at].reachable) continue;
    calls[program.subprogram_of(at)].push_back({at, program.subprogram_of(insn.target)});
  }
  return calls;
}

class Walk {
 public:
  Walk(const Program& program, std::span<const Facts> facts)
      : program_(program),
        calls_(calls_by_subprogram(program, facts)),
        frames_(calls_.size(), 0),
        open_(calls_.size(), false) {}

  Result<> run() {
    enter(0);
    while (!stack_.empty()) {
      auto& [sub, next] = stack_.back();
      if (next == calls_[sub].size()) {
        leave(sub);
        continue;
      }
      const Call& call = calls_[sub][next++];
      if (open_[call.callee]) return recursion(call);
      if (frames_[call.callee] == 0) enter(call.callee);
    }
    return frames_[0] <= isa::kMaxCallFrames ? Result<>{} : too_deep();
  }

 private:
  void enter(std::uint32_t sub) {
    open_[sub] = true;
    stack_.emplace_back(sub, 0);
  }

  void leave(std::uint32_t sub) {
    stack_.pop_back();
    open_[sub] = false;
    unsigned deepest = 0;
    for (const Call& call : calls_[sub]) deepest = std::max(deepest, frames_[call.callee]);
    frames_[sub] = deepest + 1;
  }

  Result<> recursion(const Call& call) const {
    return refuse(program_, call.instruction, ErrorKind::rejected, EINVAL,
                  fmt::format("recursive call of {}", program_.subprograms()[call.callee].name));
  }

  // Names the call in the first subprogram on the deepest chain.
  Result<> too_deep() const {
    const auto deepest =
        std::ranges::max_element(calls_[0], {}, [&](const Call& call) { return frames_[call.callee]; });
    auto error = refuse(program_, deepest->instruction, ErrorKind::limit, E2BIG, "the call stack is too deep");
    error.error().limit = isa::kMaxCallFrames;
    error.error().asked = frames_[0];
    return error;
  }

  const Program& program_;
  std::vector<std::vector<Call>> calls_;
  std::vector<unsigned> frames_;  // 0 = not known yet
  std::vector<bool> open_;
  std::vector<std::pair<std::uint32_t, std::size_t>> stack_;  // subprogram, next call to look at
};

}  // namespace

Result<> check_call_graph(const Program& program, std::span<const Facts> facts) { return Walk(program, facts).run(); }

}  // namespace forager::verifier
