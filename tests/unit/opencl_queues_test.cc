// SPDX-License-Identifier: Apache-2.0
//
// QUEUE, STACK and BLOOM_FILTER on an OpenCL device: what each operation gives, and what is in the map behind it, are
// the interpreter's; nothing is lost or there twice whatever the order of packets; what the device may say of a table.
#include <gmock/gmock.h>
#include <linux/bpf.h>

#include <algorithm>

#include "jit-backends/opencl/mirror.h"
#include "jit-backends/opencl/refusals.h"
#include "maps/registry.h"
#include "maps/snapshot.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::Rig;

constexpr unsigned kPacketBytes = 64;

MapRef map_of(isa::MapType type, std::uint32_t value_size, std::uint32_t entries, std::uint64_t extra = 0) {
  auto map = maps::create({.type = type,
                           .value_size = value_size,
                           .max_entries = entries,
                           .flags = type == isa::MapType::bloom_filter ? std::uint32_t{BPF_F_ZERO_SEED} : 0,
                           .extra = extra,
                           .name = "values"},
                          1);
  EXPECT_TRUE(map) << map.error().text();
  return map ? *map : nullptr;
}

std::vector<std::byte> contents(exec::Map& map) { return maps::snapshot_of(map)->copy_out(); }

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint8_t byte() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::uint8_t>(state_ >> 56);
  }

 private:
  std::uint64_t state_;
};

std::vector<Frame> inputs(unsigned count, std::uint64_t seed) {
  return testing::random_packets(count, seed, kPacketBytes);
}
std::vector<Frame> numbered(std::uint32_t count) { return testing::numbered_packets(count, kPacketBytes); }
std::uint64_t word_at(const Frame& frame, std::size_t at) {
  std::uint64_t word = 0;
  std::memcpy(&word, frame.packet().data() + at, sizeof word);
  return word;
}

// r7 = the packet, of 64 bytes at least; r2 = 40 of its bytes, on the stack. What `middle` gives and those bytes then
// stand in the packet.
std::string with(const std::string& middle) {
  std::string text = "r7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr0 = r7\nr0 += 64\nif r0 > r8 goto out\n";
  std::string back = "*(u64 *)(r7 + 8) = r0\n";
  for (int at = 0; at < 40; at += 8) {
    text += fmt::format("r1 = *(u64 *)(r7 + {})\n*(u64 *)(r10 - {}) = r1\n", 16 + at, 40 - at);
    back += fmt::format("r1 = *(u64 *)(r10 - {})\n*(u64 *)(r7 + {}) = r1\n", 40 - at, 16 + at);
  }
  return text + "r2 = r10\nr2 += -40\nr1 = map[values] ll\n" + middle + "back: " + back + "out: r0 = 2\nexit";
}

// By the packet's first byte.
std::string list_operations(unsigned push_below) {
  return with(
      fmt::format("r9 = *(u8 *)(r7 + 0)\nif r9 < {} goto push\nif r9 < 200 goto pop\n"
                  "call bpf_map_peek_elem\ngoto back\npop: call bpf_map_pop_elem\ngoto back\n"
                  "push: r3 = *(u8 *)(r7 + 1)\nr3 &= 3\ncall bpf_map_push_elem\n",
                  push_below));
}
// Values of few different first bytes.
std::string bloom_operations() {
  return with(
      "r3 = *(u64 *)(r10 - 40)\nr3 &= 31\n*(u64 *)(r10 - 40) = r3\nr9 = *(u8 *)(r7 + 0)\nif r9 < 30 goto push\n"
      "call bpf_map_peek_elem\ngoto back\npush: r3 = *(u8 *)(r7 + 1)\nr3 &= 7\nif r3 == 7 goto there\nr3 = 0\n"
      "there: call bpf_map_push_elem\n");
}

