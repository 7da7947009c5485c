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

}  // namespace forager::exec
