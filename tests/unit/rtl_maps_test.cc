// SPDX-License-Identifier: Apache-2.0
//
// Maps on the chip against the host's: the same packets, each an operation, by the core and by the interpreter. Results
// and what is in the maps afterwards are the same, in tables that are full and in buckets that are shared; between
// batches the host changes the maps too.
#include <fmt/format.h>

#include <cstring>
#include <map>
#include <random>

#include "exec_testing.h"
#include "jit-backends/rtl/backend.h"
#include "jit-backends/rtl/chip_maps.h"
#include "maps/registry.h"

namespace forager::jit::rtl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::open_device;
using exec::testing::Rig;
using exec::testing::verified;
using isa::MapType;

constexpr std::size_t kKeyAt = 16, kValueAt = 100, kPacketBytes = 300;
constexpr unsigned kFind = 0, kErase = 4, kOperations = 5;  // 1 to 3: update with flags 0 to 2

constexpr const char* kProgram =
    "r6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +4)\nr0 = r6\nr0 += 300\nif r0 > r7 goto out\nr8 = *(u8 *)(r6 +0)\n"
    "r2 = r6\nr2 += 16\nr1 = map[values] ll\nif r8 == 4 goto erase\nif r8 == 0 goto find\nr3 = r6\nr3 += 100\nr4 = r8\n"
    "r4 += -1\ncall bpf_map_update_elem\nexit\nerase: call bpf_map_delete_elem\nexit\nfind: call bpf_map_lookup_elem\n"
    "if r0 == 0 goto none\nr1 = *(u64 *)(r0 +0)\nr1 += 1\n*(u64 *)(r0 +0) = r1\nr0 = r1\nexit\nnone: r0 = 77\nexit\n"
    "out: r0 = 1\nexit";

constexpr const char* kFinder =
    "r6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +4)\nr0 = r6\nr0 += 300\nif r0 > r7 goto out\nr2 = r6\nr2 += 16\n"
    "r1 = map[values] ll\ncall bpf_map_lookup_elem\nif r0 == 0 goto none\nr1 = *(u64 *)(r0 +0)\nr1 += 1\n"
    "*(u64 *)(r0 +0) = r1\nr0 = r1\nexit\nnone: r0 = 77\nexit\nout: r0 = 1\nexit";

struct Shape {
  MapType type;
  std::uint32_t key_size, value_size, max_entries;
  unsigned keys;  // of how many the packets are
};
std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  return out << "type " << static_cast<unsigned>(shape.type) << ", keys of " << shape.key_size << ", values of "
             << shape.value_size << ", " << shape.max_entries << " entries, " << shape.keys << " keys";
}

MapRef make_map(const Shape& shape) {
  const bool trie = shape.type == MapType::lpm_trie;
  return maps::create({.type = shape.type,
                       .key_size = shape.key_size,
                       .value_size = shape.value_size,
                       .max_entries = shape.max_entries,
                       .flags = trie ? 1U : 0U,  // BPF_F_NO_PREALLOC
                       .name = "values"},
                      2)
      .value();
}

// What is in a map, as the host reads it.
std::map<Bytes, Bytes> entries_of(const MapRef& map) {
  std::map<Bytes, Bytes> all;
  Bytes key(map->spec().key_size), last, value(exec::host_value_size(map->spec(), 2));
  for (int more = map->next_key(nullptr, key.data()); more == 0; more = map->next_key(last.data(), key.data())) {
    last = key;
    if (map->read(key.data(), value.data(), 0) == 0) all[key] = value;
  }
  return all;
}

// A trie's programs only look up.
const char* program_for(const Shape& shape) { return shape.type == MapType::lpm_trie ? kFinder : kProgram; }

class Pair {
 public:
  explicit Pair(const Shape& shape)
      : shape_(shape),
        chip_(make_map(shape)),
        host_(make_map(shape)),
        device_(open_device({.maps = {chip_}, .engine = &backend()}, program_for(shape))),
        model_(open_device({.maps = {host_}}, program_for(shape))) {}

  void batch(std::size_t packets, unsigned operations) {
    std::vector<Frame> mine, its;
    for (std::size_t i = 0; i < packets; ++i) {
      const Bytes packet = make_packet(operations);
      mine.push_back(*Frame::make(exec::testing::as_bytes(packet)));
      its.push_back(*Frame::make(exec::testing::as_bytes(packet)));
    }
    ASSERT_TRUE(device_->run(mine));
    ASSERT_TRUE(model_->run(its));
    for (std::size_t i = 0; i < packets; ++i) {
      ASSERT_EQ(exec::testing::trap_of(mine[i]), "");
      ASSERT_EQ(mine[i].return_value, its[i].return_value) << shape_ << ", packet " << i;
    }
    ASSERT_EQ(entries_of(chip_), entries_of(host_)) << shape_;
  }

