// SPDX-License-Identifier: Apache-2.0
#include "cli/state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <utility>

#include "cli/state_json.h"

namespace forager::cli {
namespace {

namespace fs = std::filesystem;

std::unexpected<Diagnostic> bad(const std::string& what, int error = EINVAL) {
  return fail(ErrorKind::input, error, what);
}

std::uint32_t first_id(const Saved& saved) {
  return !saved.programs.empty() ? saved.programs.front().id : saved.maps.empty() ? 0 : saved.maps.front().id;
}

template <class T>
bool has_id(const std::vector<T>& all, std::uint32_t id) {
  return std::ranges::any_of(all, [&](const T& one) { return one.id == id; });
}

bool names_part_of(const Pin& pin, const Saved& saved) {
  if (pin.kind == PinKind::program) return has_id(saved.programs, pin.id);
  return pin.kind == PinKind::map &&
         std::ranges::any_of(saved.maps, [&](const SavedMap& map) { return !map.shared && map.id == pin.id; });
}

// Another object that was given one of this object's maps.
std::optional<std::string> user_of(const std::vector<Saved>& objects, const Saved& saved) {
  for (const Saved& other : objects) {
    for (const SavedMap& map : other.maps) {
      if (map.shared && other.name != saved.name && has_id(saved.maps, map.id)) return other.name;
    }
  }
  return std::nullopt;
}

// What the registry says about an object's programs and maps, and about links that go with them.
void forget(Registry& registry, const Saved& saved) {
  std::erase_if(registry.pins, [&](const Pin& pin) { return names_part_of(pin, saved); });
  std::erase_if(registry.links, [&](const SavedLink& link) {
    const bool to_map = link.id == 0 && link.target != 0 && has_id(saved.maps, link.target);
    return to_map || has_id(saved.programs, link.program);
  });
  std::erase_if(registry.pins,
                [&](const Pin& pin) { return pin.kind == PinKind::link && !has_id(registry.links, pin.id); });
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

// Names may look like paths; '%' stands in no name.
std::string State::folder(const std::string& name) const {
  std::string file = name;
  std::ranges::replace(file, '/', '%');
  return directory_ + "/objects/" + file;
}

Result<std::vector<Saved>> State::list() const {
  std::vector<Saved> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory_ + "/objects", error)) {
    auto saved = read_saved(entry.path().string() + "/state.json");
    if (!saved) return std::unexpected(saved.error());
    out.push_back(std::move(*saved));
  }
  std::ranges::sort(out, {}, [](const Saved& saved) { return std::pair(saved.loaded_at, first_id(saved)); });
  return out;
}

Result<Registry> State::registry() const { return read_registry(directory_ + "/registry.json"); }

Result<> State::set_registry(const Registry& registry) const {
  return write_file(directory_ + "/registry.json", to_json(registry).dump(1));
}

Result<> State::take_ids(Saved& saved, bool has_btf) const {
  auto ids = registry();
  if (!ids) return std::unexpected(ids.error());
  for (SavedProgram& program : saved.programs) program.id = ++ids->program;
  for (SavedMap& map : saved.maps) {
    if (!map.shared) map.id = ++ids->map;
  }
  if (has_btf) saved.btf_id = ++ids->btf;
  return set_registry(*ids);
}

Result<> State::add(Saved& saved, const std::string& elf) const {
  if (fs::exists(folder(saved.name) + "/state.json"))
    return bad(fmt::format("an object '{}' is loaded already", saved.name), EEXIST);
  saved.loaded_at = std::time(nullptr);
  saved.uid = ::getuid();
  if (auto taken = take_ids(saved, saved.btf_id != 0); !taken) return taken;
  std::error_code error;
  fs::create_directories(folder(saved.name), error);
  if (!error && !elf.empty()) fs::copy_file(elf, this->elf(saved), fs::copy_options::overwrite_existing, error);
  if (error) return bad(fmt::format("{}: {}", folder(saved.name), error.message()), error.value());
  return update(saved);
}

Result<> State::update(const Saved& saved) const {
  return write_file(folder(saved.name) + "/state.json", to_json(saved).dump(1));
}

Result<> State::remove(const std::string& name) const {
  const std::string path = folder(name);
  if (name.empty() || name.find('%') != std::string::npos || name.front() == '.' || !fs::exists(path))
    return bad(fmt::format("no object '{}' is loaded", name), ENOENT);
  // A damaged object has no rows that could be found, and goes all the same.
  if (auto saved = read_saved(path + "/state.json")) {
    auto objects = list();
    const auto user = objects ? user_of(*objects, *saved) : std::nullopt;
    if (user) return bad(fmt::format("object '{}' uses a map of '{}'; unload it first", *user, name), EBUSY);
    auto rows = registry();
    if (!rows) return std::unexpected(rows.error());
    forget(*rows, *saved);
    if (auto written = set_registry(*rows); !written) return written;
  }
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return bad(fmt::format("{}: {}", path, error.message()), error.value());
  return {};
}

}  // namespace forager::cli
