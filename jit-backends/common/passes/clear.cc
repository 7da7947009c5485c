// SPDX-License-Identifier: Apache-2.0
//
// Which parts of a frame must begin as zeros. A verified program reads only what was written, but "written" includes
// what a helper was asked to fill, and a helper that fails leaves it alone (bpf_xdp_load_bytes). The program would read
// there what another invocation left.
#include <algorithm>

#include "jit-backends/common/passes/passes.h"

namespace forager::jit {
namespace {

using isa::Arg;

constexpr Arg kFilled[] = {Arg::mem_uninit,       Arg::mem_out,  Arg::mem_out_or_null,
                           Arg::map_value_uninit, Arg::long_out, Arg::dynptr_uninit};

void include(Cleared& range, std::int64_t from, std::int64_t to) {
  const auto begin = static_cast<std::uint32_t>(std::clamp<std::int64_t>(from, 0, isa::kStackBytes)) & ~15U;
  const auto end = (static_cast<std::uint32_t>(std::clamp<std::int64_t>(to, 0, isa::kStackBytes)) + 15U) & ~15U;
  range = range.end == 0 ? Cleared{begin, end} : Cleared{std::min(range.begin, begin), std::max(range.end, end)};
}

// What the helper call `at` may leave unwritten of what it was asked to fill.
Cleared filled_by(const Code& code, std::uint32_t at) {
  Cleared range;
  const verifier::CallFact& call = code.facts(at).call;
  const isa::HelperRow* helper = isa::find_helper(call.helper);
  if (helper == nullptr) return range;
  const auto arguments = isa::helper_args(*helper, code.program->program().type());
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (std::ranges::find(kFilled, arguments[i]) == std::end(kFilled)) continue;
    if (call.arguments == program::kNone) return {0, isa::kStackBytes};
    const verifier::ArgumentFact& fact = code.program->call_arguments()[call.arguments][i];
    if (fact.region == verifier::Region::unknown) return {0, isa::kStackBytes};
    if (fact.region == verifier::Region::stack) {
      include(range, fact.offset_min, fact.offset_max + static_cast<std::int64_t>(fact.bytes));
    }
  }
  return range;
}

}  // namespace

void clear_frames(Code& code) {
  constexpr Cleared kWhole = {0, isa::kStackBytes};
  const program::Program& program = code.program->program();
  const auto subprograms = program.subprograms();
  code.cleared.assign(subprograms.size(), code.program->needs_zeroed_stack() ? kWhole : Cleared{});
  for (std::uint32_t at = 0; at < code.steps.size(); ++at) {
    if (code.steps[at].kind != Kind::call_helper) continue;
    const Cleared range = filled_by(code, at);
    if (range.end == 0) continue;
    // With functions, the memory may be in the frame of any of them.
    if (subprograms.size() > 1) return code.cleared.assign(subprograms.size(), kWhole);
    include(code.cleared[0], range.begin, range.end);
  }
}

}  // namespace forager::jit
