// SPDX-License-Identifier: Apache-2.0
//
// The reader of .data files: every section, what it says of bad ones, and the whole of the public suite's part that
// stands beside the repository, where it does.
#include "data_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "program/program.h"
#include "program/text.h"

namespace forager::conformance {
namespace {

std::string error_of(std::string_view text) {
  const auto vector = parse_data_file(text, "v");
  return vector ? "accepted" : vector.error().text();
}

TEST(DataFile, AllSections) {
  const auto vector = parse_data_file(
      "# a comment\n"
      "-- c\nint f(void);\n"
      "-- asm\n# another\nmov %r0, 1 # one\nexit\n"
      "-- mem\n01 02\n# between\nff\n"
      "-- no register offset\ncall instruction\n"
      "-- result\n0x1\n",
      "all");
  ASSERT_TRUE(vector) << vector.error().text();
  EXPECT_EQ(vector->name, "all");
  EXPECT_EQ(vector->slots.size(), 2U);
  EXPECT_EQ(vector->memory, (std::vector{std::byte{1}, std::byte{2}, std::byte{0xff}}));
  EXPECT_EQ(vector->result, 1U);
}

TEST(DataFile, RawWinsOverAssembly) {
  const auto vector = parse_data_file("-- asm\nexit\n-- raw\n0x00000001000000b7\n149\n-- result\n1", "raw");
  ASSERT_TRUE(vector) << vector.error().text();
  ASSERT_EQ(vector->slots.size(), 2U);
  EXPECT_EQ(vector->slots[0].opcode, 0xb7);
  EXPECT_EQ(vector->slots[0].imm, 1);
  EXPECT_EQ(vector->slots[1].opcode, 0x95);
}

TEST(DataFile, CarriageReturnsAndDecimals) {
  const auto vector =
      parse_data_file("-- asm\r\nmov %r0, 7\r\nexit\r\n-- mem\r\n0 a\r\n-- result\r\n18446744073709551615\r\n", "crlf");
  ASSERT_TRUE(vector) << vector.error().text();
  EXPECT_EQ(vector->result, ~std::uint64_t{0});
  EXPECT_EQ(vector->memory.size(), 2U);
}

TEST(DataFile, AnErrorMayBeExpected) {
  const auto vector = parse_data_file("-- asm\nexit\n-- error\nanything\n", "error");
  ASSERT_TRUE(vector);
  EXPECT_FALSE(vector->result);
}

TEST(DataFile, Refusals) {
  EXPECT_EQ(error_of(""), "no program: a section '-- asm' or '-- raw' is needed");
  EXPECT_EQ(error_of("-- asm\nexit\n"), "nothing is expected: a section '-- result' or '-- error' is needed");
  EXPECT_EQ(error_of("-- asm\nexit\n-- result\n"), "'' is no 64-bit number");
  EXPECT_EQ(error_of("-- asm\nexit\n-- result\n0x1 0x2"), "'0x1 0x2' is no 64-bit number");
  EXPECT_EQ(error_of("-- asm\nexit\n-- result\n0x10000000000000000"), "'0x10000000000000000' is no 64-bit number");
  EXPECT_EQ(error_of("-- asm\nexit\n-- mem\n1ff\n-- result\n0"), "'1ff' is not bytes in hex");
  EXPECT_EQ(error_of("-- asm\nexit\n-- mem\n0g\n-- result\n0"), "'0g' is not bytes in hex");
  EXPECT_EQ(error_of("-- raw\n0xzz\n-- result\n0"), "'0xzz' is no 64-bit number");
  EXPECT_EQ(error_of("\n-- asn\nexit"), "line 2: unknown section '-- asn'");
  EXPECT_EQ(error_of("# one\n-- asm\nexit\nexti\n-- result\n0"), "line 4: 'exti' is no instruction");
}

TEST(DataFile, MemoryHasALimit) {
  std::string text = "-- asm\nexit\n-- result\n0\n-- mem\n";
  for (int i = 0; i < 256 * 1024 + 1; ++i) text += "00";
  EXPECT_EQ(error_of(text), "memory of 262145 bytes, limit 262144");
}

TEST(DataFile, MissingFilesAreNamed) {
  const auto vector = read_data_file("/nonexistent/x.data");
  ASSERT_FALSE(vector);
  EXPECT_EQ(vector.error().text(), "/nonexistent/x.data: No such file or directory");
}

TEST(HexBytes, SpacesAreFreeAndSlotsAreWhole) {
  EXPECT_EQ(*parse_hex_bytes(" 0a  0B\n"), (std::vector{std::byte{10}, std::byte{11}}));
  EXPECT_EQ(*parse_hex_bytes("0a0b"), (std::vector{std::byte{10}, std::byte{11}}));
  EXPECT_TRUE(parse_hex_bytes("")->empty());
  EXPECT_FALSE(parse_hex_bytes("0x12"));
  EXPECT_EQ(slots_from_bytes(*parse_hex_bytes("9500000000000000"))->at(0).opcode, 0x95);
  EXPECT_EQ(slots_from_bytes(*parse_hex_bytes("95")).error().text(),
            "1 bytes are no whole number of 8-byte instructions");
}

TEST(DataFile, AnyTextGivesAVectorOrAnInputError) {
  constexpr std::string_view kPieces[] = {"-- asm\n", "-- raw\n", "-- mem\n",     "-- result\n", "-- error\n",
                                          "--",       "exit\n",   "0x1",          "ff ",         "\n",
                                          "\r",       "#",        "mov %r0, 1\n", "-- c\n",      "\0"};
  std::mt19937 random(11);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (int i = 0; i < 10; ++i) text += kPieces[random() % std::size(kPieces)];
    const auto vector = parse_data_file(text, "any");
    if (!vector) {
      ASSERT_EQ(vector.error().kind, ErrorKind::input) << text;
    }
  }
}

// ---- the public suite
// -------------------------------------------------------------------------------------------------

std::vector<std::filesystem::path> public_vectors() {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(FORAGER_PUBLIC_VECTORS, error)) {
    if (entry.path().extension() == ".data") files.push_back(entry.path());
  }
  return files;
}

TEST(PublicSuite, EveryVectorIsReadDecodedAndPrintedBack) {
  const auto files = public_vectors();
  if (files.empty()) GTEST_SKIP() << "no vectors of the public suite in " << FORAGER_PUBLIC_VECTORS;
  for (const auto& file : files) {
    const auto vector = read_data_file(file);
    ASSERT_TRUE(vector) << vector.error().text();
    program::Source source;
    source.type = isa::ProgType::raw_memory;
    source.slots = vector->slots;
    const auto program = program::Program::decode(std::move(source));
    if (!program) {
      EXPECT_EQ(program.error().message, "callx: indirect calls are refused, as Linux does") << vector->name;
      continue;
    }
    const auto again = program::assemble(program::disassemble(*program));
    ASSERT_TRUE(again) << vector->name << ": " << again.error().text();
    EXPECT_TRUE(std::ranges::equal(*again, program->slots())) << vector->name;
  }
}

TEST(PublicSuite, AssemblyAgreesWithRawSlots) {
  const std::filesystem::path file = std::filesystem::path(FORAGER_PUBLIC_VECTORS) / "lddw.data";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no vectors of the public suite in " << FORAGER_PUBLIC_VECTORS;
  const auto vector = read_data_file(file);
  ASSERT_TRUE(vector);
  EXPECT_EQ(vector->slots, *program::assemble("lddw %r0, 0x1122334455667788\nexit"));
}

}  // namespace
}  // namespace forager::conformance
