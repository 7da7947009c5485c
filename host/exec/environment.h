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
#include <vector>

#include "exec/fib.h"
#include "exec/frame.h"
#include "exec/map.h"
#include "verifier/verify.h"

namespace forager::exec {

struct RunContext;
using HelperFn = std::uint64_t (*)(RunContext&, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                   std::uint64_t);

// An environment without a clock stands at time 0.
struct Environment {
  unsigned cpus = 1;                                               // possible CPUs; per-CPU maps have so many slots
  std::function<std::uint64_t()> monotonic_ns;                     // bpf_ktime_get_ns
  std::function<std::uint64_t()> boot_ns;                          // bpf_ktime_get_boot_ns
  std::function<std::uint64_t()> tai_ns;                           // bpf_ktime_get_tai_ns
  std::function<void(unsigned cpu, std::string_view line)> trace;  // bpf_trace_printk, one line without newline
  FibTable fib;                                                    // bpf_fib_lookup
  std::span<const HelperFn> helpers;                               // by helper id; null = not implemented
};

// A program's address space, for helpers that follow pointers no helper row types (%s of trace_printk).
class ProgramMemory {
 public:
  virtual ~ProgramMemory() = default;
  // Copies the bytes at a program's address; false if the program may not read all of them.
  [[nodiscard]] virtual bool read(std::uint64_t address, std::span<std::byte> to) const = 0;
};

// A ring-buffer record between bpf_ringbuf_reserve and _submit or _discard, which are not told its map.
struct OpenRecord {
  void* memory = nullptr;
  RingProducer* ring = nullptr;
};

struct RunContext {
  const Environment* environment = nullptr;
  Frame* frame = nullptr;
  const verifier::VerifiedProgram* program = nullptr;  // the one running now (changes at a tail call)
  unsigned cpu = 0;
  std::uint64_t random_state = 0;  // seeded per engine instance, so runs are reproducible
  const ProgramMemory* memory = nullptr;
  std::vector<OpenRecord> open_records;  // engines discard what a stopped program leaves here: it would block the ring
};

}  // namespace forager::exec
