// SPDX-License-Identifier: Apache-2.0
#include "syscall/element_kinds.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "maps/inner_maps.h"
#include "syscall/element_redirects.h"
#include "syscall/element_sockets.h"
#include "syscall/perf_event.h"

namespace forager::syscall {
namespace {

using isa::MapType;
using runtime::MapObject;

std::uint32_t number_at(const std::byte* bytes) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes, sizeof number);
  return number;
}
int fd_at(const std::byte* bytes) { return static_cast<int>(number_at(bytes)); }

long put_number(std::byte* value, std::uint32_t number) {
  std::memcpy(value, &number, sizeof number);
  return 0;
}

// Maps without contents (runtime::Settings::verify_only) have no abilities: they answer for themselves, by read() and
// write().

// ---- plain bytes -------------------------------------------------------------------------------------------------

long read_plain(const Call&, MapObject& map, const std::byte* key, std::byte* value, std::uint64_t flags) {
  return map.map->read(key, value, flags);
}
long write_plain(const Call&, MapObject& map, const std::byte* key, const std::byte* value, std::uint64_t flags) {
  return map.map->write(key, value, flags);
}
long erase_plain(const Call&, MapObject& map, const std::byte* key) { return map.map->erase(key); }
long take_plain(const Call&, MapObject& map, const std::byte* key, std::byte* value, std::uint64_t flags) {
  return map.map->take(key, value, flags);
}

// ---- values without keys -----------------------------------------------------------------------------------------

long peek(const Call& call, MapObject& map, const std::byte* key, std::byte* value, std::uint64_t flags) {
  exec::ValueStore* values = map.map->abilities().values;
  return values != nullptr ? values->peek(value) : read_plain(call, map, key, value, flags);
}
long push(const Call& call, MapObject& map, const std::byte* key, const std::byte* value, std::uint64_t flags) {
  exec::ValueStore* values = map.map->abilities().values;
  return values != nullptr ? values->push(value, flags) : write_plain(call, map, key, value, flags);
}
long pop(const Call& call, MapObject& map, const std::byte* key, std::byte* value, std::uint64_t flags) {
  if (flags != 0) return -EINVAL;
  exec::ValueStore* values = map.map->abilities().values;
  return values != nullptr ? values->pop(value) : take_plain(call, map, key, value, flags);
}

// ---- descriptors by index ----------------------------------------------------------------------------------------

// What bpf_fd_array_map_update_elem asks before it looks at the descriptor.
long check_slot(const MapObject& map, const std::byte* key, std::uint64_t flags) {
  if (flags != BPF_ANY) return -EINVAL;
  return number_at(key) < map.spec().max_entries ? 0 : -E2BIG;
}

long no_read(const Call&, MapObject&, const std::byte*, std::byte*, std::uint64_t) { return -kNotSupported; }

long read_program(const Call&, MapObject& map, const std::byte* key, std::byte* value, std::uint64_t) {
  const auto program = map.program_at(number_at(key));
  return program ? put_number(value, program->id) : -ENOENT;
}
long write_program(const Call& call, MapObject& map, const std::byte* key, const std::byte* value,
                   std::uint64_t flags) {
  if (const long error = check_slot(map, key, flags); error != 0) return error;
  const auto program = call.fds().find<runtime::ProgramObject>(fd_at(value));
  return program ? map.set_program(number_at(key), *program) : program.error();
}
long erase_program(const Call&, MapObject& map, const std::byte* key) {
  return map.set_program(number_at(key), nullptr);
}

long write_event(const Call& call, MapObject& map, const std::byte* key, const std::byte* value, std::uint64_t flags) {
  if (const long error = check_slot(map, key, flags); error != 0) return error;
  const auto event = call.fds().find<PerfEvent>(fd_at(value));
  return event ? map.map->abilities().perf->set(number_at(key), *event) : -EBADF;
}
long erase_event(const Call&, MapObject& map, const std::byte* key) {
  const std::uint32_t index = number_at(key);
  if (index >= map.spec().max_entries) return -E2BIG;
  exec::PerfTable& table = *map.map->abilities().perf;
  return table.get(index) == nullptr ? -ENOENT : table.set(index, nullptr);
}

// ---- maps of maps ------------------------------------------------------------------------------------------------

// The slot keeps the whole object, so that its id stays valid as long as it can be looked up.
Errno<exec::MapSlot> inner_map(const Call& call, const MapObject& outer, int fd) {
  const auto user = call.fds().find<runtime::MapUser>(fd);
  if (!user) return std::unexpected(user.error());
  const std::shared_ptr<MapObject>& inner = (*user)->object();
  if (outer.spec().inner == nullptr || !maps::alike(*outer.spec().inner, inner->spec()))
    return std::unexpected(-EINVAL);
  return exec::MapSlot{inner->id, std::shared_ptr<exec::Map>(inner, inner->map.get())};
}

