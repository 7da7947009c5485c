// SPDX-License-Identifier: Apache-2.0
//
// router.pcap: destinations under each kind of route that xdp_router_ipv4 and xdp_fib are set up with, several packets
// to each, since the first one is resolved and the others are found in the cache.
#include "tests/captures/network.h"
#include "tests/captures/themes.h"

namespace forager::captures {
namespace {

constexpr std::size_t kRounds = 6;

// By the setup files: found by prefixes of 8, 16, 24 and 32 bits; without neighbour; unroutable; without port.
std::vector<Ipv4Address> destinations4(std::uint8_t round) {
  return {
      ipv4_address(10, 77, 0, 1),                                        // 10.0.0.0/8
      ipv4_address(10, 1, 9, 9),                                         // 10.1.0.0/16
      ipv4_address(10, 1, 2, 5),                                         // 10.1.2.0/24, a neighbour
      ipv4_address(10, 1, 2, 99),                                        // 10.1.2.0/24, not yet a neighbour
      ipv4_address(10, 1, 2, 6),                                         // 10.1.2.6/32
      ipv4_address(198, 51, 100, static_cast<std::uint8_t>(1 + round)),  // 198.51.100.0/24, others each round
      ipv4_address(203, 0, 113, 7),                                      // its next hop is not a neighbour
      ipv4_address(172, 16, 0, 1),                                       // 172.16.0.0/12, to a port without device
      ipv4_address(8, 8, 8, 8),                                          // no route
  };
}

std::vector<Ipv6Address> destinations6(std::uint8_t round) {
  return {
      outside6(static_cast<std::uint16_t>(1 + round)),  // 2001:db8:2::/48
      {0x2001, 0xdb8, 2, 0xff, 0, 0, 0, 1},             // 2001:db8:2:ff::/64
      {0x2001, 0xdb8, 3, 0, 0, 0, 0, 5},                // 2001:db8:3::/64, a neighbour
      {0x2001, 0xdb8, 3, 0, 0, 0, 0, 6},                // not yet a neighbour
      {0x2001, 0xdb8, 99, 0, 0, 0, 0, 1},               // no route
  };
}

Bytes frame4(const Ipv4Header& header, std::size_t length) {
  return ethernet(kSelf, host_mac(20), {}, kIpv4, ipv4(header, udp(8000, 53, payload(length))));
}

Bytes frame6(const Ipv6Header& header, std::size_t length) {
  return ethernet(kSelf, host_mac(20), {}, kIpv6, ipv6(header, udp(8001, 53, payload(length))));
}

// What a router does not forward, or not whole.
Frames special() {
  const Ipv4Address target = ipv4_address(10, 77, 0, 1);
  Frames frames;
  for (const std::uint8_t ttl : {0, 1, 2}) {
    frames.push_back(frame4({.source = inside(20), .destination = target, .ttl = ttl}, 20));
    frames.push_back(frame6({.source = inside6(20), .destination = outside6(1), .hop_limit = ttl}, 20));
  }
  frames.push_back(frame4({.source = inside(20), .destination = target, .options = Bytes(8, 1)}, 20));
  frames.push_back(frame4({.source = inside(20), .destination = outside(1)}, 1300));  // its interface takes 1,280
  frames.push_back(frame6({.source = inside6(20), .destination = outside6(1)}, 1400));
  frames.push_back(ethernet(kSelf, host_mac(20), {}, kArp, payload(28)));
  return frames;
}

}  // namespace

Frames router() {
  Frames frames;
  for (std::uint8_t round = 0; round < kRounds; round++) {
    std::size_t length = 10U + 40U * round;
    for (const Ipv4Address to : destinations4(round)) {
      frames.push_back(frame4({.source = inside(20), .destination = to}, length++));
    }
    for (const Ipv6Address& to : destinations6(round)) {
      frames.push_back(frame6({.source = inside6(20), .destination = to}, length++));
    }
  }
  append(frames, special());
  return frames;
}

}  // namespace forager::captures
