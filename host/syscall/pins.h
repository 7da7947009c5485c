// SPDX-License-Identifier: Apache-2.0
//
// Pins: which object a thread is using at the moment (hazard pointers).
//
// A call on a map needs the map to stay until the call ends, though another thread may close its descriptor meanwhile.
// Counting references would have every call of every thread write to one word of the map; a pin writes to one word of
// the thread. Who wants to destroy an object first takes it out of sight, then waits until nobody has it pinned. A
// reader pins what it sees and then looks again: if it is still in sight, whoever takes it out from now on sees the
// pin, since both sides' accesses are sequentially consistent.
//
// One pin a thread: a second one at the same time is refused, and its caller counts a reference instead.
//
// Invariant: a pin is held during one operation on a map's elements, and such an operation waits for no pin.
//
// Tested by: tests/unit/syscall_threads_test.cc under ThreadSanitizer, syscall_fd_table_test.cc.
#pragma once

#include <atomic>

namespace forager::syscall {

using PinWord = std::atomic<const void*>;

// The calling thread's, made at its first call; null if it is taken, or there is none (the thread is about to end).
[[nodiscard]] PinWord* free_pin();

// Returns when no other thread has the object pinned. It must be out of sight by then.
void wait_for_pins(const void* object);

}  // namespace forager::syscall
