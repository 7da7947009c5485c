// SPDX-License-Identifier: Apache-2.0
//
// BPF_MAP_CREATE and BPF_MAP_FREEZE: what a map is, and who may change it (kernel/bpf/syscall.c map_create,
// map_freeze).
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "syscall/btf.h"
#include "syscall/commands.h"
#include "syscall/mapping.h"
#include "syscall/value_fields.h"

namespace forager::syscall {
namespace {

using isa::MapType;
using runtime::MapObject;
using runtime::MapUser;

// Linux's map_check_no_btf: types whose values are not the user's data.
constexpr MapType kWithoutBtf[] = {MapType::perf_event_array, MapType::cgroup_array, MapType::stack_trace,
                                   MapType::array_of_maps,    MapType::hash_of_maps, MapType::devmap,
                                   MapType::devmap_hash,      MapType::cpumap,       MapType::xskmap,
                                   MapType::sockmap,          MapType::sockhash};

// Values that other objects have: Linux shows them with those, and wants to know what they are
// (bpf_local_storage_map_alloc_check).
constexpr MapType kWithBtf[] = {MapType::sk_storage, MapType::inode_storage, MapType::task_storage,
                                MapType::cgrp_storage};
bool needs_btf(MapType type) { return std::ranges::find(kWithBtf, type) != std::end(kWithBtf); }

long check_btf_ids(const bpf_attr& attr) {
  if (attr.btf_vmlinux_value_type_id != 0) return -EINVAL;  // struct_ops only, which there are none of
  const bool typed = attr.btf_key_type_id != 0 && attr.btf_value_type_id != 0;
  if (!typed && needs_btf(static_cast<MapType>(attr.map_type))) return -EINVAL;
  return attr.btf_key_type_id != 0 && attr.btf_value_type_id == 0 ? -EINVAL : 0;
}

// btf_type_is_i32: under typedefs and qualifiers, an integer of 32 bits.
bool is_int32(const ::btf& types, std::uint32_t id) {
  const btf_type* type = skip_modifiers(types, id);
  return btf_is_int(type) && btf_int_bits(type) == 32 && btf_int_offset(type) == 0;
}

// The map's BTF; the fields of its values become known to the spec.
Errno<runtime::MapBtf> map_btf(const Call& call, program::MapSpec& spec) {
  const bpf_attr& attr = call.attr;
  if (attr.btf_value_type_id == 0) return runtime::MapBtf{};
  auto object = call.fds().find<runtime::BtfObject>(static_cast<int>(attr.btf_fd));
  if (!object) return std::unexpected(object.error());
  const ::btf& types = *(*object)->parsed;
  if (attr.btf_key_type_id != 0 && size_of_type(types, attr.btf_key_type_id) != spec.key_size) {
    return std::unexpected(-EINVAL);
  }
  if (size_of_type(types, attr.btf_value_type_id) != spec.value_size) return std::unexpected(-EINVAL);
  if (needs_btf(spec.type) && !is_int32(types, attr.btf_key_type_id)) return std::unexpected(-EINVAL);
  if (std::ranges::find(kWithoutBtf, spec.type) != std::end(kWithoutBtf)) return std::unexpected(-kNotSupported);
  auto fields = value_fields(types, attr.btf_value_type_id, spec);
  if (!fields) return std::unexpected(fields.error());
  spec.fields = std::move(*fields);
  return runtime::MapBtf{std::move(*object), attr.btf_key_type_id, attr.btf_value_type_id};
}

bool holds_maps(MapType type) { return type == MapType::array_of_maps || type == MapType::hash_of_maps; }

// Maps of maps are created with an example of what they hold.
long read_inner(const Call& call, program::MapSpec& spec) {
  if (!holds_maps(spec.type)) return 0;
  const auto user = call.fds().find<MapUser>(static_cast<int>(call.attr.inner_map_fd));
  if (!user) return user.error();
  spec.inner = std::make_shared<const program::MapSpec>((*user)->object()->spec());
  return 0;
}

// Behind the last field that <linux/bpf.h> 6.1 has (Linux 6.9): value_type_btf_obj_fd, map_token_fd.
constexpr std::size_t kTokenAt = offsetof(bpf_attr, map_extra) + sizeof(bpf_attr::map_extra) + sizeof(__s32);
constexpr unsigned kTokenFlag = 1U << 16;  // BPF_F_TOKEN_FD

// Nobody here hands out tokens, so no descriptor is one.
long check_token(const Call& call) {
  if ((call.attr.map_flags & kTokenFlag) == 0) return 0;
  __s32 fd = -1;
  std::memcpy(&fd, reinterpret_cast<const std::byte*>(&call.attr) + kTokenAt, sizeof fd);
  const auto object = call.fds().find(fd);
  return object ? -EINVAL : object.error();
}

constexpr unsigned kDirections = BPF_F_RDONLY | BPF_F_WRONLY;

bool both_directions(unsigned flags) { return (flags & kDirections) == kDirections; }

}  // namespace

Errno<std::string> object_name(const char (&field)[BPF_OBJ_NAME_LEN]) {
  const std::string_view name(field, strnlen(field, sizeof field));
  const auto allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '.'; };
  if (name.size() == sizeof field || !std::ranges::all_of(name, allowed)) return std::unexpected(-EINVAL);
  return std::string(name);
}

