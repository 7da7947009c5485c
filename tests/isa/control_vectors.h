// SPDX-License-Identifier: Apache-2.0
//
// Vectors of unconditional jumps, calls of functions of the program, and exit.
#pragma once

#include "isa/isa.h"
#include "program_writer.h"

namespace forager::isa::vectors {

// Adds the row's checks; false if the row is of another kind.
bool fill_control(const Row& row, ProgramWriter& out);

}  // namespace forager::isa::vectors
