// SPDX-License-Identifier: Apache-2.0
//
// Vectors of loads, stores, atomics and 64-bit immediates.
#pragma once

#include "isa/isa.h"
#include "program_writer.h"

namespace forager::isa::vectors {

// Adds the row's checks; false if the row is of another kind.
bool fill_memory(const Row& row, ProgramWriter& out);

}  // namespace forager::isa::vectors
