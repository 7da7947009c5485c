// SPDX-License-Identifier: Apache-2.0
//
// The parts of a map's values that programs reach through helpers only (locks, timers, ...), from the values' BTF type:
// what kernel/bpf/btf.c btf_parse_fields finds. They are found by the names of their structures, in nested structures
// and in the variables of a data section too.
//
// A type in which Linux finds a mistake (a bit field, two locks, ...) has no fields: programs may then use all its
// bytes, and no helper takes any. For some mistakes Linux does not even load the BTF.
//
// BTF is hostile: ids and names exist (syscall/btf.h), but offsets, sizes and nesting are what they like.
//
// Tested by: tests/unit/syscall_value_fields_test.cc.
#pragma once

#include <bpf/btf.h>

#include <vector>

#include "program/program.h"
#include "syscall/user_memory.h"

namespace forager::syscall {

// The fields of the map's values, whose BTF type is `type`, in the order of their offsets. -EOPNOTSUPP for a field that
// the map's type cannot have, -EACCES for any in a map that programs may only read or only write.
[[nodiscard]] Errno<std::vector<program::ValueField>> value_fields(const ::btf& types, std::uint32_t type,
                                                                   const program::MapSpec& map);

// Whether the spec's fields are such as some BTF gives a map of its type: for fields that come from elsewhere.
[[nodiscard]] bool possible_fields(const program::MapSpec& map);

}  // namespace forager::syscall
