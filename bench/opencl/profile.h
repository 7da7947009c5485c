// SPDX-License-Identifier: Apache-2.0
//
// Demand: what a program asks of a device for one packet, whatever the device: counted by the interpreter, instruction
// by instruction, over the packets of a capture. Means.
//
// Loads, stores and atomics of the program's own count; of what helpers do in memory only that they were called. A
// sector is an aligned piece of 32 bytes, what memory of a GPU moves at once; in the packet they count from its first
// byte. What one packet touches twice counts once.
//
// Efficiency is what of a group's lanes does work, where the packets of a group run in lockstep: 1 if all do the same.
//   by length   a group takes as long as its longest packet: nothing can do better
//   by path     it goes through each instruction as often as the packet that does so most often, so that packets wait
//               for each other where their ways part: what reconvergence can reach
//
// Tested by: nothing; tests/golden has the interpreter itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/opencl/traffic.h"

namespace forager::bench {

struct Efficiency {
  double by_length = 1, by_path = 1;
};

struct Demand {
  double instructions = 0;
  double packet_read = 0, packet_written = 0;  // bytes
  double packet_sectors = 0;
  double map_read = 0, map_written = 0;  // bytes; atomics count as both
  double map_sectors = 0;
  double atomics = 0, lookups = 0, updates = 0;  // updates: and deletions
  // Of all packets, the end of what any of them touches; all of it, where a helper loads or stores packet bytes.
  std::size_t reach_read = 0, reach_written = 0;
  Efficiency of32, of64;
};

// Errors: those of Stage; bug, if the interpreter stops the program.
[[nodiscard]] Result<Demand> demand_of(const ExampleProgram& program, const std::vector<Packet>& packets);

}  // namespace forager::bench
