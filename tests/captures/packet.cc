// SPDX-License-Identifier: Apache-2.0
//
// The layers of packet.h.
#include "tests/captures/packet.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace forager::captures {
namespace {

void put8(Bytes& bytes, unsigned value) { bytes.push_back(static_cast<std::uint8_t>(value)); }

void put16(Bytes& bytes, unsigned value) {
  put8(bytes, value >> 8);
  put8(bytes, value & 0xff);
}

void put32(Bytes& bytes, std::uint32_t value) {
  put16(bytes, value >> 16);
  put16(bytes, value & 0xffff);
}

void put(Bytes& bytes, const auto& more) { bytes.insert(bytes.end(), more.begin(), more.end()); }

void put_address(Bytes& bytes, const Ipv6Address& address) {
  for (const std::uint16_t group : address) put16(bytes, group);
}

void set16(Bytes& bytes, std::size_t at, unsigned value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

std::uint32_t sum_words(const Bytes& bytes, std::uint32_t sum) {
  for (std::size_t i = 0; i < bytes.size(); i++) sum += i % 2 == 0 ? bytes[i] << 8U : bytes[i];
  return sum;
}

// `addresses`: the part of the pseudo-header that IP adds. UDP writes a zero sum as all ones.
Segment complete(Segment segment, const Bytes& addresses) {
  if (!segment.checksum_at) return segment;
  const auto first = segment.bytes.begin() + static_cast<std::ptrdiff_t>(segment.transport_at);
  const Bytes covered(first, segment.bytes.end());
  const std::uint32_t sum = sum_words(addresses, static_cast<std::uint32_t>(covered.size()) + segment.protocol);
  const std::uint16_t value = checksum(covered, sum);
  set16(segment.bytes, *segment.checksum_at, value == 0 && segment.protocol == kUdp ? 0xffff : value);
  segment.checksum_at.reset();
  return segment;
}

Bytes addresses_of(const Ipv4Header& header) {
  Bytes addresses;
  put32(addresses, header.source);
  put32(addresses, header.destination);
  return addresses;
}

Bytes addresses_of(const Ipv6Header& header) {
  Bytes addresses;
  put_address(addresses, header.source);
  put_address(addresses, header.destination);
  return addresses;
}

Bytes slice(const Bytes& bytes, std::size_t offset, std::size_t length) {
  const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
  return {first, first + static_cast<std::ptrdiff_t>(length)};
}

Bytes icmp_bytes(std::uint8_t type, std::uint8_t code, const Bytes& rest) {
  Bytes bytes;
  put8(bytes, type);
  put8(bytes, code);
  put16(bytes, 0);
  put(bytes, rest);
  return bytes;
}

}  // namespace

Ipv4Address ipv4_address(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  return std::uint32_t{a} << 24 | std::uint32_t{b} << 16 | std::uint32_t{c} << 8 | d;
}

Bytes payload(std::size_t length, std::uint8_t first) {
  Bytes bytes(length);
  std::iota(bytes.begin(), bytes.end(), first);
  return bytes;
}

Segment udp(std::uint16_t source, std::uint16_t destination, const Bytes& data) {
  Segment segment = udp_without_checksum(source, destination, data);
  segment.checksum_at = 6;
  return segment;
}

Segment udp_without_checksum(std::uint16_t source, std::uint16_t destination, const Bytes& data) {
  Segment segment = {.protocol = kUdp};
  put16(segment.bytes, source);
  put16(segment.bytes, destination);
  put16(segment.bytes, static_cast<unsigned>(8 + data.size()));
  put16(segment.bytes, 0);
  put(segment.bytes, data);
  return segment;
}

Segment tcp(std::uint16_t source, std::uint16_t destination, std::uint8_t flags, const Bytes& data) {
  Segment segment = {.protocol = kTcp, .checksum_at = 16};
  put16(segment.bytes, source);
  put16(segment.bytes, destination);
  put32(segment.bytes, 0x01020304);                            // sequence number
  put32(segment.bytes, (flags & kAck) != 0 ? 0x05060708 : 0);  // acknowledged
  put8(segment.bytes, 5 << 4);                                 // header length in words
  put8(segment.bytes, flags);
  put16(segment.bytes, 0xffff);  // window
  put16(segment.bytes, 0);       // checksum
  put16(segment.bytes, 0);       // urgent pointer
  put(segment.bytes, data);
  return segment;
}

Segment icmp(std::uint8_t type, std::uint8_t code, const Bytes& rest) {
  Segment segment = {.protocol = kIcmp, .bytes = icmp_bytes(type, code, rest)};
  set16(segment.bytes, 2, checksum(segment.bytes));
  return segment;
}

Segment icmpv6(std::uint8_t type, std::uint8_t code, const Bytes& rest) {
  return {.protocol = kIcmpv6, .bytes = icmp_bytes(type, code, rest), .checksum_at = 2};
}

Segment raw(std::uint8_t protocol, Bytes bytes) { return {.protocol = protocol, .bytes = std::move(bytes)}; }

Segment extended(std::uint8_t type, std::uint8_t units, const Segment& inner) {
  Segment segment = inner;
  segment.bytes.clear();
  put8(segment.bytes, inner.extension.value_or(inner.protocol));
  put8(segment.bytes, units);
  put8(segment.bytes, 1);  // PadN
  put8(segment.bytes, units * 8 + 4);
  segment.bytes.resize(8 * (units + 1U));
  if (segment.checksum_at) *segment.checksum_at += segment.bytes.size();
  segment.transport_at += segment.bytes.size();
  segment.extension = type;
  put(segment.bytes, inner.bytes);
  return segment;
}

Segment complete(const Ipv4Header& header, Segment segment) {
  return complete(std::move(segment), addresses_of(header));
}

Segment complete(const Ipv6Header& header, Segment segment) {
  return complete(std::move(segment), addresses_of(header));
}

Segment ipv4_fragment(const Segment& whole, std::size_t offset, std::size_t length) {
  return raw(whole.protocol, slice(whole.bytes, offset, length));
}

Segment ipv6_fragment(const Segment& whole, std::size_t offset, std::size_t length, bool more) {
  Segment segment = {.protocol = kFragment};
  put8(segment.bytes, whole.protocol);
  put8(segment.bytes, 0);
  put16(segment.bytes, static_cast<unsigned>(offset | (more ? 1 : 0)));
  put32(segment.bytes, 0x0badcafe);  // identification
  put(segment.bytes, slice(whole.bytes, offset, length));
  return segment;
}

Bytes ipv4(const Ipv4Header& header, const Segment& segment) {
  const Segment completed = complete(header, segment);
  const std::size_t header_bytes = 20 + header.options.size();
  Bytes packet;
  put8(packet, static_cast<unsigned>(4 << 4 | header_bytes / 4));
  put8(packet, header.tos);
  put16(packet, static_cast<unsigned>(header_bytes + completed.bytes.size()));
  put16(packet, header.id);
  put16(packet, header.fragment);
  put8(packet, header.ttl);
  put8(packet, completed.protocol);
  put16(packet, 0);  // checksum
  put(packet, addresses_of(header));
  put(packet, header.options);
  set16(packet, 10, checksum(packet));
  put(packet, completed.bytes);
  return packet;
}

Bytes ipv6(const Ipv6Header& header, const Segment& segment) {
  const Segment completed = complete(header, segment);
  Bytes packet;
  put32(packet, 6U << 28);
  put16(packet, static_cast<unsigned>(completed.bytes.size()));
  put8(packet, completed.extension.value_or(completed.protocol));
  put8(packet, header.hop_limit);
  put(packet, addresses_of(header));
  put(packet, completed.bytes);
  return packet;
}

Bytes raw_ethernet(const Mac& destination, const Mac& source, const std::vector<VlanTag>& tags, std::uint16_t protocol,
                   const Bytes& content) {
  Bytes frame;
  put(frame, destination);
  put(frame, source);
  for (const VlanTag& tag : tags) {
    put16(frame, tag.protocol);
    put16(frame, tag.id);
  }
  put16(frame, protocol);
  put(frame, content);
  return frame;
}

Bytes ethernet(const Mac& destination, const Mac& source, const std::vector<VlanTag>& tags, std::uint16_t protocol,
               const Bytes& content) {
  Bytes frame = raw_ethernet(destination, source, tags, protocol, content);
  frame.resize(std::max(frame.size(), kMinimumFrame));
  return frame;
}

Bytes cut(const Bytes& frame, std::size_t length) {
  return {frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(std::min(length, frame.size()))};
}

std::uint16_t checksum(const Bytes& bytes, std::uint32_t sum) {
  sum = sum_words(bytes, sum);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace forager::captures
