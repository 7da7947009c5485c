// SPDX-License-Identifier: Apache-2.0
//
// The .data files of the public bpf_conformance suite: a program, its memory, and what r0 must be.
//
//   # comment
//   -- asm                 mnemonic text (program/text.h), or
//   -- raw                 64-bit slots, "0x..." or decimal, first byte lowest; wins over asm
//   -- mem                 bytes in hex
//   -- result              r0, "0x..." or decimal, or
//   -- error               the program must be refused or stopped
//   -- c, -- no register offset    for other readers: skipped
//
// Files come from anywhere, so everything is checked: sizes, numbers, section names.
//
// Tested by: tests/conformance/data_file_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "forager/result.h"
#include "isa/isa.h"

namespace forager::conformance {

struct Vector {
  std::string name;  // the file's, without ".data"
  std::vector<isa::Slot> slots;
  std::vector<std::byte> memory;
  std::optional<std::uint64_t> result;  // absent: an error is expected
};

// Errors: input, with the line.
[[nodiscard]] Result<Vector> parse_data_file(std::string_view text, std::string name);
// The same from a file; messages begin with its path. Errors: input.
[[nodiscard]] Result<Vector> read_data_file(const std::filesystem::path& path);

// "01 02 03", "010203", " 1  2 ": tokens of one digit or of pairs of digits. Errors: input.
[[nodiscard]] Result<std::vector<std::byte>> parse_hex_bytes(std::string_view text);

// Whole slots from bytes. Errors: input, unless they are a multiple of 8.
[[nodiscard]] Result<std::vector<isa::Slot>> slots_from_bytes(std::span<const std::byte> bytes);

}  // namespace forager::conformance
