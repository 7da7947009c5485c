// SPDX-License-Identifier: Apache-2.0
//
// forager_access alone: every region at both of its edges and beyond, each size, and random addresses, against the rule
// in plain arithmetic. What is not allowed faults; what is allowed never leaves its own thread's, packet's or map's
// rows.
#include <gtest/gtest.h>

#include <ostream>
#include <random>

#include "Vforager_access.h"

namespace forager::rtl {
namespace {

// The parameters that the model has: the module's own defaults.
constexpr unsigned kStackRow = 1024, kScratchRow = 1536;
constexpr unsigned kFrameBytes = 512, kBufferBytes = 4096, kScratchBytes = 256, kRowBytes = 64;
constexpr std::uint64_t kZero = std::uint64_t{1} << 39;  // where a region's offset 0 stands
constexpr unsigned kFirstStack = 2, kPacketRegion = 0x400000, kMapRegion = 0x1235;

struct Where {
  unsigned region = 0;
  std::int64_t offset = 0;
};

struct Ask {
  unsigned thread = 3, depth = 2, slot = 5;
  bool native = true;
  unsigned meta = 200, end = 1000, arrived = 4096;
  bool map = false;
  unsigned map_row = 100, map_bytes = 0;
};

struct Answer {
  bool remote, waits, fault;
  std::uint64_t byte;  // of data memory, where the access is neither
  bool operator==(const Answer&) const = default;
};
void PrintTo(const Answer& answer, std::ostream* out) {  // NOLINT(readability-identifier-naming): GoogleTest's name
  *out << (answer.remote ? "remote" : answer.waits ? "waits" : answer.fault ? "faults" : "byte ");
  if (!answer.remote && !answer.waits && !answer.fault) *out << answer.byte;
}
constexpr Answer kRemote{.remote = true, .waits = false, .fault = false, .byte = 0};
constexpr Answer kFault{.remote = false, .waits = false, .fault = true, .byte = 0};
constexpr Answer kWaits{.remote = false, .waits = true, .fault = false, .byte = 0};
Answer at(std::uint64_t byte) { return {.remote = false, .waits = false, .fault = false, .byte = byte}; }

Answer expected(const Ask& ask, Where where, unsigned bytes) {
  const std::int64_t last = where.offset + bytes;
  const auto offset = static_cast<std::uint64_t>(where.offset);
  if (where.region >= kFirstStack && where.region < kFirstStack + 8) {
    const unsigned frame = where.region - kFirstStack;
    if (frame > ask.depth || where.offset < 0 || last > kFrameBytes) return kFault;
    return at(kStackRow * kRowBytes + (std::uint64_t{ask.thread} * 8 + frame) * kFrameBytes + offset);
  }
  if (ask.native && where.region == kPacketRegion) {
    if (where.offset < ask.meta || last > ask.end) return kFault;
    return last > ask.arrived ? kWaits : at(std::uint64_t{ask.slot} * kBufferBytes + offset);
  }
  if (ask.map) {
    if (where.offset < 0 || last > ask.map_bytes) return kFault;
    return at(std::uint64_t{ask.map_row} * kRowBytes + offset);
  }
  return kRemote;
}

class RtlAccess : public ::testing::Test {
 protected:
  void put(const Ask& ask) {
    access_.thread_i = ask.thread;
    access_.depth_i = ask.depth;
    access_.slot_i = ask.slot;
    access_.native_i = ask.native ? 1 : 0;
    access_.region_i = kPacketRegion;
    access_.meta_i = ask.meta;
    access_.end_i = ask.end;
    access_.arrived_i = ask.arrived;
    access_.map_i = ask.map ? 1 : 0;
    access_.map_row_i = ask.map_row;
    access_.map_bytes_i = ask.map_bytes;
  }
  Answer answer() {
    access_.eval();
    Answer out{.remote = access_.remote_o != 0, .waits = access_.wait_o != 0, .fault = access_.fault_o != 0, .byte = 0};
    if (!out.remote && !out.waits && !out.fault) out.byte = access_.row_o * kRowBytes + access_.byte_o;
    return out;
  }
  Answer run(const Ask& ask, Where where, unsigned bytes) {
    put(ask);
    access_.scratch_i = 0;
    access_.on_map_i = 0;
    access_.base_i = where.region;
    access_.address_i = (std::uint64_t{where.region} << 40) + kZero + static_cast<std::uint64_t>(where.offset);
    access_.bytes_i = bytes;
    return answer();
  }
  void expect(const Ask& ask, Where where) {
    for (const unsigned bytes : {1U, 2U, 4U, 6U, 8U}) {
      EXPECT_EQ(run(ask, where, bytes), expected(ask, where, bytes))
          << "region " << where.region << ", offset " << where.offset << ", " << bytes << " bytes, depth " << ask.depth;
    }
  }
  // On both sides of an edge, and where an address of fewer bits than it has would come round to it.
  void expect_around(const Ask& ask, unsigned region, std::int64_t edge) {
    for (std::int64_t offset = edge - 16; offset <= edge + 16; ++offset) {
      expect(ask, {region, offset});
      for (unsigned bit = 9; bit < 40; ++bit) {
        expect(ask, {region, offset + (std::int64_t{1} << bit)});
        expect(ask, {region, offset - (std::int64_t{1} << bit)});
      }
    }
  }

