// SPDX-License-Identifier: Apache-2.0
//
// BPF_MAP_*: creation and the element commands. Maps whose values are descriptors (PROG_ARRAY, PERF_EVENT_ARRAY) take
// one in, and, where the kernel shows anything, give an id out.
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "syscall/btf.h"
#include "syscall/commands.h"
#include "syscall/mapping.h"
#include "syscall/perf_event.h"
#include "syscall/value_fields.h"

namespace forager::syscall {
namespace {

using isa::MapType;
using runtime::MapObject;
using runtime::MapUser;
using Bytes = std::vector<std::byte>;

// ---- creation ----------------------------------------------------------------------------------------------------

// Linux's map_check_no_btf: types whose values are not the user's data.
constexpr MapType kWithoutBtf[] = {MapType::perf_event_array, MapType::cgroup_array, MapType::stack_trace,
                                   MapType::array_of_maps,    MapType::hash_of_maps, MapType::devmap,
                                   MapType::devmap_hash,      MapType::cpumap,       MapType::xskmap,
                                   MapType::sockmap,          MapType::sockhash};

long check_btf_ids(const bpf_attr& attr) {
  if (attr.btf_vmlinux_value_type_id != 0) return -EINVAL;  // struct_ops only, which there are none of
  return attr.btf_key_type_id != 0 && attr.btf_value_type_id == 0 ? -EINVAL : 0;
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

constexpr unsigned kDirections = BPF_F_RDONLY | BPF_F_WRONLY;

bool both_directions(unsigned flags) { return (flags & kDirections) == kDirections; }

// ---- elements ----------------------------------------------------------------------------------------------------

Errno<std::shared_ptr<MapObject>> find_map(const Call& call, std::uint32_t fd) {
  auto user = call.fds().find<MapUser>(static_cast<int>(fd));
  if (!user) return std::unexpected(user.error());
  return (*user)->object();
}

// The map of an element command, if its descriptor allows what is asked.
Errno<std::shared_ptr<MapObject>> map_to_read(const Call& call) {
  auto map = find_map(call, call.attr.map_fd);
  if (map && !may_read(static_cast<int>(call.attr.map_fd))) return std::unexpected(-EPERM);
  return map;
}

// The same, to change it. A frozen map is read-only to everybody.
Errno<runtime::MapWriting> map_to_write(const Call& call) {
  auto map = find_map(call, call.attr.map_fd);
  if (!map) return std::unexpected(map.error());
  if (!may_write(static_cast<int>(call.attr.map_fd))) return std::unexpected(-EPERM);
  runtime::MapWriting writing(std::move(*map));
  if (!writing.allowed()) return std::unexpected(-EPERM);
  return writing;
}

// Maps without keys want none.
Errno<Bytes> read_key(const Call& call, const MapObject& map) {
  if (map.spec().key_size == 0 && call.attr.key != 0) return std::unexpected(-EINVAL);
  return read_user(call.attr.key, map.spec().key_size);
}

// Nothing can lock a value yet: maps with spin locks are not built.
constexpr bool asks_lock(std::uint64_t flags) { return (flags & BPF_F_LOCK) != 0; }

bool is_program_array(const MapObject& map) { return map.spec().type == MapType::prog_array; }
bool is_perf_array(const MapObject& map) { return map.spec().type == MapType::perf_event_array; }
bool holds_descriptors(const MapObject& map) { return is_program_array(map) || is_perf_array(map); }

std::size_t user_value_size(const Call& call, const MapObject& map) {
  if (holds_descriptors(map)) return sizeof(__u32);
  return exec::host_value_size(map.spec(), call.runtime().environment.cpus);
}

std::uint32_t number_at(const Bytes& bytes) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data(), std::min(sizeof number, bytes.size()));
  return number;
}

long read_value(const MapObject& map, const Bytes& key, Bytes& value, std::uint64_t flags) {
  if (is_perf_array(map)) return -kNotSupported;
  if (!is_program_array(map)) return map.map->read(key.data(), value.data(), flags);
  const auto program = map.program_at(number_at(key));
  if (!program) return -ENOENT;
  std::memcpy(value.data(), &program->id, sizeof program->id);
  return 0;
}

long set_perf_event(const Call& call, MapObject& map, std::uint32_t index, std::uint32_t fd) {
  const auto event = call.fds().find<PerfEvent>(static_cast<int>(fd));
  if (!event) return -EBADF;
  return map.map->abilities().perf->set(index, *event);
}

long set_program(const Call& call, MapObject& map, std::uint32_t index, std::uint32_t fd) {
  const auto program = call.fds().find<runtime::ProgramObject>(static_cast<int>(fd));
  if (!program) return program.error();
  return map.set_program(index, *program);
}

// What a map of maps takes: maps like its example (Linux's map_meta_equal).
bool alike(const program::MapSpec& a, const program::MapSpec& b) {
  const bool same_entries = a.max_entries == b.max_entries || (a.flags & BPF_F_INNER_MAP) != 0;
  return a.type == b.type && a.key_size == b.key_size && a.value_size == b.value_size && a.flags == b.flags &&
         a.fields == b.fields && (a.type != MapType::array || same_entries);
}

long check_inner(const Call& call, const MapObject& map, std::uint32_t fd) {
  const auto inner = find_map(call, fd);
  if (!inner) return inner.error();
  return map.spec().inner != nullptr && alike(*map.spec().inner, (*inner)->spec()) ? 0 : -EINVAL;
}

long write_value(const Call& call, MapObject& map, const Bytes& key, const Bytes& value) {
  if (holds_maps(map.spec().type)) {
    if (const long error = check_inner(call, map, number_at(value)); error != 0) return error;
  }
  if (!holds_descriptors(map)) return map.map->write(key.data(), value.data(), call.attr.flags);
  if (call.attr.flags != BPF_ANY) return -EINVAL;
  const std::uint32_t index = number_at(key);
  if (index >= map.spec().max_entries) return -E2BIG;
  return (is_perf_array(map) ? set_perf_event : set_program)(call, map, index, number_at(value));
}

long erase_value(MapObject& map, const Bytes& key) {
  if (!holds_descriptors(map)) return map.map->erase(key.data());
  const std::uint32_t index = number_at(key);
  if (index >= map.spec().max_entries) return -E2BIG;
  if (is_program_array(map)) return map.set_program(index, nullptr);
  exec::PerfTable& table = *map.map->abilities().perf;
  return table.get(index) == nullptr ? -ENOENT : table.set(index, nullptr);
}

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

long map_lookup(const Call& call) {
  if ((call.attr.flags & ~std::uint64_t{BPF_F_LOCK}) != 0) return -EINVAL;
  const auto map = map_to_read(call);
  if (!map) return map.error();
  if (asks_lock(call.attr.flags)) return -EINVAL;
  const auto key = read_key(call, **map);
  if (!key) return key.error();
  Bytes value(user_value_size(call, **map));
  if (const long error = read_value(**map, *key, value, call.attr.flags); error != 0) return error;
  return copy_to_user(call.attr.value, value.data(), value.size());
}

long map_update(const Call& call) {
  const auto map = map_to_write(call);
  if (!map) return map.error();
  if (asks_lock(call.attr.flags)) return -EINVAL;
  const auto key = read_key(call, **map);
  if (!key) return key.error();
  const auto value = read_user(call.attr.value, user_value_size(call, **map));
  if (!value) return value.error();
  return write_value(call, **map, *key, *value);
}

long map_delete(const Call& call) {
  const auto map = map_to_write(call);
  if (!map) return map.error();
  const auto key = read_key(call, **map);
  if (!key) return key.error();
  return erase_value(**map, *key);
}

long map_next_key(const Call& call) {
  const auto map = map_to_read(call);
  if (!map) return map.error();
  Bytes key;
  if (call.attr.key != 0) {
    auto given = read_key(call, **map);
    if (!given) return given.error();
    key = std::move(*given);
  }
  Bytes next((*map)->spec().key_size);
  const long error = (*map)->map->next_key(call.attr.key != 0 ? key.data() : nullptr, next.data());
  return error != 0 ? error : copy_to_user(call.attr.next_key, next.data(), next.size());
}

// Of several callers for one key exactly one gets it: the one whose deletion succeeds. An update between the reading
// and the deletion is lost with the key, as if it had come before them.
long map_lookup_and_delete(const Call& call) {
  constexpr MapType kTypes[] = {MapType::hash, MapType::percpu_hash, MapType::lru_hash, MapType::lru_percpu_hash};
  if ((call.attr.flags & ~std::uint64_t{BPF_F_LOCK}) != 0) return -EINVAL;
  const auto map = map_to_write(call);
  if (!map) return map.error();
  if (!may_read(static_cast<int>(call.attr.map_fd))) return -EPERM;
  if (asks_lock(call.attr.flags)) return -EINVAL;
  const auto key = read_key(call, **map);
  if (!key) return key.error();
  if (std::ranges::find(kTypes, (**map).spec().type) == std::end(kTypes)) return -kNotSupported;
  Bytes value(user_value_size(call, **map));
  if (const long error = read_value(**map, *key, value, 0); error != 0) return error;
  if (const long error = erase_value(**map, *key); error != 0) return error;
  return copy_to_user(call.attr.value, value.data(), value.size());
}

long map_freeze(const Call& call) {
  const auto map = find_map(call, call.attr.map_fd);
  if (!map) return map.error();
  if (!may_write(static_cast<int>(call.attr.map_fd))) return -EPERM;
  if (mapped_writable(**map)) return -EBUSY;
  return (*map)->freeze() ? 0 : -EBUSY;
}

}  // namespace forager::syscall
