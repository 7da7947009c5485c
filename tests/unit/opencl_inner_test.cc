// SPDX-License-Identifier: Apache-2.0
//
// Maps of maps on an OpenCL device, and helpers that get one map or another, against the interpreter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "maps/registry.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::Rig;
using isa::MapType;

constexpr unsigned kCpus = 2;

MapRef map_of(MapType type, const std::string& name, std::uint32_t entries, const exec::MapSpec* inner = nullptr) {
  exec::MapSpec spec{.type = type, .key_size = 4, .value_size = 8, .max_entries = entries, .name = name};
  if (inner != nullptr) {
    spec.value_size = 4;
    spec.inner = std::make_shared<exec::MapSpec>(*inner);
  }
  auto map = maps::create(spec, kCpus);
  EXPECT_TRUE(map) << map.error().text();
  return map ? *map : nullptr;
}

// Packets whose first byte is 0 to 7.
std::vector<Frame> packets(unsigned count) {
  std::vector<Frame> frames;
  for (unsigned n = 0; n < count; ++n) {
    Bytes bytes(32);
    bytes[0] = static_cast<std::uint8_t>(n * 5 % 8);
    bytes[1] = static_cast<std::uint8_t>(n * 7 % 11);
    frames.push_back(*Frame::make(exec::testing::as_bytes(bytes)));
  }
  return frames;
}

constexpr const char* kStart = "r7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr0 = r7\nr0 += 32\nif r0 > r8 goto out\n";
constexpr const char* kEnd = "out: r0 = 2\nexit";

// With a map in r9: key [r7 + 1] is looked up, inserted or counted, or deleted.
constexpr const char* kUse =
    "r1 = *(u8 *)(r7 + 1)\nr1 &= 3\n*(u32 *)(r10 - 8) = r1\nr1 = r9\nr2 = r10\nr2 += -8\ncall bpf_map_lookup_elem\n"
    "if r0 == 0 goto insert\nr1 = *(u64 *)(r0 + 0)\nr1 += 3\n*(u64 *)(r0 + 0) = r1\n*(u64 *)(r7 + 8) = r1\n"
    "if r1 < 20 goto out\nr1 = r9\nr2 = r10\nr2 += -8\ncall bpf_map_delete_elem\n*(u64 *)(r7 + 16) = r0\ngoto out\n"
    "insert: *(u64 *)(r10 - 16) = 5\nr1 = r9\nr2 = r10\nr2 += -8\nr3 = r10\nr3 += -16\nr4 = 0\n"
    "call bpf_map_update_elem\n*(u64 *)(r7 + 8) = r0\n";

struct Side {
  MapRef outer;
  std::vector<MapRef> inner;
};

Side side_of(MapType outer, MapType inner) {
  Side side;
  for (unsigned i = 0; i < 3; ++i) side.inner.push_back(map_of(inner, "inner", 4));
  side.outer = map_of(outer, "outer", 6, &side.inner[0]->spec());
  for (std::uint32_t key = 0; key < 5; ++key) {
    EXPECT_EQ(side.outer->abilities().maps->set(&key, {.id = key + 1, .map = side.inner[key % 3]}, 0), 0);
  }
  return side;
}

void expect_alike(const Side& a, const Side& b) {
  for (std::size_t i = 0; i < a.inner.size(); ++i) {
    for (std::uint32_t key = 0; key < 4; ++key) {
      std::uint64_t left[kCpus] = {}, right[kCpus] = {};
      EXPECT_EQ(a.inner[i]->read(&key, left, 0), b.inner[i]->read(&key, right, 0)) << i << " " << key;
      EXPECT_THAT(left, ::testing::ElementsAreArray(right)) << i << " " << key;
    }
  }
}

struct Case {
  MapType outer, inner;
  bool copies;
};

class OpenclInner : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (testing::opencl_here() == nullptr) GTEST_SKIP() << opencl::backend().capabilities().reason;
  }
};

TEST_P(OpenclInner, MapsOfMapsAreTheInterpreters) {
  const std::string text = std::string(kStart) +
                           "r1 = *(u8 *)(r7 + 0)\n*(u32 *)(r10 - 4) = r1\nr2 = r10\nr2 += -4\nr1 = map[outer] ll\n"
                           "call bpf_map_lookup_elem\nif r0 == 0 goto out\nr9 = r0\n" +
                           kUse + kEnd;
  const Side expected = side_of(GetParam().outer, GetParam().inner),
             actual = side_of(GetParam().outer, GetParam().inner);
  const Rig rig{.maps = {expected.outer}}, other{.maps = {actual.outer}};
  const auto reference = exec::testing::open_device(rig, text);
  const auto tested = testing::open_device(other, text, {.offload = {.copies = GetParam().copies}});
  ASSERT_TRUE(reference != nullptr && tested != nullptr);
  for (unsigned round = 0; round < 3; ++round) {
    auto a = packets(300), b = packets(300);
    ASSERT_TRUE(reference->run(a));
    const auto ran = tested->run(b);
    ASSERT_TRUE(ran) << ran.error().text();
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_EQ(testing::difference(a[i], b[i]), "") << i;
    expect_alike(expected, actual);
    const std::uint32_t key = round;  // another map in its place
    for (const Side* side : {&expected, &actual}) {
      ASSERT_EQ(side->outer->abilities().maps->set(&key, {.id = 9, .map = side->inner[(key + 1) % 3]}, 0), 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, OpenclInner,
                         ::testing::Values(Case{MapType::array_of_maps, MapType::hash, false},
                                           Case{MapType::array_of_maps, MapType::hash, true},
                                           Case{MapType::hash_of_maps, MapType::array, false},
                                           Case{MapType::hash_of_maps, MapType::array, true},
                                           Case{MapType::hash_of_maps, MapType::percpu_hash, false},
                                           Case{MapType::array_of_maps, MapType::percpu_array, true}));

class OpenclOneOfSeveral : public testing::WithDevice {};

TEST_F(OpenclOneOfSeveral, IsTheOneThatTheProgramChose) {
  const std::string text =
      std::string(kStart) +
      "r9 = map[one] ll\nr1 = *(u8 *)(r7 + 0)\nif r1 < 4 goto go\nr9 = map[other] ll\ngo: r0 = 0\n" + kUse + kEnd;
  const auto maps = [] {
    return std::vector<MapRef>{map_of(MapType::hash, "one", 4), map_of(MapType::hash, "other", 4)};
  };
  const Rig rig{.maps = maps()}, other{.maps = maps()};
  const auto reference = exec::testing::open_device(rig, text);
  const auto tested = testing::open_device(other, text, {});
  ASSERT_TRUE(reference != nullptr && tested != nullptr);
  auto a = packets(300), b = packets(300);
  ASSERT_TRUE(reference->run(a));
  ASSERT_TRUE(tested->run(b));
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_EQ(testing::difference(a[i], b[i]), "") << i;
}

}  // namespace
}  // namespace forager::jit::opencl