class OpenclQueues : public testing::WithDevice {
 protected:
  // Three batches on each engine, with what the host pushes between them.
  static void compare(isa::MapType type, std::uint32_t value_size, std::uint32_t entries, const std::string& text,
                      exec::Order order = exec::Order::packet, std::uint64_t extra = 0) {
    for (const bool copies : {false, true}) {
      SCOPED_TRACE(fmt::format("values of {}, {}", value_size, copies ? "copies" : "in place"));
      const Rig rig{.maps = {map_of(type, value_size, entries, extra)}};
      const Rig other{.maps = {map_of(type, value_size, entries, extra)}};
      const auto reference = exec::testing::open_device(rig, text);
      const auto tested =
          testing::open_device(other, text, {.order = order, .offload = {.copies = copies, .batch = 300}});
      ASSERT_TRUE(reference != nullptr && tested != nullptr);
      for (const std::uint8_t batch : {1, 2, 3}) {
        auto expected = inputs(700, batch), actual = inputs(700, batch);
        testing::expect_alike_runs(*reference, *tested, expected, actual, fmt::format("batch {}", batch));
        ASSERT_EQ(contents(*rig.maps[0]), contents(*other.maps[0]));
        const Bytes value(value_size, batch);
        for (const Rig* one : {&rig, &other}) std::ignore = one->maps[0]->abilities().values->push(value.data(), 0);
      }
    }
  }
};

TEST_F(OpenclQueues, QueuesAreTheInterpreters) {
  compare(isa::MapType::queue, 8, 5, list_operations(100));
  compare(isa::MapType::queue, 13, 40, list_operations(140));
  compare(isa::MapType::queue, 1, 1, list_operations(100));
}

TEST_F(OpenclQueues, StacksAreTheInterpreters) {
  compare(isa::MapType::stack, 8, 5, list_operations(100));
  compare(isa::MapType::stack, 13, 40, list_operations(140));
  compare(isa::MapType::stack, 1, 1, list_operations(100));
}

// They run on one lane: so it is the same with any order.
TEST_F(OpenclQueues, NoOrderIsTheirOrder) {
  compare(isa::MapType::queue, 8, 5, list_operations(100), exec::Order::none);
  compare(isa::MapType::stack, 8, 5, list_operations(100), exec::Order::none);
}

TEST_F(OpenclQueues, EachValueIsGivenOnce) {
  const Rig rig{.maps = {map_of(isa::MapType::queue, 8, 300)}, .engine = testing::opencl_here()};
  std::vector<std::uint64_t> pushed(300);
  for (std::size_t i = 0; i < pushed.size(); ++i) {
    pushed[i] = i + 1;
    ASSERT_EQ(rig.maps[0]->abilities().values->push(&pushed[i], 0), 0);
  }
  const auto device = testing::open_device(rig, with("call bpf_map_pop_elem\n"), {.order = exec::Order::none});
  ASSERT_NE(device, nullptr);
  auto frames = numbered(1000);
  ASSERT_TRUE(device->run(frames));
  std::vector<std::uint64_t> popped;
  for (const Frame& frame : frames) {
    const auto result = static_cast<std::int64_t>(word_at(frame, 8));
    if (result == 0) popped.push_back(word_at(frame, 16));
    ASSERT_TRUE(result == 0 || result == -ENOENT) << result;
  }
  std::ranges::sort(popped);
  EXPECT_EQ(popped, pushed);
  EXPECT_TRUE(contents(*rig.maps[0]).empty());
}

