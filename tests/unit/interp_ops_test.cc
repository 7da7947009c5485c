// SPDX-License-Identifier: Apache-2.0
//
// What each instruction computes: one row a behaviour, with values worked out by hand from RFC 9669. The last test
// holds the list against isa.def: an instruction without a row here fails.
#include <set>

#include "exec_testing.h"

namespace forager::interp {
namespace {

using exec::testing::Bytes;
using exec::testing::result_of;

struct Case {
  const char* text;  // leaves its result in r0; r6 and r7 are set as below, the stack holds nothing
  std::uint64_t result;
};

// r6 = 0x8000000000000001 (its low half is 1), r7 = -3, r8 = 0x123456789abcdef0.
constexpr const char* kPrologue =
    "r6 = 0x8000000000000001 ll\n"
    "r7 = -3\n"
    "r8 = 0x123456789abcdef0 ll\n"
    "r0 = 7\n";
constexpr std::uint64_t kMinus1 = ~std::uint64_t{0};

constexpr Case kArithmetic[] = {
    {"r0 += 5", 12},
    {"r0 += r7", 4},
    {"r0 += -8", kMinus1},
    {"w0 += -8", 0xffffffff},
    {"w0 += w7", 4},
    {"r0 -= 8", kMinus1},
    {"r0 -= r7", 10},
    {"w0 -= 8", 0xffffffff},
    {"w0 -= w7", 10},
    {"r0 *= -1", kMinus1 - 6},
    {"r0 *= r6", 0x8000000000000007},
    {"w0 *= -1", 0xfffffff9},
    {"w0 *= w6", 7},
    {"r0 /= 2", 3},
    {"r0 /= -1", 0},
    {"r0 = -1; r0 /= r8", 14},
    {"r9 = 0; r0 /= r9", 0},
    {"w0 /= 2", 3},
    {"r9 = 0x100000000 ll; w0 /= w9", 0},
    {"r0 = r7; r0 s/= 2", kMinus1},
    {"r0 = r7; r0 s/= r7", 1},
    {"r0 = 0x8000000000000000 ll; r9 = -1; r0 s/= r9", 0x8000000000000000},
    {"r9 = 0; r0 s/= r9", 0},
    {"w0 = -3; w0 s/= 2", 0xffffffff},
    {"w0 = 0x80000000; w9 = -1; w0 s/= w9", 0x80000000},
    {"r0 |= 8", 15},
    {"r0 |= r6", 0x8000000000000007},
    {"w0 |= -16", 0xfffffff7},
    {"w0 |= w6", 7},
    {"r0 &= 5", 5},
    {"r0 &= r7", 5},
    {"w0 &= -4", 4},
    {"w0 &= w7", 5},
    {"r0 <<= 61", 0xe000000000000000},
    {"r9 = 65; r0 <<= r9", 14},
    {"w0 <<= 30", 0xc0000000},
    {"r9 = 33; w0 <<= w9", 14},
    {"r0 = r6; r0 >>= 63", 1},
    {"r9 = 65; r0 >>= r9", 3},
    {"w0 = -1; w0 >>= 31", 1},
    {"r9 = 33; w0 >>= w9", 3},
    {"r0 %= 4", 3},
    {"r0 = -1; r0 %= r8", 0x0123456789abcedf},
    {"r9 = 0; r0 %= r9", 7},
    {"w0 %= 4", 3},
    {"r0 = -1; r9 = 0; w0 %= w9", 0xffffffff},
    {"r0 = r7; r0 s%= 2", kMinus1},
    {"r0 s%= r7", 1},
    {"r0 = r6; r9 = -1; r0 s%= r9", 0},
    {"r9 = 0; r0 s%= r9", 7},
    {"w0 = -3; w0 s%= 2", 0xffffffff},
    {"w0 s%= w7", 1},
    {"r0 ^= 5", 2},
    {"r0 ^= r7", kMinus1 - 5},
    {"w0 ^= -1", 0xfffffff8},
    {"w0 ^= w7", 0xfffffffa},
    {"r0 = -2", kMinus1 - 1},
    {"r0 = r7", kMinus1 - 2},
    {"w0 = -2", 0xfffffffe},
    {"w0 = w7", 0xfffffffd},
    {"r0 = r7; r0 s>>= 1", kMinus1 - 1},
    {"r0 = r6; r9 = 127; r0 s>>= r9", kMinus1},
    {"w0 = -3; w0 s>>= 1", 0xfffffffe},
    {"w0 = -3; r9 = 63; w0 s>>= w9", 0xffffffff},
    {"r0 = (s8)r8", 0xfffffffffffffff0},
    {"r0 = (s16)r8", 0xffffffffffffdef0},
    {"r0 = (s32)r8", 0xffffffff9abcdef0},
    {"w0 = (s8)w8", 0xfffffff0},
    {"w0 = (s16)w8", 0xffffdef0},
    {"r0 = -r0", kMinus1 - 6},
    {"w0 = -w0", 0xfffffff9},
    {"r0 = r8; r0 = le16 r0", 0xdef0},
    {"r0 = r8; r0 = le32 r0", 0x9abcdef0},
    {"r0 = r8; r0 = le64 r0", 0x123456789abcdef0},
    {"r0 = r8; r0 = be16 r0", 0xf0de},
    {"r0 = r8; r0 = be32 r0", 0xf0debc9a},
    {"r0 = r8; r0 = be64 r0", 0xf0debc9a78563412},
    {"r0 = r8; r0 = bswap16 r0", 0xf0de},
    {"r0 = r8; r0 = bswap32 r0", 0xf0debc9a},
    {"r0 = r8; r0 = bswap64 r0", 0xf0debc9a78563412},
    {"r0 = 0xfedcba9876543210 ll", 0xfedcba9876543210},
};

constexpr Case kMemory[] = {
    {"*(u64 *)(r10 -8) = r8; r0 = *(u8 *)(r10 -8)", 0xf0},
    {"*(u64 *)(r10 -8) = r8; r0 = *(u16 *)(r10 -8)", 0xdef0},
    {"*(u64 *)(r10 -8) = r8; r0 = *(u32 *)(r10 -8)", 0x9abcdef0},
    {"*(u64 *)(r10 -8) = r8; r0 = *(u64 *)(r10 -8)", 0x123456789abcdef0},
    {"*(u64 *)(r10 -8) = r8; r0 = *(s8 *)(r10 -8)", 0xfffffffffffffff0},
    {"*(u64 *)(r10 -8) = r8; r0 = *(s16 *)(r10 -8)", 0xffffffffffffdef0},
    {"*(u64 *)(r10 -8) = r8; r0 = *(s32 *)(r10 -8)", 0xffffffff9abcdef0},
    {"*(u64 *)(r10 -8) = r8; *(u8 *)(r10 -7) = 1; r0 = *(u64 *)(r10 -8)", 0x123456789abc01f0},
    {"*(u64 *)(r10 -8) = r8; *(u16 *)(r10 -6) = -2; r0 = *(u64 *)(r10 -8)", 0x12345678fffedef0},
    {"*(u64 *)(r10 -8) = r8; *(u32 *)(r10 -4) = 1; r0 = *(u64 *)(r10 -8)", 0x000000019abcdef0},
    {"*(u64 *)(r10 -8) = -1; r0 = *(u64 *)(r10 -8)", kMinus1},
    {"*(u64 *)(r10 -8) = 0; *(u8 *)(r10 -8) = r8; r0 = *(u64 *)(r10 -8)", 0xf0},
    {"*(u64 *)(r10 -8) = 0; *(u16 *)(r10 -8) = r8; r0 = *(u64 *)(r10 -8)", 0xdef0},
    {"*(u64 *)(r10 -8) = 0; *(u32 *)(r10 -8) = r8; r0 = *(u64 *)(r10 -8)", 0x9abcdef0},
};

// The memory is 0x00000005fffffffe; the row's program ends with the memory in r0, or with what it fetched.
constexpr const char* kAtomicPrologue = "r1 = 0x00000005fffffffe ll\n*(u64 *)(r10 -8) = r1\nr1 = 3\nr0 = 7\n";
constexpr const char* kMemoryToR0 = "; r0 = *(u64 *)(r10 -8)";
constexpr Case kAtomics[] = {
    {"lock *(u64 *)(r10 -8) += r1", 0x0000000600000001},
    {"lock *(u32 *)(r10 -8) += r1", 0x0000000500000001},
    {"lock *(u64 *)(r10 -8) |= r1", 0x00000005ffffffff},
    {"lock *(u32 *)(r10 -8) |= r1", 0x00000005ffffffff},
    {"lock *(u64 *)(r10 -8) &= r1", 2},
    {"lock *(u32 *)(r10 -8) &= r1", 0x0000000500000002},
    {"lock *(u64 *)(r10 -8) ^= r1", 0x00000005fffffffd},
    {"lock *(u32 *)(r10 -8) ^= r1", 0x00000005fffffffd},
    {"r1 = atomic64_fetch_add((u64 *)(r10 -8), r1)", 0x0000000600000001},
    {"r1 = atomic_fetch_add((u32 *)(r10 -8), r1)", 0x0000000500000001},
    {"r1 = atomic64_fetch_or((u64 *)(r10 -8), r1)", 0x00000005ffffffff},
    {"r1 = atomic_fetch_or((u32 *)(r10 -8), r1)", 0x00000005ffffffff},
    {"r1 = atomic64_fetch_and((u64 *)(r10 -8), r1)", 2},
    {"r1 = atomic_fetch_and((u32 *)(r10 -8), r1)", 0x0000000500000002},
    {"r1 = atomic64_fetch_xor((u64 *)(r10 -8), r1)", 0x00000005fffffffd},
    {"r1 = atomic_fetch_xor((u32 *)(r10 -8), r1)", 0x00000005fffffffd},
    {"r1 = atomic64_xchg((u64 *)(r10 -8), r1)", 3},
    {"r1 = atomic_xchg((u32 *)(r10 -8), r1)", 0x0000000500000003},
    {"r0 = 0x00000005fffffffe ll; r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r1)", 3},
    {"r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r1)", 0x00000005fffffffe},
    {"w0 = -2; r0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r1)", 0x0000000500000003},
    {"r0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r1)", 0x00000005fffffffe},
};

struct Jump {
  const char* condition;
  bool taken;
};
// r1 = -1, r2 = 1, r3 = 0x1ffffffff (its low half is -1)
constexpr Jump kJumps[] = {
    {"r2 == 1", true},   {"r2 == r1", false},  {"w3 == -1", true},  {"w3 == w1", true},  {"r3 != -1", true},
    {"r3 != r1", true},  {"w3 != -1", false},  {"w3 != w1", false}, {"r1 > 1", true},    {"r1 > r2", true},
    {"w1 > 1", true},    {"w2 > w1", false},   {"r2 >= 1", true},   {"r2 >= r1", false}, {"w3 >= 0", true},
    {"w1 >= w3", true},  {"r2 < -1", true},    {"r1 < r2", false},  {"w2 < -1", true},   {"w3 < w1", false},
    {"r2 <= 0", false},  {"r2 <= r1", true},   {"w2 <= 1", true},   {"w3 <= w1", true},  {"r1 s> -2", true},
    {"r1 s> r2", false}, {"w3 s> 0", false},   {"w2 s> w3", true},  {"r1 s>= -1", true}, {"r1 s>= r2", false},
    {"w3 s>= -1", true}, {"w3 s>= w2", false}, {"r1 s< 0", true},   {"r1 s< r2", true},  {"w3 s< -1", false},
    {"w3 s< w2", true},  {"r1 s<= -2", false}, {"r1 s<= r2", true}, {"w3 s<= -1", true}, {"w2 s<= w3", false},
    {"r2 & 3", true},    {"r2 & r3", true},    {"w3 & 2", true},    {"w2 & w3", true},   {"r2 & -2", false},
};

std::string lines(std::string text) {
  std::ranges::replace(text, ';', '\n');
  return text;
}
std::string program_of(const Case& row) { return lines(std::string(kPrologue) + row.text + "\nexit"); }
std::string atomic_program(const Case& row, const char* end) {
  return lines(std::string(kAtomicPrologue) + row.text + end + "\nexit");
}
std::string jump_program(const Jump& row) {
  return "r1 = -1\nr2 = 1\nr3 = 0x1ffffffff ll\nif " + std::string(row.condition) +
         " goto +2\nr0 = 0\nexit\nr0 = 1\nexit";
}

TEST(Ops, Arithmetic) {
  for (const Case& row : kArithmetic) EXPECT_EQ(result_of(program_of(row)), row.result) << row.text;
}

TEST(Ops, LoadsAndStores) {
  for (const Case& row : kMemory) EXPECT_EQ(result_of(program_of(row)), row.result) << row.text;
}

TEST(Ops, UnalignedAccessesReachTheSameBytes) {
  const Bytes memory = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(result_of("r0 = *(u64 *)(r1 +1)\nexit", memory), 0x0807060504030201U);
  EXPECT_EQ(result_of("r0 = *(u32 *)(r1 +3)\nexit", memory), 0x06050403U);
  EXPECT_EQ(result_of("r0 = *(u16 *)(r1 +7)\nexit", memory), 0x0807U);
  EXPECT_EQ(result_of("*(u32 *)(r1 +1) = 0x44332211\nr0 = *(u64 *)(r1 +0)\nexit", memory), 0x0706054433221100U);
}

TEST(Ops, AtomicsChangeMemory) {
  for (const Case& row : kAtomics) EXPECT_EQ(result_of(atomic_program(row, kMemoryToR0)), row.result) << row.text;
}

TEST(Ops, AtomicsFetchTheOldValueIntoTheirRegister) {
  for (const Case& row : kAtomics) {
    const std::string text = row.text;
    const bool wide = text.contains("u64");
    const std::uint64_t old = wide ? 0x00000005fffffffe : 0xfffffffe;
    if (text.starts_with("r1")) {
      EXPECT_EQ(result_of(atomic_program(row, "; r0 = r1")), old) << text;
    } else if (text.contains("cmpxchg")) {
      EXPECT_EQ(result_of(atomic_program(row, "")), old) << text;
    } else {
      EXPECT_EQ(result_of(atomic_program(row, "; r0 = r1")), 3U) << text;
    }
  }
}

TEST(Ops, Jumps) {
  for (const Jump& row : kJumps) EXPECT_EQ(result_of(jump_program(row)), row.taken ? 1U : 0U) << row.condition;
}

TEST(Ops, UnconditionalJumps) {
  EXPECT_EQ(result_of("r0 = 1\ngoto over\nback: exit\nover: r0 += 1\ngoto back"), 2U);
  EXPECT_EQ(result_of("r0 = 1\ngotol over\nback: exit\nover: r0 += 1\ngotol back"), 2U);
}

// Everything that the machine runs and that is not told by the tests of calls and maps has a row above.
TEST(Ops, EveryInstructionHasACase) {
  std::set<isa::Op> seen;
  const auto note = [&](const std::string& text) {
    const auto slots = program::assemble(text);
    ASSERT_TRUE(slots) << text;
    for (const isa::Slot& slot : *slots) {
      if (const isa::Row* row = isa::find_row(slot)) seen.insert(row->op);
    }
  };
  for (const Case& row : kArithmetic) note(program_of(row));
  for (const Case& row : kMemory) note(program_of(row));
  for (const Case& row : kAtomics) note(atomic_program(row, ""));
  for (const Jump& row : kJumps) note(jump_program(row));
  for (const isa::Row& row : isa::rows()) {
    const bool runs = backend().capabilities().ops.test(static_cast<std::size_t>(row.op));
    const bool elsewhere = row.form == isa::Form::call || row.form == isa::Form::jump ||
                           row.form == isa::Form::jump_long || row.form == isa::Form::packet_abs ||
                           row.form == isa::Form::packet_ind ||
                           (row.form == isa::Form::wide && row.op != isa::Op::lddw);
    if (runs && !elsewhere) {
      EXPECT_TRUE(seen.contains(row.op)) << row.name;
    }
  }
}

}  // namespace
}  // namespace forager::interp
