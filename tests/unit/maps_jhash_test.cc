// SPDX-License-Identifier: Apache-2.0
//
// jhash against the vectors that Linux's own test of it uses (lookup3 with Linux's start value).
#include "maps/jhash.h"

#include <gtest/gtest.h>

#include <string_view>

namespace forager::maps {
namespace {

TEST(MapsJhash, IsLookup3) {
  // lookup3.c's driver5: hashlittle("Four score and seven years ago", 30, seed).
  constexpr std::string_view kText = "Four score and seven years ago";
  EXPECT_EQ(jhash(kText.data(), kText.size(), 0), 0x17770551U);
  EXPECT_EQ(jhash(kText.data(), kText.size(), 1), 0xcd628161U);
}

TEST(MapsJhash, EveryByteAndTheSizeMatter) {
  char bytes[40] = {};
  for (std::size_t size = 1; size <= sizeof bytes; ++size) {
    const std::uint32_t plain = jhash(bytes, size, 0);
    for (std::size_t i = 0; i < size; ++i) {
      bytes[i] = 1;
      EXPECT_NE(jhash(bytes, size, 0), plain) << size << " " << i;
      bytes[i] = 0;
    }
    EXPECT_NE(jhash(bytes, size, 1), plain) << size;
    if (size > 1) {
      EXPECT_NE(jhash(bytes, size - 1, 0), plain) << size;
    }
  }
}

}  // namespace
}  // namespace forager::maps
