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
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "exec/dynptr.h"
#include "exec/fib.h"
#include "exec/frame.h"
#include "exec/map.h"
#include "exec/socket.h"
#include "exec/task.h"
#include "exec/timers.h"
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
  SocketDirectory sockets;                                         // bpf_sk_lookup_*, bpf_skc_lookup_tcp
  std::function<Task()> task;                                      // who runs, where the event does not say
  Timers* timers = nullptr;                                        // bpf_timer_*; null = there are none
  std::span<const HelperFn> helpers;                               // by helper id; null = not implemented
};

// A program's address space, for helpers that follow pointers no helper row types (%s of trace_printk).
class ProgramMemory {
 public:
  virtual ~ProgramMemory() = default;
  // Copies the bytes at a program's address; false if the program may not read all of them.
  [[nodiscard]] virtual bool read(std::uint64_t address, std::span<std::byte> to) const = 0;
};

// What a helper gives a callback: a number as it is, or something of the host's that the engine must make a pointer of.
struct CallbackArgument {
  enum class Kind : std::uint8_t { number, map, memory, dynptr };
  Kind kind = Kind::number;
  std::uint64_t value = 0;   // the number; the host address of memory or of the 16 bytes of a dynptr
  const Map* map = nullptr;  // the map, or the one that memory is a value of (null: no map value)
  std::uint64_t size = 0;    // of memory, bytes
  bool writable = true;      // of memory
};

// How helpers call functions of the program they were called by (bpf_loop, bpf_for_each_map_elem, ...).
class ProgramCalls {
 public:
  virtual ~ProgramCalls() = default;
  // Runs the function that a `callback` argument named, with these arguments, to its end. Its r0; nothing if the
  // program was stopped meanwhile: the helper must return at once then.
  [[nodiscard]] virtual std::optional<std::uint64_t> call(std::uint64_t function,
                                                          std::span<const CallbackArgument> arguments) = 0;
  // The same function, to be called when the invocation is long over (timers).
  [[nodiscard]] virtual TimerCallback keep(std::uint64_t function) const = 0;
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
  std::uint64_t random_state = 0;        // seeded per engine instance, so runs are reproducible
  std::span<const std::uint32_t> ports;  // of the device (DeviceOptions::ports)
  const ProgramMemory* memory = nullptr;
  ProgramCalls* calls = nullptr;
  std::vector<OpenRecord> open_records;  // engines discard what a stopped program leaves here: it would block the ring
  DynptrTable dynptrs;
  // What the program holds pointers to: inner maps, sockets. Engines drop them at the end of the invocation.
  std::vector<std::shared_ptr<const void>> held;
  // The spin lock that the program holds, null = none: engines release it should the program be stopped.
  std::uint32_t* spin_lock = nullptr;
  // Set by a helper that finds something no verified program does: the engine stops the program.
  const char* fault = nullptr;
};

}  // namespace forager::exec
