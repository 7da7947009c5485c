// SPDX-License-Identifier: Apache-2.0
//
// RINGBUF and PERF_EVENT_ARRAY on an OpenCL device: records, their order, what is lost and what each call gives are the
// interpreter's; with all work-items at once, no record is lost or there twice; what the device may say of its logs.
#include <gmock/gmock.h>
#include <linux/bpf.h>

#include <algorithm>
#include <map>
#include <set>

#include "jit-backends/opencl/mirror.h"
#include "maps/registry.h"
#include "maps/snapshot.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::FakeSink;
using exec::testing::MapRef;
using exec::testing::Rig;

constexpr unsigned kPacketBytes = 64;

MapRef map_of(isa::MapType type, std::uint32_t entries) {
  const std::uint32_t word = type == isa::MapType::ringbuf ? 0 : 4;
  auto map =
      maps::create({.type = type, .key_size = word, .value_size = word, .max_entries = entries, .name = "records"}, 4);
  EXPECT_TRUE(map) << map.error().text();
  return map ? *map : nullptr;
}

std::vector<std::byte> contents(exec::Map& map) { return maps::snapshot_of(map)->copy_out(); }

// All are read.
void consume(exec::Map& map) {
  const std::uint64_t producer = map.abilities().ring->query(BPF_RB_PROD_POS);
  std::memcpy(map.memory().base, &producer, sizeof producer);
}

std::vector<Frame> inputs(unsigned count, std::uint64_t seed) {
  return testing::random_packets(count, seed, kPacketBytes);
}
std::vector<Frame> numbered(std::uint32_t count) { return testing::numbered_packets(count, kPacketBytes); }

// r6 = the context, r7 = the packet, of 64 bytes at least, which stand on the stack too.
std::string with(const std::string& middle) {
  std::string text = "r6 = r1\nr7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr0 = r7\nr0 += 64\nif r0 > r8 goto out\n";
  for (int at = 0; at < 64; at += 8)
    text += fmt::format("r2 = *(u64 *)(r7 + {})\n*(u64 *)(r10 - {}) = r2\n", at, 64 - at);
  return text + "r1 = map[records] ll\n" + middle + "out: r0 = 2\nexit";
}

// By the packet's first byte: bytes of the packet as a record, one that is reserved and submitted or discarded, or a
// question. What it gave stands in the packet.
std::string ring_operations() {
  return with(
      "r9 = *(u8 *)(r7 + 0)\nif r9 < 100 goto output\nif r9 < 140 goto ask\nr2 = 43\nr3 = *(u8 *)(r7 + 1)\nr3 &= 15\n"
      "if r3 == 15 goto reserve\nr3 = 0\nreserve: call bpf_ringbuf_reserve\nif r0 == 0 goto out\n"
      "r1 = *(u64 *)(r7 + 8)\n*(u64 *)(r0 + 0) = r1\n*(u64 *)(r0 + 8) = r1\n*(u64 *)(r0 + 16) = r1\n*(u64 *)(r0 + 24) "
      "= r1\n"
      "*(u64 *)(r0 + 32) = r1\n*(u16 *)(r0 + 40) = r1\n*(u8 *)(r0 + 42) = r1\nr2 = 3\nlock *(u64 *)(r0 + 8) += r2\n"
      "r3 = *(u64 *)(r0 + 8)\n*(u64 *)(r7 + 16) = r3\nr1 = r0\nr2 = *(u8 *)(r7 + 2)\nif r9 < 200 goto submit\n"
      "call bpf_ringbuf_discard\ngoto out\nsubmit: call bpf_ringbuf_submit\ngoto out\n"
      "ask: r2 = *(u8 *)(r7 + 1)\nr2 &= 7\ncall bpf_ringbuf_query\n*(u64 *)(r7 + 8) = r0\ngoto out\n"
      "output: r2 = r10\nr2 += -64\nr3 = *(u8 *)(r7 + 1)\nr3 &= 63\nr4 = *(u8 *)(r7 + 2)\nr4 &= 7\nif r4 < 5 goto "
      "plain\n"
      "goto send\nplain: r4 = 0\nsend: call bpf_ringbuf_output\n*(u64 *)(r7 + 8) = r0\n");
}

