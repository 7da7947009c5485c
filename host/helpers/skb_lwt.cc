// SPDX-License-Identifier: Apache-2.0
//
// Headers that routes with tunnel programs put in front of packets (net/core/lwt_bpf.c bpf_lwt_push_ip_encap), and
// IPv6 segment routing.
//
// A packet here did not come by a segment routing endpoint, so there is no routing header that the lwt_seg6_* helpers
// could work on: they answer as Linux's do of a packet that has none. To push such a header needs the packet's route,
// which none has here; Linux's test run has none either and does not survive the attempt.
#include <linux/bpf.h>

#include "helpers/skb.h"

namespace forager::helpers {
namespace {

constexpr std::uint32_t kIpv4Header = 20, kIpv6Header = 40;
constexpr std::uint32_t kMaxHeadroom = 256;  // LWT_BPF_MAX_HEADROOM

// The EtherType of the header, 0 if it is none.
std::uint16_t protocol_of(std::span<const std::byte> header) {
  if (header.size() < kIpv4Header || header.size() > kMaxHeadroom) return 0;
  const auto first = std::to_integer<unsigned>(header[0]);
  switch (first >> 4) {
    case 4:
      return header.size() < (first & 15) * 4 ? 0 : ETH_P_IP;
    case 6:
      return header.size() < kIpv6Header ? 0 : ETH_P_IPV6;
    default:
      return 0;
  }
}

// An IPv4 header without a checksum gets one. Of headers that say they are shorter than any is, x86's ip_fast_csum()
// gives the first half word.
void complete_ipv4(std::byte* header) {
  constexpr std::size_t kCheck = 10;
  if (load<std::uint16_t>(header + kCheck) != 0) return;
  const std::size_t bytes = (std::to_integer<std::size_t>(header[0]) & 15) * 4;
  const bool whole = bytes >= kIpv4Header;
  store(header + kCheck, whole ? csum_fold(csum_partial({header, bytes}, 0)) : load<std::uint16_t>(header));
}

int push_ip(Frame& frame, std::span<const std::byte> header, bool received) {
  const std::uint16_t protocol = protocol_of(header);
  if (protocol == 0) return -EINVAL;
  const auto size = static_cast<std::uint32_t>(header.size());
  if (!exec::skb_reserve(frame, size)) return -ENOMEM;
  frame.skb->encapsulation = true;
  exec::skb_push(frame, size);
  if (received) bytes_come(frame, header);
  frame.skb->network_header = frame.data();
  std::memcpy(frame.buffer() + frame.data(), header.data(), size);
  clear_hash(frame);
  exec::set_skb_protocol(frame, protocol);
  if (protocol == ETH_P_IP) complete_ipv4(frame.buffer() + frame.data());
  return is_gso(frame) ? -kNotSupported : 0;
}

}  // namespace

u64 lwt_push_encap(RunContext& run, u64 ctx, u64 type, u64 header, u64 size, u64) {
  const bool received = run.program->program().type() == isa::ProgType::lwt_in;
  switch (low(type)) {
    case BPF_LWT_ENCAP_IP:
      return result(push_ip(frame_of(ctx), bytes(header, low(size)), received));
    case BPF_LWT_ENCAP_SEG6:
    case BPF_LWT_ENCAP_SEG6_INLINE:
      return result(received ? -EOPNOTSUPP : -EINVAL);
    default:
      return result(-EINVAL);
  }
}

u64 lwt_seg6_store_bytes(RunContext&, u64, u64, u64, u64, u64) { return result(-EINVAL); }
u64 lwt_seg6_adjust_srh(RunContext&, u64, u64, u64, u64, u64) { return result(-EINVAL); }
u64 lwt_seg6_action(RunContext&, u64, u64, u64, u64, u64) { return result(-EBADMSG); }

}  // namespace forager::helpers
