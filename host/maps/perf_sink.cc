// SPDX-License-Identifier: Apache-2.0
#include "maps/perf_sink.h"

#include <fmt/format.h>
#include <linux/perf_event.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

namespace forager::maps {
namespace {

struct LostRecord {
  perf_event_header header;
  std::uint64_t id;
  std::uint64_t lost;
};

struct SampleHead {
  perf_event_header header;
  std::uint32_t raw_size;
};
constexpr std::size_t kSampleHead = 12;               // without the struct's tail padding
constexpr std::size_t kMaxRecord = UINT16_MAX & ~7U;  // perf_event_header counts in 16 bits

}  // namespace

Result<std::shared_ptr<PerfRing>> PerfRing::create(std::uint32_t data_pages, std::uint32_t wakeup_events) {
  if (!std::has_single_bit(data_pages)) {
    return fail(ErrorKind::input, EINVAL, fmt::format("a perf buffer of {} pages: must be a power of two", data_pages));
  }
  const std::uint64_t bytes = (std::uint64_t{data_pages} + 1) * page_size();
  if (auto fits = check_memory(bytes); !fits) return std::unexpected(fits.error());
  auto file = Fd::memory("forager perf buffer", bytes);
  if (!file) return std::unexpected(file.error());
  auto memory = Region::share(file->get(), bytes);
  if (!memory) return std::unexpected(memory.error());
  auto notify = Fd::event();
  if (!notify) return std::unexpected(notify.error());
  return std::make_shared<PerfRing>(std::move(*file), std::move(*memory), std::move(*notify), wakeup_events);
}

PerfRing::PerfRing(Fd file, Region memory, Fd notify, std::uint32_t wakeup_events)
    : file_(std::move(file)),
      memory_(std::move(memory)),
      notify_(std::move(notify)),
      wakeup_events_(wakeup_events),
      data_size_(memory_.size() - page_size()) {
  control(offsetof(perf_event_mmap_page, data_offset)).store(page_size(), std::memory_order_relaxed);
  control(offsetof(perf_event_mmap_page, data_size)).store(data_size_, std::memory_order_release);
}

void PerfRing::append(const void* bytes, std::size_t size) {
  if (size == 0) return;
  std::byte* data = memory_.base() + page_size();
  const std::uint64_t at = head_ & (data_size_ - 1);
  const auto until_end = static_cast<std::size_t>(std::min<std::uint64_t>(size, data_size_ - at));
  std::memcpy(data + at, bytes, until_end);
  std::memcpy(data, static_cast<const std::byte*>(bytes) + until_end, size - until_end);
  head_ += size;
}

void PerfRing::append_lost() {
  const LostRecord record = {
      .header = {.type = PERF_RECORD_LOST, .misc = 0, .size = sizeof record}, .id = 0, .lost = unreported_};
  append(&record, sizeof record);
  unreported_ = 0;
}

int PerfRing::write(std::span<const std::byte> first, std::span<const std::byte> second) {
  const std::size_t payload = first.size() + second.size();
  const std::size_t bytes = (kSampleHead + payload + 7) & ~std::size_t{7};
  const std::unique_lock guard(lock_);
  const std::uint64_t tail = control(offsetof(perf_event_mmap_page, data_tail)).load(std::memory_order_acquire);
  const std::uint64_t room = (tail - head_ - 1) & (data_size_ - 1);
  const std::uint64_t needed = bytes + (unreported_ != 0 ? sizeof(LostRecord) : 0);
  if (payload > kMaxRecord || bytes > kMaxRecord || needed > room) {
    ++unreported_;
    lost_.fetch_add(1, std::memory_order_relaxed);
    return -ENOSPC;
  }
  if (unreported_ != 0) append_lost();
  const SampleHead head = {.header = {.type = PERF_RECORD_SAMPLE, .misc = 0, .size = static_cast<std::uint16_t>(bytes)},
                           .raw_size = static_cast<std::uint32_t>(bytes - kSampleHead)};
  constexpr std::byte kPadding[8] = {};
  append(&head, kSampleHead);
  append(first.data(), first.size());
  append(second.data(), second.size());
  append(kPadding, bytes - kSampleHead - payload);
  control(offsetof(perf_event_mmap_page, data_head)).store(head_, std::memory_order_release);
  if (wakes()) notify_.signal();
  return 0;
}

void PerfRing::lose(std::uint64_t samples) {
  const std::lock_guard guard(lock_);
  unreported_ += samples;
  lost_.fetch_add(samples, std::memory_order_relaxed);
}

bool PerfRing::wakes() {
  const bool enough = wakeup_events_ != 0 && ++events_ >= wakeup_events_;
  const bool half_full = head_ - woken_at_ > data_size_ / 2;
  if (enough) events_ = 0;
  if (half_full) woken_at_ = head_;
  return enough || half_full;
}

}  // namespace forager::maps
