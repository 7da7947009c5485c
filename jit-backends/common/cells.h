// SPDX-License-Identifier: Apache-2.0
//
// Cells: the memory that generated code reaches through a register of its own, and the C++ side through a reference.
// The layout is the code's ABI: offsets are taken by offsetof, nothing else knows them.
//
// The stack frames stand here, each 512 bytes, upwards by call depth, so that r10 is aligned to a cache line and no
// program's frame ends where something of the host's begins. A page that nobody may touch would not help: the verifier
// proves every access to the stack. There are as many as Linux can need: a tail call from a subprogram begins another
// program where that subprogram's frame was.
//
// Tested by: through every backend; tests/unit/jit_device_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "exec/environment.h"
#include "isa/isa.h"
#include "isa/tables.h"

namespace forager::jit {

class Invocation;

// Why generated code stopped.
enum class Stop : std::uint32_t { none, bounds, fault, callback, limit };

inline constexpr std::size_t kStackFrames = (isa::kMaxTailCalls + 1) * (isa::kMaxCallFrames - 1) + 1;

struct Cells {
  exec::RunContext* run = nullptr;
  exec::Frame* frame = nullptr;              // what programs hold as their context
  std::byte* packet = nullptr;               // first byte of the packet, ...
  std::byte* packet_end = nullptr;           // ... and one past the last of its linear part
  std::byte* packet_meta = nullptr;          // of its metadata
  std::byte* context = nullptr;              // where the context's scalars stand, ...
  std::byte* context_end = nullptr;          // ... and end, where they are as many as the event has
  std::byte* socket = nullptr;               // the view of the context's socket, or null
  std::byte* exit_stack = nullptr;           // of the native stack: where `enter` goes back to
  std::byte* frame_pointer = nullptr;        // r10 of whoever is entered
  std::uint64_t cpu = 0;                     // lane of per-CPU maps
  std::uint64_t result = 0;                  // r0 around calls that the program does not know of
  std::array<std::uint64_t, 5> arguments{};  // r1-r5 of whoever is entered
  Invocation* owner = nullptr;
  Stop stop = Stop::none;
  std::uint32_t stopped_at = 0;  // index of an instruction
  std::uint32_t tail_calls = 0;
  alignas(64) std::array<std::array<std::byte, isa::kStackBytes>, kStackFrames> stack;
};

}  // namespace forager::jit
