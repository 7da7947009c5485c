// SPDX-License-Identifier: Apache-2.0
//
// fire(): something happened at a place. Its programs run one after another on the same frame, in their effective
// order, and what they return becomes one answer by the rule of the place (kernel: tcx_run, bpf_prog_run_array_cg,
// bpf_sk_lookup_run_v4, nf_hook_slow, trace_call_bpf). A frame that an XDP program redirects goes on to the program of
// the map's entry (runtime/onward.h), which changes the frame, and not the answer.
//
// Tested by: tests/unit/runtime_attach_test.cc.
#pragma once

#include <cstdint>

#include "exec/frame.h"
#include "runtime/runtime.h"

namespace forager::runtime {

struct Fired {
  unsigned programs = 0;     // that ran
  unsigned traps = 0;        // of these, stopped by the engine; the first one's reason stays in the frame
  std::uint64_t answer = 0;  // of the place; without programs, what lets everything pass
};

// `frame` has the context that the place's program types see. Errors: of placement, and of the device.
[[nodiscard]] Result<Fired> fire(Runtime& runtime, const Place& place, exec::Frame& frame);

}  // namespace forager::runtime
