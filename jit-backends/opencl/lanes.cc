// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/lanes.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#include <algorithm>
#include <numeric>

namespace forager::jit::opencl {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kTypeAt = 12, kTagBytes = 4, kMostTags = 2;
constexpr std::size_t kIp4Bytes = 20, kIp6Bytes = 40;

std::uint32_t mix(std::uint32_t hash) {
  hash = (hash ^ hash >> 16) * 0x7feb352d;
  hash = (hash ^ hash >> 15) * 0x846ca68b;
  return hash ^ hash >> 16;
}

std::uint32_t byte_at(Bytes bytes, std::size_t at) {
  return at < bytes.size() ? std::to_integer<std::uint32_t>(bytes[at]) : 0;
}
std::uint32_t half_at(Bytes bytes, std::size_t at) { return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1); }

std::uint32_t hash_of(Bytes bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), 0U, [](std::uint32_t hash, std::byte byte) {
    return mix(hash + std::to_integer<std::uint32_t>(byte) + 1);
  });
}

// Of the two ends of a flow, whichever is which.
std::uint32_t both(Bytes bytes, std::size_t at, std::size_t size) {
  if (at + 2 * size > bytes.size()) return 0;
  return hash_of(bytes.subspan(at, size)) + hash_of(bytes.subspan(at + size, size));
}

std::uint32_t ports(Bytes packet, std::size_t at, std::uint32_t protocol) {
  const bool has_ports = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
  return mix(protocol) + (has_ports ? both(packet, at, 2) : 0);
}

std::uint32_t ip4(Bytes packet) {
  const bool is_part = (half_at(packet, 6) & 0x3fff) != 0;  // further parts have no ports
  const std::uint32_t addresses = both(packet, 12, 4);
  return is_part ? addresses
                 : addresses + ports(packet, std::size_t{4} * (byte_at(packet, 0) & 15), byte_at(packet, 9));
}

std::uint32_t ip6(Bytes packet) { return both(packet, 8, 16) + ports(packet, kIp6Bytes, byte_at(packet, 6)); }

// Equal parts, one behind the other.
Lanes in_parts(std::size_t packets, unsigned lanes) {
  Lanes out;
  for (std::size_t lane = 0; lane <= lanes; ++lane) {
    out.begins.push_back(static_cast<std::uint32_t>(packets * lane / lanes));
  }
  return out;
}

Lanes by_flow(Frames frames, unsigned lanes) {
  std::vector<std::uint32_t> lane_of;
  std::vector<std::uint32_t> begins(lanes + 1, 0);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    lane_of.push_back(flow_of(frames[i].packet()) % lanes);
    ++begins[lane_of.back() + 1];
  }
  std::partial_sum(begins.begin(), begins.end(), begins.begin());
  Lanes out{.order = std::vector<std::uint32_t>(frames.size()), .begins = begins};
  for (std::uint32_t i = 0; i < frames.size(); ++i) out.order[begins[lane_of[i]]++] = i;
  return out;
}

}  // namespace

std::uint32_t flow_of(std::span<const std::byte> packet) {
  std::size_t at = kTypeAt;
  for (std::size_t tags = 0; tags < kMostTags; ++tags) {
    const std::uint32_t type = half_at(packet, at);
    if (type != ETH_P_8021Q && type != ETH_P_8021AD) break;
    at += kTagBytes;
  }
  const std::uint32_t type = half_at(packet, at);
  const Bytes payload = packet.subspan(std::min(at + 2, packet.size()));
  if (type == ETH_P_IP && payload.size() >= kIp4Bytes) return mix(ip4(payload));
  if (type == ETH_P_IPV6 && payload.size() >= kIp6Bytes) return mix(ip6(payload));
  return mix(type);
}

Lanes lanes_of(Frames frames, unsigned lanes, exec::Order order) {
  return order == exec::Order::flow && lanes > 1 ? by_flow(frames, lanes) : in_parts(frames.size(), lanes);
}

}  // namespace forager::jit::opencl
