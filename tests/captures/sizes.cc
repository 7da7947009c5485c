// SPDX-License-Identifier: Apache-2.0
//
// Captures that are about length alone: large, jumbo, tiny, imix. Sizes in a capture lack the frame check sequence of
// four bytes.
#include <algorithm>
#include <random>

#include "tests/captures/network.h"
#include "tests/captures/themes.h"

namespace forager::captures {
namespace {

constexpr std::size_t kFrameCheckBytes = 4;
constexpr std::size_t kHeaders4 = 14 + 20 + 8;   // Ethernet, IPv4, UDP
constexpr std::size_t kHeaders6 = 14 + 40 + 20;  // Ethernet, IPv6, TCP

// A UDP packet over IPv4 in a frame of `size` bytes.
Bytes frame4(std::size_t size, std::uint8_t host) {
  const Ipv4Header header = {.source = inside(host), .destination = outside(1), .fragment = 0x4000};
  return ethernet(kSelf, host_mac(host), {}, kIpv4, ipv4(header, udp(9000, 53, payload(size - kHeaders4, host))));
}

// A TCP packet over IPv6 in a frame of `size` bytes.
Bytes frame6(std::size_t size, std::uint8_t host) {
  const Ipv6Header header = {.source = inside6(host), .destination = outside6(1)};
  return ethernet(kSelf, host_mac(host), {}, kIpv6, ipv6(header, tcp(9001, 80, kAck, payload(size - kHeaders6, host))));
}

}  // namespace

Frames large() {
  Frames frames;
  for (std::size_t size = 600; size <= 1500; size += 60) {
    frames.push_back(frame4(size, 30));
    frames.push_back(frame6(size, 30));
  }
  for (const std::size_t size : {1512, 1513, 1514, 3399, 3400}) {
    frames.push_back(frame4(size, 31));
    frames.push_back(frame6(size, 31));
  }
  return frames;
}

// Around the ends of the linear part (3,520 bytes) and of the fragments behind it (4,096 each); IP's own length ends
// at 65,535.
Frames jumbo() {
  Frames frames;
  for (const std::size_t size : {3500, 3519, 3520, 3521, 7612, 7613, 7616, 7617, 9014, 16000, 65500, 65535}) {
    frames.push_back(frame4(size, 33));
    frames.push_back(frame6(size, 33));
  }
  return frames;
}

// Every length from 0 to 20 of a frame that would have been IPv4, IPv6, tagged, or nothing.
Frames tiny() {
  const Bytes whole[] = {frame4(kMinimumFrame, 32), frame6(80, 32),
                         ethernet(kSelf, host_mac(32), {{100}}, kIpv4, payload(40)), Bytes(20, 0)};
  Frames frames;
  for (const Bytes& frame : whole) {
    for (std::size_t length = 0; length <= 20; length++) frames.push_back(cut(frame, length));
  }
  return frames;
}

// Eight rounds of 28 + 16 + 4 frames, each round shuffled; clients differ, so that programs with flows have some.
Frames imix() {
  std::mt19937 random(6);
  Frames frames;
  for (int round = 0; round < 8; round++) {
    std::vector<std::size_t> sizes(28, 64);
    sizes.resize(28 + 16, 570);
    sizes.resize(28 + 16 + 4, 1518);
    for (std::size_t i = sizes.size(); i > 1; i--) std::swap(sizes[i - 1], sizes[random() % i]);
    for (const std::size_t size : sizes) {
      frames.push_back(frame4(size - kFrameCheckBytes, static_cast<std::uint8_t>(10 + random() % 32)));
    }
  }
  return frames;
}

}  // namespace forager::captures
