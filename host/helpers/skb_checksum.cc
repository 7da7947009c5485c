// SPDX-License-Identifier: Apache-2.0
//
// Checksums in a packet, and what the stack knows about them (net/core/filter.c bpf_l3_csum_replace,
// bpf_l4_csum_replace, bpf_csum_update, bpf_csum_level; net/core/utils.c).
#include <linux/bpf.h>

#include <bit>

#include "helpers/skb.h"

namespace forager::helpers {
namespace {

constexpr std::uint32_t kMaxOffset = 0xffff;
constexpr std::uint16_t kMangledZero = 0xffff;  // CSUM_MANGLED_0: a UDP checksum of 0 would mean none
constexpr u64 kIpv6 = 1U << 7;                  // BPF_F_IPV6, since Linux 6.16
constexpr u64 kL4Flags = BPF_F_MARK_MANGLED_0 | BPF_F_MARK_ENFORCE | BPF_F_PSEUDO_HDR | BPF_F_HDR_FIELD_MASK | kIpv6;

// The change of a field: its old and new value, or with a size of 0 the difference of sums.
struct Change {
  std::uint32_t from = 0, to = 0;
  u64 size = 0;
};

// Nothing for sizes that there are none of.
std::optional<std::uint16_t> replaced(std::uint16_t sum, const Change& change) {
  const std::uint32_t unfolded = static_cast<std::uint16_t>(~sum);
  switch (change.size) {
    case 0:
      if (change.from != 0) return std::nullopt;
      return csum_fold(csum_add(change.to, ~std::uint32_t{sum}));
    case 2:
      return static_cast<std::uint16_t>(
          ~csum16_add(csum16_sub(static_cast<std::uint16_t>(unfolded), static_cast<std::uint16_t>(change.from)),
                      static_cast<std::uint16_t>(change.to)));
    case 4:
      return csum_fold(csum_add(csum_sub(~std::uint32_t{sum}, change.from), change.to));
    default:
      return std::nullopt;
  }
}

// inet_proto_csum_replace2() widens its fields and goes on as for 4 bytes.
Change as_protocol_field(Change change) {
  if (change.size != 2) return change;
  return {.from = static_cast<std::uint16_t>(change.from), .to = static_cast<std::uint16_t>(change.to), .size = 4};
}

// A change in the pseudo header: the packet's own sum does not cover it, and its checksum field, which it covers,
// changes by as much.
void follow_pseudo_header(Frame& frame, const Change& change, u64 flags) {
  if (!has_complete_checksum(frame) || (flags & BPF_F_PSEUDO_HDR) == 0) return;
  std::uint32_t& sum = frame.skb->checksum;
  if (change.size == 0) {
    if ((flags & kIpv6) == 0) sum = ~csum_sub(change.to, sum);
  } else {
    sum = ~csum_add(csum_sub(~sum, change.from), change.to);
  }
}

std::byte* checksum_at(Frame& frame, std::uint32_t offset) {
  return offset > kMaxOffset || offset % 2 != 0 ? nullptr : writable_at(frame, offset, sizeof(std::uint16_t));
}

void raise_level(Skb& skb) {
  constexpr std::uint8_t kMaxLevel = 3;  // SKB_MAX_CSUM_LEVEL
  if (skb.ip_summed == Skb::Checksum::unnecessary) {
    if (skb.checksum_level < kMaxLevel) ++skb.checksum_level;
  } else if (skb.ip_summed == Skb::Checksum::none) {
    skb.ip_summed = Skb::Checksum::unnecessary;
    skb.checksum_level = 0;
  }
}

void lower_level(Skb& skb) {
  if (skb.ip_summed != Skb::Checksum::unnecessary) return;
  if (skb.checksum_level == 0) {
    skb.ip_summed = Skb::Checksum::none;
  } else {
    --skb.checksum_level;
  }
}

}  // namespace

u64 l3_csum_replace(RunContext&, u64 ctx, u64 offset, u64 from, u64 to, u64 flags) {
  if ((flags & ~u64{BPF_F_HDR_FIELD_MASK}) != 0) return result(-EINVAL);
  std::byte* field = checksum_at(frame_of(ctx), low(offset));
  if (field == nullptr) return result(-EFAULT);
  if (flags == 0 && from != 0) return result(-EINVAL);
  const auto sum = replaced(load<std::uint16_t>(field), {.from = low(from), .to = low(to), .size = flags});
  if (!sum) return result(-EINVAL);
  store(field, *sum);
  return 0;
}

u64 l4_csum_replace(RunContext&, u64 ctx, u64 offset, u64 from, u64 to, u64 flags) {
  if ((flags & ~kL4Flags) != 0) return result(-EINVAL);
  Frame& frame = frame_of(ctx);
  std::byte* field = checksum_at(frame, low(offset));
  if (field == nullptr) return result(-EFAULT);
  const bool mark_zero = (flags & BPF_F_MARK_MANGLED_0) != 0;
  const auto old = load<std::uint16_t>(field);
  if (mark_zero && (flags & BPF_F_MARK_ENFORCE) == 0 && old == 0) return 0;
  const u64 size = flags & BPF_F_HDR_FIELD_MASK;
  if (size == 0 && from != 0) return result(-EINVAL);
  const Change change = as_protocol_field({.from = low(from), .to = low(to), .size = size});
  const auto sum = replaced(old, change);
  if (!sum) return result(-EINVAL);
  follow_pseudo_header(frame, change, flags);
  store(field, mark_zero && *sum == 0 ? kMangledZero : *sum);
  return 0;
}

u64 csum_update(RunContext&, u64 ctx, u64 addend, u64, u64, u64) {
  Frame& frame = frame_of(ctx);
  if (!has_complete_checksum(frame)) return result(-kNotSupported);
  return frame.skb->checksum = csum_add(frame.skb->checksum, low(addend));
}

u64 csum_level(RunContext&, u64 ctx, u64 level, u64, u64, u64) {
  Frame& frame = frame_of(ctx);
  switch (level) {
    case BPF_CSUM_LEVEL_INC:
      raise_level(*frame.skb);
      return 0;
    case BPF_CSUM_LEVEL_DEC:
      lower_level(*frame.skb);
      return 0;
    case BPF_CSUM_LEVEL_RESET:
      reset_checksum_unnecessary(frame);
      return 0;
    case BPF_CSUM_LEVEL_QUERY:
      return frame.skb->ip_summed == Skb::Checksum::unnecessary ? frame.skb->checksum_level : result(-EACCES);
    default:
      return result(-EINVAL);
  }
}

}  // namespace forager::helpers
