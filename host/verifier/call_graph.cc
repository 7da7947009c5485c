// SPDX-License-Identifier: Apache-2.0
//
// Who calls whom: a depth-first walk over subprograms with its own stack, which finds recursion and, coming back, how
// many frames and how much stack each subprogram needs. A callback counts as called where its address is taken, as in
// Linux.
#include <algorithm>
#include <cerrno>
#include <ranges>

#include <fmt/format.h>

#include "isa/sets.h"
#include "verifier/structure.h"

namespace forager::verifier {
namespace {

using isa::Op;
using program::Program;

constexpr u32 kStackRound = 16;           // what JITs round a frame to
constexpr u32 kMaxDepthAtTailCall = 256;  // of frames below a function that tail-calls

struct Call {
  u32 instruction = 0;
  u32 callee = 0;  // subprogram
};

using Calls = std::vector<std::vector<Call>>;  // by subprogram

Calls calls_by_subprogram(const Program& program, const std::vector<bool>* reached) {
  Calls calls(program.subprograms().size());
  for (u32 at = 0; at < program.instructions().size(); ++at) {
    const program::Instruction& insn = program.instructions()[at];
    const bool is_call = insn.op == Op::call_local || insn.op == Op::lddw_func;
    if (!is_call || (reached != nullptr && !(*reached)[at])) continue;
    calls[program.subprogram_of(at)].push_back({at, program.subprogram_of(insn.target)});
  }
  return calls;
}

// Calls `leave` for each subprogram after its callees. Fails where a call closes a cycle.
template <class Leave>
Result<> walk(const Program& program, const Calls& calls, Leave leave) {
  std::vector<std::uint8_t> state(calls.size(), 0);  // 1 open, 2 done
  std::vector<std::pair<u32, std::size_t>> stack;    // subprogram, next call to look at
  for (u32 root = 0; root < calls.size(); ++root) {
    if (state[root] != 0) continue;
    stack.emplace_back(root, 0);
    state[root] = 1;
    while (!stack.empty()) {
      auto& [sub, next] = stack.back();
      if (next == calls[sub].size()) {
        leave(sub);
        state[sub] = 2;
        stack.pop_back();
        continue;
      }
      const Call& call = calls[sub][next++];
      if (state[call.callee] == 1) {
        return std::unexpected(diagnose(program, call.instruction, ErrorKind::rejected, E2BIG,
                                        fmt::format("recursive call of {}", program.subprograms()[call.callee].name)));
      }
      if (state[call.callee] == 0) {
        state[call.callee] = 1;
        stack.emplace_back(call.callee, 0);
      }
    }
  }
  return {};
}

u32 rounded(u32 depth) { return (depth + kStackRound - 1) / kStackRound * kStackRound; }

struct Need {
  u32 frames = 0, stack = 0;   // of the deepest chain from here
  u32 worst = program::kNone;  // the call that leads to it
};

// Types whose functions get a stack of their own from Linux's JIT, so that only each function's frame is limited.
bool has_private_stacks(isa::ProgType type) {
  using namespace isa::sets;
  return (isa::set_of(type) & (kprobe | tracepoint | perf_event | raw_tracepoint)) != 0;
}

Result<> too_deep(const Program& program, const Need& need, std::string message, u64 limit, u64 asked) {
  const u32 at = need.worst == program::kNone ? program.subprograms()[0].begin : need.worst;
  Diagnostic out = diagnose(program, at, ErrorKind::rejected, EACCES, std::move(message));
  out.limit = limit;
  out.asked = asked;
  out.hint = "keep large variables in a per-CPU array, or split the work with tail calls";
  return std::unexpected(std::move(out));
}

// Frames below a function that tail-calls are still in use when the next program begins.
Result<> check_tail_calls(const Program& program, const Structure& structure, const Calls& calls,
                          std::span<const u32> depths) {
  std::vector<u32> below(calls.size(), 0);
  std::vector<u32> order;
  if (auto done = walk(program, calls, [&](u32 sub) { order.push_back(sub); }); !done) return done;
  for (const u32 sub : std::views::reverse(order)) {
    for (const Call& call : calls[sub]) {
      below[call.callee] = std::max(below[call.callee], below[sub] + rounded(depths[sub]));
      if (!structure.subprograms[call.callee].tail_calls || below[call.callee] < kMaxDepthAtTailCall) continue;
      return too_deep(
          program, {.worst = call.instruction},
          fmt::format("tail_calls are not allowed when call stack of previous frames is {} bytes. Too large",
                      below[call.callee]),
          kMaxDepthAtTailCall - 1, below[call.callee]);
    }
  }
  return {};
}

}  // namespace

Result<> check_no_recursion(const Program& program) {
  return walk(program, calls_by_subprogram(program, nullptr), [](u32) {});
}

Result<> check_call_graph(const Program& program, const Structure& structure, const std::vector<bool>& reached,
                          std::span<const u32> depths, u32& deepest) {
  const Calls calls = calls_by_subprogram(program, &reached);
  std::vector<Need> needs(calls.size());
  const auto leave = [&](u32 sub) {
    Need most;
    for (const Call& call : calls[sub]) {
      const Need& callee = needs[call.callee];
      if (callee.stack >= most.stack) most.worst = call.instruction;
      most.frames = std::max(most.frames, callee.frames);
      most.stack = std::max(most.stack, callee.stack);
    }
    needs[sub] = {most.frames + 1, most.stack + rounded(depths[sub]), most.worst};
  };
  if (auto done = walk(program, calls, leave); !done) return done;
  deepest = needs[0].stack;
  if (needs[0].frames > isa::kMaxCallFrames) {
    auto error = too_deep(program, needs[0], "the call stack is too deep", isa::kMaxCallFrames, needs[0].frames);
    error.error().kind = ErrorKind::limit;
    error.error().error = E2BIG;
    return error;
  }
  const bool together = !has_private_stacks(program.type());
  if (together && needs[0].stack > isa::kStackBytes && needs[0].frames > 1) {
    return too_deep(program, needs[0],
                    fmt::format("combined stack size of {} calls is {}. Too large", needs[0].frames, needs[0].stack),
                    isa::kStackBytes, needs[0].stack);
  }
  return check_tail_calls(program, structure, calls, depths);
}

}  // namespace forager::verifier
