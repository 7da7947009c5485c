// SPDX-License-Identifier: Apache-2.0
//
// prog_types.def, ctx/*.def, helpers.def and maps.def expanded into rows.
#include "isa/tables.h"

#include <iterator>
#include <limits>

namespace forager::isa {
namespace {

// ---- sets of program types: the words that the .def files use --------------------------------------------------

// Row numbers of prog_types.def: bit n of a ProgTypeSet is row n.
enum class ProgTypeIndex : unsigned {
#define FORAGER_PROG_TYPE(id, name, ...) name,
#include "isa/prog_types.def"
  count,
};
static_assert(static_cast<unsigned>(ProgTypeIndex::count) <= std::numeric_limits<ProgTypeSet>::digits);

template <class... Index>
constexpr ProgTypeSet types(Index... index) {
  return (ProgTypeSet{0} | ... | (ProgTypeSet{1} << static_cast<unsigned>(index)));
}

using enum ProgTypeIndex;
constexpr ProgTypeSet kAny = types(count) - 1;
constexpr ProgTypeSet kXdp = types(xdp);

// ---- contexts --------------------------------------------------------------------------------------------------

namespace fields {

constexpr ProgTypeSet all = kAny, nobody = 0;
enum class Width : std::uint8_t { full, narrow, wide, any };

// The row's set is 0 where every type may: that spares readers of the table the detour over the program type.
constexpr ContextField field(std::string_view name, std::uint16_t offset, std::uint16_t size, std::uint16_t element,
                             FieldKind kind, Width width, ProgTypeSet readers, ProgTypeSet writers) {
  const auto access = static_cast<Access>((readers != nobody ? 1 : 0) | (writers != nobody ? 2 : 0));
  return {.name = name, .offset = offset, .size = size, .element = element, .kind = kind, .access = access,
          .narrow = width != Width::full,
          .only = readers == all ? 0 : readers | writers,
          .writers = writers == all ? 0 : writers,
          .narrow_store = width == Width::any,
          .wide = width == Width::wide || width == Width::any};
}

#define FORAGER_FIELD(name, offset, size, element, kind, width, readers, writers) \
  field(#name, offset, size, element, FieldKind::kind, Width::width, readers, writers),
constexpr ContextField xdp_md[] = {
#include "isa/ctx/xdp_md.def"
};
constexpr std::span<const ContextField> sk_buff, pt_regs, perf_event_data, trace_record, raw_tracepoint_args,
    traced_args, sock, sock_addr, sock_ops, sk_msg_md, sk_reuseport_md, sk_lookup_md, cgroup_dev_ctx, sysctl, sockopt,
    lirc_sample, nf_ctx, user_memory, raw_memory;
#undef FORAGER_FIELD

}  // namespace fields

constexpr ContextRow kContexts[] = {
#define FORAGER_CONTEXT(id, name, size, has_packet) {name, size, has_packet, fields::id},
#include "isa/ctx/contexts.def"
};

enum class ContextIndex : unsigned {
#define FORAGER_CONTEXT(id, ...) id,
#include "isa/ctx/contexts.def"
};

// ---- program types -----------------------------------------------------------------------------------------------

constexpr const ContextRow* context_of(ContextIndex index) { return &kContexts[static_cast<unsigned>(index)]; }

constexpr ProgTypeRow kProgTypes[] = {
#define FORAGER_PROG_TYPE(id, name, section, context, returns, called_at, status) \
  {ProgType::name, #name, section, context_of(ContextIndex::context), ReturnRule::returns, called_at, status},
#include "isa/prog_types.def"
};

constexpr ReturnRange kReturnRanges[] = {
#define FORAGER_RETURN_RULE(name, min, max) {min, max},
#include "isa/prog_types.def"
};

struct RuleName {
  ReturnRule rule;
  ReturnName name;
};
constexpr RuleName kReturnNames[] = {
#define FORAGER_RETURN_NAME(rule, value, name) {ReturnRule::rule, {value, name}},
#include "isa/prog_types.def"
};
constexpr std::size_t kRuleCount = std::size(kReturnRanges);

// ReturnNames alone, and where each rule's begin: names of a rule stand together in prog_types.def.
constexpr auto kNames = [] {
  std::array<ReturnName, std::size(kReturnNames)> names{};
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kReturnNames[i].name;
  return names;
}();

// ---- helpers -----------------------------------------------------------------------------------------------------

enum HelperFlags : unsigned { plain = 0, gpl = 1, moves_packet = 2 };

template <class... A>
constexpr std::array<Arg, 5> args(A... arg) {
  return {arg...};
}

constexpr HelperRow kHelpers[] = {
#define FORAGER_HELPER(id, name, returns, program_types, flags, ...)                                       \
  {id, #name, Ret::returns, [] { using enum Arg; return args(__VA_ARGS__); }(), program_types,             \
   ((flags) & gpl) != 0, ((flags) & moves_packet) != 0},
#include "isa/helpers.def"
};

// ---- maps --------------------------------------------------------------------------------------------------------

namespace map_words {
constexpr bool one = false, percpu = true;
constexpr unsigned nothing = 0, lookup = 1, update = 2, erase = 4;
// BPF_F_* of the uapi header (isa_tables_test compares).
constexpr std::uint32_t no_prealloc = 1U << 0, no_common_lru = 1U << 1, numa = 1U << 2, build_id = 1U << 5,
                        zero_seed = 1U << 6, clone = 1U << 9, mmapable = 1U << 10, preserve_elems = 1U << 11,
                        inner_map = 1U << 12;
constexpr std::uint32_t user_access = 1U << 3 | 1U << 4, all_access = user_access | 1U << 7 | 1U << 8;

constexpr MapRow kMaps[] = {
#define FORAGER_MAP(id, name, slots, program, flags, status) \
  {MapType::name, #name, slots, ((program) & lookup) != 0, ((program) & update) != 0, ((program) & erase) != 0, flags, status},
#include "isa/maps.def"
};
}  // namespace map_words
using map_words::kMaps;

// The first row that fits, or nullptr. Tables are short, and nobody searches them for each packet.
template <class Row, class Fits>
const Row* find(std::span<const Row> rows, Fits fits) {
  for (const Row& row : rows) {
    if (fits(row)) return &row;
  }
  return nullptr;
}

}  // namespace

std::span<const ProgTypeRow> prog_types() { return kProgTypes; }
const ProgTypeRow* find_prog_type(std::uint32_t id) {
  return find(prog_types(), [=](const ProgTypeRow& row) { return static_cast<std::uint32_t>(row.type) == id; });
}
const ProgTypeRow* find_prog_type(std::string_view name) {
  return find(prog_types(), [=](const ProgTypeRow& row) { return row.name == name; });
}
ProgTypeSet set_of(ProgType type) {
  const ProgTypeRow* row = find_prog_type(static_cast<std::uint32_t>(type));
  return row == nullptr ? 0 : ProgTypeSet{1} << (row - kProgTypes);
}

std::span<const ReturnName> return_names(ReturnRule rule) {
  std::size_t begin = 0;
  while (begin < kNames.size() && kReturnNames[begin].rule != rule) ++begin;
  std::size_t end = begin;
  while (end < kNames.size() && kReturnNames[end].rule == rule) ++end;
  return std::span(kNames).subspan(begin, end - begin);
}
ReturnRange return_range(ReturnRule rule) {
  const auto index = static_cast<std::size_t>(rule);
  return index < kRuleCount ? kReturnRanges[index] : ReturnRange{};
}
std::string_view return_name(ProgType type, std::uint32_t value) {
  const ProgTypeRow* row = find_prog_type(static_cast<std::uint32_t>(type));
  if (row == nullptr) return {};
  const ReturnName* name = find(return_names(row->returns), [=](const ReturnName& n) { return n.value == value; });
  return name == nullptr ? std::string_view{} : name->name;
}

std::span<const ContextRow> contexts() { return kContexts; }
const ContextRow* find_context(std::string_view name) {
  return find(contexts(), [=](const ContextRow& row) { return row.name == name; });
}
const ContextField* find_field(const ContextRow& context, std::uint32_t offset) {
  return find(context.fields, [=](const ContextField& field) {
    return offset >= field.offset && offset - field.offset < field.size;
  });
}

std::span<const HelperRow> helpers() { return kHelpers; }
const HelperRow* find_helper(std::uint32_t id) {
  return find(helpers(), [=](const HelperRow& row) { return row.id == id; });
}
const HelperRow* find_helper(std::string_view name) {
  return find(helpers(), [=](const HelperRow& row) { return row.name == name; });
}

std::span<const MapRow> maps() { return kMaps; }
const MapRow* find_map(std::uint32_t type) {
  return find(maps(), [=](const MapRow& row) { return static_cast<std::uint32_t>(row.type) == type; });
}
const MapRow* find_map(std::string_view name) {
  return find(maps(), [=](const MapRow& row) { return row.name == name; });
}

}  // namespace forager::isa
