// SPDX-License-Identifier: Apache-2.0
#include "exec/invocation.h"

#include <cerrno>
#include <utility>

#include "exec/spin_lock.h"
#include "exec/verdict.h"

namespace forager::exec {

void clear_results(Frame& frame) {
  frame.redirect = {};
  frame.clones.clear();
  frame.target = nullptr;
  frame.trap.reset();
}

std::size_t discard_open_records(RunContext& run) {
  for (const DynptrMemory& memory : run.dynptrs.entries()) {
    if (memory.ring != nullptr && !memory.ended) run.open_records.push_back({memory.base, memory.ring});
  }
  const std::size_t left = run.open_records.size();
  for (const OpenRecord& record : run.open_records) record.ring->commit(record.memory, 0, true);
  run.open_records.clear();
  return left;
}

Diagnostic left_open(std::size_t records) {
  return {.kind = ErrorKind::rejected,
          .error = EINVAL,
          .message = "the program ends with " + std::to_string(records) +
                     " ring-buffer records neither submitted nor discarded"};
}

void let_go(RunContext& run) {
  if (run.spin_lock != nullptr) unlock_value(*std::exchange(run.spin_lock, nullptr));
  run.dynptrs.clear();
  run.held.clear();
}

void set_results(Frame& frame, isa::ProgType type, std::uint64_t r0, std::unique_ptr<Diagnostic> trap) {
  if (trap != nullptr) {
    clear_results(frame);
    frame.return_value = safe_verdict(type);
  } else {
    frame.return_value = type == isa::ProgType::raw_memory ? r0 : static_cast<std::uint32_t>(r0);
  }
  frame.trap = std::move(trap);
}

}  // namespace forager::exec
