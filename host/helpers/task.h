// SPDX-License-Identifier: Apache-2.0
//
// On whose behalf the program runs, for the families of helpers that ask.
#pragma once

#include "exec/environment.h"
#include "exec/event.h"

namespace forager::helpers {

// The event's task, else the environment's, else one that says nothing. Calls use(task).
template <class Use>
auto with_task(const exec::RunContext& run, Use use) {
  if (run.frame->task != nullptr) return use(*run.frame->task);
  return use(run.environment->task ? run.environment->task() : exec::Task{});
}

// The frame's event; one that says nothing is made where there is none, to keep what the program asks for.
[[nodiscard]] inline exec::Event& event_of(exec::RunContext& run) {
  if (run.frame->event == nullptr) run.frame->event = std::make_shared<exec::Event>();
  return *run.frame->event;
}

// 1 if the task is of the cgroup at `index` or of one below it, else 0; -E2BIG beyond the map, -EAGAIN at an empty
// slot.
[[nodiscard]] std::uint64_t is_under_cgroup(exec::RunContext& run, exec::Map& cgroups, std::uint32_t index);

}  // namespace forager::helpers
