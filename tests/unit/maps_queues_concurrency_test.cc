// SPDX-License-Identifier: Apache-2.0
//
// Ring and perf buffers under many producers and one consumer: every record arrives once, whole and in its producer's
// order, or is counted as lost.
#include <linux/perf_event.h>

#include <array>
#include <atomic>
#include <thread>

#include "maps/perf_sink.h"
#include "maps/ringbuf.h"
#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

constexpr unsigned kProducers = 8;

// What a producer sends: its number, a count, and filling that depends on both.
struct Record {
  std::uint32_t producer = 0, count = 0;
  std::array<std::uint64_t, 6> filling{};

  Record() = default;
  Record(std::uint32_t producer, std::uint32_t count) : producer(producer), count(count) { filling.fill(word()); }
  [[nodiscard]] std::uint64_t word() const { return (std::uint64_t{producer} << 32 | count) * 0x9e3779b97f4a7c15; }
  // Records have 1 to 6 words of filling.
  [[nodiscard]] std::size_t size() const { return 8 + 8 * (1 + count % 6); }
};

// Checks records as they arrive.
class Arrivals {
 public:
  void take(const char* bytes, std::size_t size) {
    Record record;
    std::memcpy(&record, bytes, std::min(size, sizeof record));
    const Record expected(record.producer, record.count);
    const bool whole = record.producer < kProducers && size >= expected.size() &&
                       std::memcmp(&record, &expected, expected.size()) == 0;
    const bool in_order = whole && record.count >= next_[record.producer];
    if (in_order) next_[record.producer] = record.count + 1;
    wrong_ += in_order ? 0 : 1;
    ++arrived_;
  }
  [[nodiscard]] std::uint64_t arrived() const { return arrived_; }
  [[nodiscard]] int wrong() const { return wrong_; }

 private:
  std::array<std::uint32_t, kProducers> next_{};
  std::uint64_t arrived_ = 0;
  int wrong_ = 0;
};

// Runs the producers beside consume(), which is called until they are done and once more.
template <class Produce, class Consume>
void run(Produce produce, Consume consume) {
  std::atomic<unsigned> running{kProducers};
  std::vector<std::thread> threads;
  threads.reserve(kProducers);
  for (unsigned n = 0; n < kProducers; ++n) {
    threads.emplace_back([&, n] {
      produce(n);
      --running;
    });
  }
  while (running.load() != 0) {
    consume();
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  consume();
}

TEST(MapsQueuesConcurrency, RingbufLosesNothingUncounted) {
  constexpr std::uint32_t kRecords = 20000;
  const auto map = make({.type = MapType::ringbuf, .max_entries = 4096});
  auto& ring = dynamic_cast<RingBufferMap&>(*map);
  Arrivals arrivals;
  std::atomic<std::uint64_t> refused{0}, discarded{0};
  char* base = reinterpret_cast<char*>(ring.memory().base);
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  auto* consumed = reinterpret_cast<std::uint64_t*>(base);
  const auto* produced = reinterpret_cast<const std::uint64_t*>(base + page);

  const auto produce = [&](unsigned n) {
    for (std::uint32_t i = 0; i < kRecords; ++i) {
      const Record record(n, i);
      if (i % 3 == 0) {
        if (ring.output(&record, record.size(), 0) != 0) ++refused;
        continue;
      }
      void* room = ring.reserve(record.size());
      if (room == nullptr) {
        ++refused;
        continue;
      }
      const bool discard = i % 7 == 0;
      if (discard) ++discarded;
      std::memcpy(room, &record, record.size());
      ring.commit(room, 0, discard);
    }
  };
  const auto consume = [&] {
    std::uint64_t at = *consumed;
    while (at < __atomic_load_n(produced, __ATOMIC_ACQUIRE)) {
      char* header = base + 2 * page + at % 4096;
      const std::uint32_t length = __atomic_load_n(reinterpret_cast<std::uint32_t*>(header), __ATOMIC_ACQUIRE);
      if ((length & BPF_RINGBUF_BUSY_BIT) != 0) break;
      const std::uint32_t size = length & ~BPF_RINGBUF_DISCARD_BIT;
      if ((length & BPF_RINGBUF_DISCARD_BIT) == 0) arrivals.take(header + BPF_RINGBUF_HDR_SZ, size);
      at += (size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
      __atomic_store_n(consumed, at, __ATOMIC_RELEASE);
    }
  };
  run(produce, consume);
  EXPECT_EQ(arrivals.wrong(), 0);
  EXPECT_EQ(ring.lost(), refused);
  EXPECT_EQ(arrivals.arrived() + refused + discarded, std::uint64_t{kProducers} * kRecords);
  EXPECT_EQ(ring.query(BPF_RB_AVAIL_DATA), 0U);
}

TEST(MapsQueuesConcurrency, PerfRingLosesNothingUncounted) {
  constexpr std::uint32_t kRecords = 20000;
  const auto ring = PerfRing::create(1).value();
  Arrivals arrivals;
  std::atomic<std::uint64_t> refused{0};
  std::uint64_t reported = 0;
  auto* control = reinterpret_cast<perf_event_mmap_page*>(ring->memory().base);
  const char* data = reinterpret_cast<const char*>(control) + control->data_offset;
  const std::uint64_t size = control->data_size;

  const auto write = [&](const Record& record) {
    const auto bytes = std::as_bytes(std::span(&record, 1)).first(record.size());
    return ring->write(bytes.first(8), bytes.subspan(8));
  };
  const auto produce = [&](unsigned n) {
    for (std::uint32_t i = 0; i < kRecords; ++i) refused += write(Record(n, i)) != 0 ? 1 : 0;
  };
  const auto consume = [&] {
    std::uint64_t tail = control->data_tail;
    const std::uint64_t head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE);
    while (tail != head) {
      Bytes bytes;
      const auto copy = [&](std::size_t count) {
        while (bytes.size() < count) bytes += data[(tail + bytes.size()) % size];
      };
      copy(sizeof(perf_event_header));
      const auto header = value_of<perf_event_header>(bytes);
      copy(header.size);
      if (header.type == PERF_RECORD_SAMPLE) {
        arrivals.take(bytes.data() + 12, header.size - 12U);
      } else {
        reported += value_of<std::uint64_t>(bytes.substr(16));
      }
      tail += header.size;
    }
    __atomic_store_n(&control->data_tail, tail, __ATOMIC_RELEASE);
  };
  run(produce, consume);
  EXPECT_EQ(arrivals.wrong(), 0);
  EXPECT_EQ(ring->lost(), refused);
  EXPECT_EQ(arrivals.arrived() + refused, std::uint64_t{kProducers} * kRecords);
  // What was lost last is reported with the next record.
  ASSERT_EQ(write(Record(0, kRecords)), 0);
  consume();
  EXPECT_EQ(reported, refused);
}

}  // namespace
}  // namespace forager::maps::testing
