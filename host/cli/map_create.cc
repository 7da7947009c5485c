// SPDX-License-Identifier: Apache-2.0
//
// forager map create: a map by itself, kept under the path where it is pinned.
#include <fmt/format.h>

#include "cli/map_new.h"
#include "cli/map_verbs.h"
#include "cli/pins.h"
#include "cli/select.h"
#include "isa/tables.h"

namespace forager::cli {
namespace {

struct Asked {
  std::string path, name;
  LoneMap map;
};

Result<> read_type(Words& words, MapShape& map) {
  auto word = words.next("the type");
  if (!word) return std::unexpected(word.error());
  const isa::MapRow* row = isa::find_map(std::string_view(*word));
  if (row == nullptr) return usage_error(fmt::format("'{}' is no map type; `forager feature` lists them", *word));
  map.type = static_cast<std::uint32_t>(row->type);
  return {};
}

Result<> read_number(Words& words, const char* what, std::uint32_t& into) {
  auto number = words.number(what);
  if (!number) return std::unexpected(number.error());
  if (*number > UINT32_MAX) return usage_error(fmt::format("{} {} is over 4294967295", what, *number));
  into = static_cast<std::uint32_t>(*number);
  return {};
}

Result<> read_inner(World& world, Words& words, Asked& asked) {
  auto inner = take_map(world, words);
  if (!inner) return std::unexpected(inner.error());
  asked.map.inner = MapShape{inner->type, inner->key_size, inner->value_size, inner->max_entries, inner->flags};
  return {};
}

Result<> read_name(Words& words, std::string& name) {
  auto word = words.next("the name");
  if (!word) return std::unexpected(word.error());
  name = *word;
  return {};
}

Result<> read_word(World& world, Words& words, Asked& asked) {
  if (words.take("type")) return read_type(words, asked.map.shape);
  if (words.take("name")) return read_name(words, asked.name);
  if (words.take("key")) return read_number(words, "the key's size", asked.map.shape.key_size);
  if (words.take("value")) return read_number(words, "the value's size", asked.map.shape.value_size);
  if (words.take("entries")) return read_number(words, "the number of entries", asked.map.shape.max_entries);
  if (words.take("flags")) return read_number(words, "flags", asked.map.shape.flags);
  if (words.take("inner_map")) return read_inner(world, words, asked);
  if (words.take("dev")) return usage_error("'dev' names a device that offloads maps, and here is none");
  return usage_error(
      fmt::format("unexpected '{}'; type, key, value, entries, name, flags or inner_map can stand here", words.peek()));
}

Result<Asked> read_words(World& world, Words& words) {
  Asked out;
  auto text = words.next("the path");
  if (!text) return std::unexpected(text.error());
  auto path = pin_path(*text);
  if (!path) return std::unexpected(path.error());
  out.path = *path;
  while (!words.empty()) {
    if (auto read = read_word(world, words, out); !read) return std::unexpected(read.error());
  }
  if (out.map.shape.type == 0) return usage_error("'type TYPE' is missing");
  return out;
}

}  // namespace

Result<> map_create(const Cli& cli, Words words) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto asked = read_words(*world, words);
  if (!asked) return std::unexpected(asked.error());
  if (auto free = check_free(world->registry, asked->path); !free) return free;  // before anything is kept
  auto fd = create_map(asked->name, asked->map);
  if (!fd) return std::unexpected(fd.error());
  auto object = world->add(object_name(asked->path), asked->name, asked->map, *fd);
  if (!object) return std::unexpected(object.error());
  const std::uint32_t id = world->objects()[*object].maps.front().id;
  if (auto pinned = add_pin(world->registry, {asked->path, PinKind::map, id}); !pinned) return pinned;
  if (auto written = world->state().set_registry(world->registry); !written) return written;
  cli.print_nothing();
  return {};
}

}  // namespace forager::cli
