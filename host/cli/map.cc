// SPDX-License-Identifier: Apache-2.0
//
// forager map: the maps of kept objects (cli/state.h), in bpftool's words and with bpftool's JSON members.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "cli/cli.h"
#include "cli/kept.h"
#include "cli/map_io.h"
#include "cli/state.h"
#include "isa/tables.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

// A kept map, loaded: what every verb but `show` works on.
struct LoadedMap {
  State state;
  Saved saved;
  api::ElfObject object;
  MapHandle handle;

  static Result<LoadedMap> open(const Cli& cli, const Selector& selector) {
    auto state = State::open(cli.state_directory);
    if (!state) return std::unexpected(state.error());
    auto objects = state->list();
    if (!objects) return std::unexpected(objects.error());
    auto kept = one_map(*objects, selector);
    if (!kept) return std::unexpected(kept.error());
    Saved saved = (*objects)[kept->object];
    auto object = state->load(saved);
    if (!object) return std::unexpected(object.error());
    auto map = object->map(kept->map.name);
    if (!map) return std::unexpected(map.error());
    auto handle = handle_of(*map, object->types());
    if (!handle) return std::unexpected(handle.error());
    handle->id = kept->map.id;
    return LoadedMap{std::move(*state), std::move(saved), std::move(*object), std::move(*handle)};
  }
};

// Members that bpftool prints: the typed form where BTF is known, beside the raw bytes.
Json entry_json(const MapEntryView& view) {
  Json out = view.raw;
  if (!view.formatted.is_null()) out["formatted"] = view.formatted;
  return out;
}

Json head_json(const MapHandle& map) {
  const isa::MapRow* row = isa::find_map(map.type);
  return {{"id", map.id},
          {"type", row != nullptr ? row->name : "unknown"},
          {"name", map.name},
          {"flags", map.flags},
          {"bytes_key", map.key_size},
          {"bytes_value", map.value_size},
          {"max_entries", map.max_entries}};
}

std::string head_text(const Json& head, const std::string& object) {
  return fmt::format("{}: {}  name {}  flags {:#x}  object {}\n\tkey {}B  value {}B  max_entries {}\n",
                     head["id"].get<std::uint32_t>(), head["type"].get<std::string>(), head["name"].get<std::string>(),
                     head["flags"].get<std::uint32_t>(), object, head["bytes_key"].get<std::uint32_t>(),
                     head["bytes_value"].get<std::uint32_t>(), head["max_entries"].get<std::uint32_t>());
}

Result<> show(const Cli& cli, Words words) {
  std::optional<Selector> selector;
  if (!words.empty()) {
    auto read = read_selector(words);
    if (!read) return std::unexpected(read.error());
    selector = *read;
  }
  if (auto end = words.end(); !end) return end;
  auto state = State::open(cli.state_directory);
  if (!state) return std::unexpected(state.error());
  auto objects = state->list();
  if (!objects) return std::unexpected(objects.error());
  if (selector) {
    if (auto one = one_map(*objects, *selector); !one) return std::unexpected(one.error());
  }
  Json list = Json::array();
  std::string text;
  for (const Saved& saved : *objects) {
    auto object = state->load(saved);
    if (!object) return std::unexpected(object.error());
    for (const SavedMap& map : saved.maps) {
      if (selector && selector->id != map.id && (selector->id != 0 || selector->name != map.name)) continue;
      auto found = object->map(map.name);
      if (!found) return std::unexpected(found.error());
      auto handle = handle_of(*found, object->types());
      if (!handle) return std::unexpected(handle.error());
      handle->id = map.id;
      Json head = head_json(*handle);
      head["object"] = saved.name;
      text += head_text(head, saved.name);
      list.push_back(std::move(head));
    }
  }
  if (!cli.wants_json()) {
    cli.print(text);
  } else {
    cli.print(selector ? list.front() : list);
  }
  return {};
}

Result<> print_entry(const Cli& cli, const MapEntryView& view) {
  if (cli.wants_json()) {
    cli.print(entry_json(view));
  } else {
    cli.print(fmt::format("{}: {}\n", view.key_text, view.value_text));
  }
  return {};
}

Result<> dump(const Cli& cli, LoadedMap& map, Words& words) {
  if (auto end = words.end(); !end) return end;
  auto view = view_of(map.handle, false);
  if (!view) return std::unexpected(view.error());
  if (cli.wants_json()) {
    Json list = Json::array();
    for (const MapEntryView& entry : view->entries) list.push_back(entry_json(entry));
    cli.print(list);
    return {};
  }
  std::string text;
  for (const MapEntryView& entry : view->entries) text += fmt::format("{}: {}\n", entry.key_text, entry.value_text);
  cli.print(text + fmt::format("Found {} element{}\n", view->count, view->count == 1 ? "" : "s"));
  return {};
}

