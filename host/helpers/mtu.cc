// SPDX-License-Identifier: Apache-2.0
//
// bpf_check_mtu against the environment's interfaces (net/core/filter.c bpf_xdp_check_mtu, bpf_skb_check_mtu). Sizes
// count the link header; no packet here has segments, so that BPF_MTU_CHK_SEGS finds nothing to object to. Of an XDP
// frame of several buffers Linux counts the linear part only.
#include <linux/bpf.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "helpers/functions.h"
#include "program/program.h"

namespace forager::helpers {
namespace {

constexpr std::int64_t kLinkHeader = 14;  // hard_header_len of Ethernet and of loopback

// 0 means the device that the packet arrived at.
const exec::FibInterface* interface(const RunContext& run, bool is_xdp, std::uint32_t ifindex) {
  const std::size_t offset = is_xdp ? offsetof(xdp_md, ingress_ifindex) : offsetof(__sk_buff, ifindex);
  if (ifindex == 0) std::memcpy(&ifindex, run.frame->context.data() + offset, sizeof ifindex);
  return run.environment->fib.interface(ifindex);
}

int check_flags(bool is_xdp, u64 flags, std::int32_t difference, std::uint32_t asked) {
  const u64 allowed = is_xdp ? 0 : u64{BPF_MTU_CHK_SEGS};
  if ((flags & ~allowed) != 0) return -EINVAL;
  return flags != 0 && (difference != 0 || asked != 0) ? -EINVAL : 0;
}

std::uint32_t length_of(const exec::Frame& frame, bool is_xdp) {
  return (is_xdp ? frame.data_end() : frame.packet_end()) - frame.data();
}

}  // namespace

u64 check_mtu(RunContext& run, u64, u64 ifindex, u64 mtu_length, u64 difference, u64 flags) {
  const bool is_xdp = run.program->program().type() == isa::ProgType::xdp;
  const auto by = static_cast<std::int32_t>(difference);
  std::uint32_t asked = 0;
  std::memcpy(&asked, pointer<void>(mtu_length), sizeof asked);
  if (const int error = check_flags(is_xdp, flags, by, asked); error != 0) return result(error);
  const exec::FibInterface* device = interface(run, is_xdp, static_cast<std::uint32_t>(ifindex));
  if (device == nullptr) return result(-ENODEV);
  // Linux adds them up as int.
  const std::int64_t size = asked != 0 ? asked + kLinkHeader : std::int64_t{length_of(*run.frame, is_xdp)};
  const auto needed = static_cast<std::int32_t>(size + by);
  std::memcpy(pointer<void>(mtu_length), &device->mtu, sizeof device->mtu);
  return needed <= static_cast<std::int64_t>(device->mtu) + kLinkHeader ? BPF_MTU_CHK_RET_SUCCESS
                                                                        : BPF_MTU_CHK_RET_FRAG_NEEDED;
}

}  // namespace forager::helpers
