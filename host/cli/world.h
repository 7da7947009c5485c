// SPDX-License-Identifier: Apache-2.0
//
// World: the kept objects as one command sees them. Objects are loaded when they are asked for, their maps restored,
// and with them whatever the maps name. Ids of the runtime are this process's and change with every command; the kept
// ids are the ones that people see, and the World knows which belong together.
//
// Tested by: tests/unit/cli_state_test.cc, tests/cli.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/elf_object.h"
#include "cli/map_contents.h"
#include "cli/state.h"
#include "forager/result.h"

struct bpf_program;

namespace forager::cli {

// Where a kept program or map stands: the object, and which of its programs or maps.
struct Place {
  std::size_t object = 0, index = 0;
};

struct ProgramHandle {
  std::uint32_t id = 0;  // kept
  std::string name;
  int fd = -1;  // the object's, not owned
  bpf_program* program = nullptr;
  const btf* types = nullptr;
  Place place;
};

class World {
 public:
  // Errors: those of State.
  [[nodiscard]] static Result<World> open(const std::string& state_directory);

  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] const std::vector<Saved>& objects() const { return objects_; }
  [[nodiscard]] const Saved& object_of(Place place) const { return objects_[place.object]; }
  Registry registry;  // changed by verbs, written by save()

  [[nodiscard]] std::vector<Place> programs() const;
  [[nodiscard]] std::vector<Place> maps() const;

  // Loading what the place names. Errors: of loading and of restoring.
  [[nodiscard]] Result<ProgramHandle> program(Place place);
  [[nodiscard]] Result<MapHandle> map(Place place);  // its id is the kept one
  [[nodiscard]] Result<const btf*> types(std::size_t object);
  // By kept id. Errors: input, if none has it.
  [[nodiscard]] Result<Place> program_place(std::uint32_t id) const;
  [[nodiscard]] Result<Place> map_place(std::uint32_t id) const;
  // The descriptor of a kept program or map.
  [[nodiscard]] Result<int> descriptor(Referent what, std::uint32_t id);
  // The kept id for the runtime's, 0 if it is not kept.
  [[nodiscard]] std::uint32_t kept_id(Referent what, std::uint32_t runtime_id) const;

  // Keeps a loaded ELF, or a map, under a name and with new ids. Errors: input if the name is taken.
  // `type` is that of programs whose section names none; maps named in `shared` are other objects' of these kept ids.
  [[nodiscard]] Result<std::size_t> add(const std::string& name, const std::string& type,
                                        std::unique_ptr<api::ElfObject> elf,
                                        const std::map<std::string, std::uint32_t>& shared);
  [[nodiscard]] Result<std::size_t> add(const std::string& name, const std::string& map_name, const LoneMap& map,
                                        int fd);
  // Writes back every loaded object's maps, and the registry.
  [[nodiscard]] Result<> save();

 private:
  struct Loaded {
    Loaded() = default;
    Loaded(const Loaded&) = delete;
    Loaded& operator=(const Loaded&) = delete;
    ~Loaded();
    std::unique_ptr<api::ElfObject> elf;
    int lone = -1;                           // descriptor of a map without an ELF, owned
    std::vector<ProgramHandle> programs;     // as in Saved::programs
    std::vector<std::uint32_t> program_ids;  // the runtime's
    std::vector<MapHandle> maps;             // as in Saved::maps
    std::vector<bool> constant;              // maps that were frozen when their object was loaded
  };
  World(State state, std::vector<Saved> objects, Registry rows);
  [[nodiscard]] Result<Loaded*> load(std::size_t object);
  [[nodiscard]] Result<> open_elf(Loaded& loaded, const Saved& saved);
  [[nodiscard]] Result<> make_lone(Loaded& loaded, const Saved& saved);
  [[nodiscard]] Result<> describe(Loaded& loaded, const Saved& saved);
  [[nodiscard]] Result<> restore(Loaded& loaded, const Saved& saved);
  [[nodiscard]] Result<> reattach(const Saved& saved);
  [[nodiscard]] Result<> snapshot(Loaded& loaded, Saved& saved);
  [[nodiscard]] Result<std::size_t> keep(Saved saved, const std::string& elf, std::unique_ptr<Loaded> loaded);
  [[nodiscard]] Ids ids();

  State state_;
  std::vector<Saved> objects_;
  std::vector<std::unique_ptr<Loaded>> loaded_;  // null: not loaded
};

}  // namespace forager::cli
