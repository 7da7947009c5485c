// SPDX-License-Identifier: Apache-2.0
#include "cli/state.h"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/btf_value.h"
#include "isa/tables.h"

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

// Whole or not at all: a command that dies in the middle leaves the old file.
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

Json hex(const std::string& bytes) {
  return hex_text({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

std::string unhex(const Json& text) {
  std::string out;
  if (!text.is_string() || !parse_hex(text, out)) throw std::invalid_argument("no hex bytes");
  return out;
}

Json to_json(const Saved& saved) {
  Json out = {
      {"name", saved.name}, {"loaded_at", saved.loaded_at}, {"programs", Json::array()}, {"maps", Json::array()}};
  for (const SavedProgram& program : saved.programs)
    out["programs"].push_back({{"id", program.id}, {"name", program.name}});
  for (const SavedMap& map : saved.maps) {
    Json entries = Json::array();
    for (const Entry& entry : map.entries) entries.push_back({hex(entry.key), hex(entry.value)});
    out["maps"].push_back({{"id", map.id}, {"name", map.name}, {"entries", std::move(entries)}});
  }
  return out;
}

Saved from_json(const Json& json) {
  Saved out;
  out.name = json.at("name");
  out.loaded_at = json.at("loaded_at");
  for (const Json& program : json.at("programs")) out.programs.push_back({program.at("id"), program.at("name")});
  for (const Json& map : json.at("maps")) {
    SavedMap saved{map.at("id"), map.at("name"), {}};
    for (const Json& entry : map.at("entries")) saved.entries.push_back({unhex(entry.at(0)), unhex(entry.at(1))});
    out.maps.push_back(std::move(saved));
  }
  return out;
}

Result<Saved> read_saved(const std::string& path) {
  auto json = read_json(path);
  if (!json) return std::unexpected(json.error());
  try {
    return from_json(*json);
  } catch (const std::exception& error) {
    return bad(fmt::format("{}: damaged ({})", path, error.what()));
  }
}

bool good_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name.front() != '.' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string::npos;
}

// Program arrays hold programs, which libbpf puts back itself; frozen maps come from the ELF unchanged.
bool kept(const MapHandle& map) {
  return map.holds_values() && map.type != static_cast<std::uint32_t>(isa::MapType::prog_array) &&
         (map.flags & BPF_F_RDONLY_PROG) == 0;
}

Result<> restore(const api::ElfObject& object, const SavedMap& saved) {
  auto map = object.map(saved.name);
  if (!map) return std::unexpected(map.error());
  auto handle = handle_of(*map, object.types());
  if (!handle) return std::unexpected(handle.error());
  if (!kept(*handle)) return {};
  for (const Entry& entry : saved.entries) {
    if (auto written = write_entry(*handle, entry); !written) return written;
  }
  return {};
}

}  // namespace

std::string default_state_directory() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state != '\0')
    return std::string(state) + "/forager";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return std::string(home) + "/.local/state/forager";
  return "/var/lib/forager";
}

Result<State> State::open(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory + "/objects", error);
  if (error) return bad(fmt::format("{}: {}", directory, error.message()), error.value());
  const int lock = ::open((directory + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0 || ::flock(lock, LOCK_EX) != 0) {
    const int reason = errno;
    if (lock >= 0) ::close(lock);
    return bad(fmt::format("{}/lock: {}", directory, std::strerror(reason)), reason);
  }
  return State(directory, lock);
}

State::State(State&& other) noexcept : directory_(std::move(other.directory_)), lock_(std::exchange(other.lock_, -1)) {}

State::~State() {
  if (lock_ >= 0) ::close(lock_);
}

Result<std::vector<Saved>> State::list() const {
  std::vector<Saved> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory_ + "/objects", error)) {
    auto saved = read_saved(entry.path().string() + "/state.json");
    if (!saved) return std::unexpected(saved.error());
    out.push_back(std::move(*saved));
  }
  std::ranges::sort(out, {}, [](const Saved& saved) { return saved.programs.empty() ? 0 : saved.programs.front().id; });
  return out;
}

Result<> State::take_ids(Saved& saved) const {
  const std::string path = directory_ + "/ids.json";
  Json ids = {{"program", 0}, {"map", 0}};
  if (fs::exists(path)) {
    auto read = read_json(path);
    if (!read) return std::unexpected(read.error());
    ids = *read;
  }
  std::uint32_t program_id = ids.value("program", 0U), map_id = ids.value("map", 0U);
  for (SavedProgram& program : saved.programs) program.id = ++program_id;
  for (SavedMap& map : saved.maps) map.id = ++map_id;
  return write_file(path, Json{{"program", program_id}, {"map", map_id}}.dump());
}

Result<Saved> State::add(const std::string& name, const api::ElfObject& object) {
  if (!good_name(name)) return bad(fmt::format("'{}' is no name (letters, digits, '.', '_', '-'; at most 64)", name));
  if (fs::exists(folder(name) + "/state.json"))
    return bad(fmt::format("an object '{}' is loaded already", name), EEXIST);
  Saved saved;
  saved.name = name;
  saved.loaded_at = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  for (bpf_program* program : object.programs()) saved.programs.push_back({0, ::bpf_program__name(program)});
  for (bpf_map* map : object.maps()) saved.maps.push_back({0, name_of(map), {}});
  if (auto taken = take_ids(saved); !taken) return std::unexpected(taken.error());
  std::error_code error;
  fs::create_directories(folder(name), error);
  if (!error) fs::copy_file(object.path(), folder(name) + "/object.o", fs::copy_options::overwrite_existing, error);
  if (error) return bad(fmt::format("{}: {}", folder(name), error.message()), error.value());
  if (auto written = save(saved, object); !written) return std::unexpected(written.error());
  return saved;
}

Result<> State::remove(const std::string& name) {
  if (!good_name(name) || !fs::exists(folder(name))) return bad(fmt::format("no object '{}' is loaded", name), ENOENT);
  std::error_code error;
  fs::remove_all(folder(name), error);
  if (error) return bad(fmt::format("{}: {}", folder(name), error.message()), error.value());
  return {};
}

Result<api::ElfObject> State::load(const Saved& saved) const {
  auto object = api::ElfObject::open(folder(saved.name) + "/object.o");
  if (!object) return object;
  if (auto loaded = object->load(); !loaded) return std::unexpected(loaded.error());
  for (const SavedMap& map : saved.maps) {
    if (auto restored = restore(*object, map); !restored) return std::unexpected(restored.error());
  }
  return object;
}

Result<> State::save(Saved& saved, const api::ElfObject& object) const {
  for (SavedMap& map : saved.maps) {
    auto found = object.map(map.name);
    if (!found) return std::unexpected(found.error());
    auto handle = handle_of(*found, object.types());
    if (!handle) return std::unexpected(handle.error());
    if (!kept(*handle)) continue;
    auto entries = read_entries(*handle);
    if (!entries) return std::unexpected(entries.error());
    map.entries = std::move(*entries);
  }
  return write_file(folder(saved.name) + "/state.json", to_json(saved).dump(1));
}

}  // namespace forager::cli
