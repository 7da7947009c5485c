// SPDX-License-Identifier: Apache-2.0
//
// bpf_spin_lock and bpf_spin_unlock (kernel/bpf/helpers.c). A verified program holds one lock at most, and calls
// nothing while it does; one that breaks the rule is stopped rather than left waiting for itself.
#include "exec/spin_lock.h"

#include <utility>

#include "helpers/functions.h"

namespace forager::helpers {

u64 spin_lock(RunContext& run, u64 lock, u64, u64, u64, u64) {
  if (run.spin_lock != nullptr) {
    run.fault = "bpf_spin_lock by a program that holds a lock already";
    return 0;
  }
  run.spin_lock = pointer<std::uint32_t>(lock);
  exec::lock_value(*run.spin_lock);
  return 0;
}

u64 spin_unlock(RunContext& run, u64 lock, u64, u64, u64, u64) {
  if (run.spin_lock == nullptr || run.spin_lock != pointer<std::uint32_t>(lock)) {
    run.fault = "bpf_spin_unlock of a lock that the program does not hold";
    return 0;
  }
  exec::unlock_value(*std::exchange(run.spin_lock, nullptr));
  return 0;
}

}  // namespace forager::helpers
