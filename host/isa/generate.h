// SPDX-License-Identifier: Apache-2.0
//
// What forager_isa_gen makes from the tables: text in other languages, each a pure function of the rows.
//
// Generated files are checked in, so that they are reviewed as diffs and need no build to be read; a test compares
// them with what the generator says now (cmake --build . --target forager_isa_bless rewrites them).
#pragma once

#include <string>
#include <string_view>

#include "isa/isa.h"

namespace forager::isa::generate {

std::string systemverilog_encodings();  // hw/rtl/forager_isa_pkg.sv
std::string systemverilog_semantics();  // hw/rtl/forager_semantics_pkg.sv
std::string systemverilog_probe();      // a module around the semantics, for the test that runs them
std::string opencl_prelude();           // host/isa/generated/forager_isa.cl.h
std::string markdown_tables();          // docs/tables.md

// How a language writes the parts of an isa.def expression that are not the same everywhere.
struct Dialect {
  std::string (*literal)(std::uint64_t value, unsigned width);
  std::string_view call_prefix;  // before the name of a primitive
};

// The row's expression in a dialect: sized literals, shift_mask as a number, primitives with their width
// ("asr(dst, src & shift_mask)" -> "isa_asr_32(dst, src & 31u)").
std::string translate(const Row& row, const Dialect& dialect);

// The function that stands for the row: "add_64", "jeq_32", "be16", "atomic_add_64".
std::string function_name(const Row& row);

// Rows that become functions: one for the immediate and the register form together.
bool has_function(const Row& row);
bool is_condition(const Row& row);  // its value is one bit

}  // namespace forager::isa::generate
