// SPDX-License-Identifier: Apache-2.0
#include "maps/ringbuf.h"

#include <linux/bpf.h>
#include <sys/mman.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "maps/attributes.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

constexpr int kNotSupported = 524;  // ENOTSUPP, which the kernel lets out and no user header names
constexpr std::uint64_t kMaxRecord = UINT32_MAX / 4;
constexpr std::uint64_t kFlags = BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP;
// The header counts pages from the kernel's own object, whose first page is private: consumer, producer, data follow.
constexpr std::uint32_t kDataPage = 3;

constexpr std::uint64_t record_bytes(std::uint64_t size) { return (size + BPF_RINGBUF_HDR_SZ + 7) & ~std::uint64_t{7}; }

}  // namespace

RingBufferMap::RingBufferMap(exec::MapSpec spec, Fd file, Region memory, Fd notify)
    : Map(std::move(spec)),
      mask_(this->spec().max_entries - 1),
      file_(std::move(file)),
      memory_(std::move(memory)),
      notify_(std::move(notify)) {
  abilities_.ring = this;
}

void* RingBufferMap::lookup(const void*, unsigned) { return nullptr; }
int RingBufferMap::update(const void*, const void*, std::uint64_t, unsigned) { return -kNotSupported; }
int RingBufferMap::erase(const void*) { return -kNotSupported; }
int RingBufferMap::next_key(const void*, void*) { return -kNotSupported; }
int RingBufferMap::read(const void*, void*, std::uint64_t) { return -kNotSupported; }
int RingBufferMap::write(const void*, const void*, std::uint64_t) { return -kNotSupported; }

exec::MapMemory RingBufferMap::memory() const {
  return {file_.get(), memory_.base(), 2 * page_size() + spec().max_entries};
}

exec::MapUsage RingBufferMap::usage() const { return {0, 2 * page_size() + spec().max_entries + sizeof *this}; }

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
  if (bytes > mask_ || end - consumed > mask_ || end - oldest_busy(producer_) > mask_) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  const std::uint64_t offset = producer_ & mask_;
  auto* header = reinterpret_cast<Header*>(data() + offset);
  length_at(producer_).store(static_cast<std::uint32_t>(size) | BPF_RINGBUF_BUSY_BIT, std::memory_order_relaxed);
  header->page_offset = kDataPage + static_cast<std::uint32_t>(offset / page_size());
  producer_ = end;
  position(1).store(end, std::memory_order_release);
  return header + 1;
}

void RingBufferMap::commit(void* record, std::uint64_t flags, bool discard) {
  auto* header = static_cast<Header*>(record) - 1;
  const auto offset = static_cast<std::uint64_t>(reinterpret_cast<std::byte*>(header) - data());
  const std::atomic_ref length(header->length);
  const std::uint32_t size = length.load(std::memory_order_relaxed) & ~BPF_RINGBUF_BUSY_BIT;
  // Sequentially consistent, as the kernel's xchg: the consumer either sees this record or its position is seen here.
  length.exchange(discard ? size | BPF_RINGBUF_DISCARD_BIT : size, std::memory_order_seq_cst);
  const bool caught_up = (position(0).load(std::memory_order_seq_cst) & mask_) == offset;
  const bool wake = (flags & BPF_RB_FORCE_WAKEUP) != 0 || (caught_up && (flags & BPF_RB_NO_WAKEUP) == 0);
  if (wake) notify_.signal();
}

int RingBufferMap::output(const void* data, std::uint64_t size, std::uint64_t flags) {
  if ((flags & ~kFlags) != 0) return -EINVAL;
  void* record = reserve(size);
  if (record == nullptr) return -EAGAIN;
  std::memcpy(record, data, size);
  commit(record, flags, false);
  return 0;
}

std::uint64_t RingBufferMap::query(std::uint64_t what) const {
  switch (what) {
    case BPF_RB_AVAIL_DATA: {
      const std::uint64_t consumed = consumer();
      return producer() - consumed;
    }
    case BPF_RB_RING_SIZE:
      return mask_ + 1;
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
  notify_.drain();
  if (query(BPF_RB_AVAIL_DATA) != 0) notify_.signal();
}

void* RingBufferMap::map(void* address, std::size_t length, int protection, int flags, std::uint64_t offset) const {
  const std::uint64_t page = page_size(), size = spec().max_entries;
  const std::uint64_t end = length > 2 * size + 2 * page ? UINT64_MAX : offset + round_up_pages(length);
  if (length == 0 || offset % page != 0 || offset > 2 * size + 2 * page || end > 2 * size + 2 * page) {
    errno = EINVAL;
    return MAP_FAILED;
  }
  if ((protection & PROT_WRITE) != 0 && end > page) {
    errno = EPERM;
    return MAP_FAILED;
  }
  const std::uint64_t once = 2 * page + size;  // what the file holds
  if (end <= once) return mmap(address, length, protection, flags, file_.get(), static_cast<off_t>(offset));
  if (offset >= once) return mmap(address, length, protection, flags, file_.get(), static_cast<off_t>(offset - size));
  // Both copies of the data: the first mapping claims the whole range, the second replaces its tail.
  const std::uint64_t first = once - offset;
  void* whole = mmap(address, length, protection, flags, file_.get(), static_cast<off_t>(offset));
  if (whole == MAP_FAILED) return MAP_FAILED;
  void* tail = mmap(static_cast<std::byte*>(whole) + first, length - first, protection,
                    (flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED, file_.get(), static_cast<off_t>(2 * page));
  if (tail != MAP_FAILED) return whole;
  const int error = errno;
  munmap(whole, length);
  errno = error;
  return MAP_FAILED;
}

// ------------------------------------------------------------------------------------------------------------------

MapResult make_ringbuf(exec::MapSpec spec, unsigned) {
  const std::uint64_t bytes = 2 * page_size() + spec.max_entries;
  const auto checked = Checks(spec)
                           .equal("key_size", spec.key_size, 0)
                           .equal("value_size", spec.value_size, 0)
                           .require(std::has_single_bit(spec.max_entries) && spec.max_entries % page_size() == 0,
                                    "max_entries must be a power of two, and of whole pages")
                           .allocates(bytes)
                           .done();
  if (!checked) return std::unexpected(checked.error());
  auto file = Fd::memory("forager ringbuf " + spec.name, bytes);
  if (!file) return std::unexpected(file.error());
  auto memory = Region::share_ring(file->get(), 2 * page_size(), spec.max_entries);
  if (!memory) return std::unexpected(memory.error());
  auto notify = Fd::event();
  if (!notify) return std::unexpected(notify.error());
  return std::make_shared<RingBufferMap>(std::move(spec), std::move(*file), std::move(*memory), std::move(*notify));
}

}  // namespace forager::maps
