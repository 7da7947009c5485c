// SPDX-License-Identifier: Apache-2.0
#include "cli/unload.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace forager::cli {
namespace {

bool program_pinned(const Registry& registry, const Saved& saved) {
  return std::ranges::any_of(saved.programs, [&](const SavedProgram& program) {
    return !paths_of(registry, PinKind::program, program.id).empty();
  });
}

// Maps that are another object's hold that one.
bool map_pinned(const Registry& registry, const Saved& saved) {
  return std::ranges::any_of(saved.maps, [&](const SavedMap& map) {
    return !map.shared && !paths_of(registry, PinKind::map, map.id).empty();
  });
}

bool is_linked(const Registry& registry, const Saved& saved) {
  return std::ranges::any_of(registry.links, [&](const SavedLink& link) {
    return std::ranges::any_of(saved.programs, [&](const SavedProgram& program) { return program.id == link.program; });
  });
}

bool is_held(const Registry& registry, const Saved& saved) {
  return program_pinned(registry, saved) || map_pinned(registry, saved) || is_linked(registry, saved);
}

// The object that a pinned program or map belongs to.
Result<Place> place_of(const World& world, const Pin& pin) {
  return pin.kind == PinKind::program ? world.program_place(pin.id) : world.map_place(pin.id);
}

Result<> drop_unheld(World& world, const Pin& pin) {
  if (pin.kind == PinKind::link) return {};
  const auto place = place_of(world, pin);
  if (!place || is_held(world.registry, world.object_of(*place))) return {};
  auto removed = world.state().remove(world.object_of(*place).name);
  if (!removed && removed.error().error == EBUSY) return {};  // another object uses its maps: it stays without a name
  return removed;
}

}  // namespace

Result<> unload(const Cli& cli, Words words) {
  auto name = words.next("the name of the object");
  if (!name) return std::unexpected(name.error());
  if (auto end = words.end(); !end) return end;
  auto path = pin_path(*name);
  auto state = State::open(cli.state_directory);
  if (!state) return std::unexpected(state.error());
  if (auto removed = state->remove(path ? object_name(*path) : *name); !removed) return removed;
  cli.print_nothing();
  return {};
}

Result<> unpin(const Cli& cli, Words words) {
  auto text = words.next("the path");
  if (!text) return std::unexpected(text.error());
  if (auto end = words.end(); !end) return end;
  auto path = pin_path(*text);
  if (!path) return std::unexpected(path.error());
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto& pins = world->registry.pins;
  const auto at = std::ranges::find(pins, *path, &Pin::path);
  if (at == pins.end()) return fail(ErrorKind::input, ENOENT, fmt::format("nothing is pinned at {}", *path));
  const Pin pin = std::move(*at);
  pins.erase(at);
  if (auto written = world->state().set_registry(world->registry); !written) return written;
  if (auto dropped = drop_unheld(*world, pin); !dropped) return dropped;
  cli.print_nothing();
  return {};
}

Result<> pin_and_save(const Cli& cli, World& world, PinKind kind, std::uint32_t id, Words& words) {
  auto text = words.next("the path");
  if (!text) return std::unexpected(text.error());
  if (auto end = words.end(); !end) return end;
  auto path = pin_path(*text);
  if (!path) return std::unexpected(path.error());
  if (auto added = add_pin(world.registry, {*path, kind, id}); !added) return added;
  if (auto written = world.state().set_registry(world.registry); !written) return written;
  cli.print_nothing();
  return {};
}

}  // namespace forager::cli
