// SPDX-License-Identifier: Apache-2.0
//
// Fields of contexts in event files, by the tables of host/isa/ctx, and the wide numbers that such files have: up to 64
// bits, negative ones in two's complement, and strings such as "0xffff888000001000", since JSON's own numbers lose
// digits in other tools.
//
// Tested by: tests/unit/cli_event_file_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/strict_json.h"
#include "exec/frame.h"
#include "isa/tables.h"

namespace forager::cli {

namespace strict {

[[nodiscard]] std::uint64_t wide_number(const Json& value, const std::string& where);
[[nodiscard]] std::uint64_t wide(const Json& object, const std::string& where, const char* name);
[[nodiscard]] std::uint64_t wide_or(const Json& object, const std::string& where, const char* name,
                                    std::uint64_t otherwise);
// Empty where there is none.
[[nodiscard]] std::vector<std::uint64_t> wide_list(const Json& object, const std::string& where, const char* name);
// False where there is none.
[[nodiscard]] bool flag(const Json& object, const std::string& where, const char* name);
[[nodiscard]] std::vector<std::byte> to_bytes(const std::string& text);

}  // namespace strict

// Fills the frame's context from an object of fields, or from one string of hex bytes. Throws as strict_json.h says.
void fill_context(const strict::Json& fields, const isa::ContextRow& context, exec::Frame& frame);

// The scalar fields that differ between two contexts, as an object of numbers and lists.
[[nodiscard]] nlohmann::ordered_json changed_fields(const isa::ContextRow& context,
                                                    const std::array<std::byte, exec::kMaxContextBytes>& before,
                                                    const std::array<std::byte, exec::kMaxContextBytes>& after);

}  // namespace forager::cli
