// SPDX-License-Identifier: Apache-2.0
//
// MapObject: a map with its identity: id, BTF, and whether user space may still write to it.
//
// Values that nobody can change any more are constants to the verifier, and a constant that changes is a wrong fact. So
// user space writes under a MapWriting, and neither does freezing begin nor is a value called constant while one lives
// (Linux: map->writecnt).
//
// A PROG_ARRAY refers to programs, which refer to their maps, among them the PROG_ARRAY: a cycle that reference counts
// cannot see. Linux breaks it by counting user references apart from all others, and empties the array when the last
// of them goes (kernel/bpf/syscall.c bpf_map_put_uref). So here: a MapUser is a user's reference. Timers, which refer
// to their program and so to their map, end with it too.
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
class TimerQueue;

struct MapBtf {
  std::shared_ptr<const BtfObject> object;
  std::uint32_t key_type = 0;
  std::uint32_t value_type = 0;
};

class MapObject {
 public:
  MapObject(std::uint32_t object_id, std::shared_ptr<exec::Map> contents, MapBtf types)
      : id(object_id), map(std::move(contents)), btf(std::move(types)) {}
  ~MapObject();
  MapObject(const MapObject&) = delete;
  MapObject& operator=(const MapObject&) = delete;

  // The map's values may have timers: these are where. Once, before the map is used; outlives the object.
  void use_timers(TimerQueue& timers);

  [[nodiscard]] const program::MapSpec& spec() const { return map->spec(); }

  // PROG_ARRAY: sets, clears (null) and names the program at an index. Linux's errno: E2BIG beyond the array, EINVAL
  // for a program of another kind than the array's first, ENOENT for clearing what is empty.
  [[nodiscard]] int set_program(std::uint32_t index, const std::shared_ptr<ProgramObject>& program);
  [[nodiscard]] std::shared_ptr<ProgramObject> program_at(std::uint32_t index) const;
  // Makes programs like this one the only ones that the map takes; false if it takes others already.
  [[nodiscard]] bool own_programs(const ProgramObject& program);

  // From now on user space may not write (BPF_MAP_FREEZE). False if somebody writes, or it was so already.
  [[nodiscard]] bool freeze();
  [[nodiscard]] bool frozen() const { return frozen_; }
  // The value of an array of one that neither programs nor user space can change any more; null of all others.
  [[nodiscard]] std::shared_ptr<const std::vector<std::byte>> constants() const;

  const std::uint32_t id;
  const std::shared_ptr<exec::Map> map;
  const MapBtf btf;

 private:
  friend class MapUser;
  friend class MapWriting;
  // Programs of one array must be interchangeable.
  struct Owner {
    isa::ProgType type;
    bool has_frags;
    const isa::IteratorRow* iterator;
    friend bool operator==(const Owner&, const Owner&) = default;
  };
  [[nodiscard]] bool own_locked(const ProgramObject& program);
  void clear_programs();
  void lose_users();

  std::atomic<unsigned> users_ = 0;
  std::atomic<unsigned> writers_ = 0;
  std::atomic<bool> frozen_ = false;
  mutable std::mutex mutex_;
  std::optional<Owner> owner_;
  std::vector<std::shared_ptr<ProgramObject>> programs_;
  TimerQueue* timers_ = nullptr;
};

class MapUser {
 public:
  explicit MapUser(std::shared_ptr<MapObject> object) : object_(std::move(object)) { ++object_->users_; }
  ~MapUser() {
    if (--object_->users_ == 0) object_->lose_users();
  }
  MapUser(const MapUser&) = delete;
  MapUser& operator=(const MapUser&) = delete;

  [[nodiscard]] const std::shared_ptr<MapObject>& object() const { return object_; }

 private:
  std::shared_ptr<MapObject> object_;
};

// A change by user space, while it is under way. The map is kept by whoever makes it.
class MapWriting {
 public:
  explicit MapWriting(MapObject& object) : object_(object) { ++object_.writers_; }
  ~MapWriting() { --object_.writers_; }
  MapWriting(const MapWriting&) = delete;
  MapWriting& operator=(const MapWriting&) = delete;

  // False if the map is frozen: then nothing may be written.
  [[nodiscard]] bool allowed() const { return !object_.frozen_; }

 private:
  MapObject& object_;
};

}  // namespace forager::runtime
