// SPDX-License-Identifier: Apache-2.0
//
// Searches of the routing tables. Linear: tables are small, given by hand, and this is the reference.
#include "exec/fib.h"

#include <algorithm>

namespace forager::exec {
namespace {

// True if the first `bits` bits of the two addresses agree.
bool same_prefix(const Address& a, const Address& b, unsigned bits) {
  const unsigned whole = std::min<unsigned>(bits / 8, a.size());
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  if (whole == a.size() || bits % 8 == 0) return true;
  return ((a[whole] ^ b[whole]) >> (8 - bits % 8)) == 0;
}

bool better(const FibRoute& a, const FibRoute* b) {
  if (b == nullptr || a.prefix_length != b->prefix_length) return b == nullptr || a.prefix_length > b->prefix_length;
  return a.metric < b->metric;
}

template <class Row, class Fits>
const Row* find(const std::vector<Row>& rows, Fits fits) {
  const auto row = std::ranges::find_if(rows, fits);
  return row == rows.end() ? nullptr : &*row;
}

}  // namespace

const FibRoute* FibTable::route(bool ipv6, const Address& destination, std::uint32_t out_ifindex) const {
  const FibRoute* best = nullptr;
  for (const FibRoute& row : routes) {
    const bool leads_there = out_ifindex == 0 || row.ifindex == out_ifindex;
    if (row.ipv6 != ipv6 || !leads_there || !same_prefix(row.prefix, destination, row.prefix_length)) continue;
    if (better(row, best)) best = &row;
  }
  return best;
}

const FibNeighbour* FibTable::neighbour(bool ipv6, const Address& address, std::uint32_t ifindex) const {
  return find(neighbours, [&](const FibNeighbour& row) {
    return row.ipv6 == ipv6 && row.ifindex == ifindex && same_prefix(row.address, address, ipv6 ? 128 : 32);
  });
}

const FibInterface* FibTable::interface(std::uint32_t ifindex) const {
  return find(interfaces, [=](const FibInterface& row) { return row.ifindex == ifindex; });
}

}  // namespace forager::exec
