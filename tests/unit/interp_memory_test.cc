// SPDX-License-Identifier: Apache-2.0
//
// Guest addresses: regions keep their distance, and names of what is wrong.
#include "interp/memory.h"

#include "exec_testing.h"

namespace forager::interp {
namespace {

using exec::testing::make_array;

struct Block {
  std::array<std::byte, 16> bytes{};
  std::array<std::uint8_t, 16> written{};
  Region region(bool checked = false) {
    return {.kind = RegionKind::memory,
            .readable = true,
            .writable = true,
            .base = bytes.data(),
            .written = checked ? written.data() : nullptr,
            .end = 16};
  }
};

TEST(Memory, AccessesStayInside) {
  Memory memory(false);
  Block block;
  const GuestAddress address = Memory::fixed_address(memory.add_fixed(block.region()));
  EXPECT_EQ(memory.access(address, 16, Use::read).host, block.bytes.data());
  EXPECT_EQ(memory.access(address + 15, 1, Use::write).host, block.bytes.data() + 15);
  EXPECT_EQ(memory.access(address + 16, 0, Use::read).fault, Fault::none);
  EXPECT_EQ(memory.access(address + 16, 1, Use::read).fault, Fault::bounds);
  EXPECT_EQ(memory.access(address + 9, 8, Use::read).fault, Fault::bounds);
  EXPECT_EQ(memory.access(address - 1, 1, Use::read).fault, Fault::bounds);
  EXPECT_EQ(memory.access(address, ~std::uint64_t{0}, Use::read).fault, Fault::bounds);
  EXPECT_EQ(memory.access(address + 8, ~std::uint64_t{0} - 7, Use::read).fault, Fault::bounds);
}

TEST(Memory, RegionsAreFarApart) {
  Memory memory(false);
  Block a;
  Block b;
  const GuestAddress first = Memory::fixed_address(memory.add_fixed(a.region()));
  const GuestAddress second = Memory::fixed_address(memory.add_fixed(b.region()));
  EXPECT_EQ(second - first, std::uint64_t{1} << 40);
  EXPECT_EQ(memory.access(first + (std::uint64_t{1} << 38), 1, Use::read).fault, Fault::bounds);
  EXPECT_EQ(memory.access(second - (std::uint64_t{1} << 38), 1, Use::read).fault, Fault::bounds);
}

TEST(Memory, NumbersAreNoPointers) {
  const Memory memory(false);
  for (const GuestAddress address :
       {0ULL, 1ULL, 0xffffffffULL, 1ULL << 39, 1ULL << 41, 1ULL << 62, 1ULL << 63, ~0ULL}) {
    EXPECT_EQ(memory.access(address, 1, Use::read).fault, Fault::no_memory) << address;
    EXPECT_EQ(memory.access(address, 1, Use::write).fault, Fault::no_memory) << address;
  }
}

TEST(Memory, TransientRegionsEndWithTheInvocation) {
  Memory memory(false);
  Block block;
  const GuestAddress address = memory.add_transient(block.region());
  EXPECT_EQ(memory.access(address, 16, Use::read).fault, Fault::none);
  memory.reset();
  EXPECT_EQ(memory.access(address, 16, Use::read).fault, Fault::no_memory);
}

TEST(Memory, EndedRegionsSayWhy) {
  Memory memory(false);
  Block block;
  const GuestAddress address = memory.add_transient(block.region());
  memory.end(address, "it is over");
  const Span span = memory.access(address, 4, Use::write);
  EXPECT_EQ(span.fault, Fault::ended);
  EXPECT_EQ(describe(span, 4, Use::write), "write of 4 bytes through a pointer to the memory: it is over");
}

TEST(Memory, OneValueOneAddressEvenAmongThousands) {
  Memory memory(false);
  const auto map = make_array(8, 5000);
  std::vector<GuestAddress> addresses;
  addresses.reserve(5000);
  const auto value = [&](std::uint32_t index) { return map->lookup(&index, 0); };
  for (std::uint32_t i = 0; i < 5000; ++i) addresses.push_back(memory.map_value(*map, value(i)));
  for (std::uint32_t i = 0; i < 5000; ++i) ASSERT_EQ(memory.map_value(*map, value(i)), addresses[i]);
  for (std::uint32_t i = 0; i < 5000; ++i) {
    ASSERT_EQ(memory.access(addresses[i], 8, Use::read_write).host, static_cast<std::byte*>(value(i)));
  }
  memory.reset();
  EXPECT_EQ(memory.access(addresses[4999], 8, Use::read).fault, Fault::no_memory);
}

TEST(Memory, CheckedModeFollowsWhatWasWritten) {
  Memory memory(true);
  Block block;
  const GuestAddress address = Memory::fixed_address(memory.add_fixed(block.region(true)));
  EXPECT_EQ(memory.access(address, 4, Use::read).fault, Fault::uninitialised);
  EXPECT_EQ(memory.access(address + 2, 4, Use::write).fault, Fault::none);
  EXPECT_EQ(memory.access(address + 2, 4, Use::read).fault, Fault::none);
  EXPECT_EQ(memory.access(address + 1, 4, Use::read).fault, Fault::uninitialised);
  EXPECT_EQ(memory.access(address + 3, 4, Use::read_write).fault, Fault::uninitialised);
}

TEST(Memory, HelpersReadThroughIt) {
  Memory memory(false);
  Block block;
  block.bytes[3] = std::byte{9};
  const GuestAddress address = Memory::fixed_address(memory.add_fixed(block.region()));
  std::array<std::byte, 2> out{};
  EXPECT_TRUE(memory.read(address + 2, out));
  EXPECT_EQ(out[1], std::byte{9});
  EXPECT_FALSE(memory.read(address + 15, out));
  EXPECT_FALSE(memory.read(0, out));
}

TEST(Memory, DeviceMapsAreReadOnlyToPrograms) {
  exec::testing::FakeMap ports({.type = isa::MapType::devmap, .key_size = 4, .value_size = 4, .max_entries = 1});
  std::uint32_t value = 1;
  EXPECT_FALSE(map_value_region(ports, &value, 4).writable);
  EXPECT_TRUE(map_value_region(ports, &value, 4).readable);
}

}  // namespace
}  // namespace forager::interp
