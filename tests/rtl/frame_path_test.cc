// SPDX-License-Identifier: Apache-2.0
//
// A frame's way through forager_ingress, forager_slots and forager_egress: what leaves is what came, in order, with
// gaps at the port, a receiver that is not ready and a memory that is busy; what is wrong is dropped and counted, and
// nothing is ever stuck.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rtl/frame_path_rig.h"

namespace forager::rtl {
namespace {

constexpr Pace kFast = {};
constexpr Pace kSlow = {.gap = 40, .stall = 40, .busy = 30, .work = 60};

Bytes bytes(unsigned size) {
  Bytes out(size);
  for (unsigned i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 7 + i / 64 + size);
  return out;
}

void expect_all_well(FramePath& path) {
  EXPECT_TRUE(path.run()) << "stuck after " << path.received().size() << " of " << path.expected().size();
  EXPECT_EQ(path.received(), path.expected());
  EXPECT_THAT(path.complaints(), ::testing::IsEmpty());
}

TEST(RtlFramePath, EverySizeComesOutAsItCame) {
  for (const Pace& pace : {kFast, kSlow}) {
    FramePath path(1, pace, false);
    for (unsigned size = 1; size <= 260; ++size) path.send({.bytes = bytes(size)}, {});
    for (const unsigned size : {1500U, 3519U, kMaxFrame}) path.send({.bytes = bytes(size)}, {});
    expect_all_well(path);
    EXPECT_EQ(path.packets(), 263U);
  }
}

// A frame whose length goes ahead may leave its thread before it is there.
TEST(RtlFramePath, FramesOfAnnouncedLength) {
  for (const Pace& pace : {kFast, kSlow}) {
    FramePath path(2, pace, false);
    for (unsigned size = 1; size <= kMaxFrame; size += 61) {
      path.send({.bytes = bytes(size), .announced = static_cast<std::uint16_t>(size)}, {});
    }
    expect_all_well(path);
  }
}

// Every distance between the packet's first byte and a row, with ends on either side of a row's.
TEST(RtlFramePath, EdgesAreMoved) {
  FramePath path(3, kSlow, false);
  for (int front = -70; front <= 70; ++front) {
    for (const unsigned cut : {0U, 1U, 63U, 64U, 65U}) {
      path.send({.bytes = bytes(200)}, {.move_meta = front, .move_data = front, .cut_end = cut});
    }
  }
  expect_all_well(path);
}

TEST(RtlFramePath, MetadataComesOutWhereAllIsWanted) {
  FramePath path(4, kSlow, true);
  for (int meta = -64; meta <= 0; meta += 4) {
    path.send({.bytes = bytes(150)}, {.move_meta = meta});
    path.send({.bytes = bytes(64)}, {.value = 1, .move_meta = meta, .cut_end = 64});
  }
  expect_all_well(path);
}

TEST(RtlFramePath, OnlyPassTxAndRedirectLeave) {
  FramePath path(5, kFast, false);
  for (std::uint64_t value = 0; value < 8; ++value) path.send({.bytes = bytes(100)}, {.value = value});
  path.send({.bytes = bytes(100)}, {.value = 2 + (std::uint64_t{1} << 32)});
  path.send({.bytes = bytes(100)}, {.value = 2, .cause = 1});
  path.send({.bytes = bytes(100)}, {.value = 2, .cut_end = 100});
  expect_all_well(path);
  EXPECT_EQ(path.received().size(), 3U);
  EXPECT_EQ(path.packets(), 11U);
  EXPECT_EQ(path.traps(), 1U);
}

TEST(RtlFramePath, WhatIsWrongIsDroppedAndCounted) {
  for (const Pace& pace : {kFast, kSlow}) {
    FramePath path(6, pace, true);
    for (unsigned i = 0; i < 8; ++i) {
      path.send({.bytes = {}}, {});
      path.send({.bytes = bytes(100 + 64 * i), .fault = Fault::hole}, {});
      path.send({.bytes = bytes(100), .fault = Fault::short_beat}, {});
      path.send({.bytes = bytes(200 + 64 * i), .fault = Fault::empty_beat}, {});
      path.send({.bytes = bytes(200), .announced = 199, .fault = Fault::announced_wrong}, {});
      path.send({.bytes = bytes(200), .announced = 201, .fault = Fault::announced_wrong}, {});
      path.send({.bytes = bytes(64), .announced = 3000, .fault = Fault::announced_wrong}, {});
      path.send({.bytes = bytes(3000), .announced = 1, .fault = Fault::announced_wrong}, {});
      path.send({.bytes = bytes(kMaxFrame + 1)}, {});
      path.send({.bytes = bytes(10'000)}, {});
      path.send({.bytes = bytes(64), .announced = kMaxFrame + 1, .fault = Fault::announced_long}, {});
      path.send({.bytes = bytes(64), .announced = 0xffff, .fault = Fault::announced_long}, {});
      path.send({.bytes = bytes(77 + i)}, {});
    }
    expect_all_well(path);
    EXPECT_EQ(path.received().size(), 8U);
    EXPECT_EQ(path.malformed(), 64U);
    EXPECT_EQ(path.oversize(), 32U);
    EXPECT_EQ(path.packets(), 8U);
  }
}

TEST(RtlFramePath, PacketsOfTheHostKeepTheirPlace) {
  for (const bool all : {false, true}) {
    FramePath path(7, kSlow, all);
    for (unsigned i = 0; i < 50; ++i) {
      path.send({.bytes = bytes(60 + i)}, {});
      if (i % 3 != 0) path.inject(1000 + i, {.value = i});
    }
    expect_all_well(path);
    EXPECT_EQ(path.packets(), 50U + 33U);
  }
}

Sent random_frame(std::mt19937_64& random) {
  Sent out = {.bytes = bytes(1 + random() % (random() % 8 == 0 ? kMaxFrame : 300)),
              .port = static_cast<std::uint32_t>(random()),
              .queue = static_cast<std::uint32_t>(random())};
  if (random() % 2 == 0) out.announced = static_cast<std::uint16_t>(out.bytes.size());
  switch (random() % 16) {
    case 0:
      out.fault = Fault::hole;
      break;
    case 1:
      out.bytes = bytes(kMaxFrame + 1 + random() % 4000);
      break;
    case 2:
      out.announced = static_cast<std::uint16_t>(1 + out.bytes.size() % kMaxFrame);
      out.fault = Fault::announced_wrong;
      break;
    default:
      break;
  }
  return out;
}

Done random_done(std::mt19937_64& random, std::size_t size) {
  Done out = {.value = random() % 5, .cause = static_cast<std::uint8_t>(random() % 16 == 0 ? 1 + random() % 6 : 0)};
  out.cut_end = random() % 4 == 0 ? random() % size : 0;
  out.move_data =
      static_cast<int>(random() % std::min<std::size_t>(size - out.cut_end, 128)) - static_cast<int>(random() % 128);
  out.move_meta = out.move_data - static_cast<int>(random() % 33);
  return out;
}

TEST(RtlFramePath, RandomTrafficAtEveryPace) {
  std::mt19937_64 random(8);  // NOLINT(cert-msc51-cpp): the same in every run
  for (unsigned round = 0; round < 24; ++round) {
    const Pace pace = {.gap = static_cast<unsigned>(random() % 80),
                       .stall = static_cast<unsigned>(random() % 80),
                       .busy = static_cast<unsigned>(random() % 80),
                       .work = static_cast<unsigned>(random() % 100)};
    FramePath path(random(), pace, round % 2 != 0);
    for (unsigned i = 0; i < 100; ++i) {
      Sent frame = random_frame(random);
      const Done done = random_done(random, frame.bytes.size());
      path.send(std::move(frame), done);
      if (random() % 10 == 0) path.inject(static_cast<std::uint32_t>(random()), {.value = random() % 5});
    }
    expect_all_well(path);
  }
}

}  // namespace
}  // namespace forager::rtl
