// SPDX-License-Identifier: Apache-2.0
//
// Random packets of the stack, with all that it knows about them, and the arguments that they bring along in their
// control blocks for the helpers that a test calls.
#pragma once

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "exec/skb.h"
#include "exec/task.h"
#include "exec_testing.h"

namespace forager::jit::opencl::testing {

using exec::Frame;
using exec::Skb;
using exec::testing::Bytes;
using isa::ProgType;
using Words = std::array<std::uint32_t, 5>;  // the control block

class Random {
 public:
  explicit Random(unsigned seed) : numbers_(seed) {}
  std::uint32_t operator()() { return static_cast<std::uint32_t>(numbers_()); }

 private:
  std::mt19937 numbers_;
};

using Arguments = Words (*)(Random&, std::uint32_t length);

template <class T>
T pick(Random& random, std::initializer_list<T> from) {
  return from.begin()[random() % from.size()];
}

// ---- packets ----

inline void put16(Bytes& packet, std::size_t at, std::uint32_t value) {
  if (at + 2 > packet.size()) return;
  packet[at] = static_cast<std::uint8_t>(value >> 8);
  packet[at + 1] = static_cast<std::uint8_t>(value);
}

// IPv4, IPv6 and others, with and without VLAN tags, of all lengths from 14 bytes on.
inline Bytes random_packet(Random& random) {
  Bytes packet(random() % 3 == 0 ? 14 + random() % 60 : 60 + random() % 300);
  std::ranges::generate(packet, [&] { return static_cast<std::uint8_t>(random()); });
  std::size_t at = 12;
  for (unsigned tags = random() % 4; tags > 1; --tags, at += 4) put16(packet, at, pick(random, {0x8100U, 0x88a8U}));
  const auto type = pick(random, {0x800U, 0x800U, 0x800U, 0x86ddU, 0x86ddU, 0x806U, 0x100U});
  put16(packet, at, type);
  if (type == 0x100 && random() % 2 == 0) put16(packet, at + 2, 0xffff);
  if (at + 2 < packet.size()) packet[at + 2] = type == 0x86dd ? 0x60 : 0x45;
  if (at + 22 < packet.size() && random() % 4 == 0) std::copy_n(packet.begin() + at + 14, 4, packet.begin() + at + 18);
  if (at + 11 < packet.size()) packet[at + 11] = pick<std::uint8_t>(random, {6, 17, 1});
  return packet;
}

inline void make_stack_know(Random& random, Frame& frame) {
  Skb& skb = *frame.skb;
  skb.ip_summed = static_cast<Skb::Checksum>(random() % 3);
  skb.checksum = random();
  skb.checksum_level = random() % 4;
  skb.hashed = random() % 4 == 0;
  skb.encapsulation = random() % 8 == 0;
  if (skb.hashed) exec::set(frame, offsetof(__sk_buff, hash), random());
  if (random() % 8 == 0) exec::set(frame, offsetof(__sk_buff, gso_size), std::uint32_t{1000});
  if (random() % 4 == 0) {
    exec::set(frame, offsetof(__sk_buff, vlan_present), std::uint32_t{1});
    exec::set(frame, offsetof(__sk_buff, vlan_tci), random() & 0xffff);
    exec::set(frame, offsetof(__sk_buff, vlan_proto), pick(random, {0x0081U, 0xa888U}));
  }
  if (random() % 4 == 0) skb.transport_header = skb.network_header + random() % 3 * 20;
  if (random() % 3 == 0)
    skb.tunnel = {.ipv6 = random() % 2 == 0, .id = random(), .flags = 0x1005, .options = std::vector<std::byte>(12)};
  frame.socket->cookie = random();
  frame.socket->uid = random() % 100;
  if (random() % 8 == 0) frame.socket = nullptr;
  if (random() % 2 == 0)
    frame.task = std::make_shared<exec::Task>(exec::Task{.cgroup_id = random(), .classid = random()});
  for (const std::size_t field : {offsetof(__sk_buff, mark), offsetof(__sk_buff, priority)}) {
    exec::set(frame, field, random());
  }
  if (random() % 2 == 0) frame.set_linear(static_cast<std::uint32_t>(random() % (frame.packet().size() + 1)));
}

inline std::vector<Frame> packets(unsigned seed, ProgType type, Arguments arguments, unsigned count = 300) {
  Random random(seed);
  std::vector<Frame> frames;
  for (unsigned n = 0; n < count; ++n) {
    frames.push_back(*exec::make_skb(exec::testing::as_bytes(random_packet(random)), type, {.ifindex = 1 + n % 5}));
    make_stack_know(random, frames.back());
    exec::set(frames.back(), offsetof(__sk_buff, cb),
              arguments(random, static_cast<std::uint32_t>(frames.back().packet().size())));
  }
  return frames;
}

// ---- arguments ----

// Near the edges of a packet and of its headers, and nonsense.
inline std::uint32_t any_offset(Random& random, std::uint32_t length) {
  if (random() % 8 == 0) return pick<std::uint32_t>(random, {0xffff, 0x10000, 0x7fffffff, 0x80000000, ~0U});
  return random() % 4 == 0 ? length - random() % 8 : random() % 80;
}
inline Words by_offset(Random& random, std::uint32_t length) {
  return {any_offset(random, length), any_offset(random, length), random(), random() % 4, random() % 3};
}
// Legacy loads: from the packet, the network header and the link header.
inline Words by_index(Random& random, std::uint32_t length) {
  Words words = by_offset(random, length);
  for (std::uint32_t& word : words) {
    const std::uint32_t offset = random() % 2 == 0 ? length - random() % 8 : random() % 40;
    word = pick<std::uint32_t>(random, {0U, 0U, 0xfff00000U, 0xffe00000U, 0xffd00000U}) + offset;
  }
  return words;
}
// Offset, old and new value, flags.
inline Words for_checksums(Random& random, std::uint32_t length) {
  const std::uint32_t size = pick<std::uint32_t>(random, {0, 2, 4, 2, 4, 1, 15});
  const std::uint32_t more = random() % 3 == 0 ? random() % 32 << 4 : random() % 2 << 4;
  return {any_offset(random, length) & ~(random() % 8 == 0 ? 0U : 1U), random() % 2 == 0 ? 0U : random(), random(),
          size, size | more};
}
// A change of size, a mode, flags of bpf_skb_adjust_room in two halves, a length.
inline Words for_sizes(Random& random, std::uint32_t length) {
  const std::uint32_t change = pick<std::uint32_t>(
      random, {20, -20U, 40, -40U, 28, 8, 4, -4U, 0, 1, 0xfff, 0x1000, -0x1000U, random() % 400 - 200});
  const std::uint32_t flags = pick<std::uint32_t>(
      random, {0, 0, 0, 1, 2, 4, 2 | 8, 2 | 16, 4 | 8, 4 | 16, 8, 24 | 2, 6, 32, 34, 66, 128, 256, 384, 160, 130, 512});
  const std::uint32_t inner = pick<std::uint32_t>(random, {0, 0, 0, 14U << 24, 8U << 24, 1});
  const std::uint32_t asked = pick<std::uint32_t>(random, {length, random() % 600, 13, 14, 40, 16064, 16065});
  return {change, random() % 3, flags, inner, asked};
}
inline Words for_fields(Random& random, std::uint32_t) {
  const auto word = [&] { return random() % 2 == 0 ? random() % 6 : pick(random, {0xffffU, 0xfffeU, 0x12345U, ~0U}); };
  Words words;
  std::ranges::generate(words, [&] { return word(); });
  return words;
}
// Headers to push: the first byte, and how long.
inline Words for_headers(Random& random, std::uint32_t) {
  return {pick<std::uint32_t>(random, {0x45, 0x45, 0x46, 0x4f, 0x41, 0x60, 0x60, 0x50}), random() % 100,
          pick<std::uint32_t>(random, {2, 2, 2, 0, 1, 3}), random() % 2 * random(), 0};
}

}  // namespace forager::jit::opencl::testing
