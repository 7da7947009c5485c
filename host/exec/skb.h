// SPDX-License-Identifier: Apache-2.0
//
// Skb: what Linux's stack knows about a packet besides its bytes, for programs that see a __sk_buff. Frames are made as
// net/bpf/test_run.c bpf_prog_test_run_skb makes its socket buffer, so that engines can be compared with it.
//
// The fields of struct __sk_buff stand in Frame::context and are the only copy of what they say, `len` too: whoever
// changes the packet's size does it by the functions here, which keep it. The rest of struct sk_buff that helpers act
// upon is struct Skb; a frame with one has a __sk_buff.
//
// Packets are linear as they are made, as those of Linux 6.18's test runs are. Frame::set_linear makes one non-linear:
// then the program must ask for what it wants to reach by pointers (bpf_skb_pull_data), and helpers that change bytes
// make them linear, with all before them.
//
// Tested by: tests/unit/exec_skb_test.cc, and against the kernel by helpers_skb_kernel_test.cc.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "exec/fib.h"
#include "exec/frame.h"
#include "exec/socket.h"
#include "isa/tables.h"

namespace forager::exec {

inline constexpr std::uint32_t kSkbHeadroom = 64;               // NET_SKB_PAD
inline constexpr std::uint32_t kMinSkbBytes = 14;               // ETH_HLEN
inline constexpr std::uint32_t kMaxSkbBytes = 4096 - 64 - 320;  // of a test run: a page without head- and tailroom
inline constexpr std::uint32_t kMaxSkbLength = 4 * 4096 - 320;  // BPF_SKB_MAX_LEN: what helpers let it grow to

// struct ip_tunnel_info as bpf_skb_set_tunnel_key leaves it. Addresses in network order, IPv4 in the first 4 bytes.
struct TunnelInfo {
  bool ipv6 = false;
  std::uint32_t id = 0;
  std::uint8_t tos = 0, ttl = 0;
  std::uint32_t label = 0;
  std::uint16_t flags = 0;  // IP_TUNNEL_*_BIT as bits
  Address source{}, destination{};
  std::vector<std::byte> options;
};

struct Skb {
  static constexpr std::uint32_t kUnset = UINT32_MAX;
  enum class Checksum : std::uint8_t { none, unnecessary, complete };

  // Offsets in the frame's buffer.
  std::uint32_t mac_header = kUnset;
  std::uint32_t network_header = kUnset;
  std::uint32_t transport_header = kUnset;
  std::uint16_t mac_length = 0;  // skb->mac_len, which nobody sets on the way into a test run
  bool encapsulation = false;
  bool hashed = false;  // skb->l4_hash or skb->sw_hash
  Checksum ip_summed = Checksum::none;
  std::uint8_t checksum_level = 0;
  std::uint32_t checksum = 0;  // skb->csum, of `complete`
  std::uint16_t queue_mapping = 0;
  std::optional<TunnelInfo> tunnel;  // skb_tunnel_info()
};

// The device that a packet arrives at; its addresses decide on the packet's type.
struct SkbDevice {
  std::uint32_t ifindex = 1;
  Mac mac{}, broadcast{};
};
// Loopback has addresses of zeros; a port that is no interface of the table has a locally administered one.
[[nodiscard]] SkbDevice skb_device(const FibTable& table, std::uint32_t ifindex);

// Whether programs of this type see a __sk_buff, and whether they see the link header too.
[[nodiscard]] bool sees_skb(isa::ProgType type);
[[nodiscard]] bool sees_link_header(isa::ProgType type);

// The frame of an Ethernet packet as a program of this type sees it, with the context and the dummy socket of a test
// run. Errors: input under kMinSkbBytes, limit over kMaxPacketBytes.
[[nodiscard]] Result<Frame> make_skb(std::span<const std::byte> packet, isa::ProgType type,
                                     const SkbDevice& device = {});

// Whether an Ethernet packet of IPv4 or IPv6 has a network header, without options, in full. Linux's test run takes no
// others since 6.18.
[[nodiscard]] bool has_network_header(std::span<const std::byte> packet);

// ---- fields of __sk_buff, by offsetof() ----

template <class T>
[[nodiscard]] T get(const Frame& frame, std::size_t offset) {
  T value;
  std::memcpy(&value, frame.context.data() + offset, sizeof value);
  return value;
}
template <class T>
void set(Frame& frame, std::size_t offset, T value) {
  std::memcpy(frame.context.data() + offset, &value, sizeof value);
}
// The EtherType of the packet, in host order.
[[nodiscard]] std::uint16_t skb_protocol(const Frame& frame);
void set_skb_protocol(Frame& frame, std::uint16_t protocol);

// The fields that a test run takes from its caller, and gives back all but `gso_size` of (convert___skb_to_skb).
struct SkbField {
  std::size_t offset, size;
};
[[nodiscard]] std::span<const SkbField> skb_user_fields();

// To be called after a program's store into the context: struct sk_buff has some fields in fewer bits than __sk_buff.
void settle_skb_store(Frame& frame, std::size_t offset);

// ---- the packet's edges: linux/skbuff.h ----

// skb_cow: room for `head` bytes in front and `tail` behind; false: -ENOMEM.
[[nodiscard]] bool skb_reserve(Frame& frame, std::size_t head, std::size_t tail = 0);
void skb_push(Frame& frame, std::uint32_t bytes);  // room has been made
void skb_pull(Frame& frame, std::uint32_t bytes);  // the packet has them
void skb_set_length(Frame& frame, std::uint32_t bytes);
// pskb_may_pull(): the linear part has at least so many bytes, or all that there are.
void skb_make_linear(Frame& frame, std::uint64_t bytes);
// From data() on; may be negative.
[[nodiscard]] std::int64_t skb_network_offset(const Frame& frame);

// The packet as it leaves by an Ethernet port: with its link header, where the program did not see one, and with the
// VLAN tag that stands beside it.
[[nodiscard]] std::vector<std::byte> skb_on_the_wire(const Frame& frame);

}  // namespace forager::exec
