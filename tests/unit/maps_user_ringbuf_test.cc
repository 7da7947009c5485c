// SPDX-License-Identifier: Apache-2.0
//
// USER_RINGBUF: the protocol, with a producer that writes the mapped memory as libbpf does, and one that does it wrong.
#include "maps/user_ringbuf.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include <deque>
#include <limits>

#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

constexpr std::uint32_t kSize = 4096;
constexpr std::uint64_t kMaxSamples = 128 * 1024;

class UserRing : public ::testing::Test {
 protected:
  UserRing() {
    shown_ = static_cast<char*>(ring_.map(nullptr, page_, PROT_READ, MAP_SHARED, 0));
    own_ = static_cast<char*>(ring_.map(nullptr, page_ + 2 * kSize, PROT_READ | PROT_WRITE, MAP_SHARED, page_));
    EXPECT_NE(shown_, MAP_FAILED);
    EXPECT_NE(own_, MAP_FAILED);
  }
  ~UserRing() override {
    munmap(shown_, page_);
    munmap(own_, page_ + 2 * kSize);
  }

  static std::uint64_t* word(char* at) { return reinterpret_cast<std::uint64_t*>(at); }
  [[nodiscard]] std::uint64_t consumed() const { return __atomic_load_n(word(shown_), __ATOMIC_ACQUIRE); }
  [[nodiscard]] std::uint64_t produced() const { return __atomic_load_n(word(own_), __ATOMIC_ACQUIRE); }
  void set_produced(std::uint64_t position) { __atomic_store_n(word(own_), position, __ATOMIC_RELEASE); }

  // A record at the producer's position; `header` is its length and bits. The position moves by `bytes`.
  void put(std::uint32_t header, const Bytes& sample, std::uint64_t bytes) {
    char* at = own_ + page_ + produced() % kSize;
    std::memcpy(at + 8, sample.data(), sample.size());
    __atomic_store_n(reinterpret_cast<std::uint32_t*>(at), header, __ATOMIC_RELEASE);
    set_produced(produced() + bytes);
  }
  bool submit(const Bytes& sample, std::uint32_t bits = 0) {
    const std::uint64_t bytes = (sample.size() + 8 + 7) / 8 * 8;
    if (produced() - consumed() + bytes > kSize) return false;
    put(static_cast<std::uint32_t>(sample.size()) | bits, sample, bytes);
    return true;
  }

  // What a drain returns, and the samples that it hands over, at most `most`.
  std::int64_t drain(std::uint64_t flags = 0, std::size_t most = std::numeric_limits<std::size_t>::max()) {
    samples_.clear();
    return ring_.drain(
        [&](std::span<std::byte> sample) {
          samples_.emplace_back(reinterpret_cast<const char*>(sample.data()), sample.size());
          return samples_.size() < most;
        },
        flags);
  }
  [[nodiscard]] bool writable() const {
    pollfd poll_fd = {.fd = ring_.notify_fd(), .events = POLLOUT};
    return poll(&poll_fd, 1, 0) == 1;
  }

  const std::size_t page_ = page_size();
  std::shared_ptr<Map> map_ = make({.type = MapType::user_ringbuf, .max_entries = kSize});
  UserRingBufferMap& ring_ = dynamic_cast<UserRingBufferMap&>(*map_);
  std::vector<Bytes> samples_;
  char* shown_ = nullptr;
  char* own_ = nullptr;
};

// ---- what a producer may do --------------------------------------------------------------------------------------

TEST_F(UserRing, SamplesArriveInOrderAndWhole) {
  EXPECT_EQ(drain(), 0);
  const std::vector<Bytes> sent = {"one", Bytes(100, 'x'), "", "12345678"};
  for (const Bytes& sample : sent) ASSERT_TRUE(submit(sample));
  EXPECT_EQ(drain(), 4);
  EXPECT_EQ(samples_, sent);
  EXPECT_EQ(consumed(), produced());
  EXPECT_EQ(drain(), 0);
}

TEST_F(UserRing, ASampleAcrossTheEndIsOnePiece) {
  for (int round = 0; round < 50; ++round) {
    const Bytes sample(static_cast<std::size_t>(900 + round), static_cast<char>('a' + round % 26));
    ASSERT_TRUE(submit(sample));
    ASSERT_EQ(drain(), 1);
    ASSERT_EQ(samples_, std::vector{sample});
  }
}

