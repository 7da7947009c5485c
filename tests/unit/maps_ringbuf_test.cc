// SPDX-License-Identifier: Apache-2.0
//
// RINGBUF: the protocol, seen by a consumer that reads the mapped memory as libbpf does.
#include "maps/ringbuf.h"

#include <poll.h>
#include <sys/mman.h>

#include <atomic>

#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

constexpr std::uint32_t kSize = 4096;

// Reads as a ring buffer's user does: the consumer page, and the producer page with the data twice behind it.
class Consumer {
 public:
  explicit Consumer(const RingBufferMap& ring)
      : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))), size_(ring.spec().max_entries) {
    own_ = static_cast<char*>(ring.map(nullptr, page_, PROT_READ | PROT_WRITE, MAP_SHARED, 0));
    shared_ = static_cast<char*>(ring.map(nullptr, page_ + 2 * size_, PROT_READ, MAP_SHARED, page_));
    EXPECT_NE(own_, MAP_FAILED);
    EXPECT_NE(shared_, MAP_FAILED);
  }
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;
  ~Consumer() {
    munmap(own_, page_);
    munmap(shared_, page_ + 2 * size_);
  }

  // All committed records up to the first busy one; discarded ones are stepped over.
  std::vector<Bytes> drain() {
    std::vector<Bytes> records;
    while (position() < produced()) {
      const char* header = shared_ + page_ + position() % size_;
      const std::uint32_t length = __atomic_load_n(reinterpret_cast<const std::uint32_t*>(header), __ATOMIC_ACQUIRE);
      if ((length & BPF_RINGBUF_BUSY_BIT) != 0) break;
      const std::uint32_t bytes = length & ~BPF_RINGBUF_DISCARD_BIT;
      if ((length & BPF_RINGBUF_DISCARD_BIT) == 0) records.emplace_back(header + BPF_RINGBUF_HDR_SZ, bytes);
      set_position(position() + (bytes + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8);
    }
    return records;
  }
  [[nodiscard]] std::uint64_t position() const {
    return __atomic_load_n(reinterpret_cast<std::uint64_t*>(own_), __ATOMIC_ACQUIRE);
  }
  void set_position(std::uint64_t position) {
    __atomic_store_n(reinterpret_cast<std::uint64_t*>(own_), position, __ATOMIC_RELEASE);
  }
  [[nodiscard]] std::uint64_t produced() const {
    return __atomic_load_n(reinterpret_cast<const std::uint64_t*>(shared_), __ATOMIC_ACQUIRE);
  }

 private:
  std::size_t page_, size_;
  char* own_;
  char* shared_;
};

class MapsRingbuf : public ::testing::Test {
 protected:
  std::shared_ptr<Map> map_ = make({.type = MapType::ringbuf, .max_entries = kSize});
  RingBufferMap& ring_ = dynamic_cast<RingBufferMap&>(*map_);
  Consumer consumer_{ring_};

  int output(const Bytes& record, std::uint64_t flags = 0) { return ring_.output(record.data(), record.size(), flags); }
  // Whether the fd was signalled; the signal is taken.
  bool woken() {
    pollfd fd = {.fd = ring_.notify_fd(), .events = POLLIN, .revents = 0};
    if (poll(&fd, 1, 0) != 1) return false;
    std::uint64_t count = 0;
    return ::read(ring_.notify_fd(), &count, sizeof count) == sizeof count;
  }
};

TEST_F(MapsRingbuf, RecordsComeOutAsTheyWentIn) {
  EXPECT_EQ(ring_.abilities().ring, &ring_);
  EXPECT_EQ(output("one"), 0);
  EXPECT_EQ(output(""), 0);
  EXPECT_EQ(output(Bytes(100, 'x')), 0);
  EXPECT_EQ(consumer_.drain(), (std::vector<Bytes>{"one", "", Bytes(100, 'x')}));
  EXPECT_EQ(consumer_.drain(), std::vector<Bytes>{});
}

