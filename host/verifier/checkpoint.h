// SPDX-License-Identifier: Apache-2.0
//
// Checkpoint: a state kept at an instruction, so that a later path that comes there knowing no less can stop.
//
// It keeps only what can matter later: registers that are live there and stack bytes that hold something. Beside them
// stand marks that grow while the paths from here are explored: which slots were read, and which scalars' values
// mattered (`precise`). When all those paths are done the marks are final, and the checkpoint no longer needs the way
// that led to it.
//
// Tested by: tests/verifier, tests/unit/verifier_structure_test.cc, tests/fuzz.
#pragma once

#include <memory>
#include <vector>

#include "verifier/state.h"

namespace forager::verifier {

// How states are compared: what the old one's paths used; everything that is live, by inclusion (its marks are not
// final); everything that is live, exactly.
enum class Match : std::uint8_t { used, within, exact };

struct FrameMarks {
  RegisterSet scalar_regs = 0, precise_regs = 0;
  SlotSet scalar_slots = 0, precise_slots = 0;
  HalfSet read;            // by paths from here, before they were overwritten
  HalfSet written_before;  // between the parent and here
};

struct Checkpoint {
  struct KeptReg {
    std::uint8_t frame, number;
    Reg reg;
  };
  struct KeptSlot {
    std::uint8_t frame, index;
    Bytes bytes;
    u32 reg;  // index into slot_regs, or kNone
  };
  struct KeptFrame {
    u32 call_site, subprogram, callback_depth, async_entries;
    FrameKind kind;
    RegisterSet live;
    FrameMarks marks;
  };

  u32 at = 0;
  u32 depth = 0;
  u32 callback_unroll_depth = 0;
  u32 branches = 1;  // paths from here that are not done
  u32 hits = 0, misses = 0;
  std::size_t kept_bytes = 0;  // as counted when it was made
  std::vector<KeptFrame> frames;
  std::vector<KeptReg> regs;
  std::vector<KeptSlot> slots;
  std::vector<Reg> slot_regs;
  std::vector<Reference> references;

  // The way here, while needed.
  std::shared_ptr<Checkpoint> parent;
  std::vector<Step> steps;  // from the parent to here
  std::vector<LinkedPlaces> linked;

  // Some path from here ended at a checkpoint that is still in progress, so marks are not final (convergence.cc).
  bool loops = false;

  // Nothing will be traced back through here any more.
  void forget_way() {
    parent.reset();
    steps = {};
    linked = {};
  }
  [[nodiscard]] std::size_t bytes() const;
  ~Checkpoint();
};

// Keeps the state; live[f] are the registers of frame f that are live.
[[nodiscard]] std::shared_ptr<Checkpoint> keep(const State& state, std::span<const RegisterSet> live);

// Whether the old state covers the current one (Linux states_equal).
[[nodiscard]] bool covers(const Checkpoint& old, const State& state, Match match, bool allow_uninitialised);

}  // namespace forager::verifier
