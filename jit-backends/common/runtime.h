// SPDX-License-Identifier: Apache-2.0
//
// What generated code calls besides helpers. Each keeps the architecture's C calling convention; `cells` are the
// machine's. Which one a program needs is in its image (Service).
//
// Tested by: through every backend; tests/unit/jit_device_test.cc.
#pragma once

#include <cstdint>

#include "jit-backends/common/cells.h"
#include "jit-backends/common/image.h"

namespace forager::jit {

// The packet's edges and the context's socket again, after a helper that may have changed them.
void refresh(Cells* cells);

// The entry of the program that a tail call goes to, or null: it falls through then. Arguments stand as in
// bpf_tail_call(): the map third, the index fourth.
const void* tail_call_target(Cells* cells, std::uint64_t, exec::Map* map, std::uint64_t index);

// LD_ABS and LD_IND: `bytes` of the packet at an index, as a number; ~0 where the packet has no such bytes.
std::uint64_t load_packet(Cells* cells, std::uint64_t index, std::uint64_t bytes);

// After a store to a __sk_buff's field: what Linux makes of the value.
void settle_store(Cells* cells, std::uint64_t offset);

// bpf_map_lookup_elem() in a map that the code does not know; of a socket it gives what programs see.
std::uint64_t look_up(exec::RunContext* run, exec::Map* map, std::uint64_t key);

// DirectLookup::function of maps that have none: Map::lookup().
void* look_up_any(void* map, const void* key, unsigned cpu);

[[nodiscard]] const void* address_of(Service service);

}  // namespace forager::jit
