// SPDX-License-Identifier: Apache-2.0
//
// PerfRing: the perf buffer's protocol, seen by a consumer that reads the mapped memory as libbpf does.
#include <linux/perf_event.h>
#include <poll.h>
#include <sys/mman.h>

#include "maps/perf_sink.h"
#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

struct Event {
  std::uint32_t type = 0;
  Bytes raw;               // of a sample
  std::uint64_t lost = 0;  // of a LOST record
  friend bool operator==(const Event&, const Event&) = default;
};

class MapsPerf : public ::testing::Test {
 protected:
  void SetUp() override {
    page_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    open(1, 1);
  }
  void TearDown() override { munmap(control_, memory_.size); }

  void open(std::uint32_t pages, std::uint32_t wakeup_events) {
    if (control_ != nullptr) munmap(control_, memory_.size);
    auto ring = PerfRing::create(pages, wakeup_events);
    ASSERT_TRUE(ring.has_value()) << ring.error().text();
    ring_ = *ring;
    memory_ = ring_->memory();
    void* mapped = mmap(nullptr, memory_.size, PROT_READ | PROT_WRITE, MAP_SHARED, memory_.fd, 0);
    ASSERT_NE(mapped, MAP_FAILED);
    control_ = static_cast<perf_event_mmap_page*>(mapped);
  }

  int write(const Bytes& first, const Bytes& second = {}) {
    return ring_->write(std::as_bytes(std::span(first)), std::as_bytes(std::span(second)));
  }

  // `size` bytes at a position that grows without end.
  Bytes at(std::uint64_t position, std::size_t size) const {
    const char* data = reinterpret_cast<const char*>(control_) + control_->data_offset;
    Bytes bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += data[(position + i) % control_->data_size];
    return bytes;
  }

  std::vector<Event> drain() {
    std::vector<Event> events;
    const std::uint64_t head = __atomic_load_n(&control_->data_head, __ATOMIC_ACQUIRE);
    std::uint64_t tail = control_->data_tail;
    while (tail != head) {
      const auto header = value_of<perf_event_header>(at(tail, sizeof(perf_event_header)));
      EXPECT_EQ(header.size % 8, 0);
      const Bytes body = at(tail + sizeof header, header.size - sizeof header);
      if (header.type == PERF_RECORD_SAMPLE) {
        const auto size = value_of<std::uint32_t>(body);
        EXPECT_EQ(size, body.size() - 4);
        events.push_back({.type = header.type, .raw = body.substr(4, size)});
      } else {
        EXPECT_EQ(header.size, 24);
        events.push_back({.type = header.type, .raw = {}, .lost = value_of<std::uint64_t>(body.substr(8))});
      }
      tail += header.size;
    }
    __atomic_store_n(&control_->data_tail, tail, __ATOMIC_RELEASE);
    return events;
  }

  bool woken() {
    pollfd fd = {.fd = ring_->notify_fd(), .events = POLLIN, .revents = 0};
    if (poll(&fd, 1, 0) != 1) return false;
    std::uint64_t count = 0;
    return ::read(ring_->notify_fd(), &count, sizeof count) == sizeof count;
  }

  std::size_t page_ = 0;
  std::shared_ptr<PerfRing> ring_;
  exec::MapMemory memory_;
  perf_event_mmap_page* control_ = nullptr;
};

// As in Linux, the raw size counts the padding: 10 bytes become 12, so that the record is a multiple of 8.
TEST_F(MapsPerf, SamplesAreWhatLibbpfExpects) {
  EXPECT_EQ(control_->data_offset, page_);
  EXPECT_EQ(control_->data_size, page_);
  EXPECT_EQ(write("meta", "packet"), 0);
  EXPECT_EQ(write("12345678901234567890"), 0);
  const std::vector<Event> expected = {{.type = PERF_RECORD_SAMPLE, .raw = Bytes("metapacket\0\0", 12)},
                                       {.type = PERF_RECORD_SAMPLE, .raw = "12345678901234567890"}};
  EXPECT_EQ(drain(), expected);
}

