// SPDX-License-Identifier: Apache-2.0
#include "bench/opencl/resize.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdint>

namespace forager::bench {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::size_t kEthernetBytes = 14, kTagBytes = 4, kIpv4Bytes = 20, kIpv6Bytes = 40, kTcpBytes = 20,
                      kUdpBytes = 8;

std::uint16_t get16(std::span<const std::byte> from, std::size_t at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(from[at]) << 8 | std::to_integer<unsigned>(from[at + 1]));
}
void set16(Bytes& to, std::size_t at, std::size_t value) {
  to[at] = static_cast<std::byte>(value >> 8);
  to[at + 1] = static_cast<std::byte>(value);
}

struct Headers {
  std::uint16_t protocol = 0;  // of the frame, behind its tags
  std::size_t network = 0;     // offsets, bytes
  std::size_t transport = 0;   // 0: none that is known
  std::uint8_t transport_type = 0;
  std::size_t end = 0;
};

std::size_t transport_bytes(std::uint8_t type) {
  if (type == IPPROTO_TCP) return kTcpBytes;
  return type == IPPROTO_UDP ? kUdpBytes : 0;
}

// As far as the packet goes.
Headers headers_of(std::span<const std::byte> packet) {
  Headers out{.network = kEthernetBytes};
  if (packet.size() < kEthernetBytes) return {.end = packet.size()};
  out.protocol = get16(packet, kEthernetBytes - 2);
  while ((out.protocol == ETH_P_8021Q || out.protocol == ETH_P_8021AD) && packet.size() >= out.network + kTagBytes) {
    out.protocol = get16(packet, out.network + 2);
    out.network += kTagBytes;
  }
  out.end = out.network;
  const bool is4 = out.protocol == ETH_P_IP && packet.size() >= out.network + kIpv4Bytes;
  const bool is6 = out.protocol == ETH_P_IPV6 && packet.size() >= out.network + kIpv6Bytes;
  if (!is4 && !is6) return {.network = out.network, .end = out.network};
  const std::size_t words = std::to_integer<std::size_t>(packet[out.network]) & 0xf;
  out.transport = out.network + (is4 ? std::max(kIpv4Bytes, 4 * words) : kIpv6Bytes);
  out.transport_type = std::to_integer<std::uint8_t>(packet[out.network + (is4 ? 9 : 6)]);
  out.end = out.transport + transport_bytes(out.transport_type);
  return out;
}

// RFC 1624: the new sum of ~check, ~old, new.
void set_counted(Bytes& packet, std::size_t at, std::size_t value, std::size_t check) {
  std::uint32_t sum = static_cast<std::uint16_t>(~get16(packet, check));
  sum += static_cast<std::uint16_t>(~get16(packet, at));
  sum += static_cast<std::uint16_t>(value);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  set16(packet, check, static_cast<std::uint16_t>(~sum));
  set16(packet, at, value);
}

void fix_lengths(Bytes& packet, const Headers& headers) {
  const std::size_t behind = packet.size() - headers.network;
  if (headers.protocol == ETH_P_IP) set_counted(packet, headers.network + 2, behind, headers.network + 10);
  if (headers.protocol == ETH_P_IPV6) set16(packet, headers.network + 4, behind - kIpv6Bytes);
  if (headers.transport_type == IPPROTO_UDP) set16(packet, headers.transport + 4, packet.size() - headers.transport);
}

}  // namespace

Bytes resize(std::span<const std::byte> packet, std::size_t bytes) {
  const Headers headers = headers_of(packet);
  if (headers.end > bytes || headers.end > packet.size()) return {};
  Bytes out(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(std::min(packet.size(), bytes)));
  while (out.size() < bytes) out.push_back(static_cast<std::byte>(out.size()));
  if (headers.transport != 0) fix_lengths(out, headers);
  return out;
}

}  // namespace forager::bench
