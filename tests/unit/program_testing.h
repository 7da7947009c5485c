// SPDX-License-Identifier: Apache-2.0
//
// What the program and verifier tests share: programs from text, and what an error says.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "program/program.h"
#include "program/text.h"

namespace forager::program::testing {

inline std::vector<isa::Slot> slots_of(std::string_view text, const std::vector<std::string>& map_names = {}) {
  auto slots = assemble(text, map_names);
  EXPECT_TRUE(slots) << slots.error().text() << "\n" << text;
  return slots.value_or(std::vector<isa::Slot>{});
}

inline Source source_of(std::string_view text, isa::ProgType type = isa::ProgType::xdp) {
  Source source;
  source.type = type;
  source.slots = slots_of(text);
  return source;
}

inline Result<Program> decode_text(std::string_view text, isa::ProgType type = isa::ProgType::xdp) {
  return Program::decode(source_of(text, type));
}

inline isa::Slot slot(std::uint8_t opcode, unsigned dst, unsigned src, std::int16_t offset, std::int32_t imm) {
  isa::Slot out;
  out.opcode = opcode;
  out.dst = dst & 0xf;
  out.src = src & 0xf;
  out.offset = offset;
  out.imm = imm;
  return out;
}

// Bare slots followed by "r0 = 0; exit".
inline Result<Program> decode_slots(std::vector<isa::Slot> slots, isa::ProgType type = isa::ProgType::xdp) {
  slots.push_back(slot(0xb7, 0, 0, 0, 0));
  slots.push_back(slot(0x95, 0, 0, 0, 0));
  Source source;
  source.type = type;
  source.slots = std::move(slots);
  return Program::decode(std::move(source));
}

// "rejected EINVAL-number @slot message", or "accepted".
template <class T>
std::string verdict(const Result<T>& result) {
  if (result) return "accepted";
  const Diagnostic& error = result.error();
  const std::string at = error.instruction ? " @" + std::to_string(*error.instruction) : "";
  return std::string(to_string(error.kind)) + at + ": " + error.message;
}

}  // namespace forager::program::testing
