// SPDX-License-Identifier: Apache-2.0
//
// What can be wrong with one encoded instruction by itself, before anything is known of the program around it.
//
// Private to the program layer. The rules are a list of small predicates in encoding.cc; the first that objects wins.
// Raw-memory programs follow RFC 9669 to the letter, which gives a meaning to shifts and divisions whose constants
// Linux refuses; every other type follows Linux.
//
// Tested by: tests/unit/program_decode_test.cc.
#pragma once

#include <optional>
#include <string>

#include "forager/result.h"
#include "isa/isa.h"
#include "isa/tables.h"

namespace forager::program {

struct EncodingFault {
  ErrorKind kind = ErrorKind::rejected;
  int error = 0;  // errno, positive
  std::string message;
};

// One instruction as it stands in memory. `row` is what the first slot encodes, nullptr if nothing.
struct Encoding {
  const isa::Row* row = nullptr;
  isa::Slot slot;
  const isa::Slot* second = nullptr;  // of a 64-bit immediate; nullptr if the program ends before it
  isa::ProgType type{};
  std::size_t maps = 0;  // how many maps the program names
};

[[nodiscard]] std::optional<EncodingFault> find_fault(const Encoding& encoding);

}  // namespace forager::program
