// SPDX-License-Identifier: Apache-2.0
//
// Builds frames from the inside out: ethernet(..., ipv4(..., udp(..., payload))). Each layer is a function that wraps
// bytes, fills its length fields, and computes the checksums that it owns; IP fills those of the segment it carries,
// since they cover its addresses.
//
// Frames are as a capture holds them: no preamble, no frame check sequence, padded to 60 bytes unless raw.
// Tested by: xdp_loop_calls, which recomputes the checksums; tcpdump -vv on the captures shows no fault but the wanted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace forager::captures {

using Bytes = std::vector<std::uint8_t>;
using Mac = std::array<std::uint8_t, 6>;
using Ipv4Address = std::uint32_t;  // host byte order
using Ipv6Address = std::array<std::uint16_t, 8>;

enum EtherType : std::uint16_t {
  kIpv4 = 0x0800,
  kArp = 0x0806,
  kVlan = 0x8100,
  kIpv6 = 0x86dd,
  kServiceVlan = 0x88a8,
  kLocalExperiment = 0x88b5,
};

enum IpProtocol : std::uint8_t {
  kHopByHop = 0,
  kIcmp = 1,
  kTcp = 6,
  kUdp = 17,
  kRouting = 43,
  kFragment = 44,
  kEsp = 50,
  kIcmpv6 = 58,
  kNoNextHeader = 59,
  kDestinationOptions = 60,
  kSctp = 132,
};

enum TcpFlags : std::uint8_t { kFin = 1, kSyn = 2, kRst = 4, kPush = 8, kAck = 16 };

inline constexpr std::size_t kMinimumFrame = 60;

// What IP carries: a transport header and its data, behind extension headers if there are any.
struct Segment {
  std::uint8_t protocol = kNoNextHeader;        // of the transport: its checksum covers it
  Bytes bytes = {};                             // extensions included
  std::optional<std::size_t> checksum_at = {};  // where in `bytes` a checksum is still to be filled in
  std::size_t transport_at = 0;                 // where in `bytes` the transport header begins
  std::optional<std::uint8_t> extension = {};   // the first extension header's type
};

struct Ipv4Header {
  Ipv4Address source = 0;
  Ipv4Address destination = 0;
  std::uint8_t ttl = 64;
  std::uint16_t fragment = 0;  // flags and offset, as on the wire: 0x4000 don't fragment, 0x2000 more fragments
  std::uint16_t id = 0;
  std::uint8_t tos = 0;
  Bytes options = {};  // a multiple of four bytes
};

struct Ipv6Header {
  Ipv6Address source = {};
  Ipv6Address destination = {};
  std::uint8_t hop_limit = 64;
};

struct VlanTag {
  std::uint16_t id = 0;
  std::uint16_t protocol = kVlan;
};

[[nodiscard]] Ipv4Address ipv4_address(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d);

// `length` bytes that count up from `first`.
[[nodiscard]] Bytes payload(std::size_t length, std::uint8_t first = 0);

[[nodiscard]] Segment udp(std::uint16_t source, std::uint16_t destination, const Bytes& data);
[[nodiscard]] Segment udp_without_checksum(std::uint16_t source, std::uint16_t destination, const Bytes& data);
[[nodiscard]] Segment tcp(std::uint16_t source, std::uint16_t destination, std::uint8_t flags, const Bytes& data = {});
[[nodiscard]] Segment icmp(std::uint8_t type, std::uint8_t code, const Bytes& rest);    // rest: from the fifth byte
[[nodiscard]] Segment icmpv6(std::uint8_t type, std::uint8_t code, const Bytes& rest);  // likewise
[[nodiscard]] Segment raw(std::uint8_t protocol, Bytes bytes);

// An IPv6 extension header of 8 * (units + 1) bytes, filled with padding options, in front of `inner`.
[[nodiscard]] Segment extended(std::uint8_t type, std::uint8_t units, const Segment& inner);

// The segment with its checksum filled in, ready to be cut into fragments.
[[nodiscard]] Segment complete(const Ipv4Header& header, Segment segment);
[[nodiscard]] Segment complete(const Ipv6Header& header, Segment segment);

// `length` bytes of a complete segment from `offset` (a multiple of 8) on; for IPv6 behind a fragment header.
[[nodiscard]] Segment ipv4_fragment(const Segment& whole, std::size_t offset, std::size_t length);
[[nodiscard]] Segment ipv6_fragment(const Segment& whole, std::size_t offset, std::size_t length, bool more);

[[nodiscard]] Bytes ipv4(const Ipv4Header& header, const Segment& segment);
[[nodiscard]] Bytes ipv6(const Ipv6Header& header, const Segment& segment);

// Without padding: for frames that are cut afterwards.
[[nodiscard]] Bytes raw_ethernet(const Mac& destination, const Mac& source, const std::vector<VlanTag>& tags,
                                 std::uint16_t protocol, const Bytes& content);
[[nodiscard]] Bytes ethernet(const Mac& destination, const Mac& source, const std::vector<VlanTag>& tags,
                             std::uint16_t protocol, const Bytes& content);

// The first `length` bytes of a frame.
[[nodiscard]] Bytes cut(const Bytes& frame, std::size_t length);

// The Internet checksum (RFC 1071) of `bytes`, started with `sum`.
[[nodiscard]] std::uint16_t checksum(const Bytes& bytes, std::uint32_t sum = 0);

}  // namespace forager::captures
