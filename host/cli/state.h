// SPDX-License-Identifier: Apache-2.0
//
// The state directory: what commands leave for later commands.
//
// There is no daemon. An object that was loaded is kept as a copy of its ELF and a snapshot of its maps; a map that
// `map create` made, as its description and contents. Each command loads what it needs again (cli/world.h; verification
// included, so a file changed behind our back cannot slip in), does its work and, if it changed something, writes the
// snapshot back by rename. A lock on the directory orders commands that run at the same time. Ids are given once and
// stay. Pins and links are rows of the registry: names of a virtual bpffs, and where programs are attached.
//
//   DIR/lock, DIR/registry.json, DIR/objects/NAME/object.o, DIR/objects/NAME/state.json
//
// Tested by: tests/cli/cli_test.sh, tests/unit/cli_state_test.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/map_io.h"
#include "forager/result.h"

namespace forager::cli {

struct SavedProgram {
  std::uint32_t id = 0;
  std::string name;
};
struct SavedMap {
  std::uint32_t id = 0;
  std::string name;
  std::vector<Entry> entries;  // programs and maps in values by their kept id; ring buffers: the records not yet read
  bool frozen = false;
  bool shared = false;  // another object's map of this id, which was given for the object's own
};
struct MapShape {
  std::uint32_t type = 0, key_size = 0, value_size = 0, max_entries = 0, flags = 0;
};
// What `map create` was asked for.
struct LoneMap {
  MapShape shape;
  std::optional<MapShape> inner;  // what inner maps are like
};
struct Saved {
  std::string name;
  std::int64_t loaded_at = 0;  // seconds since 1970
  std::uint32_t uid = 0;
  std::uint32_t btf_id = 0;  // 0: without BTF
  std::string type;          // of programs whose section names none
  std::vector<SavedProgram> programs;
  std::vector<SavedMap> maps;
  std::optional<LoneMap> lone;  // then `maps` has this one map, and there is no ELF
};

enum class PinKind : std::uint8_t { program, map, link };
struct Pin {
  std::string path;  // absolute
  PinKind kind = PinKind::program;
  std::uint32_t id = 0;
};
struct SavedLink {
  std::uint32_t id = 0;
  std::uint32_t program = 0;
  std::uint32_t attach_type = 0;  // enum bpf_attach_type
  std::uint32_t target = 0;       // a port, or for attachments to a sockmap its id
};
struct Registry {
  std::uint32_t program = 0, map = 0, btf = 0, link = 0;  // the last ids given
  std::vector<Pin> pins;
  std::vector<SavedLink> links;
};

class State {
 public:
  // Creates the directory if need be and takes its lock. Errors: input.
  [[nodiscard]] static Result<State> open(const std::string& directory);
  State(State&& other) noexcept;
  State& operator=(State&&) = delete;
  ~State();

  // Errors of both: input (a damaged file names itself).
  [[nodiscard]] Result<std::vector<Saved>> list() const;  // in the order of their ids
  [[nodiscard]] Result<Registry> registry() const;
  [[nodiscard]] Result<> set_registry(const Registry& registry) const;

  // Keeps an object under its name, with a copy of the ELF if it has one (empty: none), and gives it its ids. Errors:
  // input if the name is taken or none.
  [[nodiscard]] Result<> add(Saved& saved, const std::string& elf) const;
  [[nodiscard]] Result<> update(const Saved& saved) const;
  // Forgets an object and every pin and link of its programs and maps. Errors: input if there is none of that name.
  [[nodiscard]] Result<> remove(const std::string& name) const;
  [[nodiscard]] std::string elf(const Saved& saved) const { return folder(saved.name) + "/object.o"; }

 private:
  State(std::string directory, int lock) : directory_(std::move(directory)), lock_(lock) {}
  [[nodiscard]] std::string folder(const std::string& name) const;
  [[nodiscard]] Result<> take_ids(Saved& saved, bool has_btf) const;

  std::string directory_;
  int lock_;
};

// $XDG_STATE_HOME/forager, or ~/.local/state/forager, or /var/lib/forager where there is no home.
[[nodiscard]] std::string default_state_directory();

}  // namespace forager::cli
