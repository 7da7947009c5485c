// SPDX-License-Identifier: Apache-2.0
//
// bpf_timer_* (kernel/bpf/helpers.c): the runtime's Timers do the work. Where there are none, as in an environment made
// for one run, a program is told so.
#include <cerrno>

#include "helpers/functions.h"

namespace forager::helpers {

u64 timer_init(RunContext& run, u64 timer, u64 of, u64 flags, u64, u64) {
  exec::Timers* timers = run.environment->timers;
  return result(timers == nullptr ? -EOPNOTSUPP : timers->init(map(of), pointer<void>(timer), flags));
}

u64 timer_set_callback(RunContext& run, u64 timer, u64 function, u64, u64, u64) {
  exec::Timers* timers = run.environment->timers;
  if (timers == nullptr) return result(-EOPNOTSUPP);
  return result(timers->set_callback(pointer<void>(timer), run.calls->keep(function)));
}

u64 timer_start(RunContext& run, u64 timer, u64 nanoseconds, u64 flags, u64, u64) {
  exec::Timers* timers = run.environment->timers;
  return result(timers == nullptr ? -EOPNOTSUPP : timers->start(pointer<void>(timer), nanoseconds, flags));
}

u64 timer_cancel(RunContext& run, u64 timer, u64, u64, u64, u64) {
  exec::Timers* timers = run.environment->timers;
  return result(timers == nullptr ? -EOPNOTSUPP : timers->cancel(pointer<void>(timer)));
}

}  // namespace forager::helpers
