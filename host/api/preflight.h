// SPDX-License-Identifier: Apache-2.0
//
// preflight(): does libbpf survive this file?
//
// libbpf trusts what the compiler wrote: a damaged BTF or relocation record can crash it (found by
// tests/fuzz/elf_fuzz.cc on libbpf 1.1: a CO-RE relocation that names no type). Object files are hostile to us, so a
// child process opens and loads the file first, on a runtime of its own that vanishes with it; what kills the child is
// an error in the parent. It costs one fork and one load. It is no sandbox: a file that corrupts memory without
// crashing is not noticed.
//
// Tested by: tests/fuzz/elf_fuzz.cc.
#pragma once

#include <string>

#include "forager/result.h"

namespace forager::api {

// Errors: input if libbpf crashes or does not end on the file; system if there can be no child process. A file that
// libbpf refuses in words passes: the caller's own attempt will have the words.
[[nodiscard]] Result<> preflight(const std::string& path);

}  // namespace forager::api
