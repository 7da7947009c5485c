// SPDX-License-Identifier: Apache-2.0
//
// The instruction table: every row is found by what it encodes, and every field that a form does not use is reserved.
// The running kernel is asked about the same, where it can be.
#include "isa/isa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>

#include "kernel_verifier.h"

namespace forager::isa {
namespace {

Slot encode(const Row& row) {
  return {.opcode = row.opcode,
          .dst = 0,
          .src = static_cast<std::uint8_t>(row.match.src.value_or(0) & 0xf),
          .offset = row.match.offset.value_or(0),
          .imm = row.match.imm.value_or(0)};
}

TEST(Isa, RowsStandAtTheirOp) {
  for (const Row& r : rows()) EXPECT_EQ(&row(r.op), &r) << r.name;
}

TEST(Isa, NamesAreUnique) {
  std::set<std::string_view> names;
  for (const Row& r : rows()) EXPECT_TRUE(names.insert(r.name).second) << r.name;
}

TEST(Isa, EveryRowIsFoundByItsEncoding) {
  for (const Row& r : rows()) EXPECT_EQ(find_row(encode(r)), &r) << r.name;
}

TEST(Isa, EncodingsOfRowsHaveNoReservedFieldSet) {
  for (const Row& r : rows()) EXPECT_EQ(reserved_field_set(r, encode(r)), nullptr) << r.name;
}

// The counts of RFC 9669: they move only when the ISA does.
TEST(Isa, EveryConformanceGroupIsComplete) {
  std::map<Group, int> count;
  for (const Row& r : rows()) ++count[r.group];
  EXPECT_EQ(count[Group::divmul32], 5 * 2);
  EXPECT_EQ(count[Group::divmul64], 5 * 2);
  EXPECT_EQ(count[Group::atomic32], 10);
  EXPECT_EQ(count[Group::atomic64], 10);
  EXPECT_EQ(count[Group::packet], 6);
}

TEST(Isa, UnknownOpcodesAndSelectorsHaveNoRow) {
  EXPECT_EQ(find_row({.opcode = 0x00}), nullptr);
  EXPECT_EQ(find_row({.opcode = 0xff}), nullptr);
  EXPECT_EQ(find_row({.opcode = 0xd7, .imm = 24}), nullptr);     // bswap of 24 bits
  EXPECT_EQ(find_row({.opcode = 0xdb, .imm = 0x02}), nullptr);   // no such atomic
  EXPECT_EQ(find_row({.opcode = 0x3f, .offset = 2}), nullptr);   // neither div nor sdiv
  EXPECT_EQ(find_row({.opcode = 0xbf, .offset = 24}), nullptr);  // movsx of 24 bits
  EXPECT_EQ(find_row({.opcode = 0x85, .src = 3}), nullptr);      // no such call
  EXPECT_EQ(find_row({.opcode = 0x18, .src = 7}), nullptr);      // no such 64-bit immediate
}

TEST(Isa, OpcodesWithoutARowAreThoseOfNoRow) {
  std::set<std::uint8_t> known;
  for (const Row& r : rows()) known.insert(r.opcode);
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    bool found = false;
    for (const Row& r : rows()) {
      Slot slot = encode(r);
      slot.opcode = static_cast<std::uint8_t>(opcode);
      found |= find_row(slot) != nullptr;
    }
    EXPECT_EQ(found, known.contains(static_cast<std::uint8_t>(opcode))) << opcode;
  }
}

TEST(Isa, NamesTheFirstReservedFieldThatIsSet) {
  const Row& add = row(Op::add64_imm);
  EXPECT_STREQ(reserved_field_set(add, {.opcode = add.opcode, .src = 1}), "src");
  EXPECT_STREQ(reserved_field_set(add, {.opcode = add.opcode, .offset = 1}), "offset");
  const Row& exit = row(Op::exit);
  EXPECT_STREQ(reserved_field_set(exit, {.opcode = exit.opcode, .dst = 1, .imm = 1}), "dst");
  EXPECT_STREQ(reserved_field_set(exit, {.opcode = exit.opcode, .imm = 1}), "imm");
}

// ---- against the kernel ------------------------------------------------------------------------------------------

// A program around one instruction in which that instruction is fine, or nothing for rows that need other objects
// (maps, kernel functions), or that Linux refuses always (callx).
std::optional<std::vector<Slot>> program_around(const Row& r, Slot slot) {
  std::vector<Slot> code = {test::copy(6, 1), test::mov(0, 1), test::mov(1, 1), test::store(8, 10, -8, 1)};
  switch (r.form) {
    case Form::alu_imm:
    case Form::jump_imm:
      slot.imm = 1;
      break;
    case Form::alu_reg:
    case Form::jump_reg:
      slot.src = 1;
      break;
    case Form::load:
      slot.src = 10;
      slot.offset = -8;
      break;
    case Form::store_reg:
    case Form::atomic:
      slot.dst = 10;
      slot.src = 1;
      slot.offset = -8;
      break;
    case Form::store_imm:
      slot.dst = 10;
      slot.offset = -8;
      break;
    case Form::packet_ind:
      slot.src = 1;
      break;
    case Form::call:
      slot.imm = r.op == Op::call_helper ? 7 : 1;
      break;  // get_prandom_u32, or the function below
    case Form::call_register:
      return std::nullopt;
    default:
      break;
  }
  if (r.op == Op::call_kfunc || (r.form == Form::wide && r.op != Op::lddw)) return std::nullopt;
  code.push_back(slot);
  if (r.form == Form::wide) code.push_back({});
  const std::vector<Slot> tail = {test::mov(0, 0), test::leave()};
  if (r.op == Op::exit) return code;
  if (r.op == Op::call_local) code.push_back(test::leave());
  code.insert(code.end(), tail.begin(), tail.end());
  return code;
}

test::Answer ask_kernel(const std::vector<Slot>& code) {
  return test::ask({.type = ProgType::socket_filter, .attach_type = 0, .code = code});
}

class IsaInKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = test::no_kernel(); !why.empty()) GTEST_SKIP() << why;
    if (test::kernel_version() < 606) GTEST_SKIP() << "Linux before 6.6 lacks ISA v4";
  }
};

TEST_F(IsaInKernel, EveryRowIsAnInstruction) {
  for (const Row& r : rows()) {
    const auto code = program_around(r, encode(r));
    if (!code) continue;
    const test::Answer answer = ask_kernel(*code);
    EXPECT_EQ(answer.error, 0) << r.name << "\n" << answer.log;
  }
}

TEST_F(IsaInKernel, ReservedFieldsAreReserved) {
  for (const Row& r : rows()) {
    const Slot plain = encode(r);
    Slot odd[4] = {plain, plain, plain, plain};
    odd[0].dst = 1, odd[1].src = 1, odd[2].offset = 2, odd[3].imm = 2;
    for (const Slot& slot : odd) {
      const char* field = find_row(slot) == &r ? reserved_field_set(r, slot) : nullptr;
      const auto code = program_around(r, slot);
      // RFC 9669 reserves the offset of exit; Linux never looks at it.
      const bool passes = r.op == Op::exit && slot.offset != 0;
      if (field == nullptr || !code || passes) continue;
      EXPECT_NE(ask_kernel(*code).error, 0) << r.name << " with " << field << " set";
    }
  }
}

}  // namespace
}  // namespace forager::isa
