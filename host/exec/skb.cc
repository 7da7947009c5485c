// SPDX-License-Identifier: Apache-2.0
#include "exec/skb.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>

namespace forager::exec {
namespace {

constexpr std::size_t kIpv4Header = 20, kIpv6Header = 40;
constexpr std::uint16_t kFirstEtherType = 0x600;  // less is the length of an IEEE 802.3 frame

std::uint16_t big_endian_at(std::span<const std::byte> packet, std::size_t offset) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(packet[offset]) << 8 |
                                    std::to_integer<unsigned>(packet[offset + 1]));
}

// net/ethernet/eth.c eth_type_trans(): what an Ethernet header says the packet is.
std::uint16_t protocol_of(std::span<const std::byte> packet) {
  const std::uint16_t type = big_endian_at(packet, offsetof(ethhdr, h_proto));
  if (type >= kFirstEtherType) return type;
  const bool raw_ipx = packet.size() >= ETH_HLEN + 2 && big_endian_at(packet, ETH_HLEN) == 0xffff;
  return raw_ipx ? ETH_P_802_3 : ETH_P_802_2;
}

std::uint32_t type_of(std::span<const std::byte> packet, const SkbDevice& device) {
  Mac to;
  std::memcpy(to.data(), packet.data(), to.size());
  if (to == device.mac) return PACKET_HOST;
  if ((to[0] & 1) == 0) return PACKET_OTHERHOST;
  return to == device.broadcast ? PACKET_BROADCAST : PACKET_MULTICAST;
}

struct DummyAddresses {
  std::uint32_t family = AF_UNSPEC;
  SocketAddresses addresses;
};

// The socket's own address is the packet's source, where the headers are there.
DummyAddresses addresses_of(const Frame& frame) {
  const auto packet = frame.packet().subspan(ETH_HLEN);
  DummyAddresses found;
  const auto take = [&](bool ipv6, std::size_t header, std::size_t source, std::size_t bytes) {
    found.family = ipv6 ? AF_INET6 : AF_INET;
    found.addresses.ipv6 = ipv6;
    if (packet.size() < header) return;
    std::memcpy(found.addresses.local.data(), packet.data() + source, bytes);
    std::memcpy(found.addresses.remote.data(), packet.data() + source + bytes, bytes);
  };
  if (skb_protocol(frame) == ETH_P_IP) take(false, kIpv4Header, 12, 4);
  if (skb_protocol(frame) == ETH_P_IPV6) take(true, kIpv6Header, 8, 16);
  return found;
}

// A socket of no protocol that is closed, as bpf_prog_test_run_skb() allocates it.
std::shared_ptr<Socket> dummy_socket(const Frame& frame) {
  const DummyAddresses found = addresses_of(frame);
  auto socket = std::make_shared<Socket>(found.addresses, 0, Socket::kClose);
  bpf_sock view{};
  std::memcpy(&view, socket->view.data(), sizeof view);
  view.family = found.family;
  view.type = 0;
  std::memcpy(socket->view.data(), &view, sizeof view);
  return socket;
}

void set_length_field(Frame& frame) {
  set(frame, offsetof(__sk_buff, len), static_cast<std::uint32_t>(frame.packet().size()));
}

void shift(std::uint32_t& header, std::uint32_t by) {
  if (header != Skb::kUnset) header += by;
}

}  // namespace

SkbDevice skb_device(const FibTable& table, std::uint32_t ifindex) {
  if (ifindex <= 1) return {};
  SkbDevice device{.ifindex = ifindex};
  device.broadcast.fill(0xff);
  const auto byte = [ifindex](unsigned shift) { return static_cast<std::uint8_t>(ifindex >> shift); };
  const FibInterface* interface = table.interface(ifindex);
  device.mac = interface != nullptr ? interface->mac : Mac{0x02, 0x00, byte(24), byte(16), byte(8), byte(0)};
  return device;
}

bool sees_skb(isa::ProgType type) {
  const isa::ProgTypeRow* row = isa::find_prog_type(static_cast<std::uint32_t>(type));
  return row != nullptr && row->context == isa::find_prog_type("sched_cls")->context;
}

bool sees_link_header(isa::ProgType type) {
  return type == isa::ProgType::sched_cls || type == isa::ProgType::sched_act;
}

Result<Frame> make_skb(std::span<const std::byte> packet, isa::ProgType type, const SkbDevice& device) {
  if (packet.size() < kMinSkbBytes) return fail(ErrorKind::input, EINVAL, "a packet without an Ethernet header");
  auto frame = Frame::make(packet, kSkbHeadroom);
  if (!frame) return frame;
  frame->skb = std::make_shared<Skb>();
  frame->skb->mac_header = frame->data();
  frame->skb->network_header = frame->data() + ETH_HLEN;
  set_skb_protocol(*frame, protocol_of(packet));
  set(*frame, offsetof(__sk_buff, pkt_type), type_of(packet, device));
  set(*frame, offsetof(__sk_buff, ifindex), device.ifindex);
  frame->socket = dummy_socket(*frame);
  if (!sees_link_header(type)) frame->move_edges(ETH_HLEN, 0);
  set_length_field(*frame);
  set(*frame, offsetof(__sk_buff, wire_len), get<std::uint32_t>(*frame, offsetof(__sk_buff, len)));
  return frame;
}

