// SPDX-License-Identifier: Apache-2.0
#include "program/tag.h"

#include <gtest/gtest.h>

#include <string>

#include "program/map_reference.h"
#include "program/program.h"
#include "program/sha1.h"
#include "program/text.h"

namespace forager::program {
namespace {

template <class Bytes>
std::string hex(const Bytes& bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string sha1_of(const std::string& text) { return hex(sha1(std::as_bytes(std::span(text)))); }

// FIPS 180-4's examples, and the lengths around which padding grows by a block.
TEST(Sha1, KnownAnswers) {
  EXPECT_EQ(sha1_of(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(sha1_of("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(sha1_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(sha1_of(std::string(1'000'000, 'a')), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  EXPECT_EQ(sha1_of(std::string(55, 'a')), "c1c8bbdc22796e28c0e15163d20899b65621d65a");
  EXPECT_EQ(sha1_of(std::string(56, 'a')), "c2db330f6083854c99d4b5bfb6e8f29f201be699");
  EXPECT_EQ(sha1_of(std::string(64, 'a')), "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

isa::Slot slot(std::uint8_t opcode, std::uint8_t src, std::int32_t imm) {
  isa::Slot made;
  made.opcode = opcode;
  made.src = src;
  made.imm = imm;
  return made;
}

TEST(Tag, IsTheStartOfTheHash) {
  // r0 = 2; exit, as sha1sum(1) has it
  const isa::Slot code[] = {slot(0xb7, 0, 2), slot(0x95, 0, 0)};
  EXPECT_EQ(hex(tag_of(code)), "3b185187f1855c4c");
}

TEST(Tag, IgnoresWhichMap) {
  const auto tag = [](std::uint8_t source, std::int32_t map, std::int32_t offset) {
    const isa::Slot code[] = {slot(kWideOpcode, source, map), slot(0, 0, offset), slot(0x95, 0, 0)};
    return tag_of(code);
  };
  EXPECT_EQ(tag(kSrcMapFd, 3, 0), tag(kSrcMapFd, 99, 0));
  EXPECT_EQ(tag(kSrcMapFd, 3, 0), tag(kSrcMapIndex, 0, 0));
  EXPECT_EQ(tag(kSrcMapValue, 3, 8), tag(kSrcMapIndexValue, 0, 16));
  EXPECT_NE(tag(kSrcMapFd, 3, 0), tag(kSrcMapValue, 3, 0));
  EXPECT_NE(tag(0, 3, 0), tag(0, 4, 0)) << "a plain constant counts";
}

TEST(Tag, EachFunctionHasItsOwn) {
  Source source;
  source.type = isa::ProgType::xdp;
  source.slots = assemble("call f\nr0 += 1\nexit\nf: r0 = 5 ll\nexit", {}).value();
  const std::vector<isa::Slot> slots = source.slots;
  const auto tags = function_tags(Program::decode(std::move(source)).value());
  ASSERT_EQ(tags.size(), 2U);
  EXPECT_EQ(tags[0], tag_of(std::span(slots).first(3)));
  EXPECT_EQ(tags[1], tag_of(std::span(slots).subspan(3)));
}

TEST(Tag, SurvivesAMapReferenceCutShort) {
  const isa::Slot code[] = {slot(kWideOpcode, kSrcMapFd, 3)};
  EXPECT_NE(tag_of(code), Tag{});
}

}  // namespace
}  // namespace forager::program
