// SPDX-License-Identifier: Apache-2.0
//
// prog_types.def, attach_types.def, helpers.def and maps.def expanded into rows, and searches in them.
#include "isa/tables.h"

#include <algorithm>
#include <iterator>

#include "isa/contexts.h"
#include "isa/sets.h"

namespace forager::isa {
namespace {

// ---- program types and return values -----------------------------------------------------------------------------

constexpr ProgTypeRow kProgTypes[] = {
#define FORAGER_PROG_TYPE(id, name, section, context, returns, called_at, status)                     \
  {ProgType::name,      #name,     section, &kContexts[static_cast<unsigned>(ContextIndex::context)], \
   ReturnRule::returns, called_at, status},
#include "isa/prog_types.def"
};

constexpr ReturnRange kReturnRanges[] = {
#define FORAGER_RETURN_RULE(name, min, max) {min, max},
#include "isa/prog_types.def"
};

// Names of one rule stand together in prog_types.def, so that a rule's names are a run of kNames.
constexpr ReturnName kNames[] = {
#define FORAGER_RETURN_NAME(rule, value, name) {value, name},
#include "isa/prog_types.def"
};
constexpr ReturnRule kRuleOfName[] = {
#define FORAGER_RETURN_NAME(rule, value, name) ReturnRule::rule,
#include "isa/prog_types.def"
};
static_assert(std::ranges::is_sorted(kRuleOfName), "return names are not in the order of the rules");

namespace attach {
using namespace sets;
constexpr std::nullopt_t inherit = std::nullopt;

constexpr AttachRow rows[] = {
#define FORAGER_ATTACH(id, name, prog_types, returns)                       \
  {AttachType::name, #name, prog_types, []() -> std::optional<ReturnRule> { \
     using enum ReturnRule;                                                 \
     return returns;                                                        \
   }()},
#include "isa/attach_types.def"
};
}  // namespace attach

// ---- helpers -----------------------------------------------------------------------------------------------------

enum HelperFlags : unsigned { plain = 0, gpl = 1, moves_packet = 2 };

template <class... A>
constexpr std::array<Arg, 5> args(A... arg) {
  return {arg...};
}

constexpr HelperRow helper(std::uint32_t id, std::string_view name, Ret returns, ProgTypeSet types, unsigned flags,
                           std::array<Arg, 5> args) {
  const bool takes_map = std::ranges::find(args, Arg::const_map) != args.end();
  return {.id = id,
          .name = name,
          .returns = returns,
          .args = args,
          // `ext` replaces a function of some other program, and may call what that one may.
          .program_types = types | sets::ext,
          .gpl_only = (flags & gpl) != 0,
          .changes_packet = (flags & moves_packet) != 0,
          .takes_packet = false,
          .map_types = takes_map ? sets::maps::kKeyed : 0};
}

constexpr auto kHelpers = [] {
  using namespace sets;
  std::array rows = {
#define FORAGER_HELPER(id, name, returns, program_types, flags, ...) \
  helper(id, #name, Ret::returns, program_types, flags, [] {         \
    using enum Arg;                                                  \
    return args(__VA_ARGS__);                                        \
  }()),
#include "isa/helpers.def"
  };
  const auto find = [&](std::string_view name) { return std::ranges::find(rows, name, &HelperRow::name); };
  using namespace sets::maps;
#define FORAGER_HELPER_MAPS(name, types) find(#name)->map_types = types;
#define FORAGER_HELPER_PACKET(name) find(#name)->takes_packet = true;
#include "isa/helpers.def"
  return rows;
}();

struct Variant {
  std::string_view helper;
  ProgTypeSet program_types;
  std::array<Arg, 5> args;
};
constexpr auto kVariants = [] {
  using namespace sets;
  return std::array{
#define FORAGER_HELPER_VARIANT(name, program_types, ...) \
  Variant{#name, program_types, [] {                     \
            using enum Arg;                              \
            return args(__VA_ARGS__);                    \
          }()},
#include "isa/helpers.def"
  };
}();

struct HelperPlace {
  std::string_view helper;
  ProgTypeSet program_types;
  AttachSet attach_types;
};
constexpr auto kHelperPlaces = [] {
  using namespace sets;
  return std::array{
#define FORAGER_HELPER_AT(name, program_types, attach_types) HelperPlace{#name, program_types, attach_types},
#include "isa/helpers.def"
  };
}();

// ---- maps --------------------------------------------------------------------------------------------------------

constexpr bool takes(std::string_view helper, std::uint32_t map) {
  return (std::ranges::find(kHelpers, helper, &HelperRow::name)->map_types >> map & 1) != 0;
}

