// SPDX-License-Identifier: Apache-2.0
//
// What each Arg of helpers.def asks for: one row each.
#pragma once

#include <string_view>

#include "isa/tables.h"
#include "verifier/reg.h"

namespace forager::verifier {

// What a helper may do with memory.
enum class Touch : std::uint8_t { read, write, update };

using TypeSet = u32;  // bit n is the RegType numbered n
[[nodiscard]] constexpr TypeSet set_of(RegType type) { return TypeSet{1} << static_cast<unsigned>(type); }

struct ArgRule {
  isa::Arg arg{};
  TypeSet types = 0;            // what it may be; of numbers: scalar
  bool nullable = false;        // or null
  Touch touch = Touch::read;    // of memory
  u32 bytes = 0;                // of memory of a fixed size
  std::string_view expected{};  // the kernel's word for types
  [[nodiscard]] bool is_number() const { return types == set_of(RegType::scalar); }
};

[[nodiscard]] const ArgRule& rule_of(isa::Arg arg);

// Calls that take back the reference in their first argument.
[[nodiscard]] bool releases(std::string_view helper);
// Pointers of these kinds are passed as they were got, without an offset.
[[nodiscard]] bool wants_no_offset(RegType type);

}  // namespace forager::verifier
