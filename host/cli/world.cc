// SPDX-License-Identifier: Apache-2.0
#include "cli/world.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "cli/map_new.h"

namespace forager::cli {

namespace {

std::uint32_t runtime_id(int fd) {
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  return ::bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.id : 0;
}

std::unexpected<Diagnostic> changed(const Saved& saved) {
  return fail(ErrorKind::input, EINVAL,
              fmt::format("object '{}': its ELF is not the one that was loaded; `forager prog unload {}` forgets it",
                          saved.name, saved.name));
}

}  // namespace

Result<World> World::open(const std::string& state_directory) {
  auto state = State::open(state_directory);
  if (!state) return std::unexpected(state.error());
  auto objects = state->list();
  if (!objects) return std::unexpected(objects.error());
  auto rows = state->registry();
  if (!rows) return std::unexpected(rows.error());
  return World(std::move(*state), std::move(*objects), std::move(*rows));
}

World::World(State state, std::vector<Saved> objects, Registry rows)
    : registry(std::move(rows)), state_(std::move(state)), objects_(std::move(objects)), loaded_(objects_.size()) {}

World::Loaded::~Loaded() {
  if (lone >= 0) ::close(lone);
}

std::vector<Place> World::programs() const {
  std::vector<Place> out;
  for (std::size_t i = 0; i < objects_.size(); ++i) {
    for (std::size_t j = 0; j < objects_[i].programs.size(); ++j) out.push_back({i, j});
  }
  return out;
}

std::vector<Place> World::maps() const {
  std::vector<Place> out;
  for (std::size_t i = 0; i < objects_.size(); ++i) {
    for (std::size_t j = 0; j < objects_[i].maps.size(); ++j) {
      if (!objects_[i].maps[j].shared) out.push_back({i, j});
    }
  }
  return out;
}

Result<> World::open_elf(Loaded& loaded, const Saved& saved) {
  auto elf = api::ElfObject::open(state_.elf(saved), {.program_type = saved.type});
  if (!elf) return std::unexpected(elf.error());
  const std::vector<bpf_map*> maps = elf->maps();
  for (std::size_t i = 0; i < std::min(maps.size(), saved.maps.size()); ++i) {
    if (!saved.maps[i].shared) continue;
    auto fd = descriptor(Referent::map, saved.maps[i].id);
    if (!fd) return std::unexpected(fd.error());
    if (auto shared = share_map(maps[i], *fd); !shared) return shared;
  }
  if (auto done = elf->load(); !done) return done;
  loaded.elf = std::make_unique<api::ElfObject>(std::move(*elf));
  return {};
}

Result<> World::make_lone(Loaded& loaded, const Saved& saved) {
  auto fd = create_map(saved.maps.front().name, *saved.lone);
  if (!fd) return std::unexpected(fd.error());
  loaded.lone = *fd;
  return {};
}

// Handles of all programs and maps, with the ids that people know them by.
Result<> World::describe(Loaded& loaded, const Saved& saved) {
  const std::vector<bpf_program*> programs = loaded.elf ? loaded.elf->programs() : std::vector<bpf_program*>{};
  const std::vector<bpf_map*> maps = loaded.elf ? loaded.elf->maps() : std::vector<bpf_map*>{};
  const btf* types = loaded.elf ? loaded.elf->types() : nullptr;
  if (programs.size() != saved.programs.size() || maps.size() + (loaded.lone >= 0 ? 1 : 0) != saved.maps.size())
    return changed(saved);
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const int fd = ::bpf_program__fd(programs[i]);
    loaded.programs.push_back({saved.programs[i].id, saved.programs[i].name, fd, programs[i], types, {}});
    loaded.program_ids.push_back(runtime_id(fd));
  }
  for (std::size_t i = 0; i < saved.maps.size(); ++i) {
    auto handle = loaded.lone >= 0 ? handle_of(loaded.lone, saved.maps[i].name) : handle_of(maps[i], types);
    if (!handle) return std::unexpected(handle.error());
    handle->id = saved.maps[i].id;
    handle->name = saved.maps[i].name;
    loaded.constant.push_back(saved.maps[i].shared || handle->frozen());
    loaded.maps.push_back(std::move(*handle));
  }
  return {};
}

