// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores and atomics of the core on memory of the host.
//
// Tested by: tests/unit/rtl_device_test.cc, conformance vectors.
#pragma once

#include <cstddef>
#include <cstdint>

#include "interp/memory.h"
#include "jit-backends/rtl/isa/core_isa.h"

namespace forager::jit::rtl {

struct RemoteAccess {
  CoreOp op{};
  unsigned bytes = 0;
  interp::Use use = interp::Use::read;
  bool atomic = false;
  bool is_signed = false, swapped = false;
};

[[nodiscard]] RemoteAccess remote_access(const Slot& slot);

// At a host address of `access.bytes` bytes. `value` is what is stored or combined, `compared` what cmpxchg expects.
// What the instruction's register gets.
[[nodiscard]] std::uint64_t perform(const RemoteAccess& access, std::byte* at, std::uint64_t value,
                                    std::uint64_t compared);

}  // namespace forager::jit::rtl