long install_map(FdTable& fds, std::shared_ptr<MapObject> map, unsigned flags) {
  const int access = (flags & BPF_F_RDONLY) != 0 ? O_RDONLY : (flags & BPF_F_WRONLY) != 0 ? O_WRONLY : O_RDWR;
  const int backing = (map->spec().flags & BPF_F_MMAPABLE) != 0 ? map->map->memory().fd : -1;
  return fds.install(std::make_shared<MapUser>(std::move(map)), access, backing);
}

long map_create(const Call& call) {
  const bpf_attr& attr = call.attr;
  if (const long error = check_btf_ids(attr); error != 0) return error;
  if (both_directions(attr.map_flags)) return -EINVAL;
  if (attr.map_extra != 0 && attr.map_type != BPF_MAP_TYPE_BLOOM_FILTER) return -EINVAL;
  if ((attr.map_flags & BPF_F_NUMA_NODE) != 0 && attr.numa_node != 0) return -EINVAL;  // devices are not NUMA nodes
  if (attr.map_ifindex != 0) return -EINVAL;  // Linux's own offload of maps; placement is the runtime's here
  if (isa::find_map(attr.map_type) == nullptr) return -EINVAL;
  if (const long error = check_token(call); error != 0) return error;
  const auto name = object_name(attr.map_name);
  if (!name) return name.error();
  program::MapSpec spec{.type = static_cast<MapType>(attr.map_type),
                        .key_size = attr.key_size,
                        .value_size = attr.value_size,
                        .max_entries = attr.max_entries,
                        .flags = attr.map_flags,
                        .extra = attr.map_extra,
                        .name = *name};
  if (const long error = read_inner(call, spec); error != 0) return error;
  auto types = map_btf(call, spec);
  if (!types) return types.error();
  auto map = call.runtime().create_map(spec, std::move(*types));
  if (!map) return map.error().error != 0 ? -map.error().error : -EINVAL;
  return install_map(call.fds(), std::move(*map), attr.map_flags);
}

long map_freeze(const Call& call) {
  const auto map = call.fds().pin_map(static_cast<int>(call.attr.map_fd));
  if (!map) return map.error();
  if (!(*map)->spec().fields.empty()) return -kNotSupported;  // what stands there is not the user's alone
  if (!map->may_write() || (*map)->frozen()) return -EPERM;
  if (mapped_writable(**map)) return -EBUSY;
  return (*map)->freeze() ? 0 : -EBUSY;
}

}  // namespace forager::syscall