class OpenclRings : public testing::WithDevice {
 protected:
  static void compare_rings(std::uint32_t bytes, bool copies) {
    SCOPED_TRACE(fmt::format("{} bytes, {}", bytes, copies ? "copies" : "in place"));
    const Rig rig{.maps = {map_of(isa::MapType::ringbuf, bytes)}},
        other{.maps = {map_of(isa::MapType::ringbuf, bytes)}};
    const std::string text = ring_operations();
    const auto reference = exec::testing::open_device(rig, text);
    const auto tested = testing::open_device(other, text, {.offload = {.copies = copies, .batch = 100}});
    ASSERT_TRUE(reference != nullptr && tested != nullptr);
    exec::RingProducer &expected_ring = *rig.maps[0]->abilities().ring, &ring = *other.maps[0]->abilities().ring;
    for (const std::uint64_t batch : {1U, 2U, 3U, 4U}) {
      auto expected = inputs(400, batch), actual = inputs(400, batch);
      testing::expect_alike_runs(*reference, *tested, expected, actual, fmt::format("batch {}", batch));
      ASSERT_EQ(contents(*rig.maps[0]), contents(*other.maps[0]));
      EXPECT_EQ(expected_ring.lost(), ring.lost());
      EXPECT_EQ(expected_ring.query(BPF_RB_PROD_POS), ring.query(BPF_RB_PROD_POS));  // with what was discarded
      if (batch % 2 == 0) {
        for (const Rig* one : {&rig, &other}) consume(*one->maps[0]);
      }
    }
  }
};

// The smaller one is full before a batch is over, and goes around.
TEST_F(OpenclRings, RecordsAreTheInterpreters) {
  for (const bool copies : {false, true}) {
    compare_rings(1U << 17, copies);
    compare_rings(1U << 12, copies);
  }
}

TEST_F(OpenclRings, AllWorkItemsWriteRecords) {
  constexpr std::uint32_t kPackets = 20'000;
  for (const bool copies : {false, true}) {
    const Rig rig{.maps = {map_of(isa::MapType::ringbuf, 1U << 20)}};
    const auto device = testing::open_device(
        rig, with("r2 = r10\nr2 += -64\nr3 = 4\nr4 = 0\ncall bpf_ringbuf_output\n*(u64 *)(r7 + 8) = r0\n"),
        {.order = exec::Order::none, .offload = {.copies = copies}});
    ASSERT_NE(device, nullptr);
    auto frames = numbered(kPackets);
    ASSERT_TRUE(device->run(frames));
    const auto bytes = contents(*rig.maps[0]);
    std::set<std::uint32_t> seen;
    for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      EXPECT_EQ(value_at<std::uint32_t>(bytes, at), 4U);
      seen.insert(value_at<std::uint32_t>(bytes, at + 4));
    }
    EXPECT_EQ(bytes.size(), std::size_t{8} * kPackets);
    EXPECT_EQ(seen.size(), kPackets);
    EXPECT_EQ(*seen.rbegin(), kPackets - 1);
  }
}

// More records than there is room for: those that were told so are as many as the ring counts.
TEST_F(OpenclRings, LossesAreCounted) {
  constexpr std::uint32_t kPackets = 5000;
  const Rig rig{.maps = {map_of(isa::MapType::ringbuf, 1U << 14)}};
  const auto device = testing::open_device(
      rig, with("r2 = r10\nr2 += -64\nr3 = 4\nr4 = 0\ncall bpf_ringbuf_output\n*(u64 *)(r7 + 8) = r0\n"),
      {.order = exec::Order::none, .offload = {.batch = 500}});
  ASSERT_NE(device, nullptr);
  auto frames = numbered(kPackets);
  ASSERT_TRUE(device->run(frames));
  const auto refused = static_cast<std::uint64_t>(std::ranges::count_if(frames, [](const Frame& frame) {
    return static_cast<std::int64_t>(value_at<std::uint64_t>(frame.packet(), 8)) == -EAGAIN;
  }));
  EXPECT_EQ(rig.maps[0]->abilities().ring->lost(), refused);
  EXPECT_EQ(refused, kPackets - ((1U << 14) - 1) / 16);
  EXPECT_EQ(contents(*rig.maps[0]).size(), (kPackets - refused) * 8);
}

