// SPDX-License-Identifier: Apache-2.0
//
// What a file is, before libbpf sees it: libbpf says "can't parse ELF", a person wants to know that the file is a
// shared library, big-endian, or cut off. Reading is libelf's.
//
// Tested by: tests/unit/api_test.cc, tests/fuzz/elf_fuzz.cc.
#pragma once

#include <string>

#include "forager/result.h"

namespace forager::api {

// Errors: input, naming the file, what it is, and what would be accepted.
[[nodiscard]] Result<> check_elf(const std::string& path);

}  // namespace forager::api