Result<> World::restore(Loaded& loaded, const Saved& saved) {
  for (std::size_t i = 0; i < saved.maps.size(); ++i) {
    if (loaded.constant[i]) continue;
    if (auto written = write_contents(loaded.maps[i], saved.maps[i].entries, ids()); !written) return written;
    if (!saved.maps[i].frozen) continue;
    if (const int status = ::bpf_map_freeze(loaded.maps[i].fd); status != 0)
      return fail(ErrorKind::system, -status,
                  fmt::format("map {}: freeze: {}", saved.maps[i].name, std::strerror(-status)));
  }
  return {};
}

// `prog attach`: of the object's programs and to its maps.
Result<> World::reattach(const Saved& saved) {
  for (const SavedLink& row : registry.links) {
    const bool ours = std::ranges::find(saved.programs, row.program, &SavedProgram::id) != saved.programs.end() ||
                      std::ranges::find(saved.maps, row.target, &SavedMap::id) != saved.maps.end();
    if (row.id != 0 || !ours) continue;
    auto program = descriptor(Referent::program, row.program);
    if (!program) return std::unexpected(program.error());
    auto map = row.target == 0 ? Result<int>(0) : descriptor(Referent::map, row.target);
    if (!map) return std::unexpected(map.error());
    const int status = ::bpf_prog_attach(*program, *map, static_cast<bpf_attach_type>(row.attach_type), 0);
    if (status != 0)
      return fail(ErrorKind::system, -status,
                  fmt::format("program {}: attach again: {}", row.program, std::strerror(-status)));
  }
  return {};
}

// What is loaded is known before its maps are filled: they may name its own programs, or each other's.
Result<World::Loaded*> World::load(std::size_t object) {
  if (loaded_[object]) return loaded_[object].get();
  const Saved saved = objects_[object];
  auto loaded = std::make_unique<Loaded>();
  if (auto made = saved.lone ? make_lone(*loaded, saved) : open_elf(*loaded, saved); !made)
    return std::unexpected(made.error());
  if (auto described = describe(*loaded, saved); !described) return std::unexpected(described.error());
  Loaded* out = loaded.get();
  loaded_[object] = std::move(loaded);
  if (auto restored = restore(*out, saved); !restored) return std::unexpected(restored.error());
  if (auto attached = reattach(saved); !attached) return std::unexpected(attached.error());
  return out;
}

Result<ProgramHandle> World::program(Place place) {
  auto loaded = load(place.object);
  if (!loaded) return std::unexpected(loaded.error());
  ProgramHandle out = (*loaded)->programs[place.index];
  out.place = place;
  return out;
}

Result<MapHandle> World::map(Place place) {
  auto loaded = load(place.object);
  if (!loaded) return std::unexpected(loaded.error());
  return (*loaded)->maps[place.index];
}

Result<const btf*> World::types(std::size_t object) {
  auto loaded = load(object);
  if (!loaded) return std::unexpected(loaded.error());
  return (*loaded)->elf ? (*loaded)->elf->types() : nullptr;
}

Result<Place> World::program_place(std::uint32_t id) const {
  for (const Place place : programs()) {
    if (object_of(place).programs[place.index].id == id) return place;
  }
  return fail(ErrorKind::input, ENOENT, fmt::format("no program of id {} is loaded", id));
}

Result<Place> World::map_place(std::uint32_t id) const {
  for (const Place place : maps()) {
    if (object_of(place).maps[place.index].id == id) return place;
  }
  return fail(ErrorKind::input, ENOENT, fmt::format("no map of id {} is loaded", id));
}

Result<int> World::descriptor(Referent what, std::uint32_t id) {
  auto place = what == Referent::program ? program_place(id) : map_place(id);
  if (!place) return std::unexpected(place.error());
  auto loaded = load(place->object);
  if (!loaded) return std::unexpected(loaded.error());
  return what == Referent::program ? (*loaded)->programs[place->index].fd : (*loaded)->maps[place->index].fd;
}

std::uint32_t World::kept_id(Referent what, std::uint32_t runtime_id) const {
  for (const auto& loaded : loaded_) {
    if (!loaded) continue;
    for (std::size_t i = 0; what == Referent::program && i < loaded->programs.size(); ++i) {
      if (loaded->program_ids[i] == runtime_id) return loaded->programs[i].id;
    }
    for (std::size_t i = 0; what == Referent::map && i < loaded->maps.size(); ++i) {
      if (loaded->maps[i].runtime_id == runtime_id) return loaded->maps[i].id;
    }
  }
  return 0;
}

Ids World::ids() {
  return {.kept = [this](Referent what, std::uint32_t id) { return kept_id(what, id); },
          .descriptor = [this](Referent what, std::uint32_t id) { return descriptor(what, id); }};
}

}  // namespace forager::cli
