// SPDX-License-Identifier: Apache-2.0
#include "runtime/map_object.h"

#include <linux/bpf.h>

#include <cerrno>
#include <utility>

#include "runtime/objects.h"
#include "runtime/timers.h"

namespace forager::runtime {

MapObject::~MapObject() {
  if (timers_ != nullptr) timers_->forget(*map);
}

void MapObject::use_timers(TimerQueue& timers) {
  timers_ = &timers;
  map->set_hooks(&timers);
  timers.watch(*map, users_);
}

void MapObject::lose_users() {
  clear_programs();
  if (timers_ != nullptr) timers_->release(*map);
}

bool MapObject::own_locked(const ProgramObject& program) {
  const Owner owner{program.type(), program.source().xdp_has_frags, program.source().iterator};
  if (!owner_) owner_ = owner;
  return *owner_ == owner;
}

bool MapObject::own_programs(const ProgramObject& program) {
  const std::lock_guard guard(mutex_);
  return own_locked(program);
}

int MapObject::set_program(std::uint32_t index, const std::shared_ptr<ProgramObject>& program) {
  if (index >= spec().max_entries) return -E2BIG;
  std::shared_ptr<ProgramObject> replaced;  // destroyed after the lock: it may hold this very map
  const std::lock_guard guard(mutex_);
  if (program && !own_locked(*program)) return -EINVAL;
  if (programs_.size() <= index) programs_.resize(index + 1);
  replaced = std::exchange(programs_[index], program);
  if (!program && !replaced) return -ENOENT;
  return map->abilities().programs->set(index, program ? program->slot() : exec::ProgramSlot{});
}

std::shared_ptr<ProgramObject> MapObject::program_at(std::uint32_t index) const {
  const std::lock_guard guard(mutex_);
  return index < programs_.size() ? programs_[index] : nullptr;
}

bool MapObject::freeze() { return writers_ == 0 && !frozen_.exchange(true); }

std::shared_ptr<const std::vector<std::byte>> MapObject::constants() const {
  const bool fixed = spec().type == isa::MapType::array && spec().max_entries == 1 &&
                     (spec().flags & BPF_F_RDONLY_PROG) != 0 && frozen_ && writers_ == 0;
  if (!fixed) return nullptr;
  const std::uint32_t first = 0;
  auto bytes = std::make_shared<std::vector<std::byte>>(spec().value_size);
  return map->read(&first, bytes->data(), 0) == 0 ? bytes : nullptr;
}

void MapObject::clear_programs() {
  std::vector<std::shared_ptr<ProgramObject>> programs;
  const std::lock_guard guard(mutex_);
  programs.swap(programs_);
  for (std::uint32_t index = 0; index < programs.size(); ++index) {
    if (programs[index]) (void)map->abilities().programs->set(index, {});
  }
}

}  // namespace forager::runtime