  void change_by_host() {
    const Bytes packet = make_packet(kOperations);
    Bytes value(exec::host_value_size(chip_->spec(), 2));
    std::ranges::copy_n(packet.begin() + kValueAt, shape_.value_size, value.begin());
    for (const MapRef& map : {chip_, host_}) {
      if (packet[0] == kErase) {
        std::ignore = map->erase(packet.data() + kKeyAt);
      } else {
        std::ignore = map->write(packet.data() + kKeyAt, value.data(), 0);
      }
    }
  }

 private:
  Bytes make_packet(unsigned operations) {
    Bytes packet(kPacketBytes);
    packet[0] = static_cast<std::uint8_t>(random_() % operations);
    std::mt19937 of_key(static_cast<unsigned>(random_() % shape_.keys));
    for (std::uint32_t i = 0; i < shape_.key_size; ++i) packet[kKeyAt + i] = static_cast<std::uint8_t>(of_key());
    if (shape_.type == MapType::lpm_trie) {
      const auto length = static_cast<std::uint32_t>(of_key() % (8 * (shape_.key_size - 4) + 1));
      std::memcpy(packet.data() + kKeyAt, &length, sizeof length);
      // Many share their first bits.
      for (std::uint32_t i = 4; i < shape_.key_size; ++i) packet[kKeyAt + i] &= 0x81;
    }
    for (std::uint32_t i = 0; i < shape_.value_size; ++i) packet[kValueAt + i] = static_cast<std::uint8_t>(random_());
    return packet;
  }

  Shape shape_;
  MapRef chip_, host_;
  std::unique_ptr<exec::Device> device_, model_;
  std::mt19937 random_{7};
};

class RtlMaps : public ::testing::TestWithParam<Shape> {};

TEST_P(RtlMaps, TheHostsAndTheChipsAreTheSame) {
  const Shape shape = GetParam();
  EXPECT_EQ(plan_chip(*verified(Rig{.maps = {make_map(shape)}}, program_for(shape))).maps.size(), 1U);
  Pair pair(shape);
  for (unsigned round = 0; round < 8 && !HasFatalFailure(); ++round) {
    for (unsigned i = 0; i < shape.keys / 4; ++i) pair.change_by_host();
    pair.batch(40, kOperations);
  }
}

// Which entry goes depends on the map's own hash function; but the most recent stay, and what is found is what was
// written.
TEST(RtlLruMap, DropsOldEntriesWhenFull) {
  const Shape shape = {MapType::lru_hash, 4, 8, 16, 64};
  const MapRef map = make_map(shape);
  const auto device = open_device({.maps = {map}, .engine = &backend()}, kProgram);
  ASSERT_NE(device, nullptr);
  const auto run = [&](std::uint8_t operation, std::uint32_t key, std::uint64_t value) {
    Bytes packet(kPacketBytes);
    packet[0] = operation;
    std::memcpy(packet.data() + kKeyAt, &key, sizeof key);
    std::memcpy(packet.data() + kValueAt, &value, sizeof value);
    Frame frame = *Frame::make(exec::testing::as_bytes(packet));
    EXPECT_TRUE(device->run({&frame, 1}));
    return frame.return_value;
  };
  for (std::uint32_t key = 0; key < 100; ++key) {
    EXPECT_EQ(run(1, key, 1000 + key), 0U);
    EXPECT_EQ(run(kFind, key, 0), 1001U + key);
    if (key > 0) EXPECT_EQ(run(kFind, key - 1, 0), 1002U + key - 1) << "the one before is still there";
    EXPECT_LE(entries_of(map).size(), shape.max_entries);
  }
  EXPECT_EQ(entries_of(map).size(), shape.max_entries);
}

// ---- maps of maps --------------------------------------------------------------------------------------------------

// The packet's byte 1 says which map; then as kProgram does.
constexpr const char* kInnerProgram =
    "r6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +4)\nr0 = r6\nr0 += 300\nif r0 > r7 goto out\nr8 = *(u8 *)(r6 +0)\n"
    "r1 = *(u8 *)(r6 +1)\n*(u32 *)(r10 -4) = r1\nr2 = r10\nr2 += -4\nr1 = map[0] ll\ncall bpf_map_lookup_elem\n"
    "if r0 == 0 goto none\nr9 = r0\nif r8 == 4 goto erase\nif r8 == 0 goto find\n"
    "r1 = r9\nr2 = r6\nr2 += 16\nr3 = r6\nr3 += 100\nr4 = 0\ncall bpf_map_update_elem\nexit\n"
    "erase: r1 = r9\nr2 = r6\nr2 += 16\ncall bpf_map_delete_elem\nexit\n"
    "find: r1 = r9\nr2 = r6\nr2 += 16\ncall bpf_map_lookup_elem\nif r0 == 0 goto none\nr1 = *(u64 *)(r0 +0)\n"
    "r1 += 1\n*(u64 *)(r0 +0) = r1\nr0 = r1\nexit\nnone: r0 = 77\nexit\nout: r0 = 1\nexit";

