// SPDX-License-Identifier: Apache-2.0
//
// Which maps of a program stand in the device's memory while it runs, and where (hw/doc/maps.md has the tables). A map
// can whose type the map engine knows, if nothing reaches it but what the device does itself: lookups, updates and
// deletions of constant sizes, and its values by pointer. Everything else is the host's.
//
// Tested by: tests/unit/rtl_compile_test.cc, rtl_device_test.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "jit-backends/rtl/isa/core_isa.h"
#include "verifier/verify.h"

namespace forager::jit::rtl {

// What a plan may take: rows of 64 bytes, and threads, each of which is a CPU of per-CPU maps. Those of the default
// configuration (hw/configs.yaml).
struct ChipRoom {
  std::uint32_t rows = 30912;
  std::uint32_t threads = 8;
  std::uint32_t bundles = 8192;
  friend bool operator==(const ChipRoom&, const ChipRoom&) = default;
};

// Bytes, rounded up to words, as engine and scratch have them.
[[nodiscard]] constexpr std::uint32_t in_words(std::uint32_t bytes) { return (bytes + 7U) & ~7U; }

// A map's tables. Rows count from the first row for maps.
struct ChipMap {
  std::uint32_t index = 0;  // of the program's maps
  CoreMap kind = CoreMap::Array;
  bool per_cpu = false;      // values for each thread
  bool marked = false;       // entries that were used are (LRU)
  bool redirects = false;    // it says where packets may go, and has no values here
  bool programs = false;     // a PROG_ARRAY
  bool nested = false;       // its values are maps
  std::uint32_t stride = 0;  // arrays: bytes from a value to the next
  std::uint32_t nodes = 0;   // entries from 1, one more than the map holds; 0 is none
  std::uint32_t mask = 0;    // of a hash for its bucket
  std::uint32_t bucket_row = 0, link_row = 0, entry_row = 0;
  std::uint32_t value_row = 0;               // where values begin that pointers reach: thread 0's
  std::uint32_t value_rows = 0;              // of a thread, or of all
  std::uint32_t shift = 0, value_shift = 0;  // log2 of an entry's rows, and of those of a thread's value
  std::uint32_t value_offset = 0;            // in the entry
  std::uint32_t image_rows = 0;              // of key and value, as an update brings them
  std::uint32_t end_row = 0;                 // behind all of it

  // Each value begins at a multiple of 16 bytes.
  [[nodiscard]] bool in_pairs() const {
    if (kind == CoreMap::Array) return stride % 16 == 0;
    return kind == CoreMap::Hash && (per_cpu || value_offset % 16 == 0);
  }
  // Of programs: what an update brings stands in the scratch.
  [[nodiscard]] bool takes_updates() const { return kind == CoreMap::Hash && !redirects && !programs && !nested; }
  // Of a value in what pointers reach, for node n.
  [[nodiscard]] std::uint32_t value_at(std::uint32_t node) const {
    constexpr std::uint32_t kRow = 64;
    return per_cpu ? (node << value_shift) * kRow : (node << shift) * kRow + value_offset;
  }
};

// How the engine works on maps of a type.
struct ChipKind {
  isa::MapType type;
  CoreMap kind;
  bool per_cpu = false, marked = false;
  bool redirects = false, programs = false, nested = false;  // what a program can do with it, and nothing else
};
// Null if the engine does not know such maps.
[[nodiscard]] const ChipKind* chip_kind(const program::MapSpec& map);
// A map's tables from a row on; nothing if the engine cannot have them.
[[nodiscard]] std::optional<ChipMap> lay_out(const program::MapSpec& spec, std::uint32_t index, std::uint32_t row,
                                             const ChipRoom& room);

struct ChipPlan {
  std::vector<ChipMap> maps;
  ChipRoom room;           // that it was made for
  bool redirects = false;  // all of the program's redirects are the engine's: of two, the later one holds
  bool random = false;     // it has random numbers, and all are made by the device, one from the other

  [[nodiscard]] const ChipMap* find(std::uint32_t map) const;
  // Rows that its tables take.
  [[nodiscard]] std::uint32_t rows() const { return maps.empty() ? 0 : maps.back().end_row; }
};

// Which maps may stand on the chip.
enum class Maps : std::uint8_t {
  on_chip,
  programs,  // PROG_ARRAYs only: of a tail call's target, whose other maps may be those of the program that called it
  on_host,   // none
};

[[nodiscard]] ChipPlan plan_chip(const verifier::VerifiedProgram& program, Maps maps = Maps::on_chip,
                                 const ChipRoom& room = {});

// What the engine does for a call of a helper; for one that has a map, if that is on the chip.
struct EngineCall {
  CoreOp op{};
  std::uint32_t map = program::kNone;  // of the program's; none: the call has no map
  bool inner = false;                  // of a map that this one holds
};
[[nodiscard]] std::optional<EngineCall> engine_call(const verifier::VerifiedProgram& program, std::uint32_t call);
// What the map of such a call looks like.
[[nodiscard]] const program::MapSpec& spec_of(const EngineCall& call, const program::Program& program);

}  // namespace forager::jit::rtl
