// SPDX-License-Identifier: Apache-2.0
#include "maps/ringbuf.h"

#include <linux/bpf.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "maps/types.h"

namespace forager::maps {
namespace {

constexpr std::uint64_t kMaxRecord = UINT32_MAX / 4;
constexpr std::uint64_t kFlags = BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP;
// The header counts pages from the kernel's own object, whose first page is private: consumer, producer, data follow.
constexpr std::uint32_t kDataPage = 3;

}  // namespace

RingBufferMap::RingBufferMap(exec::MapSpec spec, Parts parts)
    : RingMap(std::move(spec), std::move(parts), UserSide::consumes) {
  abilities_.ring = this;
}

Result<std::shared_ptr<exec::Map>> RingBufferMap::make(exec::MapSpec spec) {
  auto parts = open(spec);
  if (!parts) return std::unexpected(parts.error());
  return std::shared_ptr<exec::Map>(new RingBufferMap(std::move(spec), std::move(*parts)));
}

// ---- producers ---------------------------------------------------------------------------------------------------

// The first record that is not committed, or `producer`. A consumer may have made header words it maps writable its
// own, so a length is believed only as far as it stays before the producer.
std::uint64_t RingBufferMap::oldest_busy(std::uint64_t producer) {
  while (pending_ < producer) {
    const std::uint32_t length = length_at(pending_).load(std::memory_order_acquire);
    if ((length & BPF_RINGBUF_BUSY_BIT) != 0) break;
    const std::uint64_t bytes = record_bytes(length & ~BPF_RINGBUF_DISCARD_BIT);
    pending_ = bytes > producer - pending_ ? producer : pending_ + bytes;
  }
  return pending_;
}

void* RingBufferMap::reserve(std::uint64_t size) {
  const std::uint64_t bytes = size > kMaxRecord ? UINT64_MAX : record_bytes(size);
  const std::uint64_t consumed = consumer();
  const std::unique_lock guard(lock_);
  const std::uint64_t end = producer_ + bytes;
  if (bytes > mask() || end - consumed > mask() || end - oldest_busy(producer_) > mask()) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  const std::uint64_t offset = producer_ & mask();
  auto* header = reinterpret_cast<Header*>(data() + offset);
  length_at(producer_).store(static_cast<std::uint32_t>(size) | BPF_RINGBUF_BUSY_BIT, std::memory_order_relaxed);
  header->page_offset = kDataPage + static_cast<std::uint32_t>(offset / page_size());
  producer_ = end;
  producer_position().store(end, std::memory_order_release);
  return header + 1;
}

void RingBufferMap::commit(void* record, std::uint64_t flags, bool discard) {
  auto* header = static_cast<Header*>(record) - 1;
  const auto offset = static_cast<std::uint64_t>(reinterpret_cast<std::byte*>(header) - data());
  const std::atomic_ref length(header->length);
  const std::uint32_t size = length.load(std::memory_order_relaxed) & ~BPF_RINGBUF_BUSY_BIT;
  // Sequentially consistent, as the kernel's xchg: the consumer either sees this record or its position is seen here.
  length.exchange(discard ? size | BPF_RINGBUF_DISCARD_BIT : size, std::memory_order_seq_cst);
  const bool caught_up = (consumer_position().load(std::memory_order_seq_cst) & mask()) == offset;
  const bool wake = (flags & BPF_RB_FORCE_WAKEUP) != 0 || (caught_up && (flags & BPF_RB_NO_WAKEUP) == 0);
  if (wake) notify().signal();
}

int RingBufferMap::output(const void* data, std::uint64_t size, std::uint64_t flags) {
  if ((flags & ~kFlags) != 0) return -EINVAL;
  void* record = reserve(size);
  if (record == nullptr) return -EAGAIN;
  std::memcpy(record, data, size);
  commit(record, flags, false);
  return 0;
}

std::uint64_t RingBufferMap::available() const {
  const std::uint64_t consumed = consumer();
  return producer() - consumed;
}

std::uint64_t RingBufferMap::query(std::uint64_t what) const {
  switch (what) {
    case BPF_RB_AVAIL_DATA:
      return available();
    case BPF_RB_RING_SIZE:
      return mask() + 1;
    case BPF_RB_CONS_POS:
      return consumer();
    case BPF_RB_PROD_POS:
      return producer();
    default:
      return 0;
  }
}

// ---- the consumer's side -----------------------------------------------------------------------------------------

void RingBufferMap::settle() const {
  notify().drain();
  if (ready()) notify().signal();
}

// ---- the contents as bytes ---------------------------------------------------------------------------------------

// Under the lock nobody reserves, so what stands before the producer stays. The consumer's position is hostile.
std::vector<std::byte> RingBufferMap::copy_out() const {
  std::vector<std::byte> bytes;
  const std::lock_guard guard(lock_);
  std::uint64_t at = consumer();
  if (at % 8 != 0 || producer_ - at > mask()) return bytes;
  while (at < producer_) {
    const std::uint32_t header = length_at(at).load(std::memory_order_acquire);
    const std::uint32_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    if ((header & BPF_RINGBUF_BUSY_BIT) != 0 || record_bytes(length) > producer_ - at) break;
    if ((header & BPF_RINGBUF_DISCARD_BIT) == 0) {
      const auto* size = reinterpret_cast<const std::byte*>(&length);
      const std::byte* record = data() + (at & mask()) + BPF_RINGBUF_HDR_SZ;
      bytes.insert(bytes.end(), size, size + sizeof length);
      bytes.insert(bytes.end(), record, record + length);
    }
    at += record_bytes(length);
  }
  return bytes;
}

bool RingBufferMap::copy_in(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    std::uint32_t length = 0;
    if (bytes.size() < sizeof length) return false;
    std::memcpy(&length, bytes.data(), sizeof length);
    bytes = bytes.subspan(sizeof length);
    if (bytes.size() < length || output(bytes.data(), length, BPF_RB_NO_WAKEUP) != 0) return false;
    bytes = bytes.subspan(length);
  }
  return true;
}

// ------------------------------------------------------------------------------------------------------------------

MapResult make_ringbuf(exec::MapSpec spec, unsigned) { return RingBufferMap::make(std::move(spec)); }

}  // namespace forager::maps
