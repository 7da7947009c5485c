// SPDX-License-Identifier: Apache-2.0
//
// LPM_TRIE on an OpenCL device: the longest prefix of any address is the interpreter's, whatever the host adds and
// deletes between batches; values that programs change; what the device may say of the table.
#include <gmock/gmock.h>
#include <linux/bpf.h>

#include <map>

#include "jit-backends/opencl/mirror.h"
#include "jit-backends/opencl/refusals.h"
#include "maps/registry.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::Rig;

constexpr unsigned kPacketBytes = 32;

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint32_t below(std::uint32_t limit) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::uint32_t>(state_ >> 33) % limit;
  }

 private:
  std::uint64_t state_;
};

MapRef trie(std::uint32_t key_size, std::uint32_t entries) {
  auto map = maps::create({.type = isa::MapType::lpm_trie,
                           .key_size = key_size,
                           .value_size = 12,
                           .max_entries = entries,
                           .flags = BPF_F_NO_PREALLOC,
                           .name = "routes"},
                          1);
  EXPECT_TRUE(map) << map.error().text();
  return map ? *map : nullptr;
}

// Few different bits, so that prefixes lie in one another and addresses match them.
Bytes random_key(Random& random, std::uint32_t key_size) {
  Bytes key(key_size);
  const std::uint32_t length = random.below(8 * (key_size - 4) + 1);
  std::memcpy(key.data(), &length, sizeof length);
  for (std::uint32_t i = 4; i < key_size; ++i) {
    key[i] = static_cast<std::uint8_t>(random.below(4) == 0 ? random.below(256) : random.below(2) * 0x81);
  }
  return key;
}

// Adds and deletes prefixes, the same for the same seed.
void change(exec::Map& map, std::uint64_t seed, unsigned count) {
  Random random(seed);
  for (unsigned i = 0; i < count; ++i) {
    const Bytes key = random_key(random, map.spec().key_size);
    const std::uint32_t value[3] = {random.below(1U << 30), i, 7};
    if (random.below(4) == 0) {
      std::ignore = map.erase(key.data());
    } else {
      std::ignore = map.write(key.data(), value, BPF_ANY);  // which may be full
    }
  }
}

// An address's length in bits, and the address.
std::vector<Frame> inputs(unsigned count, std::uint64_t seed, std::uint32_t key_size) {
  Random random(seed);
  std::vector<Frame> frames;
  for (unsigned n = 0; n < count; ++n) {
    Bytes key = random_key(random, key_size);
    std::uint32_t length = 8 * (key_size - 4);
    if (random.below(3) == 0) length = random.below(length + 20);  // too long ones too
    std::memcpy(key.data(), &length, sizeof length);
    key.resize(kPacketBytes);
    frames.push_back(*Frame::make(exec::testing::as_bytes(key)));
  }
  return frames;
}

// Looks up the packet's first bytes; behind them, zeros. `found` has the value in r0, the packet in r7.
std::string looks_up(std::uint32_t key_size, const std::string& found) {
  const int at = -static_cast<int>((key_size + 7) & ~7U);
  std::string text = "r7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr0 = r7\nr0 += 32\nif r0 > r8 goto out\nr1 = 0\n";
  for (int i = at; i < 0; i += 8) text += fmt::format("*(u64 *)(r10 - {}) = r1\n", -i);
  for (std::uint32_t i = 0; i < std::min(key_size, kPacketBytes); ++i) {
    text += fmt::format("r1 = *(u8 *)(r7 + {})\n*(u8 *)(r10 - {}) = r1\n", i, -at - static_cast<int>(i));
  }
  return text + fmt::format("r2 = r10\nr2 += {}\nr1 = map[routes] ll\ncall bpf_map_lookup_elem\n", at) +
         "*(u64 *)(r7 + 8) = 1\nif r0 == 0 goto out\n" + found + "out: r0 = 2\nexit";
}
constexpr const char* kShow =
    "r1 = *(u32 *)(r0 + 0)\n*(u64 *)(r7 + 8) = r1\nr1 = *(u32 *)(r0 + 4)\n*(u64 *)(r7 + 16) = r1\n";
constexpr const char* kWrite =
    "r1 = *(u32 *)(r0 + 8)\nr1 *= 5\nr1 += 1\n*(u32 *)(r0 + 8) = r1\n*(u64 *)(r7 + 8) = r1\n";
constexpr const char* kCount = "r1 = 1\nlock *(u32 *)(r0 + 4) += r1\n";

