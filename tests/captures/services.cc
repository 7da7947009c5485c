// SPDX-License-Identifier: Apache-2.0
//
// Captures of traffic that a service was configured for: firewall, lb, tunnel, nat, vlan.
#include <algorithm>
#include <random>
#include <utility>

#include "tests/captures/network.h"
#include "tests/captures/themes.h"

namespace forager::captures {
namespace {

constexpr std::uint8_t kOutsideMac = 0xfe;
constexpr std::uint8_t kFirstHost = 10;

struct Endpoint {
  Ipv4Address address;
  std::uint16_t port;
};

Bytes frame4(const Mac& source, Ipv4Address from, Ipv4Address to, const Segment& segment) {
  return ethernet(kSelf, source, {}, kIpv4, ipv4({.source = from, .destination = to}, segment));
}

Bytes frame6(const Mac& source, const Ipv6Address& from, const Ipv6Address& to, const Segment& segment) {
  return ethernet(kSelf, source, {}, kIpv6, ipv6({.source = from, .destination = to}, segment));
}

Bytes tcp_from(const Mac& mac, const Endpoint& from, const Endpoint& to, std::uint8_t flags, std::size_t length) {
  return frame4(mac, from.address, to.address, tcp(from.port, to.port, flags, payload(length)));
}

Bytes udp_from(const Mac& mac, const Endpoint& from, const Endpoint& to, std::size_t length) {
  return frame4(mac, from.address, to.address, udp(from.port, to.port, payload(length)));
}

// Takes from the conversations in a random order, and from each in its own.
Frames interleave(std::vector<Frames> conversations, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::size_t> next(conversations.size());
  std::vector<std::size_t> open(conversations.size());
  for (std::size_t i = 0; i < open.size(); i++) open[i] = i;
  Frames frames;
  while (!open.empty()) {
    const std::size_t pick = random() % open.size();
    const std::size_t chosen = open[pick];
    frames.push_back(std::move(conversations[chosen][next[chosen]++]));
    if (next[chosen] == conversations[chosen].size()) open.erase(open.begin() + static_cast<std::ptrdiff_t>(pick));
  }
  return frames;
}

// Opened from inside; every third is reset, and what the server still sends then comes too late.
Frames web_visit(std::uint8_t number) {
  const Mac client_mac = host_mac(number);
  const Endpoint client = {inside(number), static_cast<std::uint16_t>(40000 + number)};
  const Endpoint server = {outside(number % 4 + 1), 443};
  const std::uint8_t last = number % 3 == 0 ? kRst : kFin | kAck;
  return {tcp_from(client_mac, client, server, kSyn, 0),
          tcp_from(host_mac(kOutsideMac), server, client, kSyn | kAck, 0),
          tcp_from(client_mac, client, server, kPush | kAck, 120),
          tcp_from(host_mac(kOutsideMac), server, client, kPush | kAck, 700),
          tcp_from(client_mac, client, server, last, 0),
          tcp_from(host_mac(kOutsideMac), server, client, kFin | kAck, 0)};
}

Frames name_query(std::uint8_t number) {
  const Endpoint client = {inside(number), static_cast<std::uint16_t>(50000 + number)};
  const Endpoint server = {outside(53), 53};
  return {udp_from(host_mac(number), client, server, 40), udp_from(host_mac(kOutsideMac), server, client, 160)};
}

// From outside without having been asked: new connections, scans of known flows' neighbours, stray resets.
Frames uninvited(std::uint8_t number) {
  const Mac mac = host_mac(kOutsideMac);
  const Endpoint intruder = {ipv4_address(203, 0, 113, number), 6666};
  const Endpoint target = {inside(number), 22};
  return {tcp_from(mac, intruder, target, kSyn, 0), tcp_from(mac, intruder, target, kRst, 0),
          udp_from(mac, {outside(53), 53}, {inside(number), 50000}, 30)};
}

// What the firewall judges by kind alone.
Frames odd_kinds(std::uint8_t number) {
  const Mac mac = host_mac(number);
  Ipv4Header first = {.source = inside(number), .destination = outside(1), .fragment = 0x2000, .id = number};
  const Segment whole = complete(first, udp(1234, 53, payload(56)));
  return {ethernet(kSelf, mac, {}, kArp, payload(28)), frame4(mac, inside(number), outside(1), icmp(8, 0, payload(36))),
          frame6(mac, inside6(number), outside6(1), tcp(1234, 443, kSyn)),
          ethernet(kSelf, mac, {}, kIpv4, ipv4(first, ipv4_fragment(whole, 0, 32))),
          ethernet(kSelf, mac, {{100}}, kIpv4,
                   ipv4({.source = inside(number), .destination = outside(2)}, tcp(4321, 443, kSyn)))};
}

// A connection to a VIP: its opening, data, and its end, from one client.
Frames vip_connection(std::uint8_t number, Ipv4Address vip, std::uint16_t port) {
  const Endpoint client = {ipv4_address(198, 51, 100, number), static_cast<std::uint16_t>(1024 + 37 * number)};
  const Endpoint service = {vip, port};
  const Mac mac = host_mac(number);
  return {tcp_from(mac, client, service, kSyn, 0), tcp_from(mac, client, service, kAck, 0),
          tcp_from(mac, client, service, kPush | kAck, 200U + number), tcp_from(mac, client, service, kFin | kAck, 0)};
}

Frames vip_queries(std::uint8_t number) {
  const Endpoint client = {ipv4_address(198, 51, 100, number), static_cast<std::uint16_t>(2048 + number)};
  const Mac mac = host_mac(number);
  return {udp_from(mac, client, {kVip, 53}, 30), udp_from(mac, client, {kVip, 53}, 31)};
}

Frames vip_connection6(std::uint8_t number) {
  const Mac mac = host_mac(number);
  const auto port = static_cast<std::uint16_t>(3000 + number);
  return {frame6(mac, outside6(number), kVip6, tcp(port, 80, kSyn)),
          frame6(mac, outside6(number), kVip6, tcp(port, 80, kAck, payload(150)))};
}

// To no VIP's port or protocol, to the VIP without reals, and in fragments.
Frames no_vip(std::uint8_t number) {
  const Mac mac = host_mac(number);
  const Ipv4Address client = outside(number);
  Ipv4Header fragment = {.source = client, .destination = kVip, .fragment = 0x2000};
  return {frame4(mac, client, kVip, tcp(5000, 81, kSyn)),
          frame4(mac, client, kVip, udp(5000, 80, payload(10))),
          frame4(mac, client, kVip, icmp(8, 0, payload(20))),
          frame4(mac, client, inside(1), tcp(5000, 80, kSyn)),
          frame4(mac, client, kEmptyVip, tcp(5000, 80, kSyn)),
          ethernet(kSelf, mac, {}, kIpv4, ipv4(fragment, raw(kTcp, payload(24))))};
}

}  // namespace

Frames firewall() {
  std::vector<Frames> conversations;
  for (std::uint8_t number = kFirstHost; number < kFirstHost + 30; number++) {
    conversations.push_back(web_visit(number));
    conversations.push_back(name_query(number));
    if (number % 3 == 0) conversations.push_back(uninvited(number));
    if (number % 10 == 0) conversations.push_back(odd_kinds(number));
  }
  return interleave(std::move(conversations), 1);
}

Frames lb() {
  std::vector<Frames> conversations;
  for (std::uint8_t number = kFirstHost; number < kFirstHost + 40; number++) {
    conversations.push_back(vip_connection(number, kVip, 80));
    if (number % 2 == 0) conversations.push_back(vip_connection(number, kSecondVip, 443));
    if (number % 3 == 0) conversations.push_back(vip_connection6(number));
    if (number % 4 == 0) conversations.push_back(vip_queries(number));
    if (number % 10 == 0) conversations.push_back(no_vip(number));
  }
  return interleave(std::move(conversations), 2);
}

Frames tunnel() {
  std::vector<Frames> conversations;
  for (std::uint8_t number = kFirstHost; number < kFirstHost + 20; number++) {
    const Mac mac = host_mac(number);
    const Ipv4Address client = outside(number);
    Ipv4Header marked = {.source = client, .destination = kTunnelled, .tos = 0xb8, .options = Bytes(4, 1)};
    conversations.push_back({
        frame4(mac, client, kTunnelled, udp(6000, 7777, payload(18U + number))),
        frame4(mac, client, kTunnelled, tcp(6001, 80, kAck, payload(5U * number))),
        frame6(mac, outside6(number), kTunnelled6, tcp(6002, 443, kAck, payload(100))),
        frame4(mac, client, kTunnelled, udp(6003, 7778, payload(18))),
        frame6(mac, outside6(number), kTunnelled6, udp(6004, 443, payload(40))),
        ethernet(kSelf, mac, {}, kIpv4, ipv4(marked, udp(6005, 7777, payload(64)))),
    });
  }
  return interleave(std::move(conversations), 3);
}

Frames nat() {
  std::vector<Frames> conversations;
  for (std::uint8_t number = 1; number <= 20; number++) {
    const Mac in = host_mac(kFirstHost);
    const Mac out = host_mac(kOutsideMac);
    const Ipv4Address host = inside(kFirstHost);
    const Ipv4Address peer = outside(number);
    conversations.push_back({
        frame4(in, host, peer, udp(5000, 53, payload(20U + number))),
        frame4(out, peer, kTranslator, udp(53, 40000, payload(30U + number))),
        frame4(in, host, peer, tcp(5001, 443, kAck, payload(number))),
        frame4(out, peer, kTranslator, tcp(443, 40001, kAck, payload(3U * number))),
        frame4(in, host, peer, udp_without_checksum(5000, 53, payload(16))),
        frame4(in, host, peer, udp(5002, 53, payload(20))),
        frame4(out, peer, kTranslator, tcp(443, 40000, kSyn)),
    });
  }
  return interleave(std::move(conversations), 4);
}

// Ids 100, 101 and 4000 have an access port; 102 has none. Some frames are untagged or tagged twice.
Frames vlan() {
  std::vector<Frames> conversations;
  for (std::uint8_t number = kFirstHost; number < kFirstHost + 20; number++) {
    const Bytes packet4 =
        ipv4({.source = inside(number), .destination = outside(1)}, udp(7000, 53, payload(10U * number)));
    const Bytes packet6 = ipv6({.source = inside6(number), .destination = outside6(1)}, tcp(7001, 80, kSyn));
    const Mac mac = host_mac(number);
    conversations.push_back({
        ethernet(kSelf, mac, {{100}}, kIpv4, packet4),
        ethernet(kSelf, mac, {{101}}, kIpv6, packet6),
        ethernet(kSelf, mac, {{102}}, kIpv4, packet4),
        ethernet(kSelf, mac, {{4000, kServiceVlan}, {5}}, kIpv4, packet4),
        ethernet(kSelf, mac, {}, kIpv4, packet4),
    });
  }
  return interleave(std::move(conversations), 5);
}

}  // namespace forager::captures