bool has_network_header(std::span<const std::byte> packet) {
  if (packet.size() < ETH_HLEN) return false;
  const std::uint16_t protocol = protocol_of(packet);
  if (protocol == ETH_P_IP) return packet.size() >= ETH_HLEN + kIpv4Header;
  return protocol != ETH_P_IPV6 || packet.size() >= ETH_HLEN + kIpv6Header;
}

std::uint16_t skb_protocol(const Frame& frame) {
  return std::byteswap(get<std::uint16_t>(frame, offsetof(__sk_buff, protocol)));
}

void set_skb_protocol(Frame& frame, std::uint16_t protocol) {
  set(frame, offsetof(__sk_buff, protocol), std::uint32_t{std::byteswap(protocol)});
}

std::span<const SkbField> skb_user_fields() {
  static constexpr SkbField kFields[] = {
      {offsetof(__sk_buff, mark), 4},     {offsetof(__sk_buff, priority), 4}, {offsetof(__sk_buff, ingress_ifindex), 4},
      {offsetof(__sk_buff, ifindex), 4},  {offsetof(__sk_buff, cb), 20},      {offsetof(__sk_buff, tstamp), 8},
      {offsetof(__sk_buff, wire_len), 4}, {offsetof(__sk_buff, gso_segs), 4}, {offsetof(__sk_buff, gso_size), 4},
      {offsetof(__sk_buff, hwtstamp), 8},
  };
  return kFields;
}

// net/core/filter.c bpf_convert_ctx_access(): a queue number of NO_QUEUE_MAPPING or more is not taken.
void settle_skb_store(Frame& frame, std::size_t offset) {
  constexpr std::uint32_t kNoQueue = UINT16_MAX;
  switch (offset) {
    case offsetof(__sk_buff, queue_mapping): {
      const auto asked = get<std::uint32_t>(frame, offset);
      if (asked < kNoQueue) frame.skb->queue_mapping = static_cast<std::uint16_t>(asked);
      set(frame, offset, std::uint32_t{frame.skb->queue_mapping});
      break;
    }
    case offsetof(__sk_buff, tc_index):
    case offsetof(__sk_buff, tc_classid):
      set(frame, offset, std::uint32_t{get<std::uint16_t>(frame, offset)});
      break;
    default:
      break;
  }
}

bool skb_reserve(Frame& frame, std::size_t head, std::size_t tail) {
  const auto by = frame.make_room(head, tail);
  if (!by) return false;
  shift(frame.skb->mac_header, *by);
  shift(frame.skb->network_header, *by);
  shift(frame.skb->transport_header, *by);
  return true;
}

void skb_push(Frame& frame, std::uint32_t bytes) {
  frame.move_edges(-std::int64_t{bytes}, 0);
  set_length_field(frame);
}

void skb_pull(Frame& frame, std::uint32_t bytes) {
  frame.move_edges(bytes, 0);
  set_length_field(frame);
}

void skb_set_length(Frame& frame, std::uint32_t bytes) {
  frame.move_edges(0, std::int64_t{bytes} - static_cast<std::int64_t>(frame.packet().size()));
  set_length_field(frame);
}

void skb_make_linear(Frame& frame, std::uint64_t bytes) {
  const std::uint64_t linear = frame.data_end() - frame.data();
  if (bytes > linear) frame.set_linear(static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, UINT32_MAX)));
}

std::int64_t skb_network_offset(const Frame& frame) {
  return std::int64_t{frame.skb->network_header} - std::int64_t{frame.data()};
}

std::vector<std::byte> skb_on_the_wire(const Frame& frame) {
  const auto packet = frame.packet();
  std::vector<std::byte> out(packet.begin(), packet.end());
  const Skb& skb = *frame.skb;
  const bool has_header = skb.mac_header == frame.data() && skb.mac_header != skb.network_header;
  if (!has_header) {
    std::array<std::byte, ETH_HLEN> header{};
    const auto protocol = get<std::uint16_t>(frame, offsetof(__sk_buff, protocol));
    std::memcpy(header.data() + offsetof(ethhdr, h_proto), &protocol, sizeof protocol);
    out.insert(out.begin(), header.begin(), header.end());
  }
  if (get<std::uint32_t>(frame, offsetof(__sk_buff, vlan_present)) == 0 || out.size() < ETH_HLEN) return out;
  std::array<std::byte, 4> tag{};
  std::memcpy(tag.data(), frame.context.data() + offsetof(__sk_buff, vlan_proto), 2);
  const auto control = std::byteswap(get<std::uint16_t>(frame, offsetof(__sk_buff, vlan_tci)));
  std::memcpy(tag.data() + 2, &control, sizeof control);
  out.insert(out.begin() + 2 * ETH_ALEN, tag.begin(), tag.end());
  return out;
}

}  // namespace forager::exec
