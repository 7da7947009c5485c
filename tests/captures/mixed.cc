// SPDX-License-Identifier: Apache-2.0
//
// mixed.pcap: everything that a parser meets, good and bad, then a few frames of each other theme. Every frame has at
// least 14 bytes, since the kernel's BPF_PROG_TEST_RUN takes none that is shorter.
#include <initializer_list>

#include "tests/captures/network.h"
#include "tests/captures/themes.h"

namespace forager::captures {
namespace {

constexpr std::uint16_t kDontFragment = 0x4000;
constexpr std::uint16_t kMoreFragments = 0x2000;
constexpr std::size_t kEthernetBytes = 14;

Ipv4Header out4(std::uint8_t host = 10) { return {.source = inside(host), .destination = outside(7)}; }
Ipv6Header out6(std::uint16_t host = 10) { return {.source = inside6(host), .destination = outside6(7)}; }

Bytes frame(std::uint16_t protocol, const Bytes& content, const std::vector<VlanTag>& tags = {}) {
  return ethernet(kSelf, host_mac(10), tags, protocol, content);
}

Bytes frame4(const Segment& segment) { return frame(kIpv4, ipv4(out4(), segment)); }
Bytes frame6(const Segment& segment) { return frame(kIpv6, ipv6(out6(), segment)); }

// One byte, or a 16-bit word, of a frame made wrong.
Bytes spoiled(Bytes bytes, std::size_t at, std::uint8_t value) {
  bytes.at(at) = value;
  return bytes;
}

Bytes spoiled16(Bytes bytes, std::size_t at, std::uint16_t value) {
  return spoiled(spoiled(std::move(bytes), at, static_cast<std::uint8_t>(value >> 8)), at + 1,
                 static_cast<std::uint8_t>(value));
}

// Request or reply (RFC 826), as much of it as parsers look at.
Bytes arp(std::uint8_t operation) {
  return {0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 1, 10, 10, 0, 0, 10, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1};
}

// Each transport over IPv4 and over IPv6, with a payload of no, even and odd length.
Frames transports() {
  Frames frames;
  for (const std::size_t length : {0, 26, 101}) {
    for (const Segment& segment : {tcp(4000, 80, kSyn, payload(length)), udp(4001, 53, payload(length)),
                                   raw(kSctp, payload(12 + length)), raw(kEsp, payload(8 + length))}) {
      frames.push_back(frame4(segment));
      frames.push_back(frame6(segment));
    }
    frames.push_back(frame4(icmp(8, 0, payload(4 + length))));
    frames.push_back(frame6(icmpv6(128, 0, payload(4 + length))));
  }
  frames.push_back(frame6(raw(kNoNextHeader, {})));
  return frames;
}

Frames other_ether_types() {
  return {frame(kArp, arp(1)), frame(kArp, arp(2)), frame(kLocalExperiment, payload(50)),
          frame(40, payload(40))};  // a length, as IEEE 802.3 has it, not a type
}

// No, one, two and three tags; VLAN ids with and without an access port; priority bits set.
Frames tags() {
  const std::vector<VlanTag> stacks[] = {{{100}},        {{0x2065}},
                                         {{4095}},       {{100, kServiceVlan}, {7}},
                                         {{200}, {100}}, {{1, kServiceVlan}, {2, kServiceVlan}, {3}}};
  Frames frames;
  for (const auto& stack : stacks) {
    frames.push_back(frame(kIpv4, ipv4(out4(), tcp(4002, 443, kAck, payload(10))), stack));
    frames.push_back(frame(kIpv6, ipv6(out6(), udp(4003, 53, payload(33))), stack));
    frames.push_back(frame(kArp, arp(1), stack));
  }
  return frames;
}

Frames options() {
  Frames frames;
  for (const std::size_t words : {1, 2, 10}) {
    Ipv4Header header = out4();
    header.options = Bytes(words * 4, 1);  // no-operation options
    frames.push_back(frame(kIpv4, ipv4(header, tcp(4004, 80, kAck, payload(21)))));
    frames.push_back(frame(kIpv4, ipv4(header, udp(4005, 53, payload(20)))));
  }
  return frames;
}

Segment with_extensions(Segment segment, int count) {
  for (int i = 0; i < count; i++) segment = extended(i == count - 1 ? kHopByHop : kDestinationOptions, 0, segment);
  return segment;
}

// Around the limits of the programs: 8 extensions, and 33 tail calls, of which IPv6 and the transport take two.
Frames extensions() {
  Frames frames;
  for (const int count : {1, 2, 7, 8, 9, 30, 31, 32, 33, 34, 40}) {
    frames.push_back(frame6(with_extensions(udp(4006, 53, payload(15)), count)));
  }
  frames.push_back(frame6(extended(kRouting, 2, tcp(4007, 80, kAck, payload(8)))));
  frames.push_back(frame6(extended(kHopByHop, 5, icmpv6(128, 0, payload(12)))));
  frames.push_back(frame6(with_extensions(raw(99, payload(8)), 2)));
  return frames;
}

Frames fragments4() {
  Ipv4Header header = out4();
  header.id = 77;
  const Segment whole = complete(header, udp(4008, 53, payload(64)));
  Frames frames;
  for (const std::size_t offset : {0, 24, 48}) {
    header.fragment = static_cast<std::uint16_t>(offset / 8 | (offset < 48 ? kMoreFragments : 0));
    frames.push_back(frame(kIpv4, ipv4(header, ipv4_fragment(whole, offset, 24))));
  }
  header.fragment = kDontFragment;
  frames.push_back(frame(kIpv4, ipv4(header, whole)));
  return frames;
}

Frames fragments6() {
  const Segment whole = complete(out6(), tcp(4009, 80, kAck, payload(52)));
  Frames frames;
  for (const std::size_t offset : {0, 24, 48}) {
    frames.push_back(frame6(ipv6_fragment(whole, offset, 24, offset < 48)));
  }
  return frames;
}

// Each frame cut just before, at and just after the end of each of its headers.
Frames truncated() {
  struct Victim {
    Bytes frame;
    std::initializer_list<std::size_t> headers;
  };
  Ipv4Header with_options = out4();
  with_options.options = Bytes(8, 1);
  const Segment segment4 = tcp(4010, 80, kSyn);
  const Segment segment6 = extended(kHopByHop, 0, udp(4011, 53, {}));
  const Victim victims[] = {
      {raw_ethernet(kSelf, host_mac(10), {}, kIpv4, ipv4(out4(), segment4)), {14, 18, 22, 30, 34, 38, 42, 48, 54}},
      {raw_ethernet(kSelf, host_mac(10), {}, kIpv4, ipv4(with_options, udp(4012, 53, {}))), {34, 38, 42, 46, 50}},
      {raw_ethernet(kSelf, host_mac(10), {}, kIpv6, ipv6(out6(), segment6)), {14, 22, 38, 54, 62, 66, 70}},
      {raw_ethernet(kSelf, host_mac(10), {{100}, {7}}, kIpv4, ipv4(out4(), segment4)), {14, 18, 22, 42, 62}},
  };
  Frames frames;
  for (const auto& [whole, headers] : victims) {
    for (const std::size_t end : headers) {
      for (const std::size_t length : {end - 1, end, end + 1}) {
        if (length >= kEthernetBytes && length <= whole.size()) frames.push_back(cut(whole, length));
      }
    }
  }
  return frames;
}

// Headers that contradict themselves or the frame. IPv4 starts at byte 14, its transport at 34; IPv6's at 54.
Frames malformed() {
  const Bytes good4 = frame4(udp(4013, 53, payload(30)));
  const Bytes good6 = frame6(udp(4014, 53, payload(30)));
  return {
      spoiled(good4, 14, 0x55),                                             // version 5
      spoiled(good4, 14, 0x65),                                             // version 6 under IPv4's EtherType
      spoiled(good4, 14, 0x44),                                             // header of 16 bytes
      spoiled(good4, 14, 0x40),                                             // of none
      spoiled(good4, 14, 0x4f),                                             // of 60 bytes, more than there are
      spoiled16(good4, 16, 0),                                              // total length: zero,
      spoiled16(good4, 16, 19),                                             // less than the header,
      spoiled16(good4, 16, 24),                                             // ends inside the ports,
      spoiled16(good4, 16, 1500),                                           // more than the frame,
      spoiled16(good4, 16, 0xffff),                                         // the most
      spoiled16(good4, 24, 0xdead),                                         // header checksum
      spoiled16(good4, 40, 0xdead),                                         // UDP checksum
      spoiled16(good4, 38, 4),                                              // UDP length less than its header
      spoiled(good6, 14, 0x40),                                             // version 4 under IPv6's EtherType
      spoiled16(good6, 18, 0),                                              // payload length: zero,
      spoiled16(good6, 18, 4),                                              // ends inside UDP,
      spoiled16(good6, 18, 9000),                                           // more than the frame
      spoiled16(good6, 60, 0xdead),                                         // UDP checksum
      spoiled16(good6, 60, 0),                                              // none, which IPv6 forbids
      spoiled(frame4(tcp(4015, 80, kAck, payload(11))), 46, 0x00),          // TCP data offset 0
      spoiled(frame4(tcp(4015, 80, kAck, payload(11))), 46, 0xf0),          // and 60, more than there are
      spoiled(frame6(extended(kHopByHop, 0, udp(4016, 53, {}))), 55, 200),  // extension beyond the frame
      frame4(udp_without_checksum(4017, 53, payload(18))),
      Bytes(60, 0x00),
      Bytes(60, 0xff),
      Bytes(14, 0x00),
  };
}

// Time to live, groups, the link's own addresses, and the classes of address that routers must not forward.
Frames destinations() {
  Frames frames;
  for (const std::uint8_t ttl : {0, 1, 2, 255}) {
    Ipv4Header header4 = out4();
    header4.ttl = ttl;
    frames.push_back(frame(kIpv4, ipv4(header4, udp(4018, 53, {}))));
    Ipv6Header header6 = out6();
    header6.hop_limit = ttl;
    frames.push_back(frame(kIpv6, ipv6(header6, udp(4018, 53, {}))));
  }
  for (const Ipv4Address to : {ipv4_address(224, 0, 0, 251), ipv4_address(127, 0, 0, 1), ipv4_address(0, 0, 0, 0)}) {
    frames.push_back(frame(kIpv4, ipv4({.source = inside(10), .destination = to}, udp(4019, 53, payload(9)))));
  }
  for (const Ipv6Address& to :
       {Ipv6Address{0xff02, 0, 0, 0, 0, 0, 0, 0xfb}, Ipv6Address{0xfe80, 0, 0, 0, 0, 0, 0, 1}}) {
    frames.push_back(frame(kIpv6, ipv6({.source = inside6(10), .destination = to}, udp(4020, 53, payload(9)))));
  }
  return frames;
}

// Around 600 bytes, where xdp_adjust_tail begins to answer, with what it answers and what it must not.
Frames lengths() {
  Frames frames;
  for (const std::size_t length : {557, 558, 559, 600, 1400}) {
    frames.push_back(frame4(udp(4021, 53, payload(length))));
    frames.push_back(frame6(udp(4022, 53, payload(length))));
  }
  Ipv4Header later = out4();
  later.fragment = 100;
  Ipv4Header to_group = out4();
  to_group.destination = ipv4_address(239, 1, 2, 3);
  Ipv4Header with_options = out4();
  with_options.options = Bytes(40, 1);
  frames.push_back(frame4(icmp(8, 0, payload(800))));
  frames.push_back(frame(kIpv4, ipv4(later, raw(kUdp, payload(800)))));
  frames.push_back(frame(kIpv4, ipv4(to_group, udp(4023, 53, payload(800)))));
  frames.push_back(frame(kIpv4, ipv4(with_options, udp(4024, 53, payload(800)))));
  frames.push_back(frame(kIpv4, ipv4(out4(), udp(4025, 53, payload(800))), {{100}}));
  return frames;
}

// `count` frames of a theme, from its beginning to its end.
Frames some_of(const Frames& theme, std::size_t count) {
  Frames frames;
  for (std::size_t i = 0; i < count; i++) frames.push_back(theme[i * theme.size() / count]);
  return frames;
}

}  // namespace

Frames mixed() {
  Frames frames;
  for (const auto& part :
       {transports(), other_ether_types(), tags(), options(), extensions(), fragments4(), fragments6(), truncated(),
        malformed(), destinations(), lengths(), some_of(firewall(), 60), some_of(router(), 30), some_of(lb(), 50),
        some_of(tunnel(), 20), some_of(nat(), 20), some_of(vlan(), 12)}) {
    append(frames, part);
  }
  return frames;
}

}  // namespace forager::captures
