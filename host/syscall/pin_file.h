// SPDX-License-Identifier: Apache-2.0
//
// PinFile: one file of a pin directory, by its name there ("17.map"): a record's bytes (pin_records.h), and what shows
// that they are whole.
//
//   8 bytes   "forager", zero
//   u32       version of the format
//   u32       kind, as in the name
//   u64       bytes of the record
//   ...       the record
//   20 bytes  SHA-1 of everything before: against damage; it does not make the rest believable
//
// A file appears under its name whole or not at all: it is written beside, brought to the disk, and renamed.
//
// Tested by: tests/unit/syscall_pin_store_test.cc.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "forager/result.h"

namespace forager::syscall {

// In the order in which they need one another.
enum class RecordKind : std::uint32_t { btf, map, program, pin };

struct PinFile {
  RecordKind kind{};
  std::uint32_t number = 0;  // from 1, of all kinds together
  friend auto operator<=>(const PinFile&, const PinFile&) = default;
};

[[nodiscard]] std::string name_of(const PinFile& file);
// Nothing for other files' names.
[[nodiscard]] std::optional<PinFile> pin_file_named(std::string_view name);

// In the directory of a descriptor. Errors: system. A file that was there stays whole then.
[[nodiscard]] Result<> write_pin_file(int directory, const PinFile& file, std::span<const std::byte> record);
// Errors: system; input, saying what is wrong with the file.
[[nodiscard]] Result<std::vector<std::byte>> read_pin_file(int directory, const PinFile& file);
// What is in a directory, in no order. Files that a crash left unfinished are removed. Errors: system.
[[nodiscard]] Result<std::vector<PinFile>> list_pin_files(int directory, const std::string& path);
// Nothing is said of a file that is not there.
void remove_pin_file(int directory, const PinFile& file);

}  // namespace forager::syscall
