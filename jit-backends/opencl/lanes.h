// SPDX-License-Identifier: Apache-2.0
//
// Which lane runs which packets, and in which order. A lane is a work-item: it takes its packets one after the other.
//
// Tested by: tests/unit/opencl_lanes_test.cc.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "exec/backend.h"

namespace forager::jit::opencl {

using Frames = std::span<exec::Frame* const>;

// Packets by number: lane n has order[begins[n]] to order[begins[n + 1] - 1], by rising number. Without an order, lane
// n has packets begins[n] to begins[n + 1] - 1.
struct Lanes {
  std::vector<std::uint32_t> order, begins;
};

// Packets in equal parts. With Order::flow, those of one flow on one lane.
[[nodiscard]] Lanes lanes_of(Frames frames, unsigned lanes, exec::Order order);

// The same number for both directions of a flow: of addresses and, where the first fragment has them, ports of IPv4 and
// IPv6 behind at most two VLAN tags; of anything else, of its addresses or type alone.
[[nodiscard]] std::uint32_t flow_of(std::span<const std::byte> packet);

}  // namespace forager::jit::opencl