TEST_F(OpenclQueues, FiltersAreTheInterpreters) {
  for (const std::uint32_t value_size : {1U, 4U, 8U, 12U, 13U, 24U, 40U}) {
    // Behind the eight bytes of which there are few, packets have random ones: those are members by accident alone.
    compare(isa::MapType::bloom_filter, value_size, 50, bloom_operations());
  }
  compare(isa::MapType::bloom_filter, 8, 1, bloom_operations(), exec::Order::packet, 15);
  compare(isa::MapType::bloom_filter, 8, 100'000, bloom_operations(), exec::Order::packet, 1);
}

// Who only asks does not mind who comes first.
TEST_F(OpenclQueues, QuestionsHaveNoOrder) {
  const Rig rig{.maps = {map_of(isa::MapType::bloom_filter, 4, 10)}};
  const auto asks = exec::testing::verified(rig, with("call bpf_map_peek_elem\n"));
  const auto pushes = exec::testing::verified(rig, with("r3 = 0\ncall bpf_map_push_elem\n"));
  ASSERT_TRUE(asks != nullptr && pushes != nullptr);
  EXPECT_FALSE(needs_order(*asks));
  EXPECT_TRUE(needs_order(*pushes));
}

// All work-items set bits at once, and then all look.
TEST_F(OpenclQueues, FiltersForgetNothing) {
  for (const bool copies : {false, true}) {
    const MapRef map = map_of(isa::MapType::bloom_filter, 4, 5000);
    const Rig rig{.maps = {map}};
    const auto run = [&](const std::string& call) {
      const auto device =
          testing::open_device(rig, with("r3 = *(u32 *)(r7 + 0)\n*(u32 *)(r10 - 40) = r3\nr3 = 0\ncall " + call + "\n"),
                               {.order = exec::Order::none, .offload = {.copies = copies}});
      auto frames = numbered(5000);
      EXPECT_TRUE(device != nullptr && device->run(frames));
      return static_cast<unsigned>(std::ranges::count_if(frames, [](const Frame& f) { return word_at(f, 8) == 0; }));
    };
    EXPECT_LT(run("bpf_map_peek_elem"), 1U);
    EXPECT_EQ(run("bpf_map_push_elem"), 5000U);
    EXPECT_EQ(run("bpf_map_peek_elem"), 5000U);
    for (std::uint32_t n = 0; n < 5000; ++n) EXPECT_EQ(map->abilities().values->peek(&n), 0);
  }
}

// Numbers that no list has end nowhere.
TEST(OpenclQueuesMirror, DoesNotTrustTheDevice) {
  for (const isa::MapType type : {isa::MapType::queue, isa::MapType::stack, isa::MapType::bloom_filter}) {
    const MapRef map = map_of(type, 12, 10);
    const Bytes value(12, 3);
    for (unsigned i = 0; i < 4; ++i) ASSERT_EQ(map->abilities().values->push(value.data(), 0), 0);
    const auto mirror = make_mirror(*table_of(map->spec()), *map, {});
    std::vector<std::byte> memory(mirror->bytes());
    Random random(9);
    const std::size_t most = type == isa::MapType::bloom_filter ? contents(*map).size() : std::size_t{12} * 10;
    for (unsigned round = 0; round < 200; ++round) {
      mirror->put(memory, 0);
      // Large numbers, and small ones.
      for (std::size_t at = 0; at < 24; ++at) {
        memory[at] = round % 2 == 0 || at % 8 == 0 ? static_cast<std::byte>(random.byte() & 31) : std::byte{0};
      }
      mirror->take(memory);
      EXPECT_LE(contents(*map).size(), most);
      EXPECT_EQ(contents(*map).size() % 4, 0U);
    }
  }
}

// What others pushed meanwhile stays, behind what the device popped and before what it pushed.
TEST(OpenclQueuesMirror, LeavesWhatOthersPushed) {
  const MapRef map = map_of(isa::MapType::queue, 8, 4);
  exec::ValueStore& values = *map->abilities().values;
  for (const std::uint64_t value : {1U, 2U}) ASSERT_EQ(values.push(&value, 0), 0);
  const auto mirror = make_mirror(*table_of(map->spec()), *map, {});
  std::vector<std::byte> memory(mirror->bytes());
  mirror->put(memory, 0);
  const std::uint64_t theirs = 3, ours = 4;
  ASSERT_EQ(values.push(&theirs, 0), 0);
  put_value(memory, 0, std::uint64_t{1});                        // the device pops,
  put_value(memory, Table::kHeader + std::size_t{8} * 2, ours);  // and pushes
  put_value(memory, 8, std::uint64_t{3});
  mirror->take(memory);
  for (const std::uint64_t expected : {2U, 3U, 4U}) {
    std::uint64_t value = 0;
    EXPECT_EQ(values.pop(&value), 0);
    EXPECT_EQ(value, expected);
  }
  std::uint64_t value = 0;
  EXPECT_EQ(values.pop(&value), -ENOENT);
}

}  // namespace
}  // namespace forager::jit::opencl