// A program that is stopped leaves its record open: nobody sees it, and the ring goes on.
TEST_F(OpenclRings, StoppedProgramsLeaveNothing) {
  const Rig rig{.type = isa::ProgType::raw_memory, .maps = {map_of(isa::MapType::ringbuf, 1U << 12)}};
  Rig other = rig;
  other.maps = {map_of(isa::MapType::ringbuf, 1U << 12)};
  const std::string text =
      "r7 = r1\nr2 = 24\nr3 = 0\nr1 = map[records] ll\ncall bpf_ringbuf_reserve\nif r0 == 0 goto out\nr6 = r0\n"
      "r1 = *(u64 *)(r7 + 0)\n*(u64 *)(r6 + 0) = r1\n*(u64 *)(r6 + 8) = r1\n*(u64 *)(r6 + 16) = r1\n"
      "r1 = *(u64 *)(r7 + 16)\nr1 = r6\nr2 = 0\ncall bpf_ringbuf_submit\nout: r0 = 0\nexit";
  const auto reference = exec::testing::open_device(rig, text);
  const auto tested = testing::open_device(other, text, {});
  ASSERT_TRUE(reference != nullptr && tested != nullptr);
  for (const auto& device : {reference.get(), tested.get()}) {
    std::vector<Frame> frames;
    for (const std::size_t size : {8U, 32U, 8U, 32U}) {
      frames.push_back(Frame::raw(exec::testing::as_bytes(Bytes(size, static_cast<std::uint8_t>(size)))));
    }
    ASSERT_TRUE(device->run(frames));
    EXPECT_NE(frames[0].results().trap, nullptr);
    EXPECT_EQ(frames[1].results().trap, nullptr);
  }
  EXPECT_EQ(contents(*rig.maps[0]).size(), 2 * (4U + 24U));
  EXPECT_EQ(contents(*rig.maps[0]), contents(*other.maps[0]));
  EXPECT_EQ(other.maps[0]->abilities().ring->query(BPF_RB_PROD_POS), 4U * 32U);
}

// ---- PERF_EVENT_ARRAY ----

MapRef perf_map(std::uint32_t entries, const std::map<std::uint32_t, std::shared_ptr<FakeSink>>& sinks) {
  MapRef map = map_of(isa::MapType::perf_event_array, entries);
  for (const auto& [index, sink] : sinks) EXPECT_EQ(map->abilities().perf->set(index, sink), 0);
  return map;
}

// Index, bytes of the packet and other flags come from the packet.
std::string perf_operations() {
  return with(
      "r3 = *(u8 *)(r7 + 0)\nr3 &= 7\nif r3 != 7 goto indexed\nr3 = 0xffffffff ll\nindexed: r1 = *(u8 *)(r7 + 1)\n"
      "r1 &= 127\nr1 <<= 32\nr3 |= r1\nr1 = *(u8 *)(r7 + 2)\nif r1 > 10 goto known\nr1 = 1\nr1 <<= 60\nr3 |= r1\n"
      "known: r5 = *(u8 *)(r7 + 3)\nr5 &= 31\nr4 = r10\nr4 += -56\nr1 = r6\nr2 = map[records] ll\n"
      "call bpf_perf_event_output\n*(u64 *)(r7 + 48) = r0\n");
}

