// SPDX-License-Identifier: Apache-2.0
//
// forager map lookup, update, delete, getnext: one entry.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>

#include "cli/btf_value.h"
#include "cli/map_verbs.h"
#include "cli/map_words.h"
#include "cli/select.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Target {
  World world;
  MapHandle map;
};

Result<Target> open_map(const Cli& cli, Words& words) {
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto map = take_map(*world, words);
  if (!map) return std::unexpected(map.error());
  return Target{std::move(*world), std::move(*map)};
}

std::unexpected<Diagnostic> refused(const MapHandle& map, const char* what, int error) {
  return fail(ErrorKind::system, error, fmt::format("map {}: {}: {}", map.name, what, std::strerror(error)));
}

// Libbpf takes no key for maps without one.
const void* key_pointer(const std::string& key) { return key.empty() ? nullptr : key.data(); }

Json raw(const std::string& bytes) {
  return raw_bytes({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

// As bpftool has it: on standard output, and a status that says so.
std::unexpected<Diagnostic> not_found(const Cli& cli, const std::string& key) {
  if (cli.wants_json()) {
    cli.print_nothing();
  } else {
    cli.print(fmt::format("key:\n{}\n\nNot found\n", hex_lines(key)));
  }
  return told_already();
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

}  // namespace

Result<> map_lookup(const Cli& cli, Words words) {
  auto target = open_map(cli, words);
  if (!target) return std::unexpected(target.error());
  auto key = read_key(target->map, words);
  if (!key) return std::unexpected(key.error());
  if (auto end = words.end(); !end) return end;
  std::string value(target->map.host_value_bytes(), '\0');
  const int status = ::bpf_map_lookup_elem(target->map.fd, key_pointer(*key), value.data());
  if (status == -ENOENT) return not_found(cli, *key);
  if (status != 0) return refused(target->map, "lookup", -status);
  const Entry entry = as_shown(target->world, target->map, {*key, std::move(value)});
  if (cli.wants_json()) {
    cli.print(entry_json(target->map, entry));
  } else {
    cli.print(entry_text(target->map, entry));
  }
  return {};
}

Result<> map_update(const Cli& cli, Words words) {
  auto target = open_map(cli, words);
  if (!target) return std::unexpected(target.error());
  auto key = read_key(target->map, words);
  if (!key) return std::unexpected(key.error());
  auto value = read_value(target->world, target->map, words);
  if (!value) return std::unexpected(value.error());
  auto flags = read_flags(words);
  if (!flags) return std::unexpected(flags.error());
  if (auto end = words.end(); !end) return end;
  const int status = ::bpf_map_update_elem(target->map.fd, key_pointer(*key), value->data(), *flags);
  if (status != 0) return refused(target->map, "update", -status);
  if (auto saved = target->world.save(); !saved) return saved;
  cli.print_nothing();
  return {};
}

Result<> map_delete(const Cli& cli, Words words) {
  auto target = open_map(cli, words);
  if (!target) return std::unexpected(target.error());
  auto key = read_key(target->map, words);
  if (!key) return std::unexpected(key.error());
  if (auto end = words.end(); !end) return end;
  const int status = ::bpf_map_delete_elem(target->map.fd, key_pointer(*key));
  if (status != 0) return refused(target->map, "delete", -status);
  if (auto saved = target->world.save(); !saved) return saved;
  cli.print_nothing();
  return {};
}

Result<> map_getnext(const Cli& cli, Words words) {
  auto target = open_map(cli, words);
  if (!target) return std::unexpected(target.error());
  std::string key;
  if (!words.empty()) {
    auto read = read_key(target->map, words);
    if (!read) return std::unexpected(read.error());
    key = *read;
  }
  if (auto end = words.end(); !end) return end;
  std::string next(target->map.key_size, '\0');
  const int status = ::bpf_map_get_next_key(target->map.fd, key_pointer(key), next.data());
  if (status != 0) return refused(target->map, "can't get next key", -status);
  if (cli.wants_json()) {
    cli.print(Json{{"key", key.empty() ? Json(nullptr) : raw(key)}, {"next_key", raw(next)}});
  } else {
    cli.print(fmt::format("key:{}\nnext key:\n{}\n", key.empty() ? " None" : "\n" + hex_lines(key), hex_lines(next)));
  }
  return {};
}

}  // namespace forager::cli