TEST_F(MapsPerf, WrapsAroundTheEndAnywhere) {
  Random random(4);
  for (int i = 0; i < 3000; ++i) {
    std::vector<Bytes> sent;
    for (std::uint64_t n = below(random, 4); n != 0; --n) {
      sent.emplace_back(4 + 8 * below(random, 100), static_cast<char>(random()));
      ASSERT_EQ(write(sent.back().substr(0, 3), sent.back().substr(3)), 0);
    }
    const std::vector<Event> events = drain();
    ASSERT_EQ(events.size(), sent.size());
    for (std::size_t n = 0; n < sent.size(); ++n) ASSERT_EQ(events[n].raw, sent[n]);
  }
  EXPECT_EQ(ring_->lost(), 0U);
}

TEST_F(MapsPerf, CountsWhatFindsNoRoomAndReportsItOnce) {
  int written = 0;
  while (write(Bytes(500, 'x')) == 0) ++written;
  EXPECT_EQ(written, 7) << "records of 512 bytes, and one byte stays free";
  EXPECT_EQ(write(Bytes(500, 'x')), -ENOSPC);
  EXPECT_EQ(ring_->lost(), 2U);
  EXPECT_EQ(drain().size(), 7U);
  EXPECT_EQ(write("more"), 0);
  EXPECT_EQ(write("more"), 0);
  const std::vector<Event> expected = {{.type = PERF_RECORD_LOST, .raw = {}, .lost = 2},
                                       {.type = PERF_RECORD_SAMPLE, .raw = "more"},
                                       {.type = PERF_RECORD_SAMPLE, .raw = "more"}};
  EXPECT_EQ(drain(), expected);
  EXPECT_EQ(ring_->lost(), 2U) << "the count itself stays";
}

TEST_F(MapsPerf, ReportsWhatADeviceLost) {
  ring_->lose(3);
  EXPECT_EQ(write("more"), 0);
  const std::vector<Event> expected = {{.type = PERF_RECORD_LOST, .raw = {}, .lost = 3},
                                       {.type = PERF_RECORD_SAMPLE, .raw = "more"}};
  EXPECT_EQ(drain(), expected);
  EXPECT_EQ(ring_->lost(), 3U);
}

TEST_F(MapsPerf, RecordsBeyondTheHeadersSixteenBitsAreLost) {
  open(64, 1);
  EXPECT_EQ(write(Bytes(70000, 'x')), -ENOSPC);
  EXPECT_EQ(write(Bytes(60000, 'x')), 0);
  EXPECT_EQ(drain().size(), 2U);
}

TEST_F(MapsPerf, AHostileTailOnlyCostsRecords) {
  for (const std::uint64_t lie : {UINT64_MAX, std::uint64_t{1} << 40, std::uint64_t{13}}) {
    control_->data_tail = lie;
    for (int i = 0; i < 50; ++i) {
      const int result = write(Bytes(300, 'x'));
      ASSERT_TRUE(result == 0 || result == -ENOSPC);
    }
  }
  control_->data_tail = control_->data_head;
  EXPECT_EQ(write("fine"), 0);
  EXPECT_EQ(drain().back().raw, "fine");
}

TEST_F(MapsPerf, WakesAfterAsManyEventsAsAsked) {
  EXPECT_FALSE(woken());
  EXPECT_EQ(write("a"), 0);
  EXPECT_TRUE(woken());
  open(1, 3);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(write("a"), 0);
    EXPECT_EQ(write("b"), 0);
    EXPECT_FALSE(woken());
    EXPECT_EQ(write("c"), 0);
    EXPECT_TRUE(woken());
  }
}

TEST_F(MapsPerf, WakesWhenHalfFullInAnyCase) {
  open(1, 0);
  int writes = 0;
  do {
    ASSERT_EQ(write(Bytes(500, 'x')), 0);
    ++writes;
  } while (!woken());
  EXPECT_EQ(writes, 5) << "more than 2048 bytes in records of 512";
}

TEST_F(MapsPerf, SizesAreChecked) {
  for (const std::uint32_t pages : {0U, 3U, 100U}) EXPECT_EQ(PerfRing::create(pages).error().error, EINVAL);
}

TEST_F(MapsPerf, ReachedThroughAMap) {
  const auto map = make({.type = MapType::perf_event_array, .key_size = 4, .value_size = 4, .max_entries = 2});
  ASSERT_EQ(map->abilities().perf->set(1, ring_), 0);
  const Bytes event = "from the map";
  EXPECT_EQ(map->abilities().perf->get(1)->write(std::as_bytes(std::span(event)), {}), 0);
  EXPECT_EQ(drain().front().raw, event);
}

}  // namespace
}  // namespace forager::maps::testing
