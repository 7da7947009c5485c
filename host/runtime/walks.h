// SPDX-License-Identifier: Apache-2.0
//
// What iterators walk over: one kind for each row of isa/iterators.def. Private to host/runtime.
//
// Tested by: tests/unit/syscall_iter_test.cc.
#pragma once

#include <memory>

#include "runtime/iterator.h"

namespace forager::runtime {

// `map` is the one that the link names, or null. Null for a program that is no iterator.
[[nodiscard]] std::unique_ptr<Walk> walk_for(const Runtime& runtime, const program::Source& program,
                                             const MapObject* map);

}  // namespace forager::runtime