  Vforager_access access_;
};

TEST_F(RtlAccess, StackFramesUpToTheThreadsOwn) {
  for (unsigned depth = 0; depth < 8; ++depth) {
    for (unsigned frame = 0; frame < 8; ++frame) {
      const Ask ask = {.thread = (depth + frame) % 8, .depth = depth};
      expect_around(ask, kFirstStack + frame, 0);
      expect_around(ask, kFirstStack + frame, kFrameBytes);
    }
  }
}

TEST_F(RtlAccess, PacketFromMetadataToItsEnd) {
  struct Edges {
    unsigned meta, end;
  };
  constexpr Edges kEdges[] = {{200, 1000}, {0, 4096}, {256, 256}, {256, 257}, {192, 3776}};
  for (const Edges& edges : kEdges) {
    const Ask ask = {.meta = edges.meta, .end = edges.end};
    expect_around(ask, kPacketRegion, edges.meta);
    expect_around(ask, kPacketRegion, edges.end);
    expect_around(ask, kPacketRegion, kBufferBytes);
  }
}

TEST_F(RtlAccess, BytesThatHaveNotComeAreWaitedFor) {
  for (const unsigned arrived : {256U, 320U, 999U, 1000U}) {
    const Ask ask = {.meta = 250, .end = 1000, .arrived = arrived};
    expect_around(ask, kPacketRegion, arrived);
    expect_around(ask, kPacketRegion, ask.end);
  }
}

TEST_F(RtlAccess, ValuesOfMapsOnTheChip) {
  for (const unsigned bytes : {1U, 8U, 63U, 4096U, 60'000U}) {
    const Ask ask = {.map = true, .map_row = 37, .map_bytes = bytes};
    expect_around(ask, kMapRegion, 0);
    expect_around(ask, kMapRegion, bytes);
  }
}

TEST_F(RtlAccess, TheRestIsTheHosts) {
  constexpr unsigned kRegions[] = {0, 1, kFirstStack + 8, kPacketRegion - 1, kPacketRegion + 1, 0xffffff};
  for (const unsigned region : kRegions) expect_around({}, region, 0);
  expect_around({.native = false}, kPacketRegion, 256);
}

// An address that left its base's region belongs to nobody, wherever it points.
TEST_F(RtlAccess, AnAddressThatLeftItsRegionFaults) {
  constexpr unsigned kRegions[] = {kFirstStack, kPacketRegion, kMapRegion};
  for (const unsigned region : kRegions) {
    for (unsigned bit = 40; bit < 64; ++bit) {
      put({.map = region == kMapRegion, .map_bytes = 4096});
      access_.scratch_i = 0;
      access_.base_i = region;
      access_.address_i = ((std::uint64_t{region} << 40) + kZero + 300) ^ std::uint64_t{1} << bit;
      access_.bytes_i = 1;
      EXPECT_EQ(answer(), kFault) << "region " << region << ", bit " << bit;
    }
  }
}

TEST_F(RtlAccess, ScratchOfEachCallDepth) {
  for (unsigned thread = 0; thread < 8; ++thread) {
    for (unsigned depth = 0; depth < 8; ++depth) {
      for (unsigned offset = 0; offset < kScratchBytes; offset += 8) {
        put({.thread = thread, .depth = depth});
        access_.scratch_i = 1;
        access_.address_i = offset;
        access_.bytes_i = 8;
        EXPECT_EQ(answer(), at(kScratchRow * kRowBytes + (thread * 8 + depth) * kScratchBytes + offset));
      }
    }
  }
}

// As memory: of the thread's own depth, and no more than it has. Words may lie across two rows.
TEST_F(RtlAccess, ScratchAsMemory) {
  constexpr unsigned kScratchRegion = 0xfffffe;
  for (unsigned thread = 0; thread < 8; ++thread) {
    for (unsigned depth = 0; depth < 8; ++depth) {
      const Ask ask = {.thread = thread, .depth = depth};
      for (std::int64_t offset = -16; offset < std::int64_t{kScratchBytes} + 16; ++offset) {
        for (const unsigned bytes : {1U, 4U, 8U}) {
          const bool inside = offset >= 0 && offset + bytes <= kScratchBytes;
          const auto byte =
              static_cast<unsigned>(kScratchRow * kRowBytes + (thread * 8 + depth) * kScratchBytes + offset);
          EXPECT_EQ(run(ask, {kScratchRegion, offset}, bytes), inside ? at(byte) : kFault) << offset << ", " << bytes;
        }
      }
    }
  }
}

// The form that names its map: the address is an offset, and nothing but the values is reached.
TEST_F(RtlAccess, AnOffsetInTheValuesOfANamedMap) {
  for (const unsigned bytes : {8U, 63U, 4096U, 60'000U}) {
    put({.map = true, .map_row = 37, .map_bytes = bytes});
    access_.scratch_i = 0;
    access_.on_map_i = 1;
    access_.base_i = 0;
    access_.bytes_i = 8;
    for (std::int64_t offset = bytes - 16; offset <= std::int64_t{bytes} + 16; ++offset) {
      for (unsigned bit = 20; bit < 65; ++bit) {
        const std::uint64_t stray = bit == 64 ? 0 : std::uint64_t{1} << bit;
        access_.address_i = static_cast<std::uint64_t>(offset) ^ stray;
        const bool inside = stray == 0 && offset >= 0 && offset + 8 <= bytes;
        EXPECT_EQ(answer(), inside ? at(37 * kRowBytes + static_cast<std::uint64_t>(offset)) : kFault)
            << offset << ", bit " << bit;
      }
    }
  }
}

TEST_F(RtlAccess, RandomAddresses) {
  std::mt19937_64 random(4);  // NOLINT(cert-msc51-cpp): the same in every run
  constexpr unsigned kRegions[] = {1, 2, 3, 4, 9, 10, kPacketRegion, kMapRegion};
  unsigned faults = 0;
  for (unsigned i = 0; i < 200'000; ++i) {
    Where where = {.region = kRegions[random() % 8]};
    where.offset =
        static_cast<std::int64_t>(random() >> (25 + random() % 38)) - static_cast<std::int64_t>(random() % 64);
    Ask ask = {.thread = static_cast<unsigned>(random() % 8), .depth = static_cast<unsigned>(random() % 8)};
    ask.slot = random() % 16;
    ask.native = random() % 8 != 0;
    ask.meta = random() % 512;
    ask.end = ask.meta + random() % (kBufferBytes - ask.meta + 1);
    ask.arrived = random() % 2 == 0 ? kBufferBytes : ask.meta + random() % (kBufferBytes - ask.meta + 1);
    ask.map = where.region == kMapRegion;
    ask.map_row = random() % 64;
    ask.map_bytes = 1 + random() % 8192;
    expect(ask, where);
    faults += access_.fault_o;
  }
  EXPECT_GT(faults, 20'000U);
}

}  // namespace
}  // namespace forager::rtl