Result<std::string> read_key(const LoadedMap& map, Words& words) {
  if (!words.take("key")) return usage_error("'key DATA' is missing");
  return words.bytes("the key", map.handle.key_size);
}

std::unexpected<Diagnostic> refused(const LoadedMap& map, const char* what, int status) {
  return fail(ErrorKind::system, -status, fmt::format("map {}: {}: {}", map.handle.name, what, std::strerror(-status)));
}

Result<> lookup(const Cli& cli, LoadedMap& map, Words& words) {
  auto key = read_key(map, words);
  if (!key) return std::unexpected(key.error());
  if (auto end = words.end(); !end) return end;
  std::string value(map.handle.host_value_bytes(), '\0');
  const int status = ::bpf_map_lookup_elem(map.handle.fd, key->data(), value.data());
  if (status != 0) return refused(map, "lookup", status);
  return print_entry(cli, view_of(map.handle, Entry{*key, value}));
}

Result<std::uint64_t> read_flags(Words& words) {
  constexpr std::pair<const char*, std::uint64_t> kFlags[] = {
      {"any", BPF_ANY}, {"noexist", BPF_NOEXIST}, {"exist", BPF_EXIST}};
  for (const auto& [word, flag] : kFlags) {
    if (words.take(word)) return flag;
  }
  if (auto end = words.end(); !end) return std::unexpected(end.error());
  return std::uint64_t{BPF_ANY};
}

Result<> update(const Cli& /*cli*/, LoadedMap& map, Words& words) {
  auto key = read_key(map, words);
  if (!key) return std::unexpected(key.error());
  if (!words.take("value")) return usage_error("'value DATA' is missing");
  auto value = words.bytes("the value", map.handle.value_size);
  if (!value) return std::unexpected(value.error());
  auto flags = read_flags(words);
  if (!flags) return std::unexpected(flags.error());
  if (auto end = words.end(); !end) return end;
  if (auto written = write_entry(map.handle, {*key, *value}, *flags); !written) return written;
  return map.state.save(map.saved, map.object);
}

Result<> erase(const Cli& /*cli*/, LoadedMap& map, Words& words) {
  auto key = read_key(map, words);
  if (!key) return std::unexpected(key.error());
  if (auto end = words.end(); !end) return end;
  const int status = ::bpf_map_delete_elem(map.handle.fd, key->data());
  if (status != 0) return refused(map, "delete", status);
  return map.state.save(map.saved, map.object);
}

using MapVerb = Result<> (*)(const Cli&, LoadedMap&, Words&);

Result<> on_one_map(const Cli& cli, std::vector<std::string> arguments, MapVerb verb) {
  Words words(std::move(arguments));
  auto selector = read_selector(words);
  if (!selector) return std::unexpected(selector.error());
  auto map = LoadedMap::open(cli, *selector);
  if (!map) return std::unexpected(map.error());
  return verb(cli, *map, words);
}

struct VerbRow {
  const char* name;
  const char* help;
  MapVerb run;
};
constexpr VerbRow kVerbs[] = {
    {"dump", "all entries of a map: { id N | name MAP }", dump},
    {"lookup", "one entry: { id N | name MAP } key DATA", lookup},
    {"update", "set an entry: { id N | name MAP } key DATA value DATA [any | exist | noexist]", update},
    {"delete", "remove an entry: { id N | name MAP } key DATA", erase},
};

}  // namespace

void add_map(CLI::App& app, Cli& cli) {
  CLI::App* object = app.add_subcommand("map", "maps of loaded objects");
  object->require_subcommand(1);
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* list = object->add_subcommand("show", "loaded maps [id N | name MAP]")->alias("list");
  list->add_option("words", *words);
  list->callback([&cli, words] { cli.action = [&cli, words] { return show(cli, Words(*words)); }; });
  for (const VerbRow& row : kVerbs) {
    CLI::App* verb = object->add_subcommand(row.name, row.help);
    verb->add_option("words", *words)->required();
    verb->callback(
        [&cli, words, run = row.run] { cli.action = [&cli, words, run] { return on_one_map(cli, *words, run); }; });
  }
}

}  // namespace forager::cli
