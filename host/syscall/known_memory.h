// SPDX-License-Identifier: Apache-2.0
//
// Memory of this process that may be touched without asking the kernel first, because it stays what it is as long as
// the process behaves: what the calling thread has in use of its own stack, the heap below the program break, and the
// executable's own segments. Attributes, keys and values of most callers stand there. Everything else (mappings,
// heaps of other threads, coroutine stacks) is unknown, not bad: whoever gets `false` has to ask.
//
// What was found good once is not remembered, for it may be unmapped by now; of these three, the first two are bounded
// by what holds at the moment of the question, and the third does not change. A process that takes rights away from
// pages inside them (mprotect(2) on its own stack, heap or data) and then passes their addresses gets the fault that
// touching them itself would give, where the kernel would have said EFAULT (docs/adr/0007-element-calls.md).
//
// Tested by: tests/unit/syscall_user_memory_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace forager::syscall {

// True if all bytes of the range are known.
[[nodiscard]] bool known_readable(std::uint64_t address, std::size_t bytes);
[[nodiscard]] bool known_writable(std::uint64_t address, std::size_t bytes);

}  // namespace forager::syscall
