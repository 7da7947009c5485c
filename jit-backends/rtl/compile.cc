// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/compile.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "exec/blockers.h"
#include "exec/host_helpers.h"
#include "exec/invocation.h"
#include "jit-backends/common/passes/passes.h"
#include "jit-backends/rtl/flow.h"
#include "program/map_shape.h"

namespace forager::jit::rtl {
namespace {

// Without any of the passes of steps those of operations are left out too.
const std::uint32_t kEveryPass = (1U << passes().size()) - 1;

// The core has no form for its steps: an address there has one register.
constexpr std::string_view kPassLeftOut = "address";

}  // namespace

const exec::Capabilities& capabilities() {
  static const exec::Capabilities kAble = exec::host_capabilities();
  return kAble;
}

Result<std::shared_ptr<const RtlImage>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                const exec::CompileOptions& options, Maps maps, const ChipRoom& room) {
  auto found = exec::blockers(*program, capabilities());
  if (!found.empty()) return std::unexpected(std::move(found.front()));
  exec::CompileOptions mine = options;
  mine.passes_off |= pass_bit(kPassLeftOut);
  ChipPlan chip = plan_chip(*program, maps, room);
  std::vector<bool> called(program->program().maps().size(), true);
  for (const ChipMap& map : chip.maps) called[map.index] = false;
  auto code = optimised(*program, mine, std::move(called));
  if (!code) return std::unexpected(std::move(code.error()));
  std::vector<OperationBlock> blocks = select(*code, chip);
  mark_results(*code, blocks);
  Flow flow = flow_of(blocks);
  const bool plain = (options.passes_off & kEveryPass) == kEveryPass;
  if (!plain) improve(flow, chip, program->program().type() == isa::ProgType::xdp);
  auto made = place(*code, flow);
  if (!made) return std::unexpected(std::move(made.error()));
  made->chip = std::move(chip);
  return std::make_shared<const RtlImage>(std::move(program), std::move(*made));
}

namespace {

// Whether a map may be one that a map of maps holds, or hold the same.
bool meets(const program::MapSpec& map, const program::MapSpec& inner) {
  return program::same_shape(map.inner != nullptr ? *map.inner : map, inner);
}

// Counts in the values of an inner map, which the program may read by another name.
bool reads_what_it_counts(const verifier::VerifiedProgram& program) {
  const auto maps = program.program().maps();
  for (std::size_t outer = 0; outer < maps.size(); ++outer) {
    if (maps[outer].inner == nullptr || program.map_uses()[outer] != verifier::MapUse::commutative) continue;
    for (std::size_t i = 0; i < maps.size(); ++i) {
      const bool used = i != outer && program.map_uses()[i] != verifier::MapUse::unused;
      if (used && meets(maps[i], *maps[outer].inner)) return true;
    }
  }
  return false;
}

}  // namespace

// A program that only looks up, counts by atomics and works on its packet does the same in any order.
bool needs_order(const verifier::VerifiedProgram& program) {
  using exec::HelperId;
  constexpr std::array kIndifferent = {HelperId::map_lookup_elem, HelperId::csum_diff,       HelperId::redirect,
                                       HelperId::redirect_map,    HelperId::xdp_adjust_head, HelperId::xdp_adjust_tail,
                                       HelperId::xdp_adjust_meta};
  for (const verifier::MapUse use : program.map_uses()) {
    if (use == verifier::MapUse::read_write) return true;
  }
  if (reads_what_it_counts(program)) return true;
  return std::ranges::any_of(program.facts(), [&](const verifier::Facts& facts) {
    if (!facts.reachable || facts.call.helper == 0) return false;
    return std::ranges::find(kIndifferent, static_cast<HelperId>(facts.call.helper)) == kIndifferent.end();
  });
}

}  // namespace forager::jit::rtl
