// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/chip_maps.h"

#include <algorithm>
#include <bit>

#include "exec/host_helpers.h"
#include "jit-backends/common/image.h"

namespace forager::jit::rtl {
namespace {

using exec::HelperId;
using isa::MapType;
using verifier::Region;

constexpr std::uint32_t kRow = 64, kNumbersInRow = 16, kWordsInRow = 8;
constexpr std::uint64_t kMostBytes = (1U << 20) - 1;  // that pointers reach: what an entry of the map table can say
constexpr std::uint32_t kMostKey = 64, kMostImage = 192;  // bytes of key and value that an update brings
constexpr std::uint32_t kMostPrefix = 20;                 // a trie's key: its length and 16 bytes
constexpr std::uint32_t kPrefixValue = 24;                // where a trie's node has the value

struct KindRow {
  MapType type;
  CoreMap kind;
  bool per_cpu = false, marked = false;
  bool redirects = false;  // the program can do nothing else with it
  bool programs = false;
};
constexpr KindRow kKinds[] = {
    {.type = MapType::array, .kind = CoreMap::Array},
    {.type = MapType::percpu_array, .kind = CoreMap::Array, .per_cpu = true},
    {.type = MapType::hash, .kind = CoreMap::Hash},
    {.type = MapType::percpu_hash, .kind = CoreMap::Hash, .per_cpu = true},
    {.type = MapType::lru_hash, .kind = CoreMap::Hash, .marked = true},
    {.type = MapType::lru_percpu_hash, .kind = CoreMap::Hash, .per_cpu = true, .marked = true},
    {.type = MapType::lpm_trie, .kind = CoreMap::Trie},
    {.type = MapType::devmap, .kind = CoreMap::Table, .redirects = true},
    {.type = MapType::devmap_hash, .kind = CoreMap::Hash, .redirects = true},
    {.type = MapType::cpumap, .kind = CoreMap::Table, .redirects = true},
    {.type = MapType::xskmap, .kind = CoreMap::Table, .redirects = true},
    {.type = MapType::prog_array, .kind = CoreMap::Table, .programs = true},
};

const KindRow* kind_of(const program::MapSpec& map) {
  if (!map.fields.empty()) return nullptr;
  const auto* row = std::ranges::find(kKinds, map.type, &KindRow::type);
  return row == std::end(kKinds) ? nullptr : row;
}

std::uint32_t rows_for(std::uint64_t bytes) { return static_cast<std::uint32_t>((bytes + kRow - 1) / kRow); }
std::uint32_t shift_for(std::uint32_t bytes) {
  return static_cast<std::uint32_t>(std::countr_zero(std::bit_ceil(rows_for(bytes))));
}

// ---- tables, one after the other ----

class Layout {
 public:
  Layout(ChipMap& map, const program::MapSpec& spec, std::uint32_t row) : map_(map), spec_(spec), next_(row) {}

  // False if the map is not one of those that fit the engine.
  bool run() {
    const bool known = map_.kind == CoreMap::Array  ? array()
                       : map_.kind == CoreMap::Hash ? hash()
                       : map_.kind == CoreMap::Trie ? trie()
                                                    : table();
    map_.end_row = static_cast<std::uint32_t>(next_);
    return known && next_ <= kChipRows && std::uint64_t{map_.value_rows} * kRow <= kMostBytes;
  }

 private:
  bool array() {
    const std::uint64_t stride = stride_of(spec_);
    map_.stride = static_cast<std::uint32_t>(stride);
    map_.value_row = map_.entry_row = take(1, 0);
    map_.value_rows = rows_for(std::min<std::uint64_t>(stride * spec_.max_entries, kMostBytes + kRow));
    take(map_.value_rows, map_.per_cpu ? kChipThreads : 1);
    return true;
  }

  // An entry is its key and its value; per-CPU values stand elsewhere.
  bool hash() {
    const std::uint32_t key = in_words(spec_.key_size), value = map_.redirects ? 0 : in_words(spec_.value_size);
    if (spec_.key_size > kMostKey || key + value > kMostImage || spec_.max_entries >= kMostBytes) return false;
    const std::uint32_t buckets = std::bit_ceil(spec_.max_entries);
    map_.mask = buckets - 1;
    map_.nodes = spec_.max_entries + 2;  // none, and a spare one for replacements
    map_.bucket_row = take((buckets + kNumbersInRow - 1) / kNumbersInRow, 1);
    map_.link_row = take(map_.nodes / kNumbersInRow + 1, 1);
    map_.value_offset = map_.per_cpu ? kRow : key;
    map_.shift = map_.per_cpu ? 0 : shift_for(key + value);
    map_.value_shift = value == 0 ? 0 : shift_for(value);
    map_.image_rows = map_.per_cpu ? 1 + rows_for(value) : rows_for(key + value);
    return entries();
  }

  // Nodes without values join two others: at most one less than there are entries.
  bool trie() {
    const std::uint32_t value = in_words(spec_.value_size);
    if (spec_.key_size > kMostPrefix || value > kMostImage || spec_.max_entries >= kMostBytes) return false;
    map_.nodes = 2 * spec_.max_entries + 1;
    map_.value_offset = kPrefixValue;
    map_.shift = shift_for(kPrefixValue + value);
    return entries();
  }

  bool table() {
    map_.entry_row = take((spec_.max_entries + kWordsInRow - 1) / kWordsInRow, 1);
    return spec_.max_entries < kMostBytes;
  }

