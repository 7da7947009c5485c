// SPDX-License-Identifier: Apache-2.0
//
// MapObject: a map with its identity: id, BTF, and whether user space may still write to it.
//
// A PROG_ARRAY refers to programs, which refer to their maps, among them the PROG_ARRAY: a cycle that reference counts
// cannot see. Linux breaks it by counting user references apart from all others, and empties the array when the last
// of them goes (kernel/bpf/syscall.c bpf_map_put_uref). So here: a MapUser is a user's reference.
//
// Tested by: tests/unit/runtime_objects_test.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "exec/map.h"
#include "isa/tables.h"

namespace forager::runtime {

struct BtfObject;
class ProgramObject;

struct MapBtf {
  std::shared_ptr<const BtfObject> object;
  std::uint32_t key_type = 0;
  std::uint32_t value_type = 0;
};

class MapObject {
 public:
  MapObject(std::uint32_t object_id, std::shared_ptr<exec::Map> contents, MapBtf types)
      : id(object_id), map(std::move(contents)), btf(std::move(types)) {}

  [[nodiscard]] const program::MapSpec& spec() const { return map->spec(); }

  // PROG_ARRAY: sets, clears (null) and names the program at an index. Linux's errno: E2BIG beyond the array, EINVAL
  // for a program of another kind than the array's first, ENOENT for clearing what is empty.
  [[nodiscard]] int set_program(std::uint32_t index, const std::shared_ptr<ProgramObject>& program);
  [[nodiscard]] std::shared_ptr<ProgramObject> program_at(std::uint32_t index) const;
  // Makes programs like this one the only ones that the array takes; false if it takes others already.
  [[nodiscard]] bool own_programs(const ProgramObject& program);

  const std::uint32_t id;
  const std::shared_ptr<exec::Map> map;
  const MapBtf btf;
  std::atomic<bool> frozen = false;  // user space may not write any more (BPF_MAP_FREEZE)

 private:
  friend class MapUser;
  // Programs of one array must be interchangeable.
  struct Owner {
    isa::ProgType type;
    bool has_frags;
    friend bool operator==(const Owner&, const Owner&) = default;
  };
  [[nodiscard]] bool own_locked(const ProgramObject& program);
  void clear_programs();

  std::atomic<unsigned> users_ = 0;
  mutable std::mutex mutex_;
  std::optional<Owner> owner_;
  std::vector<std::shared_ptr<ProgramObject>> programs_;
};

class MapUser {
 public:
  explicit MapUser(std::shared_ptr<MapObject> object) : object_(std::move(object)) { ++object_->users_; }
  ~MapUser() {
    if (--object_->users_ == 0) object_->clear_programs();
  }
  MapUser(const MapUser&) = delete;
  MapUser& operator=(const MapUser&) = delete;

  [[nodiscard]] const std::shared_ptr<MapObject>& object() const { return object_; }

 private:
  std::shared_ptr<MapObject> object_;
};

}  // namespace forager::runtime
