// SPDX-License-Identifier: Apache-2.0
#include "runtime/objects.h"

#include <algorithm>
#include <utility>

namespace forager::runtime {

ProgramObject::ProgramObject(std::uint32_t object_id, std::shared_ptr<const verifier::VerifiedProgram> program,
                             std::vector<std::shared_ptr<MapObject>> bound, DebugInfo info)
    : id(object_id),
      verified(std::move(program)),
      maps(std::move(bound)),
      debug(std::move(info)),
      tag(program::tag_of(verified->program().slots())) {}

exec::ProgramSlot ProgramObject::slot() const {
  auto list = std::make_shared<exec::MapList>();
  for (const auto& map : maps) list->push_back(map->map);
  return {.id = id, .program = verified, .maps = std::move(list)};
}

void ProgramObject::bind_also(std::shared_ptr<MapObject> map) {
  if (std::ranges::find(maps, map) != maps.end()) return;
  const std::lock_guard guard(mutex_);
  if (std::ranges::find(also_bound_, map) == also_bound_.end()) also_bound_.push_back(std::move(map));
}

std::vector<std::shared_ptr<MapObject>> ProgramObject::all_maps() const {
  std::vector<std::shared_ptr<MapObject>> all = maps;
  const std::lock_guard guard(mutex_);
  all.insert(all.end(), also_bound_.begin(), also_bound_.end());
  return all;
}

Result<std::shared_ptr<const exec::Image>> ProgramObject::image(const exec::Backend& backend,
                                                                const exec::CompileOptions& options) {
  const std::lock_guard guard(mutex_);
  auto& cached = images_[{&backend, options}];
  if (cached) return cached;
  auto compiled = backend.compile(verified, options);
  if (compiled) cached = *compiled;
  return compiled;
}

void ProgramObject::count_run(std::uint64_t packets, std::uint64_t nanoseconds) {
  if (statistics == nullptr || !statistics->on()) return;
  run_count.fetch_add(packets, std::memory_order_relaxed);
  run_time_ns.fetch_add(nanoseconds, std::memory_order_relaxed);
}

}  // namespace forager::runtime
