// SPDX-License-Identifier: Apache-2.0
//
// Values by BTF type: every kind in both forms, and values shorter than their type.
#include "cli/btf_value.h"

#include <bpf/btf.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace forager::cli {
namespace {

class BtfValue : public testing::Test {
 protected:
  BtfValue() : types_(btf__new_empty(), btf__free) {
    u8_ = btf__add_int(get(), "unsigned char", 1, 0);
    char_ = btf__add_int(get(), "char", 1, BTF_INT_CHAR);
    u16_ = btf__add_int(get(), "unsigned short", 2, 0);
    u32_ = btf__add_int(get(), "unsigned int", 4, 0);
    s32_ = btf__add_int(get(), "int", 4, BTF_INT_SIGNED);
    bool_ = btf__add_int(get(), "_Bool", 1, BTF_INT_BOOL);
    be16_ = btf__add_typedef(get(), "__be16", u16_);
    be32_ = btf__add_typedef(get(), "__be32", u32_);
  }
  btf* get() { return types_.get(); }
  int array(int element, unsigned count) { return btf__add_array(get(), u32_, element, count); }

  std::string text(int type, const std::vector<std::uint8_t>& bytes) {
    return btf_to_text(get(), static_cast<std::uint32_t>(type), std::as_bytes(std::span(bytes)));
  }
  std::string json(int type, const std::vector<std::uint8_t>& bytes) {
    return btf_to_json(get(), static_cast<std::uint32_t>(type), std::as_bytes(std::span(bytes))).dump();
  }

  std::unique_ptr<btf, decltype(&btf__free)> types_;
  int u8_, char_, u16_, u32_, s32_, bool_, be16_, be32_;
};

TEST_F(BtfValue, Scalars) {
  EXPECT_EQ(json(u32_, {1, 2, 0, 0}), "513");
  EXPECT_EQ(json(s32_, {0xff, 0xff, 0xff, 0xff}), "-1");
  EXPECT_EQ(json(bool_, {1}), "true");
  EXPECT_EQ(json(btf__add_ptr(get(), u8_), {0x10, 0, 0, 0, 0, 0, 0, 0}), "\"0x10\"");
  EXPECT_EQ(json(btf__add_float(get(), "double", 8), {0, 0, 0, 0, 0, 0, 0xf8, 0x3f}), "1.5");
}

TEST_F(BtfValue, NetworkOrderIsReadForPeopleOnly) {
  EXPECT_EQ(text(be32_, {10, 0, 0, 1}), "10.0.0.1");
  EXPECT_EQ(json(be32_, {10, 0, 0, 1}), "16777226");
  EXPECT_EQ(text(be16_, {0x1f, 0x90}), "8080");
  EXPECT_EQ(text(array(u8_, 4), {192, 168, 0, 1}), "192.168.0.1");
  EXPECT_EQ(text(array(u8_, 6), {2, 0, 0, 0, 0, 0xab}), "02:00:00:00:00:ab");
  EXPECT_EQ(text(array(u8_, 16), {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), "fd00::1");
  EXPECT_EQ(json(array(u8_, 4), {192, 168, 0, 1}), "[192,168,0,1]");
}

TEST_F(BtfValue, CharArraysAreStringsIfPrintable) {
  EXPECT_EQ(json(array(char_, 4), {'a', 'b', 0, 'x'}), "\"ab\"");
  EXPECT_EQ(json(array(char_, 2), {1, 2}), "[1,2]");
}

TEST_F(BtfValue, EnumsByName) {
  const int kind = btf__add_enum(get(), "protocol", 4);
  btf__add_enum_value(get(), "TCP", 6);
  EXPECT_EQ(json(kind, {6, 0, 0, 0}), "\"TCP\"");
  EXPECT_EQ(json(kind, {7, 0, 0, 0}), "7");
}

TEST_F(BtfValue, StructsBitfieldsAndUnnamedMembers) {
  const int inner = btf__add_struct(get(), "", 4);
  btf__add_field(get(), "x", u32_, 0, 0);
  const int ports = array(u16_, 2);  // before the struct: libbpf adds fields to the newest type
  const int outer = btf__add_struct(get(), "outer", 12);
  btf__add_field(get(), "low", u32_, 0, 4);
  btf__add_field(get(), "high", s32_, 4, 4);
  btf__add_field(get(), "", inner, 32, 0);
  btf__add_field(get(), "ports", ports, 64, 0);
  EXPECT_EQ(json(outer, {0xf3, 0, 0, 0, 9, 0, 0, 0, 1, 0, 2, 0}), R"({"low":3,"high":-1,"x":9,"ports":[1,2]})");
  EXPECT_EQ(text(outer, {0xf3, 0, 0, 0, 9, 0, 0, 0, 1, 0, 2, 0}), "{low: 3, high: -1, x: 9, ports: [1, 2]}");
}

TEST_F(BtfValue, ForPeopleAWrapperReadsAsItsMember) {
  const int words = array(be32_, 4);
  const int address = btf__add_struct(get(), "in6_addr", 16);
  btf__add_field(get(), "words", words, 0, 0);
  const int route = btf__add_struct(get(), "route", 20);
  btf__add_field(get(), "to", address, 0, 0);
  btf__add_field(get(), "port", u32_, 128, 0);
  EXPECT_EQ(text(route, {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 0, 0, 0}), "{to: fd00::1, port: 3}");
}

TEST_F(BtfValue, ShortValuesAndUnknownTypesAreNull) {
  const int pair = btf__add_struct(get(), "pair", 8);
  btf__add_field(get(), "a", u32_, 0, 0);
  btf__add_field(get(), "b", u32_, 32, 0);
  EXPECT_EQ(json(pair, {1, 0, 0, 0}), R"({"a":1,"b":null})");
  EXPECT_EQ(json(999, {1}), "null");
}

TEST_F(BtfValue, RecursiveTypesEnd) {
  const int self = btf__add_struct(get(), "self", 4);
  btf__add_field(get(), "again", self, 0, 0);
  EXPECT_NE(json(self, {1, 0, 0, 0}).find("null"), std::string::npos);
}

TEST(Hex, ParsesBytesAndRefusesTheRest) {
  std::string bytes;
  EXPECT_TRUE(parse_hex("0x0a 0B\tff", bytes));
  EXPECT_EQ(bytes, "\x0a\x0b\xff");
  for (const char* bad : {"0x", "123", "zz", "0x1g"}) EXPECT_FALSE(parse_hex(bad, bytes)) << bad;
}

}  // namespace
}  // namespace forager::cli
