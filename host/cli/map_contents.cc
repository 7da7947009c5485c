// SPDX-License-Identifier: Apache-2.0
#include "cli/map_contents.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "isa/tables.h"
#include "syscall/process.h"

namespace forager::cli {
namespace {

using isa::MapType;

std::unexpected<Diagnostic> failed(const MapHandle& map, const char* what, int error) {
  return fail(ErrorKind::system, error, fmt::format("map {}: {}: {}", map.name, what, std::strerror(error)));
}

// From the next to be taken to the last. The map is filled again at once: reading changes nothing.
Result<std::vector<Entry>> drain(const MapHandle& map) {
  std::vector<Entry> out;
  std::string value(map.value_size, '\0');
  while (::bpf_map_lookup_and_delete_elem(map.fd, nullptr, value.data()) == 0) out.push_back({{}, value});
  if (errno != ENOENT) return failed(map, "pop", errno);
  return out;
}

// A stack gives the last value first.
Result<> push_all(const MapHandle& map, std::vector<Entry> entries) {
  if (map.type == static_cast<std::uint32_t>(MapType::stack)) std::ranges::reverse(entries);
  for (const Entry& entry : entries) {
    if (entry.value.size() != map.value_size) return failed(map, "a kept value has the wrong size", EINVAL);
    const int status = ::bpf_map_update_elem(map.fd, nullptr, entry.value.data(), BPF_ANY);
    if (status != 0) return failed(map, "push", -status);
  }
  return {};
}

Result<std::vector<Entry>> read_values(const MapHandle& map) {
  auto values = drain(map);
  if (!values) return values;
  if (auto back = push_all(map, *values); !back) return std::unexpected(back.error());
  return values;
}

Result<> write_records(const MapHandle& map, const std::vector<Entry>& entries) {
  const auto object = syscall::process().runtime.maps().find(map.runtime_id);
  exec::RingProducer* ring = object ? object->map->abilities().ring : nullptr;
  if (ring == nullptr) return failed(map, "no ring buffer", EINVAL);
  for (const Entry& entry : entries) {
    const int status = ring->output(entry.value.data(), entry.value.size(), BPF_RB_NO_WAKEUP);
    if (status != 0) return failed(map, "a kept record", -status);
  }
  return {};
}

Result<std::vector<Entry>> read_records(const MapHandle& map) {
  auto records = take_records(map);
  if (!records) return std::unexpected(records.error());
  std::vector<Entry> out;
  for (std::string& record : *records) out.push_back({{}, std::move(record)});
  if (auto back = write_records(map, out); !back) return std::unexpected(back.error());
  return out;
}

Result<std::vector<Entry>> read_kept_entries(const MapHandle& map, const Ids& ids) {
  auto entries = read_entries(map);
  const auto reference = reference_in(map);
  if (!entries || !reference) return entries;
  std::vector<Entry> out;
  for (Entry& entry : *entries) {
    const std::uint32_t named = named_in(*reference, entry.value);
    const std::uint32_t kept = named == 0 ? 0 : ids.kept(reference->what, named);
    // What the name stands for goes with this process, and so the entry does.
    if (kept == 0 && (named != 0 || !reference->optional)) continue;
    set_named(*reference, entry.value, kept);
    out.push_back(std::move(entry));
  }
  return out;
}

// libbpf may have filled the map from the ELF: entries that are not among the kept ones were deleted since.
Result<> erase_others(const MapHandle& map, const std::vector<Entry>& entries) {
  constexpr MapType kFixed[] = {MapType::array, MapType::percpu_array};
  if (std::ranges::any_of(kFixed, [&](MapType type) { return static_cast<std::uint32_t>(type) == map.type; }))
    return {};
  auto present = read_entries(map);
  if (!present) return std::unexpected(present.error());
  for (const Entry& entry : *present) {
    if (std::ranges::find(entries, entry.key, &Entry::key) != entries.end()) continue;
    if (const int status = ::bpf_map_delete_elem(map.fd, entry.key.data()); status != 0)
      return failed(map, "delete", -status);
  }
  return {};
}

Result<> write_kept_entries(const MapHandle& map, const std::vector<Entry>& entries, const Ids& ids) {
  const auto reference = reference_in(map);
  if (auto erased = erase_others(map, entries); !erased) return erased;
  for (Entry entry : entries) {
    if (entry.value.size() != map.host_value_bytes()) return failed(map, "a kept value has the wrong size", EINVAL);
    if (const std::uint32_t named = reference ? named_in(*reference, entry.value) : 0; named != 0) {
      const auto fd = ids.descriptor(reference->what, named);
      if (!fd && fd.error().error == ENOENT) continue;  // unloaded since
      if (!fd) return std::unexpected(fd.error());
      set_named(*reference, entry.value, static_cast<std::uint32_t>(*fd));
    }
    if (auto written = write_entry(map, entry); !written) return written;
  }
  return {};
}

struct FreeRing {
  void operator()(ring_buffer* ring) const { ::ring_buffer__free(ring); }
};

}  // namespace

std::optional<Reference> reference_in(const MapHandle& map) {
  constexpr std::size_t kProgramBehind = 4;  // struct bpf_devmap_val, bpf_cpumap_val: a number, then the program
  switch (static_cast<MapType>(map.type)) {
    case MapType::prog_array:
      return Reference{Referent::program, 0, false};
    case MapType::array_of_maps:
    case MapType::hash_of_maps:
      return Reference{Referent::map, 0, false};
    case MapType::devmap:
    case MapType::devmap_hash:
    case MapType::cpumap:
      if (map.value_size > kProgramBehind) return Reference{Referent::program, kProgramBehind, true};
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::uint32_t named_in(const Reference& reference, const std::string& value) {
  std::uint32_t out = 0;
  if (value.size() >= reference.offset + sizeof out) std::memcpy(&out, value.data() + reference.offset, sizeof out);
  return out;
}

void set_named(const Reference& reference, std::string& value, std::uint32_t number) {
  if (value.size() >= reference.offset + sizeof number)
    std::memcpy(value.data() + reference.offset, &number, sizeof number);
}

Contents contents_of(std::uint32_t map_type) {
  switch (static_cast<MapType>(map_type)) {
    case MapType::array:
    case MapType::hash:
    case MapType::percpu_array:
    case MapType::percpu_hash:
    case MapType::lru_hash:
    case MapType::lru_percpu_hash:
    case MapType::lpm_trie:
    case MapType::prog_array:
    case MapType::array_of_maps:
    case MapType::hash_of_maps:
    case MapType::devmap:
    case MapType::devmap_hash:
    case MapType::cpumap:
      return Contents::entries;
    case MapType::queue:
    case MapType::stack:
      return Contents::values;
    case MapType::ringbuf:
      return Contents::records;
    default:
      return Contents::none;
  }
}

Result<std::vector<std::string>> take_records(const MapHandle& map) {
  std::vector<std::string> out;
  const auto take = [](void* list, void* data, std::size_t size) {
    static_cast<std::vector<std::string>*>(list)->emplace_back(static_cast<const char*>(data), size);
    return 0;
  };
  const std::unique_ptr<ring_buffer, FreeRing> ring(::ring_buffer__new(map.fd, take, &out, nullptr));
  if (!ring) return failed(map, "no reader", errno);
  if (const int status = ::ring_buffer__consume(ring.get()); status < 0) return failed(map, "read", -status);
  return out;
}

Result<std::vector<Entry>> read_contents(const MapHandle& map, const Ids& ids) {
  switch (contents_of(map.type)) {
    case Contents::entries:
      return read_kept_entries(map, ids);
    case Contents::values:
      return read_values(map);
    case Contents::records:
      return read_records(map);
    case Contents::none:
      break;
  }
  return std::vector<Entry>{};
}

Result<> write_contents(const MapHandle& map, const std::vector<Entry>& entries, const Ids& ids) {
  switch (contents_of(map.type)) {
    case Contents::entries:
      return write_kept_entries(map, entries, ids);
    case Contents::values:
      return push_all(map, entries);
    case Contents::records:
      return write_records(map, entries);
    case Contents::none:
      break;
  }
  return {};
}

}  // namespace forager::cli
