// SPDX-License-Identifier: Apache-2.0
//
// forager prog show: bpftool's members and lines. bytes_memlock is what the instructions take in whole pages, which is
// what Linux counts.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "cli/pins.h"
#include "cli/prog_info.h"
#include "cli/prog_verbs.h"
#include "cli/show_rows.h"
#include "isa/tables.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

std::uint64_t memory_of(const bpf_prog_info& info) {
  constexpr std::uint64_t kPage = 4096;
  return (info.xlated_prog_len + kPage - 1) / kPage * kPage;
}

Result<Json> program_json(const Cli& cli, World& world, Place place) {
  auto program = world.program(place);
  if (!program) return std::unexpected(program.error());
  auto info = info_of(*program);
  if (!info) return std::unexpected(info.error());
  auto maps = map_ids_of(world, *program);
  if (!maps) return std::unexpected(maps.error());
  const isa::ProgTypeRow* type = isa::find_prog_type(info->type);
  const Saved& saved = world.object_of(place);
  Json out = {{"id", program->id},
              {"type", type != nullptr ? Json(type->name) : Json(info->type)},
              {"name", program->name},
              {"tag", tag_text(*info)},
              {"gpl_compatible", info->gpl_compatible != 0},
              {"loaded_at", saved.loaded_at},
              {"uid", saved.uid},
              {"bytes_xlated", info->xlated_prog_len},
              {"jited", info->jited_prog_len != 0}};
  if (info->jited_prog_len != 0) out["bytes_jited"] = info->jited_prog_len;
  out["bytes_memlock"] = memory_of(*info);
  if (!maps->empty()) out["map_ids"] = *maps;
  if (saved.btf_id != 0) out["btf_id"] = saved.btf_id;
  const auto paths = paths_of(world.registry, PinKind::program, program->id);
  if (cli.pinned && !paths.empty()) out["pinned"] = paths;
  return out;
}

std::string joined(const Json& numbers) {
  std::string out;
  for (const Json& number : numbers) out += fmt::format("{}{}", out.empty() ? "" : ",", number.get<std::uint32_t>());
  return out;
}

std::string program_text(const Json& row) {
  const Json& type = row["type"];
  std::string out =
      fmt::format("{}: {}  name {}  tag {}{}", row["id"].get<std::uint32_t>(),
                  type.is_string() ? type.get<std::string>() : "type " + type.dump(), row["name"].get<std::string>(),
                  row["tag"].get<std::string>(), row["gpl_compatible"].get<bool>() ? "  gpl" : "");
  out += fmt::format("\n\tloaded_at {:%Y-%m-%dT%H:%M:%S}+0000  uid {}",
                     fmt::gmtime(row["loaded_at"].get<std::time_t>()), row["uid"].get<std::uint32_t>());
  out += fmt::format("\n\txlated {}B", row["bytes_xlated"].get<std::uint32_t>());
  out += row["jited"].get<bool>() ? fmt::format("  jited {}B", row["bytes_jited"].get<std::uint32_t>()) : "  not jited";
  out += fmt::format("  memlock {}B", row["bytes_memlock"].get<std::uint64_t>());
  if (row.contains("map_ids")) out += "  map_ids " + joined(row["map_ids"]);
  for (std::size_t i = 0; row.contains("pinned") && i < row["pinned"].size(); ++i)
    out += fmt::format("\n\tpinned {}", row["pinned"][i].get<std::string>());
  if (row.contains("btf_id")) out += fmt::format("\n\tbtf_id {}", row["btf_id"].get<std::uint32_t>());
  return out + "\n";
}

constexpr ShownKind kShown = {
    .all = [](const World& world) { return world.programs(); },
    .read = read_program_selector,
    .find = [](World& world, const Selector& selector) { return find_programs(world, selector); },
    .row = program_json,
    .text = program_text,
};

}  // namespace

Result<> prog_show(const Cli& cli, Words words) { return show_rows(cli, words, kShown); }

}  // namespace forager::cli
