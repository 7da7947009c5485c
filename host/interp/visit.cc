// SPDX-License-Identifier: Apache-2.0
//
// What an iterator is shown (exec/visit.h), as regions: the program gets at each through a field of its context.
#include "exec/visit.h"

#include "exec/event.h"
#include "interp/machine.h"

namespace forager::interp {
namespace {

Region bytes_region(std::span<const std::byte> bytes) {
  return {.kind = RegionKind::memory,
          .readable = true,
          .base = const_cast<std::byte*>(bytes.data()),
          .end = std::ssize(bytes)};
}

}  // namespace

// All at once, before the program looks anything up: of two regions for one host address the first is kept.
void Machine::show_visit() {
  shown_ = {};
  const exec::Visit* visit = run_.frame->event == nullptr ? nullptr : run_.frame->event->visit;
  if (visit == nullptr) return;
  shown_.file = visit->seq;
  shown_.seq = memory_.known(visit->seq, {.kind = RegionKind::object});
  meta_ = {shown_.seq, visit->session_id, visit->seq_num};
  shown_.meta = memory_.add_transient(bytes_region(std::as_bytes(std::span(meta_))));
  if (visit->map) shown_.map = memory_.add_transient(bytes_region(*visit->map));
  if (visit->key) shown_.key = memory_.add_transient(bytes_region(*visit->key));
  if (!visit->value) return;
  Region value = bytes_region(*visit->value);
  value.writable = true;
  value.map = visit->value_map;
  if (value.map != nullptr) value.kind = RegionKind::map_value;
  shown_.value = memory_.known(visit->value->data(), value);
}

std::uint64_t Machine::shown(isa::FieldKind kind) const {
  switch (kind) {
    case isa::FieldKind::iter_meta:
      return shown_.meta;
    case isa::FieldKind::kernel_map:
    case isa::FieldKind::kernel_map_or_null:
      return shown_.map;
    case isa::FieldKind::key_or_null:
      return shown_.key;
    case isa::FieldKind::value_or_null:
      return shown_.value;
    default:
      return 0;
  }
}

bool Machine::pass_seq_file(Call& call, unsigned index) {
  if (shown_.file == nullptr || r_[index + 1] != shown_.seq) return bad_argument(call, index, "an iterator's seq_file");
  call.host[index] = reinterpret_cast<std::uint64_t>(shown_.file);
  return true;
}

}  // namespace forager::interp
