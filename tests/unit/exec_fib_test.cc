// SPDX-License-Identifier: Apache-2.0
#include "exec/fib.h"

#include <gtest/gtest.h>

namespace forager::exec {
namespace {

Address ipv4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) { return {a, b, c, d}; }

FibTable table() {
  FibTable table;
  table.routes = {
      {.prefix = ipv4(10, 0, 0, 0), .prefix_length = 8, .ifindex = 1},
      {.prefix = ipv4(10, 1, 0, 0), .prefix_length = 16, .ifindex = 2},
      {.prefix = ipv4(10, 1, 128, 0), .prefix_length = 17, .ifindex = 3},
      {.prefix = ipv4(10, 1, 2, 3), .prefix_length = 32, .ifindex = 4, .metric = 20},
      {.prefix = ipv4(10, 1, 2, 3), .prefix_length = 32, .ifindex = 5, .metric = 10},
      {.ipv6 = true, .prefix = {0x20, 0x01, 0x0d, 0xb8}, .prefix_length = 32, .ifindex = 6},
      {.ipv6 = true, .prefix = {}, .prefix_length = 0, .ifindex = 7},
  };
  table.neighbours = {{.address = ipv4(10, 0, 0, 1), .mac = {1}, .ifindex = 1}};
  table.interfaces = {{.ifindex = 1}, {.ifindex = 2, .mtu = 9000}};
  return table;
}

std::uint32_t way_to(const Address& address, bool ipv6 = false, std::uint32_t out = 0) {
  const FibTable routes = table();
  const FibRoute* route = routes.route(ipv6, address, out);
  return route == nullptr ? 0 : route->ifindex;
}

TEST(Fib, LongestPrefixWins) {
  EXPECT_EQ(way_to(ipv4(10, 9, 9, 9)), 1U);
  EXPECT_EQ(way_to(ipv4(10, 1, 9, 9)), 2U);
  EXPECT_EQ(way_to(ipv4(10, 1, 129, 9)), 3U);
  EXPECT_EQ(way_to(ipv4(11, 1, 1, 1)), 0U);
}

TEST(Fib, LeastMetricWinsAmongEquals) { EXPECT_EQ(way_to(ipv4(10, 1, 2, 3)), 5U); }

TEST(Fib, OutputInterfaceRestrictsTheChoice) {
  EXPECT_EQ(way_to(ipv4(10, 1, 2, 3), false, 4), 4U);
  EXPECT_EQ(way_to(ipv4(10, 1, 2, 3), false, 1), 1U);
  EXPECT_EQ(way_to(ipv4(10, 1, 2, 3), false, 9), 0U);
}

TEST(Fib, FamiliesDoNotMix) {
  EXPECT_EQ(way_to({0x20, 0x01, 0x0d, 0xb8, 1}, true), 6U);
  EXPECT_EQ(way_to({0x20, 0x02}, true), 7U);
  EXPECT_EQ(way_to({0x20, 0x02}), 0U);
}

TEST(Fib, NeighboursAndInterfacesAreFoundByTheirKeys) {
  const FibTable tables = table();
  ASSERT_NE(tables.neighbour(false, ipv4(10, 0, 0, 1), 1), nullptr);
  EXPECT_EQ(tables.neighbour(false, ipv4(10, 0, 0, 1), 2), nullptr);
  EXPECT_EQ(tables.neighbour(true, ipv4(10, 0, 0, 1), 1), nullptr);
  ASSERT_NE(tables.interface(2), nullptr);
  EXPECT_EQ(tables.interface(2)->mtu, 9000U);
  EXPECT_EQ(tables.interface(3), nullptr);
}

}  // namespace
}  // namespace forager::exec
