// SPDX-License-Identifier: Apache-2.0
//
// What host and device tell each other: cl/memory.cl has the same structures, and the numbers in them.
//
// Tested by: tests/unit/opencl_device_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace forager::jit::opencl {

// Rounded up to lines of the cache, at which parts of memory begin.
[[nodiscard]] constexpr std::uint64_t in_lines(std::uint64_t bytes) { return (bytes + 63) & ~std::uint64_t{63}; }

// A line of the cache.
struct PacketRecord {
  std::uint64_t base = 0;  // of the frame: its address, or an offset in all frames
  std::uint64_t r0 = 0;
  std::uint32_t meta = 0, data = 0, end = 0, packet_end = 0;  // offsets in the frame
  std::uint32_t limit = 0;
  std::uint32_t ingress_ifindex = 0, rx_queue_index = 0, egress_ifindex = 0;
  std::uint32_t redirect_key = 0;
  std::uint32_t trap_at = 0;
  std::uint16_t redirect_map = 0, head_limit = 0;
  std::uint8_t redirect = 0, redirect_flags = 0, trap = 0;
  std::uint8_t unused = 0;
};
static_assert(sizeof(PacketRecord) == 64);
inline constexpr std::size_t kMostMaps = UINT16_MAX;  // of a kernel

struct BatchRecord {
  std::uint64_t monotonic_ns = 0, boot_ns = 0, tai_ns = 0;
  // Addresses; where memory is not shared, offsets in the launch's buffer (frames to begins) and in the state's (the
  // last four). Packets: where frame number 0 is, or 0.
  std::uint64_t frames = 0, done = 0, order = 0, begins = 0, packets = 0;
  std::uint64_t places = 0, descriptors = 0, random = 0, control = 0;
  std::uint32_t count = 0, lanes = 0, cpu = 0;
  std::uint32_t place_stride = 0;  // from one lane's places to the next one's
  std::uint32_t strict = 0;        // packets have their effects in their order
  std::uint32_t port_count = 0;
  std::uint32_t skb_bytes = 0;        // from one packet's to the next
  std::uint32_t trace_bytes = 0;      // from one lane's log of lines to the next one's
  std::uint64_t skbs = 0, ports = 0;  // of programs that see a __sk_buff: as frames; none otherwise
  std::uint64_t trace = 0, fib = 0;   // logs of lines, routing tables: addresses, or offsets in all tables
};
static_assert(sizeof(BatchRecord) == 160);

// struct __sk_buff, and what the stack knows of the packet besides (exec::Skb): cl/skb.cl.
struct SkbRecord {
  std::array<std::byte, 192> context{};
  std::uint32_t mac_header = 0, network_header = 0, transport_header = 0, mac_length = 0;
  std::uint32_t encapsulation = 0, hashed = 0, ip_summed = 0, checksum_level = 0, checksum = 0, queue_mapping = 0;
  std::uint32_t clones = 0, most_clones = 0;
  std::uint64_t clones_at = 0;    // an address, or an offset in all frames
  std::uint32_t clone_bytes = 0;  // from one to the next
  std::uint32_t unused = 0;
  std::uint64_t socket_cookie = 0, netns_cookie = 0, cgroup = 0;  // of its socket
  std::uint32_t uid = 0, classid = 0;
};
static_assert(sizeof(SkbRecord) == 288);

// exec::TunnelInfo: cl/skb_tunnels.cl.
struct TunnelRecord {
  std::uint32_t present = 0, ipv6 = 0, id = 0, label = 0;
  std::uint8_t tos = 0, ttl = 0;
  std::uint16_t flags = 0;
  std::uint32_t option_bytes = 0;
  std::array<std::uint8_t, 16> source{}, destination{};
  std::array<std::byte, 256> options{};
};
static_assert(sizeof(TunnelRecord) == 312);

struct CloneRecord {
  std::uint64_t flags = 0;
  std::uint32_t ifindex = 0, bytes = 0;  // which stand behind it
};
static_assert(sizeof(CloneRecord) == 16);

// A map, for programs that do not know which it is.
struct MapDescriptor {
  std::uint64_t place = 0, lane_stride = 0;  // as in places; from one lane's to the next one's
  std::uint32_t kind = 0, key_size = 0, value_size = 0, stride = 0;
  std::uint32_t entries = 0, mask = 0, nodes = 0, flags = 0;
  std::uint64_t unused[2] = {};
};
static_assert(sizeof(MapDescriptor) == 64);
inline constexpr std::uint32_t kArrayKind = 1, kHashKind = 2;  // of a descriptor
inline constexpr std::uint32_t kLruFlag = 1, kPerCpuFlag = 2;

struct Control {
  std::uint32_t stop = 0;  // packets did not begin any more: the host has to see to a map
  std::uint32_t unused = 0;
};

// What stands of a packet in `done`: it did not run, its verdict and edges are in its frame, or its record has them.
inline constexpr std::uint8_t kNotDone = 0, kDone = 1, kDoneMore = 2;

inline constexpr std::uint32_t kTrapBounds = 1, kTrapMap = 2, kTrapRoom = 3, kTrapFormat = 4, kTrapLines = 5;
// Of a target: nowhere (0), the host's business, or a number above these two bits.
inline constexpr std::uint32_t kTargetOfHost = 1, kTargetKnown = 2, kTargetShift = 2, kTargetMost = 0x3fffffff;
inline constexpr std::uint32_t kRedirectPort = 1, kRedirectMap = 2, kRedirectPeer = 3, kRedirectNeigh = 4;

}  // namespace forager::jit::opencl
