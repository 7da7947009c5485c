// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/chip_maps.h"

#include <algorithm>

#include "exec/host_helpers.h"

namespace forager::jit::rtl {
namespace {

using exec::HelperId;
using verifier::Region;

// ---- who reaches maps ----

// Whether functions of the program run on the host, where they may reach any map.
bool calls_back(const verifier::VerifiedProgram& program) {
  const auto& of = program.program();
  for (std::uint32_t at = 0; at < of.instructions().size(); ++at) {
    if (program.facts()[at].reachable && of.instructions()[at].op == isa::Op::lddw_func) return true;
  }
  return false;
}

// What helpers do: maps that the host is given, or memory of their values, and more.
class HostUses {
 public:
  // `chip`: the maps that are on the chip, as far as is known.
  HostUses(const verifier::VerifiedProgram& program, const std::vector<bool>& chip)
      : program_(program), chip_(chip), used_(chip.size(), false) {
    for (std::uint32_t at = 0; at < program.facts().size(); ++at) {
      const verifier::Facts& facts = program.facts()[at];
      if (facts.reachable && facts.call.helper != 0) look_at(at, facts.call);
    }
  }
  [[nodiscard]] bool of(std::size_t map) const { return used_[map]; }
  // It also says where packets go.
  [[nodiscard]] bool redirects() const { return redirects_; }
  // It jumps to other programs, of which nothing is known.
  [[nodiscard]] bool leaves() const { return leaves_; }
  // There are random numbers in the program.
  [[nodiscard]] bool random() const { return random_; }

 private:
  void look_at(std::uint32_t at, const verifier::CallFact& call) {
    const bool takes_map = takes(call.helper, isa::Arg::const_map);
    const auto on_engine = engine_call(program_, at);
    const bool by_engine = on_engine && (on_engine->map == program::kNone || chip_[on_engine->map]);
    random_ |= is(call, HelperId::get_prandom_u32);
    leaves_ |= is(call, HelperId::tail_call);
    redirects_ |= !by_engine && (is(call, HelperId::redirect) || is(call, HelperId::redirect_map));
    if (by_engine) return;
    if (takes_map && call.map == program::kNone) return use_all();
    if (takes_map) used_[call.map] = true;
    if (call.arguments == program::kNone) return use_all();
    // Memory that the host would read or write in a copy of its own.
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
  static bool is(const verifier::CallFact& call, HelperId helper) {
    return call.helper == static_cast<std::uint32_t>(helper);
  }
  void use_all() { used_.assign(used_.size(), true); }

  const verifier::VerifiedProgram& program_;
  const std::vector<bool>& chip_;
  std::vector<bool> used_;
  bool redirects_ = false, random_ = false, leaves_ = false;
};

// Those that are candidates, in their order, as far as they fit.
std::vector<ChipMap> lay_out_all(const program::Program& program, const std::vector<bool>& chip, const ChipRoom& room) {
  std::vector<ChipMap> plan;
  std::uint32_t row = 0;
  for (std::uint32_t i = 0; i < chip.size(); ++i) {
    const auto map = chip[i] ? lay_out(program.maps()[i], i, row, room) : std::nullopt;
    if (!map) continue;
    row = map->end_row;
    plan.push_back(*map);
  }
  return plan;
}

}  // namespace

// A map that turns out to be the host's may make another one so, whose values it is given.
ChipPlan plan_chip(const verifier::VerifiedProgram& program, Maps which, const ChipRoom& room) {
  const auto maps = program.program().maps();
  std::vector<bool> chip(maps.size(), false);
  const bool none = which == Maps::on_host || calls_back(program);
  for (std::uint32_t i = 0; i < maps.size() && i < kMapsInTable; ++i) {
    const ChipKind* kind = chip_kind(maps[i]);
    chip[i] = !none && kind != nullptr && (which == Maps::on_chip || kind->programs);
  }
  while (true) {
    ChipPlan plan{.maps = lay_out_all(program.program(), chip, room), .room = room};
    std::vector<bool> placed(maps.size(), false);
    for (const ChipMap& map : plan.maps) placed[map.index] = true;
    const HostUses uses(program, placed);
    const bool alone = which == Maps::on_chip && !none && !uses.leaves();
    plan.redirects = alone && !uses.redirects();
    plan.random = alone && uses.random();
    bool stands = placed == chip;
    for (std::uint32_t i = 0; i < maps.size(); ++i) {
      if (!placed[i]) continue;
      const ChipKind& kind = *chip_kind(maps[i]);
      const bool redirects = kind.redirects && !plan.redirects, jumps = kind.nested && uses.leaves();
      if (uses.of(i) || redirects || jumps) placed[i] = stands = false;
    }
    if (stands) return plan;
    chip = placed;
  }
}

const ChipMap* ChipPlan::find(std::uint32_t map) const {
  const auto found = std::ranges::find(maps, map, &ChipMap::index);
  return found == maps.end() ? nullptr : &*found;
}

}  // namespace forager::jit::rtl
