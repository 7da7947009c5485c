// SPDX-License-Identifier: Apache-2.0
//
// What DEVMAP and DEVMAP_HASH ask of a value, struct bpf_devmap_val of Linux: a port to redirect to, in 4 bytes (the
// ifindex) or 8 (and the program to run on the way out: its fd going in, its id coming out). In storage it is always
// one 8-byte word, which is what a program's lookup points to.
//
// Which ifindexes exist is the runtime's knowledge, not the map's: any but 0 is taken.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc, maps_redirects_test.cc.
#pragma once

#include <cerrno>

#include "maps/attributes.h"
#include "maps/entry_programs.h"

namespace forager::maps {

// 0, or -EINVAL, as Linux says whatever is wrong with a program.
[[nodiscard]] inline int find_devmap_program(EntryValue value, const exec::RedirectTable::Find& find,
                                             exec::ProgramSlot& found) {
  if (value.program <= 0) return 0;
  return value.number == 0 || find(value.program, found) != 0 ? -EINVAL : 0;
}

[[nodiscard]] inline Checks check_devmap(const program::MapSpec& spec) {
  return Checks(spec)
      .equal("key_size", spec.key_size, 4)
      .require(spec.value_size == 4 || spec.value_size == 8, "value_size must be 4 (ifindex) or 8 (and a program)");
}

}  // namespace forager::maps
