// SPDX-License-Identifier: Apache-2.0
//
// The network that all captures show and that tests/programs/*.setup.json configure: one list of its addresses, so that
// the packets find the routes, services and translations that the programs were given.
//
// Addresses are from the private and documentation ranges (RFC 1918, 5737, 3849); MAC addresses are locally
// administered. Tested by: the golden results, in which every program takes its interesting paths.
#pragma once

#include "tests/captures/packet.h"

namespace forager::captures {

// The machine that the programs run on, and the hosts around it.
inline constexpr Mac kSelf = {0x02, 0, 0, 0, 0, 0x01};
[[nodiscard]] constexpr Mac host_mac(std::uint8_t number) { return {0x02, 0, 0, 0, 0x01, number}; }

// Inside the firewall and outside of it.
[[nodiscard]] inline Ipv4Address inside(std::uint8_t number) { return ipv4_address(10, 0, 0, number); }
[[nodiscard]] inline Ipv4Address outside(std::uint8_t number) { return ipv4_address(198, 51, 100, number); }
[[nodiscard]] constexpr Ipv6Address inside6(std::uint16_t number) { return {0x2001, 0xdb8, 1, 0, 0, 0, 0, number}; }
[[nodiscard]] constexpr Ipv6Address outside6(std::uint16_t number) { return {0x2001, 0xdb8, 2, 0, 0, 0, 0, number}; }

// xdp_lb: virtual services. The last one has no reals.
inline const Ipv4Address kVip = ipv4_address(192, 0, 2, 10);        // TCP 80; UDP 53 without connection table
inline const Ipv4Address kSecondVip = ipv4_address(192, 0, 2, 11);  // TCP 443
inline const Ipv4Address kEmptyVip = ipv4_address(192, 0, 2, 12);   // TCP 80
inline constexpr Ipv6Address kVip6 = {0x2001, 0xdb8, 0x10, 0, 0, 0, 0, 0x10};  // TCP 80

// xdp_tx_iptunnel: services behind tunnels.
inline const Ipv4Address kTunnelled = ipv4_address(192, 0, 2, 20);                   // UDP 7777, TCP 80
inline constexpr Ipv6Address kTunnelled6 = {0x2001, 0xdb8, 0x30, 0, 0, 0, 0, 0x20};  // TCP 443

// xdp_csum: the translator's address outside. inside(10), UDP 5000 is its UDP 40000; inside(10), TCP 5001 its TCP
// 40001.
inline const Ipv4Address kTranslator = ipv4_address(203, 0, 113, 1);

}  // namespace forager::captures
