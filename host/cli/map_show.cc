// SPDX-License-Identifier: Apache-2.0
//
// forager map show: bpftool's members and lines. bytes_memlock is what the map really holds, not the kernel's estimate.
#include <fmt/format.h>

#include "cli/map_verbs.h"
#include "cli/pins.h"
#include "cli/show_rows.h"
#include "isa/tables.h"
#include "syscall/process.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kKernelName = 15;

// The type of programs that a PROG_ARRAY takes, which its first program decided.
const isa::ProgTypeRow* owner_of(const MapHandle& map) {
  if (map.type != static_cast<std::uint32_t>(isa::MapType::prog_array)) return nullptr;
  const auto object = syscall::process().runtime.maps().find(map.runtime_id);
  for (std::uint32_t i = 0; object && i < map.max_entries; ++i) {
    if (const auto program = object->program_at(i))
      return isa::find_prog_type(static_cast<std::uint32_t>(program->type()));
  }
  return nullptr;
}

Result<Json> map_json(const Cli& cli, World& world, Place place) {
  auto loaded = world.map(place);
  if (!loaded) return std::unexpected(loaded.error());
  const MapHandle& map = *loaded;
  const isa::MapRow* row = isa::find_map(map.type);
  Json out = {{"id", map.id},
              {"type", row != nullptr ? Json(row->name) : Json(map.type)},
              {"name", map.name.substr(0, kKernelName)},
              {"flags", map.flags},
              {"bytes_key", map.key_size},
              {"bytes_value", map.value_size},
              {"max_entries", map.max_entries},
              {"bytes_memlock", map.memory_bytes()}};
  if (const isa::ProgTypeRow* owner = owner_of(map)) {
    out["owner_prog_type"] = owner->name;
    out["owner_jited"] = false;
  }
  out["frozen"] = map.frozen() ? 1 : 0;
  if (const std::uint32_t btf = world.object_of(place).btf_id; btf != 0 && map.value_type != 0) out["btf_id"] = btf;
  const auto paths = paths_of(world.registry, PinKind::map, map.id);
  if (cli.pinned && !paths.empty()) out["pinned"] = paths;
  return out;
}

std::string map_text(const Json& map) {
  const Json& type = map["type"];
  std::string out = fmt::format("{}: {}  ", map["id"].get<std::uint32_t>(),
                                type.is_string() ? type.get<std::string>() : "type " + type.dump());
  if (!map["name"].get<std::string>().empty()) out += fmt::format("name {}  ", map["name"].get<std::string>());
  out +=
      fmt::format("flags {:#x}\n\tkey {}B  value {}B  max_entries {}  memlock {}B", map["flags"].get<std::uint32_t>(),
                  map["bytes_key"].get<std::uint32_t>(), map["bytes_value"].get<std::uint32_t>(),
                  map["max_entries"].get<std::uint32_t>(), map["bytes_memlock"].get<std::uint64_t>());
  if (map.contains("owner_prog_type"))
    out += fmt::format("\n\towner_prog_type {}  owner not jited", map["owner_prog_type"].get<std::string>());
  for (std::size_t i = 0; map.contains("pinned") && i < map["pinned"].size(); ++i)
    out += fmt::format("\n\tpinned {}", map["pinned"][i].get<std::string>());
  std::string last;
  if (map.contains("btf_id")) last = fmt::format("btf_id {}", map["btf_id"].get<std::uint32_t>());
  if (map["frozen"].get<int>() != 0) last += last.empty() ? "frozen" : "  frozen";
  return out + (last.empty() ? "" : "\n\t" + last) + "\n";
}

constexpr ShownKind kShown = {
    .all = [](const World& world) { return world.maps(); },
    .read = read_map_selector,
    .find = [](World& world, const Selector& selector) { return find_maps(world, selector); },
    .row = map_json,
    .text = map_text,
};

}  // namespace

Result<> map_show(const Cli& cli, Words words) { return show_rows(cli, words, kShown); }

}  // namespace forager::cli
