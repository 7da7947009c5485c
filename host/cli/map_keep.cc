// SPDX-License-Identifier: Apache-2.0
//
// forager map freeze, map pin.
#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cstring>

#include "cli/map_verbs.h"
#include "cli/select.h"
#include "cli/unload.h"

namespace forager::cli {

Result<> map_freeze(const Cli& cli, Words words) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto map = take_map(*world, words);
  if (!map) return std::unexpected(map.error());
  if (auto end = words.end(); !end) return end;
  if (const int status = ::bpf_map_freeze(map->fd); status != 0)
    return fail(ErrorKind::system, -status, fmt::format("map {}: freeze: {}", map->name, std::strerror(-status)));
  if (auto saved = world->save(); !saved) return saved;
  cli.print_nothing();
  return {};
}

Result<> map_pin(const Cli& cli, Words words) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto map = take_map(*world, words);
  if (!map) return std::unexpected(map.error());
  return pin_and_save(cli, *world, PinKind::map, map->id, words);
}

}  // namespace forager::cli
