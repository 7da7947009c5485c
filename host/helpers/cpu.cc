// SPDX-License-Identifier: Apache-2.0
//
// Where the program runs, and randomness. Every lane of ours is on one memory node.
#include "exec/random.h"
#include "helpers/functions.h"

namespace forager::helpers {

u64 get_smp_processor_id(RunContext& run, u64, u64, u64, u64, u64) { return run.cpu; }

u64 get_numa_node_id(RunContext&, u64, u64, u64, u64, u64) { return 0; }

// SplitMix64: any seed is good, and a run is repeated by repeating its seed.
u64 get_prandom_u32(RunContext& run, u64, u64, u64, u64, u64) { return exec::next_random(run.random_state); }

}  // namespace forager::helpers
