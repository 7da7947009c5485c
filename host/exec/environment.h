// SPDX-License-Identifier: Apache-2.0
//
// What a running program can reach besides its packet and maps: time, randomness, routing tables, the trace stream,
// and the helper functions themselves. A runtime owns one Environment; engines and helpers only read it.
//
// RunContext is the state of one invocation, and a HelperFn is what every engine on the host calls for a BPF helper:
// arguments are host values (maps as exec::Map*, memory as host addresses that the engine has checked for the size
// the helper's row in helpers.def states), so that the interpreter and the JITs share one implementation.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "exec/fib.h"
#include "exec/frame.h"
#include "exec/map.h"
#include "verifier/verify.h"

namespace forager::exec {

struct RunContext;
using HelperFn = std::uint64_t (*)(RunContext&, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                   std::uint64_t);

struct Environment {
  unsigned cpus = 1;                                                      // possible CPUs; per-CPU maps have so many slots
  std::function<std::uint64_t()> monotonic_ns;                            // bpf_ktime_get_ns
  std::function<std::uint64_t()> boot_ns;                                 // bpf_ktime_get_boot_ns
  std::function<void(unsigned cpu, std::string_view line)> trace;         // bpf_trace_printk, one line without newline
  FibTable fib;                                                           // bpf_fib_lookup
  std::span<const HelperFn> helpers;                                      // by helper id; null = not implemented
};

struct RunContext {
  const Environment* environment = nullptr;
  Frame* frame = nullptr;
  const verifier::VerifiedProgram* program = nullptr;  // the one running now (changes at a tail call)
  unsigned cpu = 0;
  std::uint64_t random_state = 0;  // seeded per engine instance, so runs are reproducible
};

}  // namespace forager::exec