TEST_F(MapsRingbuf, TheHeaderIsTheKernels) {
  auto* record = static_cast<std::uint32_t*>(ring_.reserve(20));
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(record) % 8, 0U);
  EXPECT_EQ(record[-2], 20 | BPF_RINGBUF_BUSY_BIT);
  EXPECT_EQ(record[-1], 3U) << "page of the kernel's object: private, consumer, producer, data";
  EXPECT_EQ(ring_.query(BPF_RB_PROD_POS), 32U) << "8 + 20, rounded up to 8";
  ring_.commit(record, 0, true);
  EXPECT_EQ(record[-2], 20 | BPF_RINGBUF_DISCARD_BIT);
}

TEST_F(MapsRingbuf, ABusyRecordHoldsBackThoseBehindIt) {
  void* first = ring_.reserve(8);
  void* second = ring_.reserve(8);
  void* third = ring_.reserve(8);
  std::memcpy(first, "first...", 8);
  std::memcpy(third, "third...", 8);
  ring_.commit(second, 0, true);
  ring_.commit(third, 0, false);
  EXPECT_TRUE(consumer_.drain().empty());
  ring_.commit(first, 0, false);
  EXPECT_EQ(consumer_.drain(), (std::vector<Bytes>{"first...", "third..."}));
}

TEST_F(MapsRingbuf, RefusesWhatFindsNoRoomAndCountsIt) {
  EXPECT_EQ(ring_.reserve(kSize - 8), nullptr) << "a ring is never quite full";
  EXPECT_EQ(ring_.reserve(UINT64_MAX), nullptr);
  EXPECT_EQ(ring_.lost(), 2U);
  int fit = 0;
  while (output(Bytes(92, 'x')) == 0) ++fit;
  EXPECT_EQ(fit, 39) << "records of 104 bytes that leave one byte free";
  EXPECT_EQ(output("x", 0), 0) << "a smaller one still fits";
  EXPECT_EQ(output(Bytes(92, 'x')), -EAGAIN);
  EXPECT_EQ(ring_.lost(), 4U);
  EXPECT_EQ(consumer_.drain().size(), 40U);
  EXPECT_EQ(output(Bytes(92, 'x')), 0);
  EXPECT_EQ(output("x", 4), -EINVAL);
  ring_.lose(5);
  EXPECT_EQ(ring_.lost(), 9U) << "a device's count too";
}

// The oldest record that is not committed must not be overwritten, whatever the consumer says it has read.
TEST_F(MapsRingbuf, AHostileConsumerCannotHaveBusyRecordsOverwritten) {
  void* held = ring_.reserve(8);
  std::memcpy(held, "precious", 8);
  for (const std::uint64_t lie :
       {std::uint64_t{16}, std::uint64_t{4000}, std::uint64_t{1} << 40, UINT64_MAX, UINT64_MAX - 7}) {
    consumer_.set_position(lie);
    for (int i = 0; i < 100; ++i) static_cast<void>(output(Bytes(200, 'x')));
    ASSERT_EQ(std::memcmp(held, "precious", 8), 0) << lie;
  }
  consumer_.set_position(0);
  ring_.commit(held, 0, false);
  EXPECT_EQ(consumer_.drain().front(), "precious");
}

// Many times around, with sizes that make records straddle the end: they are contiguous on both sides.
TEST_F(MapsRingbuf, RecordsWrapAroundTheEndInOnePiece) {
  Random random(2);
  std::uint64_t produced = 0;
  for (int i = 0; i < 3000; ++i) {
    std::vector<Bytes> sent;
    for (std::uint64_t n = below(random, 4); n != 0; --n) {
      sent.emplace_back(below(random, 900), static_cast<char>(random()));
      ASSERT_EQ(output(sent.back()), 0);
      produced += (sent.back().size() + 15) / 8 * 8;
    }
    ASSERT_EQ(ring_.query(BPF_RB_AVAIL_DATA), produced - consumer_.position());
    ASSERT_EQ(consumer_.drain(), sent);
  }
  EXPECT_EQ(ring_.query(BPF_RB_PROD_POS), produced);
  EXPECT_EQ(ring_.query(BPF_RB_CONS_POS), produced);
  EXPECT_EQ(ring_.query(BPF_RB_RING_SIZE), kSize);
  EXPECT_EQ(ring_.query(99), 0U);
}

