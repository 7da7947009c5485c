// SPDX-License-Identifier: Apache-2.0
//
// The RTL core (hw/rtl), simulated by Verilator.
#pragma once

#include "exec/backend.h"

namespace forager::jit::rtl {

[[nodiscard]] const exec::Backend& backend();

}  // namespace forager::jit::rtl
