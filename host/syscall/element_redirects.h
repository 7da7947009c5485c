// SPDX-License-Identifier: Apache-2.0
//
// Elements that lead somewhere and may have a program there (ElementKind): DEVMAP, DEVMAP_HASH, CPUMAP. The user names
// the program by its descriptor and sees its id.
//
// Tested by: tests/unit/syscall_redirects_test.cc, on the kernel too.
#pragma once

#include <cstddef>
#include <cstdint>

#include "syscall/commands.h"

namespace forager::syscall {

// The program is of type XDP, was loaded for such a map (BPF_XDP_DEVMAP, BPF_XDP_CPUMAP), and has fragments if the
// map's first one had. Otherwise -EINVAL, of a CPUMAP -ENOMEM.
[[nodiscard]] long write_redirect(const Call& call, runtime::MapObject& map, const std::byte* key,
                                  const std::byte* value, std::uint64_t flags);

}  // namespace forager::syscall