TEST_F(UserRing, DiscardedSamplesAreSkippedAndDoNotCount) {
  ASSERT_TRUE(submit("a", BPF_RINGBUF_DISCARD_BIT));
  ASSERT_TRUE(submit("b"));
  ASSERT_TRUE(submit("c", BPF_RINGBUF_DISCARD_BIT | BPF_RINGBUF_BUSY_BIT));
  ASSERT_TRUE(submit("d"));
  EXPECT_EQ(drain(), 2);
  EXPECT_EQ(samples_, (std::vector<Bytes>{"b", "d"}));
}

TEST_F(UserRing, ABusySampleEndsTheDrain) {
  ASSERT_TRUE(submit("a"));
  ASSERT_TRUE(submit("b", BPF_RINGBUF_BUSY_BIT));
  ASSERT_TRUE(submit("c"));
  EXPECT_EQ(drain(), 1);
  EXPECT_EQ(drain(), 0);
  EXPECT_EQ(consumed(), 16U);
}

TEST_F(UserRing, TheTakerMayStop) {
  for (const char* sample : {"a", "b", "c"}) ASSERT_TRUE(submit(sample));
  EXPECT_EQ(drain(0, 2), 2);
  EXPECT_EQ(drain(), 1);
  EXPECT_EQ(samples_, std::vector<Bytes>{"c"});
}

TEST_F(UserRing, ADrainInADrainIsBusy) {
  ASSERT_TRUE(submit("a"));
  std::int64_t inner = 0;
  EXPECT_EQ(ring_.drain([&](std::span<std::byte>) { return (inner = ring_.drain({}, 0)) == 0; }, 0), 1);
  EXPECT_EQ(inner, -EBUSY);
  EXPECT_EQ(drain(), 0) << "not any more";
}

TEST_F(UserRing, FlagsAreTheKernels) {
  ASSERT_TRUE(submit("a"));
  EXPECT_EQ(drain(4), -EINVAL);
  EXPECT_EQ(drain(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP), 1);
}

TEST_F(UserRing, RandomTrafficGoesThroughLikeAQueue) {
  Random random(9);
  std::deque<Bytes> sent;
  for (int i = 0; i < 5000; ++i) {
    SCOPED_TRACE(i);
    if (below(random, 3) != 0) {
      const Bytes sample(below(random, 700), static_cast<char>(random()));
      const bool discarded = below(random, 5) == 0;
      if (submit(sample, discarded ? unsigned{BPF_RINGBUF_DISCARD_BIT} : 0U) && !discarded) sent.push_back(sample);
      continue;
    }
    const std::size_t most = 1 + below(random, 6), expected = std::min(most, sent.size());
    ASSERT_EQ(drain(0, most), static_cast<std::int64_t>(expected));
    for (const Bytes& sample : samples_) {
      ASSERT_EQ(sample, sent.front());
      sent.pop_front();
    }
  }
}

// ---- what it may not ---------------------------------------------------------------------------------------------

TEST_F(UserRing, PositionsThatAreNoMultipleOf8AreRefused) {
  set_produced(4);
  EXPECT_EQ(drain(), -EINVAL);
  EXPECT_EQ(consumed(), 0U);
}

TEST_F(UserRing, SamplesBeyondTheProducerPositionAreRefused) {
  put(100, "", 16);
  EXPECT_EQ(drain(), -EINVAL);
  EXPECT_TRUE(samples_.empty());
}

TEST_F(UserRing, SamplesLargerThanTheRingAreRefused) {
  put(2 * kSize, "", std::uint64_t{4} * kSize);
  EXPECT_EQ(drain(), -E2BIG);
  put(0x3fffffff, "", 1ULL << 40);
  EXPECT_EQ(drain(), -E2BIG);
}

TEST_F(UserRing, AProducerThatGoesBackHasNothing) {
  ASSERT_TRUE(submit("a"));
  ASSERT_EQ(drain(), 1);
  set_produced(0);
  EXPECT_EQ(drain(), 0);
}

// The samples before a wrong one are taken; the error says that the call failed, as in Linux.
TEST_F(UserRing, AnErrorHidesWhatWasTakenBeforeIt) {
  ASSERT_TRUE(submit("a"));
  put(100, "", 16);
  EXPECT_EQ(drain(), -EINVAL);
  EXPECT_EQ(samples_, std::vector<Bytes>{"a"});
  EXPECT_EQ(consumed(), 16U);
}

// A producer that promises more than it wrote makes the consumer read old bytes, round and round: up to the limit.
TEST_F(UserRing, OneCallTakesALimitedNumber) {
  for (std::uint32_t i = 0; i < kSize / 8; ++i) put(0, "", 8);
  set_produced(8 * (kMaxSamples + 10));
  EXPECT_EQ(drain(), static_cast<std::int64_t>(kMaxSamples));
  EXPECT_EQ(drain(), 10);
}

