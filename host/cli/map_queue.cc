// SPDX-License-Identifier: Apache-2.0
//
// forager map push, pop, peek, enqueue, dequeue: maps without keys.
#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "cli/btf_value.h"
#include "cli/map_verbs.h"
#include "cli/map_words.h"
#include "cli/select.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

Result<MapHandle> take_queue(World& world, Words& words) {
  auto map = take_map(world, words);
  if (!map || map->key_size == 0) return map;
  return fail(ErrorKind::input, EINVAL, fmt::format("map {} has keys: use lookup, update and delete", map->name));
}

// A value, or that there is none: `status` is 0 or a negative errno.
Result<> print_value(const Cli& cli, const MapHandle& map, const std::string& value, int status) {
  if (status == -ENOENT && cli.wants_json()) {
    cli.print_nothing();
    return told_already();
  }
  if (status == -ENOENT) return fail(ErrorKind::input, ENOENT, fmt::format("map {}: empty map", map.name));
  if (status != 0)
    return fail(ErrorKind::system, -status, fmt::format("map {}: lookup: {}", map.name, std::strerror(-status)));
  if (cli.wants_json()) {
    cli.print(entry_json(map, {{}, value}));
  } else {
    cli.print(entry_text(map, {{}, value}));
  }
  return {};
}

}  // namespace

Result<> map_push(const Cli& cli, Words words) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto map = take_queue(*world, words);
  if (!map) return std::unexpected(map.error());
  auto value = read_value(*world, *map, words);
  if (!value) return std::unexpected(value.error());
  if (auto end = words.end(); !end) return end;
  if (const int status = ::bpf_map_update_elem(map->fd, nullptr, value->data(), BPF_ANY); status != 0)
    return fail(ErrorKind::system, -status, fmt::format("map {}: push: {}", map->name, std::strerror(-status)));
  if (auto saved = world->save(); !saved) return saved;
  cli.print_nothing();
  return {};
}

namespace {

// Pop and peek: `call` gives the value, and the world is saved by the one that takes it away.
Result<> look(const Cli& cli, Words words, int (*call)(int, const void*, void*), bool takes) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto map = take_queue(*world, words);
  if (!map) return std::unexpected(map.error());
  if (auto end = words.end(); !end) return end;
  std::string value(map->value_size, '\0');
  const int status = call(map->fd, nullptr, value.data());
  if (auto printed = print_value(cli, *map, value, status); !printed || !takes) return printed;
  return world->save();
}

}  // namespace

Result<> map_pop(const Cli& cli, Words words) {
  return look(cli, std::move(words), ::bpf_map_lookup_and_delete_elem, true);
}

Result<> map_peek(const Cli& cli, Words words) { return look(cli, std::move(words), ::bpf_map_lookup_elem, false); }

}  // namespace forager::cli
