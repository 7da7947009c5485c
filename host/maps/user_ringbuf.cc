// SPDX-License-Identifier: Apache-2.0
#include "maps/user_ringbuf.h"

#include <linux/bpf.h>

#include <cerrno>

#include "maps/types.h"

namespace forager::maps {
namespace {

constexpr std::int64_t kMaxSamples = 128 * 1024;           // BPF_MAX_USER_RINGBUF_SAMPLES, of one call
constexpr std::uint64_t kMaxSampleBytes = (1U << 24) - 1;  // DYNPTR_MAX_SIZE
constexpr std::uint64_t kFlags = BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP;

}  // namespace

UserRingBufferMap::UserRingBufferMap(exec::MapSpec spec, Parts parts)
    : RingMap(std::move(spec), std::move(parts), UserSide::produces) {
  abilities_.user_ring = this;
}

Result<std::shared_ptr<exec::Map>> UserRingBufferMap::make(exec::MapSpec spec) {
  auto parts = open(spec);
  if (!parts) return std::unexpected(parts.error());
  return std::shared_ptr<exec::Map>(new UserRingBufferMap(std::move(spec), std::move(*parts)));
}

// ---- programs ----------------------------------------------------------------------------------------------------

std::int64_t UserRingBufferMap::drain(const Take& take, std::uint64_t flags) {
  if ((flags & ~kFlags) != 0) return -EINVAL;
  if (busy_.exchange(true, std::memory_order_acquire)) return -EBUSY;
  const Drained drained = drain_samples(take);
  busy_.store(false, std::memory_order_release);
  const bool moved = drained.seen > 0 && (flags & BPF_RB_NO_WAKEUP) == 0;
  if ((moved || (flags & BPF_RB_FORCE_WAKEUP) != 0) && ready()) notify().drain();
  return drained.result;
}

UserRingBufferMap::Drained UserRingBufferMap::drain_samples(const Take& take) {
  std::int64_t seen = 0, discarded = 0;
  for (bool more = true; more && seen < kMaxSamples; ++seen) {
    const Sample sample = peek();
    if (sample.error == -ENODATA) break;
    if (sample.error == -EAGAIN) {
      ++discarded;
      continue;
    }
    if (sample.error != 0) return {seen, sample.error};
    more = take(sample.bytes);
    advance(record_bytes(sample.bytes.size()));
  }
  return {seen, seen - discarded};
}

// The checks and their order are those of __bpf_user_ringbuf_peek.
UserRingBufferMap::Sample UserRingBufferMap::peek() {
  const std::uint64_t produced = producer_position().load(std::memory_order_acquire);
  if (produced % 8 != 0) return {.error = -EINVAL};
  if (consumed_ >= produced) return {.error = -ENODATA};
  const std::uint32_t header = length_at(consumed_).load(std::memory_order_acquire);
  const std::uint64_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
  const std::uint64_t bytes = record_bytes(length);
  if (bytes > produced - consumed_) return {.error = -EINVAL};
  if (bytes > mask() + 1 || length > kMaxSampleBytes) return {.error = -E2BIG};
  if ((header & BPF_RINGBUF_DISCARD_BIT) != 0) {
    advance(bytes);
    return {.error = -EAGAIN};
  }
  if ((header & BPF_RINGBUF_BUSY_BIT) != 0) return {.error = -ENODATA};
  return {.bytes = {data() + ((consumed_ + BPF_RINGBUF_HDR_SZ) & mask()), length}};
}

// In the order of all positions, so that whoever then finds no room is seen waiting (settle()).
void UserRingBufferMap::advance(std::uint64_t bytes) {
  consumed_ += bytes;
  consumer_position().store(consumed_, std::memory_order_seq_cst);
}

// ---- the producer's side -----------------------------------------------------------------------------------------

bool UserRingBufferMap::ready() const {
  const std::uint64_t consumed = consumer_position().load(std::memory_order_seq_cst);
  return producer_position().load(std::memory_order_acquire) - consumed < mask() + 1;
}

// A drain between the two questions has either made room before the second, or takes the count back after it.
void UserRingBufferMap::settle() const {
  if (!ready()) notify().fill();
  if (ready()) notify().drain();
}

// ------------------------------------------------------------------------------------------------------------------

MapResult make_user_ringbuf(exec::MapSpec spec, unsigned) { return UserRingBufferMap::make(std::move(spec)); }

}  // namespace forager::maps
