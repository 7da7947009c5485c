// SPDX-License-Identifier: Apache-2.0
//
// The verdict of a frame whose program was stopped: the one that lets nothing through.
//
// Tested by: tests/unit/exec_blockers_test.cc.
#pragma once

#include <cstdint>

#include "isa/tables.h"

namespace forager::exec {

[[nodiscard]] std::uint64_t safe_verdict(isa::ProgType type);

// What becomes of a packet by a verdict: it goes on its way, back where it came from, or where a redirect says.
enum class Fate : std::uint8_t { dropped, passed, returned, redirected };
[[nodiscard]] Fate fate_of(isa::ProgType type, std::uint32_t verdict);

}  // namespace forager::exec
