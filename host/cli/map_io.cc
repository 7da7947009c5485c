// SPDX-License-Identifier: Apache-2.0
#include "cli/map_io.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cli/btf_value.h"
#include "isa/tables.h"
#include "syscall/process.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;
using isa::MapType;

std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::unexpected<Diagnostic> failed(const MapHandle& map, const char* what, int error) {
  return fail(ErrorKind::system, error, fmt::format("map {}: {}: {}", map.name, what, std::strerror(error)));
}

bool all_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

bool is_array(const MapHandle& map) {
  return map.type == static_cast<std::uint32_t>(MapType::array) ||
         map.type == static_cast<std::uint32_t>(MapType::percpu_array);
}

std::size_t slot_bytes(const MapHandle& map) { return (map.value_size + 7U) & ~7U; }

// The value of each CPU; one element for maps that are not per CPU.
std::vector<std::string_view> slots_of(const MapHandle& map, std::string_view value) {
  if (!map.per_cpu()) return {value};
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at + slot_bytes(map) <= value.size(); at += slot_bytes(map)) {
    out.push_back(value.substr(at, map.value_size));
  }
  return out;
}

Json formatted_value(const MapHandle& map, std::string_view value) {
  return btf_to_json(map.types, map.value_type, bytes_of(value));
}

std::string value_text(const MapHandle& map, std::string_view value) {
  return map.value_type != 0 ? btf_to_text(map.types, map.value_type, bytes_of(value)) : hex_text(bytes_of(value));
}

// The one entry of a global data section needs no key.
std::string key_text(const MapHandle& map, std::string_view key) {
  if (map.global_data) return {};
  const bool typed = map.types != nullptr && map.key_type != 0;
  return typed ? btf_to_text(map.types, map.key_type, bytes_of(key)) : hex_text(bytes_of(key));
}

Json per_cpu_list(const std::vector<std::string_view>& slots, auto render) {
  Json out = Json::array();
  for (std::size_t cpu = 0; cpu < slots.size(); ++cpu) {
    out.push_back({{"cpu", cpu}, {"value", render(slots[cpu])}});
  }
  return out;
}

// "{packets: 3} (cpu 0)": CPUs whose value is zero say nothing.
std::string per_cpu_text(const MapHandle& map, const std::vector<std::string_view>& slots) {
  std::string out;
  for (std::size_t cpu = 0; cpu < slots.size(); ++cpu) {
    if (all_zero(slots[cpu])) continue;
    out += fmt::format("{}cpu {}: {}", out.empty() ? "" : "; ", cpu, value_text(map, slots[cpu]));
  }
  return out.empty() ? "0 on every cpu" : out;
}

}  // namespace

std::string name_of(const bpf_map* map) {
  std::string name = ::bpf_map__name(map);
  // The kernel's name of a section is "<object>.rodata", cut to fit; people and setup files say ".rodata".
  if (::bpf_map__is_internal(map)) name.erase(0, std::min(name.find('.'), name.size()));
  return name;
}

bool MapHandle::per_cpu() const {
  const isa::MapRow* row = isa::find_map(type);
  return row != nullptr && row->per_cpu;
}

bool MapHandle::holds_values() const {
  constexpr MapType kNot[] = {MapType::ringbuf, MapType::perf_event_array, MapType::user_ringbuf};
  return std::none_of(std::begin(kNot), std::end(kNot),
                      [&](MapType t) { return static_cast<std::uint32_t>(t) == type; });
}

std::size_t MapHandle::host_value_bytes() const {
  return per_cpu() ? slot_bytes(*this) * static_cast<std::size_t>(::libbpf_num_possible_cpus()) : value_size;
}

bool MapHandle::frozen() const {
  const auto object = syscall::process().runtime.maps().find(runtime_id);
  return object && object->frozen();
}

std::uint64_t MapHandle::memory_bytes() const {
  const auto object = syscall::process().runtime.maps().find(runtime_id);
  return object ? object->map->usage().bytes : 0;
}

Result<MapHandle> handle_of(int fd, const std::string& name) {
  bpf_map_info info{};
  std::uint32_t size = sizeof info;
  MapHandle out;
  out.name = name;
  out.fd = fd;
  if (const int status = ::bpf_obj_get_info_by_fd(fd, &info, &size); status != 0) return failed(out, "info", -status);
  out.id = out.runtime_id = info.id;
  out.type = info.type;
  out.key_size = info.key_size;
  out.value_size = info.value_size;
  out.max_entries = info.max_entries;
  out.flags = info.map_flags;
  return out;
}