class RtlMapsOfMaps : public ::testing::TestWithParam<MapType> {
 protected:
  struct Side {
    MapRef outer;
    std::vector<MapRef> inner;
    std::unique_ptr<exec::Device> device;
  };
  static constexpr unsigned kMaps = 4;

  Side make_side(const exec::Backend& engine, const Shape& shape) {
    Side side;
    for (unsigned i = 0; i < kMaps; ++i) side.inner.push_back(make_map(shape));
    exec::MapSpec spec{.type = GetParam(), .key_size = 4, .value_size = 4, .max_entries = kMaps, .name = "outer"};
    spec.inner = std::make_shared<const exec::MapSpec>(side.inner.front()->spec());
    side.outer = maps::create(spec, 2).value();
    side.device = open_device({.maps = {side.outer}, .engine = &engine}, kInnerProgram);
    return side;
  }
  static void put(const Side& side, std::uint32_t key, unsigned map) {
    ASSERT_EQ(side.outer->abilities().maps->set(&key, {.id = map + 1, .map = side.inner[map]}, 0), 0);
  }
};
INSTANTIATE_TEST_SUITE_P(All, RtlMapsOfMaps, ::testing::Values(MapType::array_of_maps, MapType::hash_of_maps));

TEST_P(RtlMapsOfMaps, TheHostsAndTheChipsAreTheSame) {
  const Shape shape = {MapType::hash, 8, 16, 16, 24};
  const Side chip = make_side(backend(), shape), host = make_side(interp::backend(), shape);
  EXPECT_EQ(plan_chip(*verified(Rig{.maps = {chip.outer}}, kInnerProgram)).maps.size(), 1U);
  std::mt19937 random(3);
  for (unsigned round = 0; round < 12; ++round) {
    // Entries come, and lead to other maps than before.
    const auto key = static_cast<std::uint32_t>(random() % kMaps);
    const auto map = static_cast<unsigned>(random() % kMaps);
    put(chip, key, map);
    put(host, key, map);
    for (unsigned i = 0; i < 20; ++i) {
      Bytes packet(kPacketBytes);
      packet[0] = static_cast<std::uint8_t>(random() % kOperations);
      packet[1] = static_cast<std::uint8_t>(random() % (kMaps + 1));
      packet[kKeyAt] = static_cast<std::uint8_t>(random() % shape.keys);
      for (unsigned at = 0; at < shape.value_size; ++at) packet[kValueAt + at] = static_cast<std::uint8_t>(random());
      Frame mine = *Frame::make(exec::testing::as_bytes(packet)), its = *Frame::make(exec::testing::as_bytes(packet));
      ASSERT_TRUE(chip.device->run({&mine, 1}));
      ASSERT_TRUE(host.device->run({&its, 1}));
      ASSERT_EQ(exec::testing::trap_of(mine), "");
      ASSERT_EQ(mine.return_value, its.return_value) << "round " << round << ", packet " << i;
    }
    for (unsigned i = 0; i < kMaps; ++i) ASSERT_EQ(entries_of(chip.inner[i]), entries_of(host.inner[i]));
  }
}

// ---- the shapes ----------------------------------------------------------------------------------------------------

constexpr Shape kShapes[] = {
    {MapType::hash, 4, 8, 64, 32},
    {MapType::hash, 4, 8, 16, 32},
    {MapType::hash, 1, 8, 8, 16},
    {MapType::hash, 6, 12, 32, 32},
    {MapType::hash, 8, 8, 32, 48},
    {MapType::hash, 12, 16, 32, 32},
    {MapType::hash, 13, 24, 32, 32},
    {MapType::hash, 16, 48, 32, 32},
    {MapType::hash, 17, 40, 32, 32},
    {MapType::hash, 40, 64, 32, 40},
    {MapType::hash, 64, 128, 16, 16},
    {MapType::hash, 4, 8, 1, 3},
    {MapType::lru_hash, 4, 8, 64, 32},
    {MapType::lru_hash, 20, 32, 64, 32},
    {MapType::percpu_hash, 4, 8, 16, 32},
    {MapType::percpu_hash, 24, 100, 32, 32},
    {MapType::lru_percpu_hash, 8, 16, 64, 32},
    {MapType::lpm_trie, 5, 8, 64, 60},
    {MapType::lpm_trie, 8, 8, 64, 60},
    {MapType::lpm_trie, 8, 40, 16, 60},
    {MapType::lpm_trie, 20, 24, 64, 60},
    {MapType::lpm_trie, 11, 8, 200, 180},
};
INSTANTIATE_TEST_SUITE_P(Shapes, RtlMaps, ::testing::ValuesIn(kShapes));

}  // namespace
}  // namespace forager::jit::rtl
