// SPDX-License-Identifier: Apache-2.0
// The contents of maps without keys as bytes: that they are all there in the next map, and that others are refused.
#include "maps/snapshot.h"

#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

std::vector<std::byte> raw(const Bytes& bytes) {
  const auto view = std::as_bytes(std::span(bytes));
  return {view.begin(), view.end()};
}

std::shared_ptr<Map> ring_of(MapType type, std::uint32_t entries) {
  return make({.type = type, .key_size = 0, .value_size = 4, .max_entries = entries});
}

TEST(Snapshot, OfAQueueThatWrappedIsOldestFirst) {
  const auto queue = ring_of(MapType::queue, 3);
  for (std::uint32_t n = 1; n <= 5; ++n) ASSERT_EQ(queue->write(nullptr, &n, BPF_EXIST), 0);
  const auto bytes = snapshot_of(*queue)->copy_out();
  EXPECT_EQ(bytes, raw(bytes_of(3U) + bytes_of(4U) + bytes_of(5U)));
  EXPECT_EQ(snapshot_of(*queue)->copy_out(), bytes) << "it is still there";
  const auto stack = ring_of(MapType::stack, 3);
  ASSERT_TRUE(snapshot_of(*stack)->copy_in(bytes));
  std::uint32_t newest = 0;
  EXPECT_EQ(stack->read(nullptr, &newest, 0), 0);
  EXPECT_EQ(newest, 5U);
}

TEST(Snapshot, OfAQueueMustFit) {
  const auto queue = ring_of(MapType::queue, 2);
  EXPECT_FALSE(snapshot_of(*queue)->copy_in(raw("12345")));
  EXPECT_FALSE(snapshot_of(*queue)->copy_in(raw("123412341234"))) << "three are too many";
}

TEST(Snapshot, OfABloomFilterHasItsSeed) {
  const MapSpec spec{.type = MapType::bloom_filter, .key_size = 0, .value_size = 8, .max_entries = 1000, .flags = 0};
  const auto filter = make(spec), again = make(spec);
  for (std::uint64_t n = 0; n < 1000; ++n) ASSERT_EQ(filter->write(nullptr, &n, 0), 0);
  ASSERT_TRUE(snapshot_of(*again)->copy_in(snapshot_of(*filter)->copy_out()));
  for (std::uint64_t n = 0; n < 3000; ++n) EXPECT_EQ(again->read(nullptr, &n, 0), filter->read(nullptr, &n, 0)) << n;
}

TEST(Snapshot, OfABloomFilterMustFit) {
  constexpr std::uint32_t kZeroSeedFlag = BPF_F_ZERO_SEED;
  const MapSpec seeded{.type = MapType::bloom_filter, .key_size = 0, .value_size = 8, .max_entries = 9, .flags = 0};
  MapSpec unseeded = seeded;
  unseeded.flags = kZeroSeedFlag;
  auto bytes = snapshot_of(*make(unseeded))->copy_out();
  EXPECT_TRUE(snapshot_of(*make(unseeded))->copy_in(bytes));
  bytes.back() = std::byte{1};
  EXPECT_FALSE(snapshot_of(*make(unseeded))->copy_in(bytes));
  EXPECT_TRUE(snapshot_of(*make(seeded))->copy_in(bytes));
  bytes.pop_back();
  EXPECT_FALSE(snapshot_of(*make(seeded))->copy_in(bytes));
}

class RingSnapshot : public ::testing::Test {
 protected:
  static std::shared_ptr<Map> ring() {
    return make({.type = MapType::ringbuf, .key_size = 0, .value_size = 0, .max_entries = 4096});
  }
  static std::uint64_t& consumer(const Map& map) { return *reinterpret_cast<std::uint64_t*>(map.memory().base); }
};

TEST_F(RingSnapshot, GoesFromTheConsumerToTheFirstBusyRecord) {
  const auto map = ring();
  exec::RingProducer& producer = *map->abilities().ring;
  for (int i = 0; i < 300; ++i) {  // around the ring several times
    ASSERT_EQ(producer.output("0123456789012345678901234", 25, 0), 0);
    consumer(*map) = producer.query(BPF_RB_PROD_POS);
  }
  ASSERT_EQ(producer.output("kept", 4, 0), 0);
  producer.commit(producer.reserve(7), 0, true);
  ASSERT_EQ(producer.output("too", 3, 0), 0);
  ASSERT_NE(producer.reserve(5), nullptr);
  ASSERT_EQ(producer.output("behind", 6, 0), 0);
  const auto bytes = snapshot_of(*map)->copy_out();
  EXPECT_EQ(bytes, raw(bytes_of(4U) + "kept" + bytes_of(3U) + "too"));
  const auto again = ring();
  ASSERT_TRUE(snapshot_of(*again)->copy_in(bytes));
  EXPECT_EQ(snapshot_of(*again)->copy_out(), bytes);
}

TEST_F(RingSnapshot, DoesNotBelieveTheConsumer) {
  const auto map = ring();
  ASSERT_EQ(map->abilities().ring->output("record", 6, 0), 0);
  for (const std::uint64_t position : {std::uint64_t{8}, std::uint64_t{4}, std::uint64_t{4096}, ~std::uint64_t{7}}) {
    consumer(*map) = position;
    EXPECT_LE(snapshot_of(*map)->copy_out().size(), 4096U) << position;
  }
  consumer(*map) = 0;
  EXPECT_EQ(snapshot_of(*map)->copy_out(), raw(bytes_of(6U) + "record"));
}

TEST_F(RingSnapshot, MustFit) {
  EXPECT_FALSE(snapshot_of(*ring())->copy_in(raw("abc")));
  EXPECT_FALSE(snapshot_of(*ring())->copy_in(raw(bytes_of(4U) + "abc")));
  EXPECT_FALSE(snapshot_of(*ring())->copy_in(raw(bytes_of(4096U) + Bytes(4096, 'x')))) << "larger than the ring";
}

TEST(Snapshot, IsNotForMapsWithKeys) {
  EXPECT_EQ(snapshot_of(*make({.type = MapType::hash, .key_size = 4, .value_size = 4, .max_entries = 1})), nullptr);
}

}  // namespace
}  // namespace forager::maps::testing
