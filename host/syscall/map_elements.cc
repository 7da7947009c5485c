// SPDX-License-Identifier: Apache-2.0
//
// The commands on one element: BPF_MAP_{LOOKUP,UPDATE,DELETE,LOOKUP_AND_DELETE}_ELEM and BPF_MAP_GET_NEXT_KEY. Checks
// come in the kernel's order (kernel/bpf/syscall.c map_lookup_elem and its neighbours), for it decides which of two
// errors is reported.
//
// This is the path that programs' users take millions of times, so a call with small keys and values that stand on the
// caller's stack, in the heap or in its data makes no system call and allocates nothing
// (docs/adr/0007-element-calls.md).
#include <cerrno>

#include "syscall/element_kinds.h"
#include "syscall/small_buffer.h"

namespace forager::syscall {
namespace {

using runtime::MapObject;
using runtime::MapWriting;

Errno<MapPin> pin(const Call& call) { return call.fds().pin_map(static_cast<int>(call.attr.map_fd)); }

// Maps without keys want none.
long read_key(const Call& call, SmallBuffer& key) {
  if (key.size() == 0) return call.attr.key != 0 ? -EINVAL : 0;
  return copy_from_user(key.data(), call.attr.key, key.size());
}

const std::byte* given(const SmallBuffer& key) { return key.size() == 0 ? nullptr : key.data(); }

// One lookup, plain or with deletion: `read` does it.
long look_up(const Call& call, MapObject& map, const ElementRow& row, ElementKind::Read* read) {
  SmallBuffer key(map.spec().key_size);
  if (const long error = read_key(call, key); error != 0) return error;
  if (read == nullptr) return -kNotSupported;
  SmallBuffer value(user_value_size(call, map, row));
  if (row.kind->value_in) {
    if (const long error = copy_from_user(value.data(), call.attr.value, value.size()); error != 0) return error;
  }
  const long error = read(call, map, given(key), value.data(), call.attr.flags);
  return error != 0 ? error : copy_to_user(call.attr.value, value.data(), value.size());
}

}  // namespace

long map_lookup(const Call& call) {
  if ((call.attr.flags & ~std::uint64_t{BPF_F_LOCK}) != 0) return -EINVAL;
  const auto map = pin(call);
  if (!map) return map.error();
  if (!map->may_read()) return -EPERM;
  if (const long error = check_element_flags(**map, call.attr.flags, BPF_F_LOCK); error != 0) return error;
  const ElementRow& row = element_row((*map)->spec().type);
  return look_up(call, **map, row, row.kind->read);
}

long map_lookup_and_delete(const Call& call) {
  if ((call.attr.flags & ~std::uint64_t{BPF_F_LOCK}) != 0) return -EINVAL;
  const auto map = pin(call);
  if (!map) return map.error();
  const MapWriting writing(**map);
  if (!map->may_read() || !map->may_write() || !writing.allowed()) return -EPERM;
  if (const long error = check_element_flags(**map, call.attr.flags, BPF_F_LOCK); error != 0) return error;
  const ElementRow& row = element_row((*map)->spec().type);
  return look_up(call, **map, row, row.kind->take);
}

long map_update(const Call& call) {
  const auto map = pin(call);
  if (!map) return map.error();
  const MapWriting writing(**map);
  if (!map->may_write() || !writing.allowed()) return -EPERM;
  if (const long error = check_element_flags(**map, call.attr.flags, ~std::uint64_t{0}); error != 0) return error;
  const ElementRow& row = element_row((*map)->spec().type);
  SmallBuffer key((*map)->spec().key_size);
  if (const long error = read_key(call, key); error != 0) return error;
  SmallBuffer value(user_value_size(call, **map, row));
  if (const long error = copy_from_user(value.data(), call.attr.value, value.size()); error != 0) return error;
  return row.kind->write(call, **map, given(key), value.data(), call.attr.flags);
}

long map_delete(const Call& call) {
  const auto map = pin(call);
  if (!map) return map.error();
  const MapWriting writing(**map);
  if (!map->may_write() || !writing.allowed()) return -EPERM;
  SmallBuffer key((*map)->spec().key_size);
  if (const long error = read_key(call, key); error != 0) return error;
  return element_row((*map)->spec().type).kind->erase(call, **map, given(key));
}

long map_next_key(const Call& call) {
  const auto map = pin(call);
  if (!map) return map.error();
  if (!map->may_read()) return -EPERM;
  SmallBuffer key((*map)->spec().key_size), next((*map)->spec().key_size);
  if (call.attr.key != 0) {
    if (const long error = read_key(call, key); error != 0) return error;
  }
  const long error = (*map)->map->next_key(call.attr.key != 0 ? key.data() : nullptr, next.data());
  return error != 0 ? error : copy_to_user(call.attr.next_key, next.data(), next.size());
}

}  // namespace forager::syscall
