// SPDX-License-Identifier: Apache-2.0
//
// Which helpers the host implements (host_helpers.def), as data that engines and host/helpers share without knowing
// each other.
//
// Tested by: tests/unit/helpers_test.cc.
#pragma once

#include <bitset>
#include <cstdint>
#include <string_view>

namespace forager::exec {

// Every helper's number, by name.
enum class HelperId : std::uint32_t {
#define FORAGER_HELPER(id, name, ...) name = id,
#include "isa/helpers.def"
};

// By helper id.
[[nodiscard]] const std::bitset<512>& host_helpers();
// Why the host does not implement a helper (unsupported_helpers.def); empty for one that it does.
[[nodiscard]] std::string_view unsupported_reason(std::uint32_t id);

}  // namespace forager::exec
