// SPDX-License-Identifier: Apache-2.0
#include "cli/select.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <cerrno>
#include <utility>

#include "cli/pins.h"
#include "cli/prog_info.h"

namespace forager::cli {
namespace {

std::string asked(const Selector& selector) {
  switch (selector.by) {
    case By::id:
      return fmt::format("id {}", selector.id);
    case By::name:
      return fmt::format("name '{}'", selector.text);
    case By::tag:
      return fmt::format("tag {}", selector.text);
    case By::pinned:
      break;
  }
  return selector.text;
}

std::unexpected<Diagnostic> none(const char* noun, const Selector& selector) {
  return fail(ErrorKind::input, ENOENT, fmt::format("no {} of {} is loaded", noun, asked(selector)));
}

std::unexpected<Diagnostic> several(const char* noun, const Selector& selector, const std::string& ids) {
  return fail(ErrorKind::input, EINVAL, fmt::format("several {}s of {}; choose by id: {}", noun, asked(selector), ids));
}

bool is_called(const std::string& name, const std::string& text) {
  constexpr std::size_t kKept = BPF_OBJ_NAME_LEN - 1;
  if (name == text || name.substr(0, kKept) == text) return true;
  return text.starts_with('.') && name.size() > text.size() && name.ends_with(text);
}

Result<Selector> by_id(Words& words) {
  auto id = words.number("the id");
  if (!id) return std::unexpected(id.error());
  if (*id == 0 || *id > UINT32_MAX) return usage_error(fmt::format("{} is no id", *id));
  return Selector{By::id, static_cast<std::uint32_t>(*id), {}};
}

Result<Selector> by_text(Words& words, By by, const char* what) {
  auto text = words.next(what);
  if (!text) return std::unexpected(text.error());
  if (by != By::pinned) return Selector{by, 0, *text};
  auto path = pin_path(*text);
  if (!path) return std::unexpected(path.error());
  return Selector{by, 0, *path};
}

Result<bool> has_tag(World& world, Place place, const std::string& tag) {
  auto program = world.program(place);
  if (!program) return std::unexpected(program.error());
  auto info = info_of(*program);
  if (!info) return std::unexpected(info.error());
  return tag_text(*info) == tag;
}

Result<bool> program_matches(World& world, Place place, const Selector& selector) {
  const SavedProgram& program = world.object_of(place).programs[place.index];
  if (selector.by == By::tag) return has_tag(world, place, selector.text);
  return selector.by == By::id ? program.id == selector.id : is_called(program.name, selector.text);
}

bool map_matches(const World& world, Place place, const Selector& selector) {
  const SavedMap& map = world.object_of(place).maps[place.index];
  return selector.by == By::id ? map.id == selector.id : is_called(map.name, selector.text);
}

// A pinned thing by its id.
Result<Selector> unpinned(const World& world, PinKind kind, const Selector& selector) {
  if (selector.by != By::pinned) return selector;
  auto id = pinned_id(world.registry, kind, selector.text);
  if (!id) return std::unexpected(id.error());
  return Selector{By::id, *id, {}};
}

}  // namespace

Result<Selector> read_program_selector(Words& words) {
  if (words.take("id")) return by_id(words);
  if (words.take("name")) return by_text(words, By::name, "the name");
  if (words.take("tag")) return by_text(words, By::tag, "the tag");
  if (words.take("pinned")) return by_text(words, By::pinned, "the path");
  return usage_error("'id N', 'name PROG', 'tag TAG' or 'pinned PATH' is missing");
}

Result<Selector> read_map_selector(Words& words) {
  if (words.take("id")) return by_id(words);
  if (words.take("name")) return by_text(words, By::name, "the name");
  if (words.take("pinned")) return by_text(words, By::pinned, "the path");
  return usage_error("'id N', 'name MAP' or 'pinned PATH' is missing");
}

Result<Selector> read_link_selector(Words& words) {
  if (words.take("id")) return by_id(words);
  if (words.take("pinned")) return by_text(words, By::pinned, "the path");
  return usage_error("'id N' or 'pinned PATH' is missing");
}

Result<std::vector<Place>> find_programs(World& world, const Selector& selector) {
  auto wanted = unpinned(world, PinKind::program, selector);
  if (!wanted) return std::unexpected(wanted.error());
  std::vector<Place> out;
  for (const Place place : world.programs()) {
    auto match = program_matches(world, place, *wanted);
    if (!match) return std::unexpected(match.error());
    if (*match) out.push_back(place);
  }
  if (out.empty()) return none("program", selector);
  return out;
}

Result<std::vector<Place>> find_maps(const World& world, const Selector& selector) {
  auto wanted = unpinned(world, PinKind::map, selector);
  if (!wanted) return std::unexpected(wanted.error());
  std::vector<Place> out;
  for (const Place place : world.maps()) {
    if (map_matches(world, place, *wanted)) out.push_back(place);
  }
  if (out.empty()) return none("map", selector);
  return out;
}

Result<Place> one_program(World& world, const Selector& selector) {
  auto found = find_programs(world, selector);
  if (!found) return std::unexpected(found.error());
  if (found->size() == 1) return found->front();
  std::string ids;
  for (const Place place : *found)
    ids += fmt::format("{}{}", ids.empty() ? "" : ", ", world.object_of(place).programs[place.index].id);
  return several("program", selector, ids);
}

Result<Place> one_map(const World& world, const Selector& selector) {
  auto found = find_maps(world, selector);
  if (!found) return std::unexpected(found.error());
  if (found->size() == 1) return found->front();
  std::string ids;
  for (const Place place : *found)
    ids += fmt::format("{}{}", ids.empty() ? "" : ", ", world.object_of(place).maps[place.index].id);
  return several("map", selector, ids);
}

Result<SavedLink> one_link(const World& world, const Selector& selector) {
  auto wanted = unpinned(world, PinKind::link, selector);
  if (!wanted) return std::unexpected(wanted.error());
  for (const SavedLink& link : world.registry.links) {
    if (link.id == wanted->id) return link;
  }
  return none("link", selector);
}

Result<ProgramHandle> take_program(World& world, Words& words) {
  auto selector = read_program_selector(words);
  if (!selector) return std::unexpected(selector.error());
  auto place = one_program(world, *selector);
  if (!place) return std::unexpected(place.error());
  return world.program(*place);
}

Result<MapHandle> take_map(World& world, Words& words) {
  auto selector = read_map_selector(words);
  if (!selector) return std::unexpected(selector.error());
  auto place = one_map(world, *selector);
  if (!place) return std::unexpected(place.error());
  return world.map(*place);
}

}  // namespace forager::cli
