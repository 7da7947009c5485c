// SPDX-License-Identifier: Apache-2.0
//
// Which example programs run on which packets.
//
// A pair is a line of tests/programs/matrix.txt: a program with the capture that bench/common/programs.h names for it,
// or else the first that the matrix does.
//
// Packets are the capture's, cut or lengthened (with a pattern) to one size. Lengths in IP and UDP headers follow, and
// so does IPv4's checksum. A packet whose headers do not fit is left out; so is one that the program decides about
// otherwise than about the packet it came from, as far as the interpreter, which sees all of them in order, can tell:
// what is timed is the work that the capture is about.
//
// Tested by: bench_opencl compares what engines do with these packets.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "bench/peers/stage.h"

namespace forager::bench {

struct Pair {
  std::string name, capture;
  [[nodiscard]] ExampleProgram program() const { return {name.c_str(), capture.c_str(), Scenario::both}; }
};

// Errors: input, if the matrix cannot be read.
[[nodiscard]] Result<std::deque<Pair>> pairs();

// Bytes of the packets that are timed: the least frame, and one whose IP packet has 1,500.
inline constexpr std::size_t kPacketSizes[] = {64, 1514};

using Packet = std::vector<std::byte>;

struct Traffic {
  std::vector<Packet> packets;  // may be none
  double instructions = 0;      // that the program executes for one of them, on average
};
// Errors: those of Stage.
[[nodiscard]] Result<Traffic> traffic_of(const ExampleProgram& program, std::size_t bytes);

// A device with the program loaded and its maps bound.
[[nodiscard]] Result<std::unique_ptr<exec::Device>> open_device(const char* backend, Stage& stage,
                                                                const exec::DeviceOptions& options);
[[nodiscard]] Result<std::unique_ptr<exec::Device>> open_device(const exec::Backend& backend,
                                                                const std::shared_ptr<const exec::Image>& image,
                                                                Stage& stage, exec::DeviceOptions options);

}  // namespace forager::bench
