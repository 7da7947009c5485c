// SPDX-License-Identifier: Apache-2.0
//
// Captures for programs that compute: full, tlv, policy. What they read is random, so that branches are not learnt
// by heart.
#include <algorithm>
#include <random>

#include "tests/captures/network.h"
#include "tests/captures/themes.h"

namespace forager::captures {
namespace {

constexpr std::size_t kFrames = 256;
constexpr std::uint16_t kOptionsPort = 4789;

Bytes noise(std::mt19937& random, std::size_t length) {
  Bytes bytes(length);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

Mac any_host(std::mt19937& random) {
  return {0x02, 0, static_cast<std::uint8_t>(random()), 0, 0x02, static_cast<std::uint8_t>(random())};
}

Bytes frame4(std::mt19937& random, Ipv4Address from, Ipv4Address to, const Segment& segment) {
  return ethernet(kSelf, any_host(random), {}, kIpv4, ipv4({.source = from, .destination = to}, segment));
}

// An option of one of the types that xdp_tlv knows, or of one that it skips.
void put_option(Bytes& list, std::mt19937& random) {
  constexpr std::uint8_t kLengths[] = {1, 2, 4, 8};
  const auto type = static_cast<std::uint8_t>(1 + random() % 5);
  const std::size_t length = type <= std::size(kLengths) ? kLengths[type - 1] : random() % 12;
  const Bytes value = noise(random, length);
  list.push_back(type);
  list.push_back(static_cast<std::uint8_t>(length));
  list.insert(list.end(), value.begin(), value.end());
}

Bytes option_list(std::mt19937& random) {
  Bytes list;
  for (std::size_t left = 4 + random() % 18; left > 0; left--) put_option(list, random);
  list.push_back(0);
  list.push_back(0);
  return list;
}

// Without its end, with an option of a wrong length, or with more options than are read.
Bytes spoilt_list(std::mt19937& random) {
  Bytes list = option_list(random);
  switch (random() % 3) {
    case 0:
      list.resize(list.size() - 2);
      break;
    case 1:
      list[1]++;
      break;
    default:
      for (Bytes more = option_list(random); list.size() < 400;)
        list.insert(list.begin(), more.begin(), more.end() - 2);
  }
  return list;
}

struct Service {
  std::uint8_t protocol;
  std::uint16_t port;
};

Segment request(std::mt19937& random, Service service) {
  const auto from = static_cast<std::uint16_t>(1024 + random() % 60000);
  return service.protocol == kTcp ? tcp(from, service.port, kSyn) : udp(from, service.port, noise(random, 20));
}

// In two steps, as compilers choose in which order a call's arguments are computed.
Ipv4Address in_network(std::mt19937& random, std::uint8_t network) {
  const auto host = static_cast<std::uint8_t>(random());
  return ipv4_address(10, network, static_cast<std::uint8_t>(random() % 2), host);
}

}  // namespace

// Frames of 1,514 bytes.
Frames full() {
  std::mt19937 random(1514);
  Frames frames;
  for (std::size_t i = 0; i < kFrames / 4; i++) {
    const Segment segment = udp(9000, 9001, noise(random, 1500 - 20 - 8));
    frames.push_back(frame4(random, inside(static_cast<std::uint8_t>(i)), outside(1), segment));
  }
  return frames;
}

// One list in eight is spoilt.
Frames tlv() {
  std::mt19937 random(24);
  Frames frames;
  for (std::size_t i = 0; i < kFrames; i++) {
    const Bytes list = random() % 8 == 0 ? spoilt_list(random) : option_list(random);
    frames.push_back(frame4(random, inside(1), outside(2), udp(5000, kOptionsPort, list)));
  }
  return frames;
}

// From and to the networks of xdp_acl's customers and neighbours that it has no rules for.
Frames policy() {
  constexpr Service kServices[] = {{kTcp, 80}, {kTcp, 443}, {kUdp, 53}, {kTcp, 22}, {kUdp, 5432}, {kTcp, 8080}};
  std::mt19937 random(64);
  Frames frames;
  for (std::size_t i = 0; i < kFrames; i++) {
    const Ipv4Address from = in_network(random, static_cast<std::uint8_t>(1 + random() % 9));
    const Ipv4Address to = random() % 2 == 0 ? ipv4_address(10, 0, 0, static_cast<std::uint8_t>(random()))
                                             : in_network(random, static_cast<std::uint8_t>(1 + random() % 9));
    frames.push_back(frame4(random, from, to, request(random, kServices[random() % std::size(kServices)])));
  }
  return frames;
}

}  // namespace forager::captures