constexpr MapRow map(MapType type, std::string_view name, bool per_cpu, std::uint32_t needed, std::uint32_t optional,
                     std::string_view status) {
  const auto id = static_cast<std::uint32_t>(type);
  return {.type = type,
          .name = name,
          .per_cpu = per_cpu,
          .lookup_from_program = takes("map_lookup_elem", id),
          .update_from_program = takes("map_update_elem", id),
          .delete_from_program = takes("map_delete_elem", id),
          .needed_flags = needed,
          .flags = needed | optional,
          .status = status};
}

constexpr auto kMaps = [] {
  constexpr bool one = false, percpu = true;
  // BPF_F_* of the uapi header.
  constexpr std::uint32_t nothing = 0, no_prealloc = 1U << 0, no_common_lru = 1U << 1, numa = 1U << 2,
                          build_id = 1U << 5, zero_seed = 1U << 6, clone = 1U << 9, mmapable = 1U << 10,
                          preserve_elems = 1U << 11, inner_map = 1U << 12, segv_on_fault = 1U << 17,
                          no_user_conv = 1U << 18;
  constexpr std::uint32_t user_access = 1U << 3 | 1U << 4, all_access = user_access | 1U << 7 | 1U << 8;
  return std::array{
#define FORAGER_MAP(id, name, slots, needed, optional, status) \
  map(MapType::name, #name, slots, needed, optional, status),
#include "isa/maps.def"
  };
}();

// ---- searches: tables are short, and nobody searches them for each packet ------------------------------------------

// The first row whose member equals the value, or nullptr.
template <class Rows, class Value, class Member>
const auto* find(const Rows& rows, const Value& value, Member member) {
  const auto it = std::ranges::find(rows, value, member);
  return it == std::end(rows) ? nullptr : &*it;
}

}  // namespace

std::span<const ProgTypeRow> prog_types() { return kProgTypes; }
const ProgTypeRow* find_prog_type(std::uint32_t id) { return find(kProgTypes, ProgType{id}, &ProgTypeRow::type); }
const ProgTypeRow* find_prog_type(std::string_view name) { return find(kProgTypes, name, &ProgTypeRow::name); }
ProgTypeSet set_of(ProgType type) {
  const ProgTypeRow* row = find(kProgTypes, type, &ProgTypeRow::type);
  return row == nullptr ? 0 : ProgTypeSet{1} << (row - kProgTypes);
}

std::span<const AttachRow> attach_types() { return attach::rows; }
const AttachRow* find_attach(std::uint32_t id) { return find(attach::rows, AttachType{id}, &AttachRow::type); }
const AttachRow* find_attach(std::string_view name) { return find(attach::rows, name, &AttachRow::name); }

std::span<const ReturnName> return_names(ReturnRule rule) {
  const auto run = std::ranges::equal_range(kRuleOfName, rule);
  return std::span(kNames).subspan(static_cast<std::size_t>(run.begin() - kRuleOfName), run.size());
}
std::string_view return_name(ProgType type, std::uint32_t value) {
  const ProgTypeRow* row = find(kProgTypes, type, &ProgTypeRow::type);
  if (row == nullptr) return {};
  const ReturnName* name = find(return_names(row->returns), value, &ReturnName::value);
  return name == nullptr ? std::string_view{} : name->name;
}
ReturnRange return_range(ReturnRule rule) { return kReturnRanges[static_cast<std::size_t>(rule)]; }
ReturnRange return_range(const ProgTypeRow& row, std::uint32_t attach_type) {
  const AttachRow* at = find_attach(attach_type);
  const bool counts = at != nullptr && at->returns && (at->program_types & set_of(row.type)) != 0;
  return return_range(counts ? *at->returns : row.returns);
}

std::span<const HelperRow> helpers() { return kHelpers; }
const HelperRow* find_helper(std::uint32_t id) { return find(kHelpers, id, &HelperRow::id); }
const HelperRow* find_helper(std::string_view name) { return find(kHelpers, name, &HelperRow::name); }
bool helper_allowed_at(const HelperRow& helper, ProgType caller, std::uint32_t attach_type) {
  for (const HelperPlace& place : kHelperPlaces) {
    if (place.helper != helper.name || (place.program_types & set_of(caller)) == 0) continue;
    return attach_type < 64 && (place.attach_types >> attach_type & 1) != 0;
  }
  return true;
}
std::array<Arg, 5> helper_args(const HelperRow& helper, ProgType caller) {
  for (const Variant& variant : kVariants) {
    if (variant.helper == helper.name && (variant.program_types & set_of(caller)) != 0) return variant.args;
  }
  return helper.args;
}

std::span<const MapRow> maps() { return kMaps; }
const MapRow* find_map(std::uint32_t type) { return find(kMaps, MapType{type}, &MapRow::type); }
const MapRow* find_map(std::string_view name) { return find(kMaps, name, &MapRow::name); }

}  // namespace forager::isa
