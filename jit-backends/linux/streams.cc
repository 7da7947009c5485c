// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/linux/streams.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <vector>

namespace forager::jit::linux_kernel {
namespace {

constexpr std::size_t kPerfPages = 256;  // of data; a power of two, and more than one frame's samples

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

template <class T>
std::atomic_ref<T> shared_word(const std::byte* at) {
  return std::atomic_ref<T>(*reinterpret_cast<T*>(const_cast<std::byte*>(at)));
}

// kernel/bpf/ringbuf.c: a page with the consumer's position, a page with the producer's, the data mapped twice in a
// row.
class RingMirror final : public Mirror {
 public:
  RingMirror(std::shared_ptr<exec::Map> map, Fd fd) : Mirror(std::move(map), std::move(fd)), page_(page_bytes()) {}

  [[nodiscard]] Result<> open() {
    const std::size_t size = map().spec().max_entries;
    int error = consumer_.map(fd(), page_, true);
    if (error == 0) error = producer_.map(fd(), page_ + 2 * size, false, page_);
    if (error != 0) return refused("map the kernel's ring buffer", "mmap", error);
    return {};
  }
  Result<> push() override {
    follow_reader();
    return {};
  }
  void drain() override {
    const std::uint64_t end = shared_word<std::uint64_t>(producer_.base()).load(std::memory_order_acquire);
    while (position_ != end && forward_one()) {
    }
    follow_reader();
  }

 private:
  // False at a record that is still being written.
  bool forward_one() {
    const std::uint64_t mask = map().spec().max_entries - 1;
    const std::byte* record = producer_.base() + page_ + (position_ & mask);
    const auto header = shared_word<std::uint32_t>(record).load(std::memory_order_acquire);
    if ((header & BPF_RINGBUF_BUSY_BIT) != 0) return false;
    const std::uint32_t size = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    append(record + BPF_RINGBUF_HDR_SZ, size, (header & BPF_RINGBUF_DISCARD_BIT) != 0);
    position_ += (std::uint64_t{size} + BPF_RINGBUF_HDR_SZ + 7) & ~std::uint64_t{7};
    return true;
  }
  void append(const std::byte* data, std::uint32_t size, bool discard) {
    exec::RingProducer& ring = *map().abilities().ring;
    void* copy = ring.reserve(size);
    if (copy == nullptr) return;  // counted by the ring
    std::memcpy(copy, data, size);
    ring.commit(copy, 0, discard);
  }
  // Positions wrap like the kernel's own, so "before 0" (our ring was not empty when the mirror was made) is well
  // defined.
  void follow_reader() {
    const std::uint64_t unread = map().abilities().ring->query(BPF_RB_AVAIL_DATA);
    shared_word<std::uint64_t>(consumer_.base()).store(position_ - unread, std::memory_order_release);
  }

  std::size_t page_;
  Mapping consumer_;
  Mapping producer_;
  std::uint64_t position_ = 0;  // of the next record to forward
};

// One perf event, on the CPU that programs run on: no other slot can be written from there.
class PerfMirror final : public Mirror {
 public:
  PerfMirror(std::shared_ptr<exec::Map> map, Fd fd, Lanes lanes)
      : Mirror(std::move(map), std::move(fd)), lanes_(lanes) {}

  [[nodiscard]] Result<> open() {
    perf_event_attr attr{};
    attr.type = PERF_TYPE_SOFTWARE;
    attr.size = sizeof(attr);
    attr.config = PERF_COUNT_SW_BPF_OUTPUT;
    attr.sample_type = PERF_SAMPLE_RAW;
    attr.sample_period = 1;
    attr.wakeup_events = 1;
    const long fd =
        raw_syscall(SYS_perf_event_open, reinterpret_cast<long>(&attr), -1, lanes_.pinned, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) return refused("open a perf event for map '" + map().spec().name + "'", "perf_event_open", fd);
    event_ = Fd(static_cast<int>(fd));
    const int error = buffer_.map(event_, (1 + kPerfPages) * page_bytes(), true);
    if (error != 0) return refused("map the kernel's perf buffer", "mmap", error);
    return {};
  }
  Result<> push() override {
    const bool wanted = sink() != nullptr && lanes_.pinned < map().spec().max_entries;
    if (wanted == installed_) return {};
    const std::uint32_t key = lanes_.pinned;
    const int event = event_.get();
    const int error = wanted ? map_update(fd(), &key, &event) : map_erase(fd(), &key);
    if (error != 0) return refused("set a slot of map '" + map().spec().name + "'", "bpf", error);
    installed_ = wanted;
    return {};
  }
  void drain() override {
    const auto head =
        shared_word<__u64>(page() + offsetof(perf_event_mmap_page, data_head)).load(std::memory_order_acquire);
    if (head == tail_) return;
    const auto target = sink();
    while (tail_ != head) forward_one(target.get());
    shared_word<__u64>(page() + offsetof(perf_event_mmap_page, data_tail)).store(tail_, std::memory_order_release);
  }

 private:
  [[nodiscard]] const std::byte* page() const { return buffer_.base(); }
  [[nodiscard]] std::shared_ptr<exec::PerfSink> sink() const { return map().abilities().perf->get(0); }

  void forward_one(exec::PerfSink* target) {
    perf_event_header header;
    copy_out(tail_, &header, sizeof(header));
    if (header.type == PERF_RECORD_SAMPLE && target != nullptr) {
      std::uint32_t size = 0;
      copy_out(tail_ + sizeof(header), &size, sizeof(size));
      sample_.resize(std::min<std::size_t>(size, header.size));
      copy_out(tail_ + sizeof(header) + sizeof(size), sample_.data(), sample_.size());
      (void)target->write(sample_, {});  // a full sink counts what it loses
    }
    tail_ += std::max<std::uint64_t>(header.size, sizeof(header));
  }
  // Records wrap around the buffer's end.
  void copy_out(std::uint64_t position, void* to, std::size_t size) const {
    const std::size_t capacity = kPerfPages * page_bytes();
    const std::byte* data = page() + page_bytes();
    const std::size_t at = position % capacity;
    const std::size_t before_end = std::min(size, capacity - at);
    std::memcpy(to, data + at, before_end);
    std::memcpy(static_cast<std::byte*>(to) + before_end, data, size - before_end);
  }

  Lanes lanes_;
  Fd event_;
  Mapping buffer_;
  bool installed_ = false;
  std::uint64_t tail_ = 0;
  std::vector<std::byte> sample_;
};

template <class Stream>
Result<std::unique_ptr<Mirror>> opened(std::unique_ptr<Stream> mirror) {
  if (auto result = mirror->open(); !result) return std::unexpected(std::move(result.error()));
  return mirror;
}

}  // namespace

Result<std::unique_ptr<Mirror>> make_ring_mirror(std::shared_ptr<exec::Map> map, Fd fd) {
  if (map->abilities().ring == nullptr) return fail(ErrorKind::bug, EINVAL, "a ring buffer map without a producer");
  return opened(std::make_unique<RingMirror>(std::move(map), std::move(fd)));
}

Result<std::unique_ptr<Mirror>> make_perf_mirror(std::shared_ptr<exec::Map> map, Fd fd, Lanes lanes) {
  if (map->abilities().perf == nullptr) return fail(ErrorKind::bug, EINVAL, "a perf event array without a table");
  return opened(std::make_unique<PerfMirror>(std::move(map), std::move(fd), lanes));
}

}  // namespace forager::jit::linux_kernel
