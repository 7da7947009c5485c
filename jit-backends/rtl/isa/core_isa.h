// SPDX-License-Identifier: Apache-2.0
//
// The core's instruction words as the host knows them (ops.def, registers.def; ../../../hw/doc/core.md).
//
// A bundle is 144 bits: slot 0 below slot 1. A slot of 72 bits:
//     op 8 | d 4 | a 4 | b 4 | use_imm 1 | imm 32 | offset 16 | a_state 1 | on_map 1 | zero 1        from bit 0 up
// Registers 0 to 10 are BPF's; 10 reads as the top of the call depth's frame whatever is written; 11 to 15 are free.
//
// Tested by: tests/unit/rtl_*_test.cc.
#pragma once

#include <array>
#include <cstdint>

namespace forager::jit::rtl {

enum class CoreClass : std::uint8_t {
#define FORAGER_CORE_CLASS(name, encoding) name = encoding,
#define FORAGER_CORE_OP(...)
#define FORAGER_CORE_STATE(...)
#define FORAGER_CORE_CAUSE(...)
#define FORAGER_CORE_MAP(...)
#include "jit-backends/rtl/isa/ops.def"
};

// Functions, each with its class above it: an operation without its width.
enum class CoreOp : std::uint8_t {
#define FORAGER_CORE_CLASS(...)
#define FORAGER_CORE_OP(of, name, encoding) of##name = static_cast<std::uint8_t>(CoreClass::of) << 4 | (encoding),
#define FORAGER_CORE_STATE(...)
#define FORAGER_CORE_CAUSE(...)
#define FORAGER_CORE_MAP(...)
#include "jit-backends/rtl/isa/ops.def"
  Load = static_cast<std::uint8_t>(CoreClass::Load) << 4,
  Store = static_cast<std::uint8_t>(CoreClass::Store) << 4,
};

enum class CoreState : std::uint8_t {
#define FORAGER_CORE_CLASS(...)
#define FORAGER_CORE_OP(...)
#define FORAGER_CORE_STATE(name, encoding) name = encoding,
#define FORAGER_CORE_CAUSE(...)
#define FORAGER_CORE_MAP(...)
#include "jit-backends/rtl/isa/ops.def"
};

enum class CoreCause : std::uint8_t {
#define FORAGER_CORE_CLASS(...)
#define FORAGER_CORE_OP(...)
#define FORAGER_CORE_STATE(...)
#define FORAGER_CORE_CAUSE(name, encoding) name = encoding,
#define FORAGER_CORE_MAP(...)
#include "jit-backends/rtl/isa/ops.def"
};

enum class CoreMap : std::uint8_t {
#define FORAGER_CORE_CLASS(...)
#define FORAGER_CORE_OP(...)
#define FORAGER_CORE_STATE(...)
#define FORAGER_CORE_CAUSE(...)
#define FORAGER_CORE_MAP(name, encoding) name = encoding,
#include "jit-backends/rtl/isa/ops.def"
};

// Byte offsets on the control port.
enum class CoreRegister : std::uint32_t {
#define FORAGER_CORE_REGISTER(name, offset, access, what) name = offset,
#include "jit-backends/rtl/isa/registers.def"
};

[[nodiscard]] constexpr std::uint32_t offset_of(CoreRegister which) { return static_cast<std::uint32_t>(which); }

// Of loads and stores, beside the size in bits 1 and 0.
inline constexpr std::uint8_t kSigned = 4, kSwapped = 8;
inline constexpr std::uint8_t kSixBytes = 7;                                 // of loads and stores: the whole function
inline constexpr std::uint8_t kFetches = 8;                                  // of atomics
inline constexpr unsigned kScratchBytes = 256;                               // of a call depth
inline constexpr unsigned kMapsInTable = 64;                                 // that the engine and the core know
inline constexpr unsigned kMapInScratch = 1U << 6, kMapByPointer = 1U << 7;  // of a map operation's offset
inline constexpr unsigned kMapKeyWordsAt = 8, kMapRowAt = 13;
inline constexpr unsigned kUnusedRegister = 15;  // where results go that nobody reads

struct Slot {
  CoreOp op = CoreOp::AluNop;
  bool wide = true;  // 64 bits
  std::uint8_t d = 0, a = 0, b = 0;
  bool use_imm = false;
  std::uint32_t imm = 0;
  std::uint16_t offset = 0;
  bool a_state = false;  // a is a CoreState
  bool on_map = false;   // see OnMap
};

// What the immediate of an access to a map's values says. `scale` is an index into kScales.
struct OnMap {
  std::uint32_t map = 0, scale = 0;
  std::int32_t value = 0;  // b, if the slot uses its immediate

  static constexpr std::array<unsigned, 4> kScales = {0, 3, 4, 5};  // bits that a is shifted by
  static constexpr std::int32_t kLeast = -(1 << 23), kMost = (1 << 23) - 1;

  [[nodiscard]] constexpr std::uint32_t encoded() const {
    return map | scale << 6 | static_cast<std::uint32_t>(value) << 8;
  }
};

struct Bundle {
  std::array<Slot, 2> slots;
};

inline constexpr std::uint32_t kMostBundles = 1U << 16;  // that a branch can name
inline constexpr unsigned kBundleWords = 5;              // of 32 bits, the last one half used

[[nodiscard]] std::array<std::uint32_t, kBundleWords> encode(const Bundle& bundle);

}  // namespace forager::jit::rtl
