// SPDX-License-Identifier: Apache-2.0
//
// World: what it leaves for later commands.
#include <bpf/libbpf.h>

#include <utility>

#include "cli/world.h"

namespace forager::cli {

Result<> World::snapshot(Loaded& loaded, Saved& saved) {
  for (std::size_t i = 0; i < saved.maps.size(); ++i) {
    if (loaded.constant[i]) continue;
    auto contents = read_contents(loaded.maps[i], ids());
    if (!contents) return std::unexpected(contents.error());
    saved.maps[i].entries = std::move(*contents);
    saved.maps[i].frozen = loaded.maps[i].frozen();
  }
  return state_.update(saved);
}

Result<> World::save() {
  for (std::size_t i = 0; i < objects_.size(); ++i) {
    if (!loaded_[i]) continue;
    if (auto taken = snapshot(*loaded_[i], objects_[i]); !taken) return taken;
  }
  return state_.set_registry(registry);
}

Result<std::size_t> World::keep(Saved saved, const std::string& elf, std::unique_ptr<Loaded> loaded) {
  if (auto added = state_.add(saved, elf); !added) return std::unexpected(added.error());
  auto rows = state_.registry();  // with the ids that were given
  if (!rows) return std::unexpected(rows.error());
  registry = std::move(*rows);
  if (auto described = describe(*loaded, saved); !described) return std::unexpected(described.error());
  objects_.push_back(std::move(saved));
  loaded_.push_back(std::move(loaded));
  if (auto saved_all = save(); !saved_all) return std::unexpected(saved_all.error());
  return objects_.size() - 1;
}

Result<std::size_t> World::add(const std::string& name, const std::string& type, std::unique_ptr<api::ElfObject> elf,
                               const std::map<std::string, std::uint32_t>& shared) {
  Saved saved;
  saved.name = name;
  saved.type = type;
  saved.btf_id = elf->types() != nullptr ? 1 : 0;  // whether there is one: State gives the number
  for (const bpf_program* program : elf->programs()) saved.programs.push_back({0, ::bpf_program__name(program)});
  for (const bpf_map* map : elf->maps()) {
    const std::string map_name = ::bpf_map__name(map);
    const auto given = shared.find(map_name);
    const bool is_shared = given != shared.end();
    saved.maps.push_back({is_shared ? given->second : 0, map_name, {}, false, is_shared});
  }
  const std::string path = elf->path();
  auto loaded = std::make_unique<Loaded>();
  loaded->elf = std::move(elf);
  return keep(std::move(saved), path, std::move(loaded));
}

Result<std::size_t> World::add(const std::string& name, const std::string& map_name, const LoneMap& map, int fd) {
  Saved saved;
  saved.name = name;
  saved.maps.push_back({0, map_name, {}, false, false});
  saved.lone = map;
  auto loaded = std::make_unique<Loaded>();
  loaded->lone = fd;
  return keep(std::move(saved), {}, std::move(loaded));
}

}  // namespace forager::cli
