// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/chip_maps.h"

#include <algorithm>

#include "exec/host_helpers.h"
#include "jit-backends/common/image.h"

namespace forager::jit::rtl {
namespace {

using exec::HelperId;
using isa::MapType;
using verifier::Region;

constexpr std::uint64_t kRow = 64;
constexpr std::uint64_t kMostBytes = (1U << 20) - 1;  // of a copy: what an entry of the map table can say

bool is_array(const program::MapSpec& map) {
  return (map.type == MapType::array || map.type == MapType::percpu_array) && map.fields.empty();
}
bool holds_maps(const program::MapSpec& map) { return map.inner != nullptr; }

// Whether something of the program's runs on the host for longer than a helper does, or leaves it: both may reach any
// map.
bool wanders(const verifier::VerifiedProgram& program) {
  const auto& of = program.program();
  for (std::uint32_t at = 0; at < of.instructions().size(); ++at) {
    const program::Instruction& insn = of.instructions()[at];
    const bool tail_call =
        insn.op == isa::Op::call_helper && insn.imm == static_cast<std::uint64_t>(HelperId::tail_call);
    if (program.facts()[at].reachable && (insn.op == isa::Op::lddw_func || tail_call)) return true;
  }
  return std::ranges::any_of(of.maps(), holds_maps);
}

// Whether a helper other than a lookup is given a map, or memory of its values.
class HostUses {
 public:
  explicit HostUses(const verifier::VerifiedProgram& program)
      : program_(program), used_(program.program().maps().size(), false) {
    for (const verifier::Facts& facts : program.facts()) {
      if (facts.reachable && facts.call.helper != 0) look_at(facts.call);
    }
  }
  [[nodiscard]] bool of(std::size_t map) const { return used_[map]; }

 private:
  void look_at(const verifier::CallFact& call) {
    const bool looks_up = call.helper == static_cast<std::uint32_t>(HelperId::map_lookup_elem);
    const bool takes_map = takes(call.helper, isa::Arg::const_map);
    if (takes_map && call.map == program::kNone) return use_all();
    if (takes_map && !looks_up) used_[call.map] = true;
    if (call.arguments == program::kNone) return use_all();
    // Memory that the host would read or write in a copy of its own; where it is a key, of a lookup on the chip too.
    for (const verifier::ArgumentFact& argument : program_.call_arguments()[call.arguments]) {
      if (argument.region != Region::map_value) continue;
      if (argument.map == program::kNone) return use_all();
      used_[argument.map] = true;
    }
  }
  [[nodiscard]] bool takes(std::uint32_t helper, isa::Arg what) const {
    const isa::HelperRow* row = isa::find_helper(helper);
    const auto arguments = isa::helper_args(*row, program_.program().type());
    return std::ranges::find(arguments, what) != arguments.end();
  }
  void use_all() { used_.assign(used_.size(), true); }

  const verifier::VerifiedProgram& program_;
  std::vector<bool> used_;
};

}  // namespace

std::vector<ChipMap> plan_chip_maps(const verifier::VerifiedProgram& program) {
  std::vector<ChipMap> plan;
  if (wanders(program)) return plan;
  const HostUses uses(program);
  const auto maps = program.program().maps();
  std::uint32_t row = 0;
  for (std::uint32_t i = 0; i < maps.size(); ++i) {
    if (!is_array(maps[i]) || uses.of(i)) continue;
    const std::uint64_t stride = stride_of(maps[i]), bytes = stride * maps[i].max_entries;
    const auto rows = static_cast<std::uint32_t>((bytes + kRow - 1) / kRow);
    const bool per_cpu = maps[i].type == MapType::percpu_array;
    const std::uint64_t all = std::uint64_t{rows} * (per_cpu ? kChipThreads : 1);
    if (bytes > kMostBytes || row + all > kChipRows) continue;
    plan.push_back(
        {.index = i, .per_cpu = per_cpu, .stride = static_cast<std::uint32_t>(stride), .row = row, .rows = rows});
    row += static_cast<std::uint32_t>(all);
  }
  return plan;
}

}  // namespace forager::jit::rtl
