// SPDX-License-Identifier: Apache-2.0
//
// Where the program runs, and randomness. Every lane of ours is on one memory node.
#include "helpers/functions.h"

namespace forager::helpers {

u64 get_smp_processor_id(RunContext& run, u64, u64, u64, u64, u64) { return run.cpu; }

u64 get_numa_node_id(RunContext&, u64, u64, u64, u64, u64) { return 0; }

// SplitMix64: any seed is good, and a run is repeated by repeating its seed.
u64 get_prandom_u32(RunContext& run, u64, u64, u64, u64, u64) {
  u64 mixed = run.random_state += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  return static_cast<std::uint32_t>(mixed ^ mixed >> 31);
}

}  // namespace forager::helpers