Result<> share_map(bpf_map* map, int fd) {
  if (const int status = ::bpf_map__reuse_fd(map, fd); status != 0)
    return fail(ErrorKind::input, -status,
                fmt::format("map {}: the given map does not fit: {}", name_of(map), std::strerror(-status)));
  return {};
}

Result<MapHandle> handle_of(bpf_map* map, const btf* types) {
  auto out = handle_of(::bpf_map__fd(map), name_of(map));
  if (!out) return out;
  out->global_data = ::bpf_map__is_internal(map);
  out->types = types;
  if (types != nullptr) {
    out->key_type = ::bpf_map__btf_key_type_id(map);
    out->value_type = ::bpf_map__btf_value_type_id(map);
  }
  return out;
}

Result<std::vector<Entry>> read_entries(const MapHandle& map) {
  std::vector<Entry> out;
  std::string key(map.key_size, '\0'), next(map.key_size, '\0');
  const void* previous = nullptr;
  while (::bpf_map_get_next_key(map.fd, previous, next.data()) == 0) {
    key = next;
    previous = key.data();
    std::string value(map.host_value_bytes(), '\0');
    const int status = ::bpf_map_lookup_elem(map.fd, key.data(), value.data());
    if (status == -ENOENT) continue;  // gone meanwhile, or an empty slot of a program array
    if (status != 0) return failed(map, "lookup", -status);
    out.push_back({key, std::move(value)});
  }
  if (errno != ENOENT) return failed(map, "next key", errno);
  return out;
}

Result<> write_entry(const MapHandle& map, const Entry& entry, std::uint64_t flags) {
  const auto wrong = [&](const char* part, std::size_t want, std::size_t got) {
    auto error =
        fail(ErrorKind::input, EINVAL, fmt::format("map {}: {} of {} bytes, {} wanted", map.name, part, got, want));
    return error;
  };
  if (entry.key.size() != map.key_size) return wrong("key", map.key_size, entry.key.size());
  std::string value = entry.value;
  if (map.per_cpu() && value.size() == map.value_size) {
    value.resize(slot_bytes(map));
    const std::string slot = value;
    while (value.size() < map.host_value_bytes()) value += slot;
  }
  if (value.size() != map.host_value_bytes()) return wrong("value", map.value_size, entry.value.size());
  const int status = ::bpf_map_update_elem(map.fd, entry.key.data(), value.data(), flags);
  if (status != 0) return failed(map, "update", -status);
  return {};
}

MapEntryView view_of(const MapHandle& map, const Entry& entry) {
  MapEntryView out;
  const auto slots = slots_of(map, entry.value);
  const bool typed = map.types != nullptr && map.value_type != 0;
  const auto raw = [](std::string_view bytes) { return raw_bytes(bytes_of(bytes)); };
  const auto format = [&](std::string_view bytes) { return formatted_value(map, bytes); };
  out.raw["key"] = raw(entry.key);
  if (map.per_cpu()) {
    out.raw["values"] = per_cpu_list(slots, raw);
  } else {
    out.raw["value"] = raw(entry.value);
  }
  if (typed) {
    out.formatted["key"] = btf_to_json(map.types, map.key_type, bytes_of(entry.key));
    if (map.per_cpu()) {
      out.formatted["values"] = per_cpu_list(slots, format);
    } else {
      out.formatted["value"] = format(entry.value);
    }
  }
  out.key_text = key_text(map, entry.key);
  out.value_text = map.per_cpu() ? per_cpu_text(map, slots) : value_text(map, entry.value);
  return out;
}

Result<MapView> view_of(const MapHandle& map, bool skip_zero) {
  MapView out;
  const isa::MapRow* row = isa::find_map(map.type);
  out.name = map.name;
  out.type = row != nullptr ? row->name : "unknown";
  out.max_entries = map.max_entries;
  if (!map.holds_values()) return out;
  auto entries = read_entries(map);
  if (!entries) return std::unexpected(entries.error());
  for (const Entry& entry : *entries) {
    if (skip_zero && is_array(map) && all_zero(entry.value)) continue;
    out.entries.push_back(view_of(map, entry));
  }
  out.count = out.entries.size();
  return out;
}

}  // namespace forager::cli
