// SPDX-License-Identifier: Apache-2.0
#include "cli/state_json.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string_view>

#include "cli/btf_value.h"

namespace forager::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::unexpected<Diagnostic> bad(const std::string& what, int error = EINVAL) {
  return fail(ErrorKind::input, error, what);
}

Result<Json> read_json(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return bad(fmt::format("{}: {}", path, std::strerror(errno)), errno);
  Json out = Json::parse(file, nullptr, false);
  if (out.is_discarded()) return bad(path + ": damaged (no JSON); `forager prog unload` removes it");
  return out;
}

Json hex(const std::string& bytes) {
  return hex_text({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

std::string unhex(const Json& text) {
  std::string out;
  if (!text.is_string() || !parse_hex(text, out)) throw std::invalid_argument("no hex bytes");
  return out;
}

constexpr std::pair<PinKind, std::string_view> kPinKinds[] = {
    {PinKind::program, "program"}, {PinKind::map, "map"}, {PinKind::link, "link"}};

std::string_view to_word(PinKind kind) {
  for (const auto& [value, word] : kPinKinds) {
    if (value == kind) return word;
  }
  return {};
}

PinKind pin_kind(const std::string& text) {
  for (const auto& [value, word] : kPinKinds) {
    if (word == text) return value;
  }
  throw std::invalid_argument("no kind of pin");
}

Json to_json(const SavedMap& map) {
  Json entries = Json::array();
  for (const Entry& entry : map.entries) entries.push_back({hex(entry.key), hex(entry.value)});
  return {{"id", map.id},
          {"name", map.name},
          {"frozen", map.frozen},
          {"shared", map.shared},
          {"entries", std::move(entries)}};
}

SavedMap map_from(const Json& json) {
  SavedMap out{json.at("id"), json.at("name"), {}, json.at("frozen"), json.at("shared")};
  for (const Json& entry : json.at("entries")) out.entries.push_back({unhex(entry.at(0)), unhex(entry.at(1))});
  return out;
}

Json to_json(const MapShape& shape) {
  return {{"type", shape.type},
          {"key_size", shape.key_size},
          {"value_size", shape.value_size},
          {"max_entries", shape.max_entries},
          {"flags", shape.flags}};
}

MapShape shape_from(const Json& json) {
  return {json.at("type"), json.at("key_size"), json.at("value_size"), json.at("max_entries"), json.at("flags")};
}

Json to_json(const LoneMap& map) {
  Json out = {{"shape", to_json(map.shape)}};
  if (map.inner) out["inner"] = to_json(*map.inner);
  return out;
}

LoneMap lone_from(const Json& json) {
  LoneMap out{shape_from(json.at("shape")), std::nullopt};
  if (json.contains("inner")) out.inner = shape_from(json.at("inner"));
  return out;
}

Saved saved_from(const Json& json) {
  Saved out;
  out.name = json.at("name");
  out.loaded_at = json.at("loaded_at");
  out.uid = json.at("uid");
  out.btf_id = json.at("btf");
  out.type = json.at("type");
  for (const Json& program : json.at("programs")) out.programs.push_back({program.at("id"), program.at("name")});
  for (const Json& map : json.at("maps")) out.maps.push_back(map_from(map));
  if (json.contains("lone")) out.lone = lone_from(json.at("lone"));
  if (out.lone && out.maps.size() != 1) throw std::invalid_argument("a lone map is one map");
  return out;
}

Registry registry_from(const Json& json) {
  Registry out;
  out.program = json.at("program");
  out.map = json.at("map");
  out.btf = json.at("btf");
  out.link = json.at("link");
  for (const Json& pin : json.at("pins")) out.pins.push_back({pin.at("path"), pin_kind(pin.at("kind")), pin.at("id")});
  for (const Json& link : json.at("links"))
    out.links.push_back({link.at("id"), link.at("program"), link.at("attach_type"), link.at("target")});
  return out;
}

// What a file holds, made by `make`; whatever it throws means a damaged file.
template <class Make>
auto read_as(const std::string& path, Make make) -> Result<decltype(make(Json{}))> {
  auto json = read_json(path);
  if (!json) return std::unexpected(json.error());
  try {
    return make(*json);
  } catch (const std::exception& error) {
    return bad(fmt::format("{}: damaged ({})", path, error.what()));
  }
}

}  // namespace

Json to_json(const Saved& saved) {
  Json out = {{"name", saved.name}, {"loaded_at", saved.loaded_at}, {"uid", saved.uid},     {"btf", saved.btf_id},
              {"type", saved.type}, {"programs", Json::array()},    {"maps", Json::array()}};
  for (const SavedProgram& program : saved.programs)
    out["programs"].push_back({{"id", program.id}, {"name", program.name}});
  for (const SavedMap& map : saved.maps) out["maps"].push_back(to_json(map));
  if (saved.lone) out["lone"] = to_json(*saved.lone);
  return out;
}

Json to_json(const Registry& registry) {
  Json out = {{"program", registry.program}, {"map", registry.map},   {"btf", registry.btf},
              {"link", registry.link},       {"pins", Json::array()}, {"links", Json::array()}};
  for (const Pin& pin : registry.pins)
    out["pins"].push_back({{"path", pin.path}, {"kind", to_word(pin.kind)}, {"id", pin.id}});
  for (const SavedLink& link : registry.links) {
    out["links"].push_back(
        {{"id", link.id}, {"program", link.program}, {"attach_type", link.attach_type}, {"target", link.target}});
  }
  return out;
}

Result<Saved> read_saved(const std::string& path) { return read_as(path, saved_from); }

Result<Registry> read_registry(const std::string& path) {
  if (!fs::exists(path)) return Registry{};
  return read_as(path, registry_from);
}

Result<> write_file(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".tmp";
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  std::error_code error;
  if (file) fs::rename(temporary, path, error);
  if (!file || error) return bad(fmt::format("{}: cannot write", path), EIO);
  return {};
}

}  // namespace forager::cli