TEST_F(UserRing, RandomMemoryNeverLeadsOutOfTheRing) {
  Random random(5);
  const char* const first = map_->memory().base == nullptr ? nullptr : reinterpret_cast<char*>(map_->memory().base);
  const char* const data = first + 2 * page_;
  for (int round = 0; round < 2000; ++round) {
    for (std::uint32_t at = 0; at < kSize; at += 8) {
      const auto length = static_cast<std::uint32_t>(below(random, 4) == 0 ? random() : below(random, 600));
      std::memcpy(own_ + page_ + at, &length, sizeof length);
    }
    set_produced(consumed() + below(random, 3) * below(random, 9000));
    int left = 1000;
    const std::int64_t result = ring_.drain(
        [&](std::span<std::byte> sample) {
          const auto* at = reinterpret_cast<const char*>(sample.data());
          EXPECT_GE(at, data);
          EXPECT_LE(at + sample.size(), data + 2 * kSize);
          return --left > 0;
        },
        0);
    ASSERT_TRUE(result >= 0 || result == -EINVAL || result == -E2BIG) << result;
  }
}

// ---- mmap --------------------------------------------------------------------------------------------------------

TEST_F(UserRing, TheConsumerPageIsReadOnly) {
  const auto map = [&](std::size_t length, int protection, std::uint64_t offset) {
    void* at = ring_.map(nullptr, length, protection, MAP_SHARED, offset);
    if (at == MAP_FAILED) return errno;
    munmap(at, length);
    return 0;
  };
  EXPECT_EQ(map(page_, PROT_READ | PROT_WRITE, 0), EPERM);
  EXPECT_EQ(map(2 * page_, PROT_READ | PROT_WRITE, 0), EPERM);
  EXPECT_EQ(map(page_, PROT_READ, 0), 0);
  EXPECT_EQ(map(page_, PROT_READ | PROT_WRITE, page_), 0);
  EXPECT_EQ(map(page_ + 2 * kSize, PROT_READ | PROT_WRITE, page_), 0);
  EXPECT_EQ(map(2 * page_ + 2 * kSize, PROT_READ | PROT_WRITE, page_), EINVAL);
  EXPECT_EQ(map(page_, PROT_READ, 100), EINVAL);
  EXPECT_EQ(map(0, PROT_READ, 0), EINVAL);
}

// ---- waiting for room --------------------------------------------------------------------------------------------

TEST_F(UserRing, IsWritableWhileThereIsRoom) {
  ring_.settle();
  EXPECT_TRUE(writable());
  while (submit(Bytes(24, 'x'))) {
  }
  ASSERT_TRUE(produced() == kSize);
  EXPECT_FALSE(ring_.ready());
  ring_.settle();
  EXPECT_FALSE(writable());
  ring_.settle();
  EXPECT_FALSE(writable()) << "it is asked twice";
  EXPECT_EQ(drain(BPF_RB_NO_WAKEUP, 1), 1);
  EXPECT_FALSE(writable()) << "nobody is woken";
  EXPECT_EQ(drain(0, 1), 1);
  EXPECT_TRUE(writable());
}

TEST_F(UserRing, ForcingAWakeUpOfAFullRingSaysNothingNew) {
  while (submit(Bytes(24, 'x'), BPF_RINGBUF_BUSY_BIT)) {
  }
  ring_.settle();
  EXPECT_EQ(drain(BPF_RB_FORCE_WAKEUP), 0);
  EXPECT_FALSE(writable());
  EXPECT_EQ(ring_.poll_events(), std::uint32_t{EPOLLOUT | EPOLLWRNORM});
}

// ---- the map -----------------------------------------------------------------------------------------------------

TEST_F(UserRing, HasNoKeysAndAFixedSize) {
  std::uint64_t value = 0;
  EXPECT_EQ(map_->lookup(&value, 0), nullptr);
  EXPECT_EQ(map_->update(&value, &value, 0, 0), -exec::kNotSupported);
  EXPECT_EQ(map_->erase(&value), -exec::kNotSupported);
  EXPECT_EQ(map_->next_key(nullptr, &value), -exec::kNotSupported);
  EXPECT_EQ(map_->read(&value, &value, 0), -exec::kNotSupported);
  EXPECT_EQ(map_->write(&value, &value, 0), -exec::kNotSupported);
  EXPECT_EQ(map_->take(&value, &value, 0), -exec::kNotSupported);
  EXPECT_EQ(map_->memory().size, 2 * page_ + kSize);
  EXPECT_GE(map_->usage().bytes, 2 * page_ + kSize);
}

}  // namespace
}  // namespace forager::maps::testing
