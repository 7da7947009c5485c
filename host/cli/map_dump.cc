// SPDX-License-Identifier: Apache-2.0
//
// forager map dump: every entry. Where several maps have the name, each comes with its head, as bpftool has it.
#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "cli/btf_value.h"
#include "cli/map_verbs.h"
#include "cli/map_words.h"
#include "cli/select.h"
#include "isa/tables.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

// An entry, or why its value cannot be read (perf event arrays: there is none).
struct Row {
  Entry entry;
  int error = 0;
};

Result<std::vector<Row>> read_rows(const World& world, const MapHandle& map) {
  std::vector<Row> out;
  if (map.key_size == 0) return out;
  std::string key, next(map.key_size, '\0');
  while (::bpf_map_get_next_key(map.fd, key.empty() ? nullptr : key.data(), next.data()) == 0) {
    key = next;
    std::string value(map.host_value_bytes(), '\0');
    const int status = ::bpf_map_lookup_elem(map.fd, key.data(), value.data());
    if (status == -ENOENT) continue;  // an empty slot, or gone meanwhile
    out.push_back({status == 0 ? as_shown(world, map, {key, std::move(value)}) : Entry{key, {}}, -status});
  }
  if (errno == ENOENT) return out;
  return fail(ErrorKind::system, errno, fmt::format("map {}: can't get next key: {}", map.name, std::strerror(errno)));
}

Json row_json(const MapHandle& map, const Row& row) {
  if (row.error == 0) return entry_json(map, row.entry);
  const std::span bytes(reinterpret_cast<const std::byte*>(row.entry.key.data()), row.entry.key.size());
  return {{"key", raw_bytes(bytes)}, {"value", {{"error", std::strerror(row.error)}}}};
}

Json rows_json(const MapHandle& map, const std::vector<Row>& rows) {
  Json out = Json::array();
  for (const Row& row : rows) out.push_back(row_json(map, row));
  return out;
}

// What bpftool prints of a typed map without -j: the formatted members alone.
Json typed_rows(const MapHandle& map, const std::vector<Row>& rows) {
  Json out = Json::array();
  for (const Row& row : rows) out.push_back(row.error == 0 ? entry_json(map, row.entry)["formatted"] : Json(nullptr));
  return out;
}

std::string plain_rows(const MapHandle& map, const std::vector<Row>& rows) {
  std::string out;
  for (const Row& row : rows) {
    out += row.error == 0 ? entry_text(map, row.entry)
                          : fmt::format("key: {}  value:\n{}\n", hex_lines(row.entry.key), std::strerror(row.error));
  }
  return out + fmt::format("Found {} element{}\n", rows.size(), rows.size() == 1 ? "" : "s");
}

Json headed(const MapHandle& map, Json elements) {
  const isa::MapRow* row = isa::find_map(map.type);
  return {{"id", map.id},
          {"type", row != nullptr ? row->name : "unknown"},
          {"name", map.name},
          {"flags", map.flags},
          {"elements", std::move(elements)}};
}

struct Dumped {
  MapHandle map;
  std::vector<Row> rows;
};

Result<std::vector<Dumped>> read_all(World& world, const std::vector<Place>& places) {
  std::vector<Dumped> out;
  for (const Place place : places) {
    auto map = world.map(place);
    if (!map) return std::unexpected(map.error());
    auto rows = read_rows(world, *map);
    if (!rows) return std::unexpected(rows.error());
    out.push_back({std::move(*map), std::move(*rows)});
  }
  return out;
}

Json document_of(const std::vector<Dumped>& maps) {
  if (maps.size() == 1) return rows_json(maps.front().map, maps.front().rows);
  Json out = Json::array();
  for (const Dumped& one : maps) out.push_back(headed(one.map, rows_json(one.map, one.rows)));
  return out;
}

std::string text_of(const std::vector<Dumped>& maps) {
  std::string out;
  for (const Dumped& one : maps) {
    if (maps.size() > 1) out += fmt::format("{}: {}\n", one.map.id, one.map.name);
    out += is_typed(one.map) ? typed_rows(one.map, one.rows).dump(4, ' ', false, Json::error_handler_t::replace) + "\n"
                             : plain_rows(one.map, one.rows);
  }
  return out;
}

}  // namespace

Result<> map_dump(const Cli& cli, Words words) {
  auto selector = read_map_selector(words);
  if (!selector) return std::unexpected(selector.error());
  if (auto end = words.end(); !end) return end;
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto places = find_maps(*world, *selector);
  if (!places) return std::unexpected(places.error());
  auto maps = read_all(*world, *places);
  if (!maps) return std::unexpected(maps.error());
  if (cli.wants_json()) {
    cli.print(document_of(*maps));
  } else {
    cli.print(text_of(*maps));
  }
  return {};
}

}  // namespace forager::cli
