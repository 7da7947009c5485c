// SPDX-License-Identifier: Apache-2.0
//
// ctx/*.def expanded into rows, and the one place that decides whether a load or store of a context is allowed.
#include "isa/contexts.h"

#include <algorithm>
#include <iterator>

#include "isa/sets.h"

namespace forager::isa {
namespace {

// Fields of each context, under its id of contexts.def.
namespace fields {
using namespace sets;

#define FORAGER_FIELD(name, offset, size, element, kind, width, readers, writers) \
  FORAGER_FIELD_AT(name, offset, size, element, kind, width, readers, writers, kAnywhere, kAnywhere)
#define FORAGER_PART FORAGER_FIELD
#define FORAGER_FIELD_AT(name, offset, size, element, kind, width, readers, writers, readers_at, writers_at) \
  {#name, offset, size, element, FieldKind::kind, Width::width, readers, writers, readers_at, writers_at},

constexpr ContextField xdp_md[] = {
#include "isa/ctx/xdp_md.def"
};
constexpr ContextField sk_buff[] = {
#include "isa/ctx/sk_buff.def"
};
constexpr ContextField pt_regs[] = {
#include "isa/ctx/pt_regs.def"
};
constexpr ContextField perf_event_data[] = {
#include "isa/ctx/perf_event_data.def"
};
constexpr ContextField trace_record[] = {
#include "isa/ctx/trace_record.def"
};
constexpr ContextField raw_tracepoint_args[] = {
#include "isa/ctx/raw_tracepoint_args.def"
};
constexpr ContextField writable_tracepoint_args[] = {
#include "isa/ctx/writable_tracepoint_args.def"
};
constexpr ContextField traced_args[] = {
#include "isa/ctx/traced_args.def"
};
constexpr ContextField sock[] = {
#include "isa/ctx/sock.def"
};
constexpr ContextField sock_addr[] = {
#include "isa/ctx/sock_addr.def"
};
constexpr ContextField sock_ops_md[] = {
#include "isa/ctx/sock_ops_md.def"
};
constexpr ContextField sk_msg_md[] = {
#include "isa/ctx/sk_msg_md.def"
};
constexpr ContextField sk_reuseport_md[] = {
#include "isa/ctx/sk_reuseport_md.def"
};
constexpr ContextField sk_lookup_md[] = {
#include "isa/ctx/sk_lookup_md.def"
};
constexpr ContextField cgroup_dev_ctx[] = {
#include "isa/ctx/cgroup_dev_ctx.def"
};
constexpr ContextField sysctl[] = {
#include "isa/ctx/sysctl.def"
};
constexpr ContextField sockopt[] = {
#include "isa/ctx/sockopt.def"
};
constexpr ContextField lirc_sample[] = {
#include "isa/ctx/lirc_sample.def"
};
constexpr ContextField nf_ctx[] = {
#include "isa/ctx/nf_ctx.def"
};
constexpr ContextField user_memory[] = {
#include "isa/ctx/user_memory.def"
};
constexpr ContextField iter_map_elem[] = {
#include "isa/ctx/iter_map_elem.def"
};
constexpr ContextField iter_map[] = {
#include "isa/ctx/iter_map.def"
};
// A raw-memory program has no context: r1 is plain memory, whose length only the run knows.
constexpr std::span<const ContextField> raw_memory;

}  // namespace fields

constexpr bool in_order(const ContextRow& row) {
  std::uint32_t end = 0;
  for (const ContextField& field : row.fields) {
    if (field.offset < end || field.element == 0) return false;
    end = std::uint32_t{field.offset} + field.size;
  }
  return end <= row.size;
}
// Whether `width` allows these bytes; `at` is the offset inside the field, `in` the one inside the element.
bool width_allows(const ContextField& field, std::uint32_t at, std::uint32_t bytes, bool store) {
  const std::uint32_t in = at % field.element;
  const bool inside = in + bytes <= field.element, exact = in == 0 && bytes == field.element;
  const bool load_inside = !store && inside;
  switch (field.width) {
    case Width::full:
      return exact;
    case Width::narrow:
      return exact || load_inside;
    case Width::halves:
      return exact || (load_inside && bytes >= 2);
    case Width::head:
      return exact || (load_inside && in == 0);
    case Width::padded:
      return exact || load_inside || (!store && at == 0 && bytes == 4);
    case Width::wide:
      return exact || load_inside || bytes == 8;
    case Width::any:
      return true;
  }
  return false;
}

bool contains(AttachSet set, std::uint32_t attach_type) {
  return set == sets::kAnywhere || (attach_type < 64 && (set >> attach_type & 1) != 0);
}

}  // namespace

constexpr ContextRow kContexts[] = {
#define FORAGER_CONTEXT(id, name, size, has_packet) {name, size, has_packet, fields::id},
#include "isa/ctx/contexts.def"
};
static_assert(std::ranges::all_of(kContexts, in_order), "fields of a context overlap or leave it");

std::span<const ContextRow> contexts() { return kContexts; }

const ContextRow* find_context(std::string_view name) {
  const auto* row = std::ranges::find(kContexts, name, &ContextRow::name);
  return row == std::end(kContexts) ? nullptr : row;
}

const ContextField* find_field(const ContextRow& context, std::uint32_t offset) {
  for (const ContextField& field : context.fields) {
    if (offset >= field.offset && offset - field.offset < field.size) return &field;
  }
  return nullptr;
}

const ContextField* check_access(const ContextAccess& access) {
  const ProgTypeRow* type = find_prog_type(static_cast<std::uint32_t>(access.type));
  if (type == nullptr || access.bytes == 0 || access.offset % access.bytes != 0) return nullptr;
  const ContextField* field = find_field(access.context != nullptr ? *access.context : *type->context, access.offset);
  if (field == nullptr) return nullptr;
  const ProgTypeSet who = access.store ? field->writers : field->readers;
  const AttachSet where = access.store ? field->writers_at : field->readers_at;
  if ((who & set_of(access.type)) == 0 || !contains(where, access.attach_type)) return nullptr;
  const std::uint32_t at = access.offset - field->offset;
  // A padded field's 4-byte load alone may leave the field.
  if (field->width != Width::padded && at + access.bytes > field->size) return nullptr;
  return width_allows(*field, at, access.bytes, access.store) ? field : nullptr;
}

}  // namespace forager::isa