  bool entries() {
    map_.value_row = map_.entry_row = take(map_.nodes << map_.shift, 1);
    map_.value_rows = map_.nodes << (map_.per_cpu ? map_.value_shift : map_.shift);
    if (map_.per_cpu) map_.value_row = take(map_.value_rows, kChipThreads);
    return true;
  }

  std::uint32_t take(std::uint64_t rows, std::uint64_t copies) {
    const auto first = static_cast<std::uint32_t>(next_);
    next_ = std::min<std::uint64_t>(next_ + rows * copies, kChipRows + 1);
    return first;
  }

  ChipMap& map_;
  const program::MapSpec& spec_;
  std::uint64_t next_;
};

// ---- who reaches maps ----

bool holds_maps(const program::MapSpec& map) { return map.inner != nullptr; }

// Whether functions of the program run on the host, where they may reach any map.
bool calls_back(const verifier::VerifiedProgram& program) {
  const auto& of = program.program();
  for (std::uint32_t at = 0; at < of.instructions().size(); ++at) {
    if (program.facts()[at].reachable && of.instructions()[at].op == isa::Op::lddw_func) return true;
  }
  return std::ranges::any_of(of.maps(), holds_maps);
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
    const bool by_engine = engine_operation(program_, at) && (!takes_map || chip_[call.map]);
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
std::vector<ChipMap> lay_out(const program::Program& program, const std::vector<bool>& chip) {
  std::vector<ChipMap> plan;
  std::uint32_t row = 0;
  for (std::uint32_t i = 0; i < chip.size(); ++i) {
    if (!chip[i]) continue;
    const KindRow& kind = *kind_of(program.maps()[i]);
    ChipMap map = {.index = i, .kind = kind.kind, .per_cpu = kind.per_cpu, .marked = kind.marked, .redirects = kind.redirects, .programs = kind.programs};
    if (!Layout(map, program.maps()[i], row).run()) continue;
    row = map.end_row;
    plan.push_back(map);
  }
  return plan;
}

}  // namespace

// A map that turns out to be the host's may make another one so, whose values it is given.
ChipPlan plan_chip(const verifier::VerifiedProgram& program, Maps which) {
  const auto maps = program.program().maps();
  std::vector<bool> chip(maps.size(), false);
  const bool none = which == Maps::on_host || calls_back(program);
  for (std::uint32_t i = 0; i < maps.size() && i < kMapsInTable; ++i) {
    const KindRow* kind = kind_of(maps[i]);
    chip[i] = !none && kind != nullptr && (which == Maps::on_chip || kind->programs);
  }
  while (true) {
    ChipPlan plan{.maps = lay_out(program.program(), chip)};
    std::vector<bool> placed(maps.size(), false);
    for (const ChipMap& map : plan.maps) placed[map.index] = true;
    const HostUses uses(program, placed);
    const bool alone = which == Maps::on_chip && !none && !uses.leaves();
    plan.redirects = alone && !uses.redirects();
    plan.random = alone && uses.random();
    bool stands = placed == chip;
    for (std::uint32_t i = 0; i < maps.size(); ++i) {
      const bool other_redirects = placed[i] && kind_of(maps[i])->redirects && !plan.redirects;
      if (placed[i] && (uses.of(i) || other_redirects)) placed[i] = stands = false;
    }
    if (stands) return plan;
    chip = placed;
  }
}

const ChipMap* ChipPlan::find(std::uint32_t map) const {
  const auto found = std::ranges::find(maps, map, &ChipMap::index);
  return found == maps.end() ? nullptr : &*found;
}

std::optional<CoreOp> engine_operation(const verifier::VerifiedProgram& program, std::uint32_t call) {
  const verifier::CallFact& fact = program.facts()[call].call;
  const auto argument = [&](std::size_t i) -> const verifier::ValueFact& {
    return program.call_arguments()[fact.arguments][i].value;
  };
  const bool xdp = program.program().type() == isa::ProgType::xdp;
  switch (static_cast<HelperId>(fact.helper)) {
    case HelperId::redirect: {
      const bool plain = xdp && fact.arguments != program::kNone && argument(1).is_constant() && argument(1).min == 0;
      return plain ? std::optional(CoreOp::UnitRedirect) : std::nullopt;
    }
    case HelperId::xdp_adjust_head:
      return CoreOp::UnitAdjustHead;
    case HelperId::xdp_adjust_tail:
      return CoreOp::UnitAdjustTail;
    case HelperId::xdp_adjust_meta:
      return CoreOp::UnitAdjustMeta;
    default:
      break;
  }
  if (fact.map == program::kNone) return std::nullopt;
  const KindRow* kind = kind_of(program.program().maps()[fact.map]);
  if (kind == nullptr) return std::nullopt;
  const bool hash = kind->kind == CoreMap::Hash && !kind->redirects;
  switch (static_cast<HelperId>(fact.helper)) {
    case HelperId::tail_call:
      return kind->programs ? std::optional(CoreOp::UnitTailCall) : std::nullopt;
    case HelperId::map_lookup_elem:
      return kind->redirects || kind->programs ? std::nullopt : std::optional(CoreOp::UnitLookup);
    case HelperId::map_update_elem:
      return hash ? std::optional(CoreOp::UnitUpdate) : std::nullopt;
    case HelperId::map_delete_elem:
      return hash ? std::optional(CoreOp::UnitDelete) : std::nullopt;
    case HelperId::redirect_map: {
      // Other flags than the verdict for nothing found are the host's.
      constexpr std::uint64_t kMostVerdict = 3;
      if (fact.arguments == program::kNone) return std::nullopt;
      return kind->redirects && argument(2).max <= kMostVerdict ? std::optional(CoreOp::UnitRedirectMap) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace forager::jit::rtl