long read_inner(const Call& call, MapObject& map, const std::byte* key, std::byte* value, std::uint64_t flags) {
  const exec::MapTable* table = map.map->abilities().maps;
  if (table == nullptr) return read_plain(call, map, key, value, flags);
  const exec::MapSlot slot = table->get(key);
  return slot.map != nullptr ? put_number(value, slot.id) : -ENOENT;
}
long write_inner(const Call& call, MapObject& map, const std::byte* key, const std::byte* value, std::uint64_t flags) {
  auto slot = inner_map(call, map, fd_at(value));
  if (!slot) return slot.error();
  exec::MapTable* table = map.map->abilities().maps;
  return table != nullptr ? table->set(key, std::move(*slot), flags) : write_plain(call, map, key, value, flags);
}
long write_inner_at(const Call& call, MapObject& map, const std::byte* key, const std::byte* value,
                    std::uint64_t flags) {
  const long error = check_slot(map, key, flags);
  return error != 0 ? error : write_inner(call, map, key, value, flags);
}

// ---- the table ---------------------------------------------------------------------------------------------------

constexpr ElementKind kPlain = {read_plain, write_plain, erase_plain, nullptr};
constexpr ElementKind kTakeable = {read_plain, write_plain, erase_plain, take_plain};
constexpr ElementKind kQueue = {peek, push, erase_plain, pop};
constexpr ElementKind kFilter = {peek, push, erase_plain, nullptr, true};
constexpr ElementKind kPrograms = {read_program, write_program, erase_program, nullptr};
constexpr ElementKind kEvents = {no_read, write_event, erase_event, nullptr};
constexpr ElementKind kRedirects = {read_plain, write_redirect, erase_plain, nullptr};
constexpr ElementKind kMapArray = {read_inner, write_inner_at, erase_plain, nullptr};
constexpr ElementKind kMapHash = {read_inner, write_inner, erase_plain, nullptr};
constexpr ElementKind kSockets = {read_socket, write_socket, erase_plain, nullptr};
constexpr ElementKind kReusePort = {read_socket, write_reuseport, erase_plain, nullptr};
constexpr ElementKind kSocketStorage = {read_socket_storage, write_socket_storage, erase_socket_storage, nullptr};

constexpr unsigned kArrayBatch = kLookupBatch | kUpdateBatch;
constexpr unsigned kTrieBatch = kArrayBatch | kDeleteBatch;
constexpr unsigned kAllBatch = kTrieBatch | kTakeBatch;

struct TypeRow {
  MapType type;
  ElementRow row;
};
// Types that are not here have plain bytes and no batch commands.
constexpr TypeRow kTypes[] = {
    {MapType::hash, {&kTakeable, kAllBatch, false, true}},
    {MapType::percpu_hash, {&kTakeable, kAllBatch, true, true}},
    {MapType::lru_hash, {&kTakeable, kAllBatch, false, true}},
    {MapType::lru_percpu_hash, {&kTakeable, kAllBatch, true, true}},
    {MapType::array, {&kPlain, kArrayBatch}},
    {MapType::percpu_array, {&kPlain, kArrayBatch, true}},
    {MapType::percpu_cgroup_storage, {&kPlain, kNoBatch, true}},
    {MapType::lpm_trie, {&kPlain, kTrieBatch}},
    {MapType::stack_trace, {&kTakeable}},
    {MapType::prog_array, {&kPrograms}},
    {MapType::perf_event_array, {&kEvents}},
    {MapType::devmap, {&kRedirects}},
    {MapType::devmap_hash, {&kRedirects}},
    {MapType::cpumap, {&kRedirects}},
    {MapType::array_of_maps, {&kMapArray, kArrayBatch}},
    {MapType::hash_of_maps, {&kMapHash, kAllBatch, false, true}},
    {MapType::queue, {&kQueue}},
    {MapType::stack, {&kQueue}},
    {MapType::bloom_filter, {&kFilter}},
    {MapType::sockmap, {&kSockets}},
    {MapType::sockhash, {&kSockets}},
    {MapType::reuseport_sockarray, {&kReusePort}},
    {MapType::sk_storage, {&kSocketStorage}},
};

constexpr std::size_t kTypeNumbers = 64;

constexpr std::array<ElementRow, kTypeNumbers> by_number() {
  std::array<ElementRow, kTypeNumbers> rows{};
  rows.fill({&kPlain});
  for (const TypeRow& type : kTypes) rows[static_cast<std::size_t>(type.type)] = type.row;
  return rows;
}
constexpr auto kRows = by_number();

}  // namespace

const ElementRow& element_row(MapType type) {
  const auto number = static_cast<std::size_t>(type);
  return kRows[number < kTypeNumbers ? number : 0];
}

long check_element_flags(const MapObject& map, std::uint64_t flags, std::uint64_t allowed) {
  if ((flags & ~allowed) != 0) return -EINVAL;
  if ((flags & BPF_F_LOCK) == 0) return 0;
  const bool has_lock = std::ranges::any_of(
      map.spec().fields, [](const auto& f) { return f.kind == program::ValueField::Kind::spin_lock; });
  return has_lock ? 0 : -EINVAL;
}

}  // namespace forager::syscall