class OpenclLpm : public testing::WithDevice {
 protected:
  // Three batches on each engine; the host changes its map before each.
  static void compare(std::uint32_t key_size, std::uint32_t entries, const std::string& found,
                      exec::Order order = exec::Order::packet) {
    for (const bool copies : {false, true}) {
      SCOPED_TRACE(fmt::format("keys of {}, {}", key_size, copies ? "copies" : "in place"));
      const Rig rig{.maps = {trie(key_size, entries)}}, other{.maps = {trie(key_size, entries)}};
      const std::string text = looks_up(key_size, found);
      const auto reference = exec::testing::open_device(rig, text);
      const auto tested = testing::open_device(other, text, {.order = order, .offload = {.copies = copies}});
      ASSERT_TRUE(reference != nullptr && tested != nullptr);
      for (const unsigned batch : {0U, 1U, 2U}) {
        for (const Rig* one : {&rig, &other}) change(*one->maps[0], batch, batch * entries);
        auto expected = inputs(2000, batch, key_size), actual = inputs(2000, batch, key_size);
        testing::expect_alike_runs(*reference, *tested, expected, actual, fmt::format("batch {}", batch));
        ASSERT_EQ(testing::contents_of(*rig.maps[0]), testing::contents_of(*other.maps[0]));
      }
    }
  }
};

TEST_F(OpenclLpm, LongestPrefixesAreTheInterpreters) {
  compare(4 + 4, 500, kShow);
  compare(4 + 1, 300, kShow);
  compare(4 + 1, 1, kShow);
}

TEST_F(OpenclLpm, KeysMayBeLong) {
  compare(4 + 16, 1000, kShow);
  compare(4 + 13, 100, kShow);
  compare(4 + 256, 200, kShow);
}

TEST_F(OpenclLpm, ProgramsMayChangeValues) { compare(4 + 4, 100, kWrite); }

TEST_F(OpenclLpm, AllWorkItemsCount) { compare(4 + 4, 60, kCount, exec::Order::none); }

TEST_F(OpenclLpm, ProgramsDoNotChangePrefixes) {
  const Rig rig{.maps = {trie(8, 4)}};
  for (const char* call : {"bpf_map_update_elem", "bpf_map_delete_elem"}) {
    const auto program = exec::testing::verified(
        rig, fmt::format(
                 "*(u64 *)(r10 - 8) = 0\n*(u64 *)(r10 - 24) = 0\n*(u64 *)(r10 - 16) = 0\nr2 = r10\nr2 += -8\nr3 = r10\n"
                 "r3 += -24\nr4 = 0\nr1 = map[routes] ll\ncall {}\nr0 = 2\nexit",
                 call));
    ASSERT_NE(program, nullptr);
    const auto taken = refuse_unsupported(*program);
    ASSERT_FALSE(taken);
    EXPECT_THAT(taken.error().text(),
                ::testing::HasSubstr(fmt::format("{} of map routes (LPM_TRIE is read-mostly", call)));
  }
}

// Whatever stands in the table, values of the host's are all that it may reach.
TEST(OpenclLpmMirror, DoesNotTrustTheDevice) {
  const MapRef map = trie(8, 20);
  change(*map, 1, 40);
  const auto keys = testing::contents_of(*map).size();
  const auto mirror = make_mirror(*table_of(map->spec()), *map, {});
  std::vector<std::byte> memory(mirror->bytes());
  Random random(5);
  for (unsigned round = 0; round < 20; ++round) {
    mirror->put(memory, 0);
    for (std::byte& byte : memory) byte = static_cast<std::byte>(random.below(256));
    mirror->take(memory);
    EXPECT_EQ(testing::contents_of(*map).size(), keys);
  }
}

// A prefix that the host deleted meanwhile gets nothing, nor does the one that it lay in.
TEST(OpenclLpmMirror, LeavesWhatIsGone) {
  const MapRef map = trie(8, 4);
  const std::uint32_t wide[2] = {8, 10}, narrow[2] = {16, 10};
  const std::uint32_t values[2][3] = {{1, 2, 3}, {4, 5, 6}};
  ASSERT_EQ(map->write(wide, values[0], 0), 0);
  ASSERT_EQ(map->write(narrow, values[1], 0), 0);
  const Table table = *table_of(map->spec());
  const auto mirror = make_mirror(table, *map, {});
  std::vector<std::byte> memory(mirror->bytes());
  mirror->put(memory, 0);
  ASSERT_EQ(map->erase(narrow), 0);
  const std::uint64_t devices = 99;
  std::memcpy(memory.data() + table.bytes(1) + table.stride(), &devices, sizeof devices);
  mirror->take(memory);
  std::uint32_t value[3] = {};
  ASSERT_EQ(map->read(wide, value, 0), 0);
  EXPECT_THAT(value, ::testing::ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace forager::jit::opencl