TEST_F(OpenclRings, SamplesAreTheInterpreters) {
  for (const bool copies : {false, true}) {
    std::map<std::uint32_t, std::shared_ptr<FakeSink>> expected_sinks, sinks;
    for (const std::uint32_t index : {0U, 1U, 3U, 4U}) {
      expected_sinks[index] = std::make_shared<FakeSink>();
      sinks[index] = std::make_shared<FakeSink>();
    }
    const Rig rig{.maps = {perf_map(5, expected_sinks)}}, other{.maps = {perf_map(5, sinks)}};
    const auto reference = exec::testing::open_device(rig, perf_operations());
    const auto tested = testing::open_device(other, perf_operations(), {.offload = {.copies = copies}});
    ASSERT_TRUE(reference != nullptr && tested != nullptr);
    for (const std::uint64_t batch : {1U, 2U}) {
      auto expected = inputs(3000, batch), actual = inputs(3000, batch);
      testing::expect_alike_runs(*reference, *tested, expected, actual, fmt::format("batch {}", batch));
      for (const auto& [index, sink] : sinks) EXPECT_EQ(expected_sinks[index]->samples, sink->samples) << index;
      EXPECT_FALSE(sinks[0]->samples.empty());
    }
  }
}

// Each lane is a CPU and has its own buffer. More samples than a log holds: packets stop until the host had them.
TEST_F(OpenclRings, AllWorkItemsWriteSamples) {
  constexpr std::uint32_t kPackets = 15'000;
  for (const bool copies : {false, true}) {
    std::map<std::uint32_t, std::shared_ptr<FakeSink>> sinks;
    for (const std::uint32_t index : {0U, 1U}) sinks[index] = std::make_shared<FakeSink>();
    const Rig rig{.maps = {perf_map(2, sinks)}};
    const auto device = testing::open_device(rig,
                                             with("r1 = r6\nr2 = map[records] ll\nr3 = 0x20ffffffff ll\nr4 = r10\nr4 "
                                                  "+= -64\nr5 = 64\ncall bpf_perf_event_output\n"
                                                  "*(u64 *)(r7 + 8) = r0\n"),
                                             {.order = exec::Order::none, .offload = {.copies = copies}});
    ASSERT_NE(device, nullptr);
    auto frames = numbered(kPackets);
    const auto ran = device->run(frames);
    ASSERT_TRUE(ran) << ran.error().text();
    std::set<std::uint32_t> seen;
    for (const auto& [index, sink] : sinks) {
      for (const Bytes& sample : sink->samples) {
        ASSERT_EQ(sample.size(), 96U);
        EXPECT_TRUE(std::equal(sample.begin(), sample.begin() + 32, sample.begin() + 64));
        seen.insert(value_at<std::uint32_t>(std::as_bytes(std::span(sample)), 0));
      }
    }
    EXPECT_EQ(sinks[0]->samples.size() + sinks[1]->samples.size(), kPackets);
    EXPECT_EQ(seen.size(), kPackets);
    for (const Frame& frame : frames) EXPECT_EQ(value_at<std::uint64_t>(frame.packet(), 8), 0U);
  }
}

// A sample that is longer than its length can say.
TEST_F(OpenclRings, SamplesThatAreTooLongAreLost) {
  const std::map<std::uint32_t, std::shared_ptr<FakeSink>> sinks{{0, std::make_shared<FakeSink>()}};
  const Rig rig{.maps = {perf_map(1, sinks)}, .engine = testing::opencl_here()};
  const auto device = exec::testing::open_device(rig, with("r1 = r6\nr2 = map[records] ll\nr3 = 65517\nr3 <<= 32\nr4 = "
                                                           "r10\nr4 += -64\nr5 = 0\ncall bpf_perf_event_output\n"
                                                           "*(u64 *)(r7 + 8) = r0\n"));
  ASSERT_NE(device, nullptr);
  const Bytes bytes(65'520);
  auto made = Frame::make(exec::testing::as_bytes(bytes));
  ASSERT_TRUE(made) << made.error().text();
  ASSERT_TRUE(device->run({&*made, 1}));
  EXPECT_EQ(static_cast<std::int64_t>(value_at<std::uint64_t>(made->packet(), 8)), -ENOSPC);
  EXPECT_EQ(sinks.at(0)->lost(), 1U);
  EXPECT_TRUE(sinks.at(0)->samples.empty());
}

// ---- the device's word ----

void scramble(std::span<std::byte> memory, std::uint64_t seed) {
  for (std::size_t at = 0; at + 4 <= memory.size(); at += 4) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    const auto word = static_cast<std::uint32_t>(seed >> 32);
    put_value(memory, at, (word & 7) == 0 ? word : word >> 24);  // lengths are small, mostly
  }
}

