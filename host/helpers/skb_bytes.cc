// SPDX-License-Identifier: Apache-2.0
//
// A socket buffer's bytes by offset: load, store, pull (net/core/filter.c).
#include <linux/bpf.h>

#include <climits>

#include "helpers/skb.h"

namespace forager::helpers {
namespace {

constexpr std::int64_t kNoStart = INT_MIN;

// A load that fails leaves zeros.
u64 copy_out(const std::byte* from, u64 to, std::uint32_t size) {
  if (from == nullptr) {
    std::memset(pointer<void>(to), 0, size);
    return result(-EFAULT);
  }
  std::memmove(pointer<void>(to), from, size);
  return 0;
}

// From data(), which skb_load_bytes_relative's offsets do not start at.
std::int64_t start_of(const Frame& frame, std::uint32_t header) {
  switch (header) {
    case BPF_HDR_START_MAC:
      return std::int64_t{frame.skb->mac_header} - frame.data();
    case BPF_HDR_START_NET:
      return exec::skb_network_offset(frame);
    default:
      return kNoStart;
  }
}

}  // namespace

u64 skb_load_bytes(RunContext&, u64 ctx, u64 offset, u64 to, u64 size, u64) {
  Frame& frame = frame_of(ctx);
  const bool fits = low(offset) <= INT_MAX;
  return copy_out(fits ? packet_at(frame, low(offset), low(size)) : nullptr, to, low(size));
}

u64 skb_load_bytes_relative(RunContext&, u64 ctx, u64 offset, u64 to, u64 size, u64 start) {
  constexpr std::uint32_t kMaxOffset = 0xffff;
  Frame& frame = frame_of(ctx);
  const std::int64_t base = start_of(frame, low(start));
  const bool fits = base != kNoStart && low(offset) <= kMaxOffset;
  return copy_out(fits ? packet_at(frame, base + low(offset), low(size)) : nullptr, to, low(size));
}

u64 skb_store_bytes(RunContext&, u64 ctx, u64 where, u64 from, u64 size, u64 flags) {
  Frame& frame = frame_of(ctx);
  const std::uint32_t offset = low(where);
  if ((flags & ~u64{BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH}) != 0) return result(-EINVAL);
  std::byte* to = offset <= INT_MAX ? writable_at(frame, offset, low(size)) : nullptr;
  if (to == nullptr) return result(-EFAULT);
  const std::span<std::byte> changed(to, low(size));
  const bool recompute = (flags & BPF_F_RECOMPUTE_CSUM) != 0;
  if (recompute) bytes_leave(frame, changed, offset);
  std::memmove(to, pointer<void>(from), changed.size());
  if (recompute) bytes_come(frame, changed, offset);
  if ((flags & BPF_F_INVALIDATE_HASH) != 0) clear_hash(frame);
  return 0;
}

// A size of 0 asks for the linear part as it is.
u64 skb_pull_data(RunContext&, u64 ctx, u64 size, u64, u64, u64) {
  Frame& frame = frame_of(ctx);
  if (low(size) > frame.packet().size()) return result(-ENOMEM);
  exec::skb_make_linear(frame, low(size));
  return 0;
}

}  // namespace forager::helpers
