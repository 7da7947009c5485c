// SPDX-License-Identifier: Apache-2.0
//
// forager btf: the type information of kept objects and of files.
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "cli/btf_dump.h"
#include "cli/select.h"
#include "cli/verbs.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

struct FreeBtf {
  void operator()(btf* types) const { ::btf__free(types); }
};

// ---- show ----------------------------------------------------------------------------------------------------------

Result<Json> btf_json(World& world, std::size_t object) {
  const Saved& saved = world.objects()[object];
  auto types = world.types(object);
  if (!types) return std::unexpected(types.error());
  std::uint32_t size = 0;
  if (*types != nullptr) static_cast<void>(::btf__raw_data(*types, &size));
  Json programs = Json::array(), maps = Json::array();
  for (const SavedProgram& program : saved.programs) programs.push_back(program.id);
  for (std::size_t i = 0; i < saved.maps.size(); ++i) {
    auto map = world.map({object, i});
    if (!map) return std::unexpected(map.error());
    if (!saved.maps[i].shared && map->value_type != 0) maps.push_back(saved.maps[i].id);
  }
  return Json{{"id", saved.btf_id}, {"size", size}, {"prog_ids", programs}, {"map_ids", maps}, {"kernel", false}};
}

std::string btf_text(const Json& row) {
  const auto list = [&](const char* member) {
    std::string out;
    for (const Json& id : row[member]) out += fmt::format("{}{}", out.empty() ? "" : ",", id.get<std::uint32_t>());
    return out.empty() ? out : fmt::format("  {} {}", member, out);
  };
  return fmt::format("{}: name <anon>  size {}B{}{}\n", row["id"].get<std::uint32_t>(),
                     row["size"].get<std::uint32_t>(), list("prog_ids"), list("map_ids"));
}

Result<std::optional<std::uint32_t>> read_id(Words& words) {
  if (words.empty()) return std::nullopt;
  if (!words.take("id")) return usage_error(fmt::format("unexpected '{}'; id can stand here", words.peek()));
  auto id = words.number("the id");
  if (!id) return std::unexpected(id.error());
  if (auto end = words.end(); !end) return std::unexpected(end.error());
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(*id, UINT32_MAX));
}

std::unexpected<Diagnostic> no_btf(std::uint32_t id) {
  return fail(ErrorKind::input, ENOENT, fmt::format("no BTF of id {} is loaded", id));
}

Result<> show(const Cli& cli, Words words) {
  auto only = read_id(words);
  if (!only) return std::unexpected(only.error());
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  Json list = Json::array();
  std::string text;
  for (std::size_t i = 0; i < world->objects().size(); ++i) {
    const std::uint32_t id = world->objects()[i].btf_id;
    if (id == 0 || (*only && **only != id)) continue;
    auto row = btf_json(*world, i);
    if (!row) return std::unexpected(row.error());
    text += btf_text(*row);
    list.push_back(std::move(*row));
  }
  if (*only && list.empty()) return no_btf(**only);
  if (cli.wants_json()) {
    cli.print(list);
  } else {
    cli.print(text);
  }
  return {};
}

// ---- dump ----------------------------------------------------------------------------------------------------------

// The types to be dumped: of a kept object, or of a file.
struct Source {
  std::optional<World> world;
  std::unique_ptr<btf, FreeBtf> file;
  const btf* types = nullptr;
  std::vector<std::uint32_t> roots;  // empty: all types
};

Result<> from_id(World& world, Words& words, Source& source) {
  auto id = words.number("the id");
  if (!id) return std::unexpected(id.error());
  for (std::size_t i = 0; i < world.objects().size(); ++i) {
    if (world.objects()[i].btf_id != *id || *id == 0) continue;
    auto types = world.types(i);
    if (!types) return std::unexpected(types.error());
    source.types = *types;
    return {};
  }
  return no_btf(static_cast<std::uint32_t>(*id));
}

// "key", "value", "kv" or "all", and all of them without a word.
Result<> from_map(World& world, Words& words, Source& source) {
  auto map = take_map(world, words);
  if (!map) return std::unexpected(map.error());
  source.types = map->types;
  const bool key = words.take("key"), value = !key && words.take("value");
  if (!key && !value && words.take("all")) return {};
  const bool both = !key && !value;
  if (both) static_cast<void>(words.take("kv"));
  if ((key || both) && map->key_type != 0) source.roots.push_back(map->key_type);
  if ((value || both) && map->value_type != 0) source.roots.push_back(map->value_type);
  if (source.roots.empty()) return fail(ErrorKind::input, ENODATA, fmt::format("map {} has no such types", map->name));
  return {};
}

Result<> from_file(Words& words, Source& source) {
  auto path = words.next("the file");
  if (!path) return std::unexpected(path.error());
  source.file.reset(::btf__parse(path->c_str(), nullptr));
  if (!source.file) return fail(ErrorKind::input, errno, fmt::format("{}: no BTF: {}", *path, std::strerror(errno)));
  source.types = source.file.get();
  return {};
}

Result<> read_source(const Cli& cli, Words& words, Source& source) {
  if (words.take("file")) return from_file(words, source);
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  source.world.emplace(std::move(*world));
  if (words.take("id")) return from_id(*source.world, words, source);
  if (words.take("map")) return from_map(*source.world, words, source);
  if (!words.take("prog")) return usage_error("'id N', 'prog PROG', 'map MAP' or 'file FILE' is missing");
  auto program = take_program(*source.world, words);
  if (!program) return std::unexpected(program.error());
  source.types = program->types;
  return {};
}

Result<bool> wants_c(const Cli& cli, Words& words) {
  if (!words.take("format")) return false;
  const bool c = words.take("c");
  if (!c && !words.take("raw")) return usage_error("'raw' or 'c' is missing after 'format'");
  if (c && cli.wants_json()) return usage_error("C has no JSON form; leave out -j");
  return c;
}

Result<> dump(const Cli& cli, Words words) {
  Source source;
  if (auto read = read_source(cli, words, source); !read) return read;
  auto c = wants_c(cli, words);
  if (!c) return std::unexpected(c.error());
  if (auto end = words.end(); !end) return end;
  if (source.types == nullptr) return fail(ErrorKind::input, ENODATA, "it was loaded without BTF");
  if (*c) {
    auto text = btf_as_c(source.types, source.roots);
    if (!text) return std::unexpected(text.error());
    cli.print(*text);
  } else if (cli.wants_json()) {
    cli.print(Json{{"types", btf_rows(source.types, source.roots)}});
  } else {
    cli.print(btf_lines(btf_rows(source.types, source.roots)));
  }
  return {};
}

constexpr Verb kVerbs[] = {
    {"show", "[id N]", show}, {"list", nullptr, show}, {"dump", "BTF_SRC [format { raw | c }]", dump}};

}  // namespace

Object btf_object() {
  return {"btf", "type information of objects and files", kVerbs,
          "BTF_SRC := { id N | prog PROG | map MAP [key|value|kv|all] | file FILE }\n"};
}

}  // namespace forager::cli
