// SPDX-License-Identifier: Apache-2.0
//
// The state directory: what `forager prog load` leaves for later commands.
//
// There is no daemon. An object that was loaded under a name is kept as a copy of its ELF and a snapshot of its maps;
// each command loads it again (verification included, so a file changed behind our back cannot slip in), restores
// the maps, does its work and, if it changed something, writes the snapshot back by rename. A lock on the directory
// orders commands that run at the same time. Ids are given once, at load, and stay.
//
//   DIR/lock, DIR/ids.json, DIR/objects/NAME/object.o, DIR/objects/NAME/state.json
//
// Tested by: tests/cli/cli_test.sh.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "api/elf_object.h"
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
  std::vector<Entry> entries;
};
struct Saved {
  std::string name;
  std::string loaded_at;  // ISO 8601, UTC
  std::vector<SavedProgram> programs;
  std::vector<SavedMap> maps;
};

class State {
 public:
  // Creates the directory if need be and takes its lock. Errors: input.
  [[nodiscard]] static Result<State> open(const std::string& directory);
  State(State&& other) noexcept;
  State& operator=(State&&) = delete;
  ~State();

  // Errors: input (a damaged state.json names itself).
  [[nodiscard]] Result<std::vector<Saved>> list() const;
  // Keeps `object`, which is loaded, under a name. Errors: input if the name is taken or no file name.
  [[nodiscard]] Result<Saved> add(const std::string& name, const api::ElfObject& object);
  [[nodiscard]] Result<> remove(const std::string& name);
  // Loads a kept object again and restores its maps.
  [[nodiscard]] Result<api::ElfObject> load(const Saved& saved) const;
  // Takes a snapshot of the object's maps into the kept state.
  [[nodiscard]] Result<> save(Saved& saved, const api::ElfObject& object) const;

 private:
  State(std::string directory, int lock) : directory_(std::move(directory)), lock_(lock) {}
  [[nodiscard]] std::string folder(const std::string& name) const { return directory_ + "/objects/" + name; }
  [[nodiscard]] Result<> take_ids(Saved& saved) const;

  std::string directory_;
  int lock_;
};

// $XDG_STATE_HOME/forager, or ~/.local/state/forager, or /var/lib/forager where there is no home.
[[nodiscard]] std::string default_state_directory();

}  // namespace forager::cli
