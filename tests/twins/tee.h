// SPDX-License-Identifier: Apache-2.0
//
// An object file loaded once, by an unmodified libbpf, into both the kernel and a runtime of ours: every bpf(2) call
// that creates BTF, a map or a map's contents is made twice, and every program is kept as a Subject.
//
// Executables that use this are linked with -Wl,--wrap=syscall (target forager_twins). libbpf gets the kernel's answers
// and descriptors; ours stand beside them. Where the kernel cannot be asked, libbpf gets ours.
//
// libbpf is told that every program was loaded, so that it goes on to the next. Subjects keep descriptors of their own.
//
// Tested by: tests/twins/tee_test.cc.
#pragma once

#include <string>
#include <vector>

#include "tests/twins/subject.h"

namespace forager::twins {

// Errors: input for what is no object or what libbpf cannot open; system where libbpf's load failed before any program.
[[nodiscard]] Result<std::vector<Subject>> load_twice(const std::string& path);

}  // namespace forager::twins
