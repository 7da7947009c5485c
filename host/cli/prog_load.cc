// SPDX-License-Identifier: Apache-2.0
//
// forager prog load, loadall: an object is verified and kept, its programs and maps pinned.
//
// Where bpftool's `load` lets go of all programs but the first, the whole object is kept here: its ELF is what later
// commands load again.
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/pins.h"
#include "cli/prog_verbs.h"
#include "cli/select.h"
#include "cli/unload.h"
#include "isa/tables.h"

namespace forager::cli {
namespace {

// A map of another object in place of one of this.
struct Given {
  std::string name;         // of the object's map, or ...
  std::uint64_t index = 0;  // ... its place, if the name is empty
  MapHandle map;
};

struct Asked {
  std::string file, path, pinmaps;
  api::OpenOptions options;
  std::vector<Given> given;
};

// bpftool says the ELF section's word ("classifier"), the tables the kernel's ("sched_cls").
Result<> read_type(Words& words, std::string& type) {
  auto word = words.next("the type");
  if (!word) return std::unexpected(word.error());
  for (const isa::ProgTypeRow& row : isa::prog_types()) {
    std::string_view section = row.section;
    if (section.ends_with('/')) section.remove_suffix(1);
    if (*word != row.name && (section.empty() || *word != section)) continue;
    type = row.name;
    return {};
  }
  constexpr std::pair<const char*, const char*> kWords[] = {{"classifier", "sched_cls"}, {"action", "sched_act"}};
  for (const auto& [bpftool, name] : kWords) {
    if (*word == bpftool) type = name;
  }
  if (!type.empty()) return {};
  return usage_error(fmt::format("'{}' is no program type", *word));
}

Result<> read_given(World& world, Words& words, std::vector<Given>& given) {
  Given out;
  if (words.take("idx")) {
    auto index = words.number("the map's index");
    if (!index) return std::unexpected(index.error());
    out.index = *index;
  } else if (words.take("name")) {
    auto name = words.next("the map's name");
    if (!name) return std::unexpected(name.error());
    out.name = *name;
  } else {
    return usage_error("'idx IDX' or 'name NAME' is missing after 'map'");
  }
  auto map = take_map(world, words);
  if (!map) return std::unexpected(map.error());
  out.map = *map;
  given.push_back(std::move(out));
  return {};
}

Result<std::string> read_path(Words& words) {
  auto text = words.next("the path to pin it at");
  if (!text) return std::unexpected(text.error());
  return pin_path(*text);
}

Result<> read_option(World& world, Words& words, Asked& asked) {
  if (words.take("type")) return read_type(words, asked.options.program_type);
  if (words.take("map")) return read_given(world, words, asked.given);
  if (words.take("dev"))
    return usage_error("'dev' names a device of the kernel; backends are chosen when a program runs");
  if (!words.take("pinmaps"))
    return usage_error(fmt::format("unexpected '{}'; type, map or pinmaps can stand here", words.peek()));
  auto path = read_path(words);
  if (!path) return std::unexpected(path.error());
  asked.pinmaps = *path;
  return {};
}

Result<Asked> read_words(World& world, Words& words) {
  Asked out;
  auto file = words.next("the object file");
  if (!file) return std::unexpected(file.error());
  out.file = *file;
  auto path = read_path(words);
  if (!path) return std::unexpected(path.error());
  out.path = *path;
  while (!words.empty()) {
    if (auto read = read_option(world, words, out); !read) return std::unexpected(read.error());
  }
  return out;
}

Result<bpf_map*> map_for(const api::ElfObject& elf, const Given& given) {
  if (!given.name.empty()) return elf.map(given.name);
  const auto maps = elf.maps();
  if (given.index < maps.size()) return maps[given.index];
  return fail(ErrorKind::input, EINVAL,
              fmt::format("{}: no map of index {}; there are {}", elf.path(), given.index, maps.size()));
}

using Shared = std::map<std::string, std::uint32_t>;

Result<Shared> share_maps(const api::ElfObject& elf, const std::vector<Given>& given) {
  Shared out;
  for (const Given& one : given) {
    auto map = map_for(elf, one);
    if (!map) return std::unexpected(map.error());
    if (auto shared = share_map(*map, one.map.fd); !shared) return std::unexpected(shared.error());
    out[::bpf_map__name(*map)] = one.map.id;
  }
  return out;
}

// Libbpf's rule for paths of maps: no '.'.
std::string file_name(std::string name) {
  std::ranges::replace(name, '.', '_');
  return name;
}

std::vector<Pin> pins_of(const Saved& saved, const Asked& asked, bool all) {
  std::vector<Pin> out;
  for (const SavedProgram& program : saved.programs) {
    if (all) {
      out.push_back({asked.path + "/" + program.name, PinKind::program, program.id});
    } else if (out.empty()) {
      out.push_back({asked.path, PinKind::program, program.id});
    }
  }
  for (const SavedMap& map : saved.maps) {
    if (!asked.pinmaps.empty()) out.push_back({asked.pinmaps + "/" + file_name(map.name), PinKind::map, map.id});
  }
  return out;
}

Result<> check_free_pins(const World& world, const api::ElfObject& elf, const Asked& asked, bool all) {
  Saved names;
  for (const bpf_program* program : elf.programs()) names.programs.push_back({0, ::bpf_program__name(program)});
  for (const bpf_map* map : elf.maps()) names.maps.push_back({0, ::bpf_map__name(map), {}, false, false});
  for (const Pin& pin : pins_of(names, asked, all)) {
    if (auto free = check_free(world.registry, pin.path); !free) return free;
  }
  return {};
}

Result<> load(const Cli& cli, Words words, bool all) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto asked = read_words(*world, words);
  if (!asked) return std::unexpected(asked.error());
  auto elf = api::ElfObject::open(asked->file, asked->options);
  if (!elf) return std::unexpected(elf.error());
  if (auto free = check_free_pins(*world, *elf, *asked, all); !free) return free;
  auto shared = share_maps(*elf, asked->given);
  if (!shared) return std::unexpected(shared.error());
  if (auto loaded = elf->load(); !loaded) return loaded;
  auto object = world->add(object_name(asked->path), asked->options.program_type,
                           std::make_unique<api::ElfObject>(std::move(*elf)), *shared);
  if (!object) return std::unexpected(object.error());
  for (Pin& pin : pins_of(world->objects()[*object], *asked, all)) {
    if (auto added = add_pin(world->registry, std::move(pin)); !added) return added;
  }
  if (auto written = world->state().set_registry(world->registry); !written) return written;
  cli.print_nothing();
  return {};
}

}  // namespace

Result<> prog_load(const Cli& cli, Words words) { return load(cli, std::move(words), false); }
Result<> prog_loadall(const Cli& cli, Words words) { return load(cli, std::move(words), true); }

Result<> prog_pin(const Cli& cli, Words words) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto program = take_program(*world, words);
  if (!program) return std::unexpected(program.error());
  return pin_and_save(cli, *world, PinKind::program, program->id, words);
}

}  // namespace forager::cli
