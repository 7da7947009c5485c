// SPDX-License-Identifier: Apache-2.0
//
// Values by their BTF type: JSON with bpftool's conventions ("formatted"), and one-line text for people.
//
// The bytes come from a map and the types from a file; both are hostile, so every read is bounded by the value's size
// and nesting by kMaxDepth. What does not fit the type is shown as null.
//
// Text differs from JSON where a network engineer reads faster: a __be32 is an IPv4 address, a __be16 a port number,
// arrays of 4, 6 and 16 unsigned bytes are IPv4, MAC and IPv6 addresses.
//
// Tested by: tests/unit/cli_btf_value_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

struct btf;

namespace forager::cli {

[[nodiscard]] nlohmann::ordered_json btf_to_json(const btf* types, std::uint32_t type,
                                                 std::span<const std::byte> bytes);
[[nodiscard]] std::string btf_to_text(const btf* types, std::uint32_t type, std::span<const std::byte> bytes);

// {"0x01", "0x02", ...}: raw bytes as bpftool writes them.
[[nodiscard]] nlohmann::ordered_json raw_bytes(std::span<const std::byte> bytes);
// "01 02 0a".
[[nodiscard]] std::string hex_text(std::span<const std::byte> bytes);
// Bytes in hex, separated by blanks, each with or without 0x; appended to `bytes`. False on anything else.
[[nodiscard]] bool parse_hex(const std::string& text, std::string& bytes);

}  // namespace forager::cli
