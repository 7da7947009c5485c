// SPDX-License-Identifier: Apache-2.0
//
// What the tables of helpers and contexts say of pointers. Private to address*.cc.
//
// Tested by: tests/unit/fuzz_rival_test.cc.
#pragma once

#include "isa/tables.h"
#include "tests/fuzz/verifier/address_state.h"

namespace forager::fuzz {

// What a helper does with an argument, or with the memory behind it.
enum class Use : std::uint8_t { nothing, is_number, reads, fills, updates, makes_dynptr, calls };
[[nodiscard]] Use use_of(isa::Arg arg);

// What a helper returns; what is loaded from a field.
[[nodiscard]] Classes class_of(isa::Ret returns);
[[nodiscard]] Classes class_of(const isa::ContextField& field);

}  // namespace forager::fuzz
