// SPDX-License-Identifier: Apache-2.0
//
// A packet cut or lengthened to a size, with headers that say so.
//
// Tested by: traffic.h, which leaves out a packet that its program decides about otherwise than before.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace forager::bench {

// Empty where the headers (Ethernet with VLAN tags, IP, TCP or UDP) do not fit. Lengths of IPv4, IPv6 and of the UDP
// header behind follow, and IPv4's header checksum by difference, so that a wrong one stays wrong. Checksums over the
// payload stay as they were: no example program looks at them. New bytes count up.
[[nodiscard]] std::vector<std::byte> resize(std::span<const std::byte> packet, std::size_t bytes);

}  // namespace forager::bench