TEST_F(MapsRingbuf, WakesByTheKernelsRules) {
  EXPECT_FALSE(woken());
  EXPECT_EQ(output("a"), 0);
  EXPECT_TRUE(woken()) << "the consumer had caught up";
  EXPECT_EQ(output("b"), 0);
  EXPECT_FALSE(woken()) << "it has not read a yet, and will see b";
  EXPECT_EQ(output("c", BPF_RB_FORCE_WAKEUP), 0);
  EXPECT_TRUE(woken());
  consumer_.drain();
  EXPECT_EQ(output("d", BPF_RB_NO_WAKEUP), 0);
  EXPECT_FALSE(woken());
}

TEST_F(MapsRingbuf, SettlingMakesTheSignalSayWhetherThereAreData) {
  EXPECT_EQ(output("a"), 0);
  consumer_.drain();
  ring_.settle();
  EXPECT_FALSE(woken());
  EXPECT_EQ(output("b", BPF_RB_NO_WAKEUP), 0);
  ring_.settle();
  EXPECT_TRUE(woken());
}

TEST_F(MapsRingbuf, MapsWhatTheKernelMaps) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const auto refused = [&](std::size_t length, int protection, std::uint64_t offset) {
    void* address = ring_.map(nullptr, length, protection, MAP_SHARED, offset);
    const int error = errno;
    if (address == MAP_FAILED) return error;
    munmap(address, length);
    return 0;
  };
  EXPECT_EQ(refused(page, PROT_READ | PROT_WRITE, 0), 0);
  EXPECT_EQ(refused(page, PROT_READ | PROT_WRITE, page), EPERM);
  EXPECT_EQ(refused(2 * page, PROT_READ | PROT_WRITE, 0), EPERM);
  EXPECT_EQ(refused(page + 2 * kSize, PROT_READ, page), 0);
  EXPECT_EQ(refused(page + 2 * kSize + 1, PROT_READ, page), EINVAL);
  EXPECT_EQ(refused(kSize, PROT_READ, 2 * page + kSize), 0) << "the second copy alone";
  EXPECT_EQ(refused(page, PROT_READ, UINT64_MAX - page + 1), EINVAL);
  EXPECT_EQ(refused(SIZE_MAX, PROT_READ, 0), EINVAL);
  EXPECT_EQ(refused(0, PROT_READ, 0), EINVAL);
}

TEST_F(MapsRingbuf, HasNoKeys) {
  std::uint64_t key = 0, value = 0;
  EXPECT_EQ(map_->lookup(&key, 0), nullptr);
  EXPECT_EQ(map_->next_key(nullptr, &key), -524);
  EXPECT_EQ(map_->read(&key, &value, 0), -524);
  EXPECT_EQ(map_->write(&key, &value, 0), -524);
  EXPECT_EQ(map_->erase(&key), -524);
  EXPECT_EQ(map_->update(&key, &value, 0, 0), -524);
}

// What the kernel's own ring says to the same calls.
TEST_F(MapsRingbuf, HasNoKeysInTheKernelEither) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  KernelMap kernels(map_->spec(), 2);
  const Bytes key(8, '\0');
  std::uint64_t buffer = 0;
  EXPECT_EQ(kernels.next({}).result, map_->next_key(nullptr, &buffer));
  EXPECT_EQ(kernels.read(key, 0).result, map_->read(key.data(), &buffer, 0));
  EXPECT_EQ(kernels.write(key, key, 0), map_->write(key.data(), key.data(), 0));
  EXPECT_EQ(kernels.erase(key), map_->erase(key.data()));
}

}  // namespace
}  // namespace forager::maps::testing
