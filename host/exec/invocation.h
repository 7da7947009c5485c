// SPDX-License-Identifier: Apache-2.0
//
// What engines on the host share: the beginning and the end of an invocation, and what happens in its middle in the
// same way on all of them.
//
// Tested by: tests/unit/interp_device_test.cc, jit_device_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "exec/backend.h"
#include "exec/environment.h"

namespace forager::exec {

// Whether there is nothing to be done for let_go() and discard_open_records().
[[nodiscard]] inline bool holds_nothing(RunContext& run) {
  return run.open_records.empty() && run.dynptrs.entries().empty() && run.held.empty() && run.spin_lock == nullptr;
}

// Discards ring-buffer records that the program left open, which would block their ring for good. Their number.
[[nodiscard]] std::size_t discard_open_records(RunContext& run);
[[nodiscard]] Diagnostic left_open(std::size_t records);

// Gives back what a stopped program held; one that came to its end holds nothing.
void let_go(RunContext& run);

// Leaves r0 in the frame, or, of a program that was stopped, the diagnostic and its type's safe verdict.
void set_results(Frame& frame, isa::ProgType type, std::uint64_t r0, std::unique_ptr<Diagnostic> trap);

// Legacy packet access: `bytes` of the packet in network order at an index, as a number. Negative indices count from
// the network header (SKF_NET_OFF) or the link header (SKF_LL_OFF). Nothing where the packet has no such bytes
// (net/core/filter.c bpf_skb_load_helper).
[[nodiscard]] std::optional<std::uint64_t> load_packet(Frame& frame, std::uint32_t index, std::uint32_t bytes);

// What engines that run on the host and call its helpers have in common.
[[nodiscard]] Capabilities host_capabilities();

// The clock of RunReport::busy_ns. Elapsed time, as Linux's run_time_ns: asking for the thread's CPU time is a system
// call that takes longer than many a batch.
[[nodiscard]] std::uint64_t run_clock_ns();

}  // namespace forager::exec
