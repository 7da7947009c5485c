// SPDX-License-Identifier: Apache-2.0
//
// The routing tables bpf_fib_lookup consults: longest-prefix routes, neighbours and interfaces, given to the runtime
// by its user (an offload device has no kernel FIB of its own). Semantics of net/core/filter.c bpf_ipv4_fib_lookup
// and bpf_ipv6_fib_lookup as far as these tables can say.
//
// Tested by: tests/unit/exec_fib_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace forager::exec {

// IPv4 addresses stand in the first 4 bytes, network order.
using Address = std::array<std::uint8_t, 16>;
using Mac = std::array<std::uint8_t, 6>;

// What a route does with its packets (RTN_* of linux/rtnetlink.h; local routes are not forwarded).
enum class FibRouteType : std::uint8_t { unicast, local, blackhole, unreachable, prohibit };

struct FibRoute {
  bool ipv6 = false;
  Address prefix{};
  std::uint8_t prefix_length = 0;
  std::optional<Address> via;  // next hop; absent = on link
  std::uint32_t ifindex = 0;
  std::uint32_t mtu = 0;     // 0 = the interface's
  std::uint32_t metric = 0;  // of routes with equal prefixes, the least wins
  FibRouteType type = FibRouteType::unicast;
};
struct FibNeighbour {
  bool ipv6 = false;
  Address address{};
  Mac mac{};
  std::uint32_t ifindex = 0;
};
struct FibInterface {
  std::uint32_t ifindex = 0;
  Mac mac{};
  std::uint32_t mtu = 1500;
  bool forwarding = true;
};

class FibTable {
 public:
  std::vector<FibRoute> routes;
  std::vector<FibNeighbour> neighbours;
  std::vector<FibInterface> interfaces;

  // The longest match; null if none. out_ifindex is the interface that the route must lead to, 0 = any.
  [[nodiscard]] const FibRoute* route(bool ipv6, const Address& destination, std::uint32_t out_ifindex = 0) const;
  [[nodiscard]] const FibNeighbour* neighbour(bool ipv6, const Address& address, std::uint32_t ifindex) const;
  [[nodiscard]] const FibInterface* interface(std::uint32_t ifindex) const;
};

}  // namespace forager::exec