TEST(OpenclRingsMirror, DoesNotTrustTheDevice) {
  const MapRef map = map_of(isa::MapType::ringbuf, 1U << 12);
  const auto mirror = make_mirror(*table_of(map->spec()), *map, {});
  std::vector<std::byte> memory(mirror->bytes());
  for (std::uint64_t round = 0; round < 100; ++round) {
    mirror->put(memory, 0);
    scramble(memory, round);
    mirror->take(memory);
    EXPECT_LT(map->abilities().ring->query(BPF_RB_AVAIL_DATA), 1U << 12);
    consume(*map);
  }
}

TEST(OpenclRingsMirror, DoesNotTrustTheDevicesSamples) {
  const std::map<std::uint32_t, std::shared_ptr<FakeSink>> sinks{{1, std::make_shared<FakeSink>()}};
  const MapRef map = perf_map(3, sinks);
  const auto mirror = make_mirror(*table_of(map->spec()), *map, {.lanes = 2});
  std::vector<std::byte> memory(mirror->bytes());
  for (std::uint64_t round = 0; round < 20; ++round) {
    mirror->put(memory, 0);
    scramble(memory, round);
    mirror->take(memory);
    for (const Bytes& sample : sinks.at(1)->samples) EXPECT_LT(sample.size(), Table::kPerfLogBytes);
    sinks.at(1)->samples.clear();
  }
}

// Whatever the reader says that it has read, a log has no more room than the ring.
TEST(OpenclRingsMirror, DoesNotTrustTheReader) {
  const MapRef map = map_of(isa::MapType::ringbuf, 1U << 12);
  const Bytes bytes(100);
  for (unsigned i = 0; i < 10; ++i) ASSERT_EQ(map->abilities().ring->output(bytes.data(), bytes.size(), 0), 0);
  const auto mirror = make_mirror(*table_of(map->spec()), *map, {});
  std::vector<std::byte> memory(mirror->bytes());
  for (const std::uint64_t consumer : {std::uint64_t{0}, std::uint64_t{1120}, std::uint64_t{1121}, UINT64_MAX}) {
    std::memcpy(map->memory().base, &consumer, sizeof consumer);
    mirror->put(memory, 0);
    EXPECT_LT(value_at<std::uint64_t>(memory, 16), 1U << 12);
  }
}

TEST(OpenclRingsMirror, RecordsThatAreOpenAreDiscarded) {
  const MapRef map = map_of(isa::MapType::ringbuf, 1U << 12);
  const auto mirror = make_mirror(*table_of(map->spec()), *map, {});
  std::vector<std::byte> memory(mirror->bytes());
  mirror->put(memory, 0);
  put_value(memory, 0, std::uint64_t{32});
  put_value(memory, Table::kHeader, std::uint32_t{8 | BPF_RINGBUF_BUSY_BIT});
  put_value(memory, Table::kHeader + 16, std::uint32_t{5});
  mirror->take(memory);
  EXPECT_EQ(contents(*map).size(), 4U + 5U);
  EXPECT_EQ(map->abilities().ring->query(BPF_RB_AVAIL_DATA), 32U);
}

}  // namespace
}  // namespace forager::jit::opencl
