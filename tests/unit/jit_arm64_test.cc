// SPDX-License-Identifier: Apache-2.0
//
// The arm64 generator on any host: what it makes of small programs, as Capstone reads it back. That the code does what
// it should is what jit_forms_test and the conformance vectors say, on arm64 or under qemu.
#include "jit_arm64_testing.h"

namespace forager::jit::testing {
namespace {

TEST(JitArm64, Sums) {
  EXPECT_EQ(code_of("r0 = r2\nr0 += 4095\nr0 -= 4096\nr0 += 0x123456\nr0 -= 0x12345678\nw0 += -1\nexit"),
            R"(add x0, x2, #0xfff
sub x0, x0, #1, lsl #12
add x0, x0, #0x123, lsl #12
add x0, x0, #0x456
movn x10, #0x5677
movk x10, #0xedcb, lsl #16
add x0, x0, x10
sub w0, w0, #1
ret
brk #0
)");
}

TEST(JitArm64, Masks) {
  EXPECT_EQ(code_of("r0 = r2\nr0 &= 0xff00\nr0 |= 0x1234\nr0 ^= -16\nw0 |= 0x0f0f0f0f\nexit"), R"(and x0, x2, #0xff00
movz w9, #0x1234
orr x0, x0, x9
eor x0, x0, #0xfffffffffffffff0
orr w0, w0, #0xf0f0f0f
ret
brk #0
)");
}

TEST(JitArm64, Constants) {
  EXPECT_EQ(code_of("r0 = 0x123456789abcdef0 ll\nr0 ^= r2\nr3 = -2\nr3 *= r2\nr0 += r3\nw4 = -2\nr4 *= r2\nr0 -= r4\n"
                    "r5 = 0xff00ff00ff00ff00 ll\nr0 &= r5\nexit"),
            R"(movz x0, #0xdef0
movk x0, #0x9abc, lsl #16
movk x0, #0x5678, lsl #32
movk x0, #0x1234, lsl #48
eor x0, x0, x2
movn x3, #0x1
mul x3, x3, x2
add x0, x0, x3
movn w4, #0x1
mul x4, x4, x2
sub x0, x0, x4
orr x5, xzr, #0xff00ff00ff00ff00
and x0, x0, x5
ret
brk #0
)");
}

TEST(JitArm64, ShiftsAndSwaps) {
  EXPECT_EQ(code_of("r0 = r2\nr0 <<= 5\nw0 s>>= 31\nr0 >>= r2\nw3 = (s8)w2\nr0 += r3\nr3 = r2\nr3 = be16 r3\nr0 += r3\n"
                    "r4 = r2\nr4 = bswap64 r4\nr0 ^= r4\nr0 = -r0\nr5 = r2\nr5 <<= 13\nr2 >>= 51\nr5 |= r2\nr0 += r5\n"
                    "exit"),
            R"(lsl x0, x2, #5
asr w0, w0, #0x1f
lsr x0, x0, x2
sxtb w3, w2
add x0, x0, x3
rev16 w3, w2
uxth w3, w3
add x0, x0, x3
rev x4, x2
eor x0, x0, x4
neg x0, x0
ror x5, x2, #0x33
add x0, x0, x5
ret
brk #0
)");
}

TEST(JitArm64, Division) {
  EXPECT_EQ(code_of("r0 = r2\nr0 /= 7\nr0 %= 16\nw0 /= 10\nr3 = r2\nr3 %= r0\nr0 += r3\nw0 s/= w2\nr0 s%= -1\nw0 %= "
                    "1000003\nexit"),
            R"(movz x9, #0x2493
movk x9, #0x9249, lsl #16
movk x9, #0x4924, lsl #32
movk x9, #0x2492, lsl #48
umulh x9, x2, x9
sub x10, x2, x9
add x9, x9, x10, lsr #1
lsr x0, x9, #2
and x0, x0, #0xf
movz w9, #0xcccd
movk w9, #0xcccc, lsl #16
umull x9, w0, w9
lsr x0, x9, #0x23
udiv x10, x2, x0
msub x3, x10, x0, x2
add x0, x0, x3
sdiv w0, w0, w2
movn x9, #0
sdiv x10, x0, x9
msub x0, x10, x9, x0
mov w10, w0
movz x9, #0x49cc
movk x9, #0xf454, lsl #16
movk x9, #0x10c6, lsl #32
umulh x9, x10, x9
movz w10, #0x4243
movk w10, #0xf, lsl #16
msub w0, w9, w10, w0
ret
brk #0
)");
}

TEST(JitArm64, Memory) {
  EXPECT_EQ(code_of("*(u64 *)(r10 -8) = r2\n*(u32 *)(r10 -300) = 0\n*(u16 *)(r10 -256) = 77\nr0 = *(u32 *)(r10 -8)\n"
                    "r0 = be32 r0\nr3 = *(s16 *)(r10 -6)\nr0 += r3\nr3 = *(u8 *)(r10 -299)\nr0 += r3\nexit"),
            R"(stur x2, [x25, #-8]
sub x11, x25, #0x12c
str wzr, [x11]
movz w9, #0x4d
sturh w9, [x25, #-0x100]
ldur w0, [x25, #-8]
rev w0, w0
ldursh x3, [x25, #-6]
add x0, x0, x3
add x0, x0, #0
ret
brk #0
)");
}

TEST(JitArm64, MemoryThatIsNotProved) {
  EXPECT_EQ(code_of("r0 = *(u64 *)(r1 +8)\nexit"), R"(add x11, x1, #8
ldr x9, [x26, #0x10]
cmp x11, x9
b.lo #0x98
ldr x9, [x26, #0x18]
sub x9, x9, #8
cmp x11, x9
b.hi #0x98
ldr x0, [x11]
ret
add x9, x26, #0xc0
sub x9, x11, x9
movz x10, #0xddf8
movk w10, #0x1, lsl #16
cmp x9, x10
b.ls #0x90
movz w9, #0
str w9, [x26, #0x94]
movz w9, #0x1
str w9, [x26, #0x90]
b #0x44
brk #0
)");
}

TEST(JitArm64, Branches) {
  constexpr std::string_view kText =
      "r2 = *(u32 *)(r1 +12)\nr3 = *(u32 *)(r1 +16)\nr0 = 0\nif r2 == 0 goto out\nif w3 s< -3 goto out\n"
      "if w3 & 8 goto out\nif r2 > r3 goto out\nif w2 > 70000 goto more\nr0 = r3\nmore: if w3 != 0 goto out\nr0 += 6\n"
      "out: exit";
  EXPECT_EQ(code_of(kText, {}, ProgType::xdp), R"(ldr x11, [x26, #0x28]
ldr w2, [x11, #0xc]
ldr x11, [x26, #0x28]
ldr w3, [x11, #0x10]
movz w0, #0
cbz x2, #0xb4
cmn w3, #3
b.lt #0xb4
tst w3, #8
b.ne #0xb4
cmp x2, x3
b.hi #0xb4
movz w10, #0x1170
movk w10, #0x1, lsl #16
cmp w2, w10
b.hi #0xb4
mov x0, x3
ret
brk #0
)");
  EXPECT_EQ(code_of(kText, {.far = true}, ProgType::xdp), R"(ldr x11, [x26, #0x28]
ldr w2, [x11, #0xc]
ldr x11, [x26, #0x28]
ldr w3, [x11, #0x10]
movz w0, #0
cbnz x2, #0x8c
b #0xc8
cmn w3, #3
b.ge #0x98
b #0xc8
tst w3, #8
b.eq #0xa4
b #0xc8
cmp x2, x3
b.ls #0xb0
b #0xc8
movz w10, #0x1170
movk w10, #0x1, lsl #16
cmp w2, w10
b.ls #0xc4
b #0xc8
mov x0, x3
ret
brk #0
)");
}

constexpr std::string_view kAtomics =
    "*(u64 *)(r10 -8) = 1\nlock *(u64 *)(r10 -8) += r2\nlock *(u32 *)(r10 -8) &= r2\n"
    "r2 = atomic64_fetch_and((u64 *)(r10 -8), r2)\nr2 = atomic_xchg((u32 *)(r10 -8), r2)\nr0 = 1\n"
    "r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r2)\nexit";

TEST(JitArm64, AtomicsInLoops) {
  EXPECT_EQ(code_of(kAtomics), R"(movz w9, #0x1
stur x9, [x25, #-8]
sub x11, x25, #8
ldxr x9, [x11]
add x10, x9, x2
stxr w12, x10, [x11]
cbnz w12, #0x7c
sub x11, x25, #8
ldxr w9, [x11]
and w10, w9, w2
stxr w12, w10, [x11]
cbnz w12, #0x90
sub x11, x25, #8
ldxr x9, [x11]
and x10, x9, x2
stlxr w12, x10, [x11]
cbnz w12, #0xa4
dmb ish
mov x2, x9
sub x11, x25, #8
ldxr w9, [x11]
mov w10, w2
stlxr w12, w10, [x11]
cbnz w12, #0xc0
dmb ish
mov w2, w9
movz w0, #0x1
sub x11, x25, #8
ldxr x9, [x11]
cmp x9, x0
b.ne #0xf8
stlxr w12, x2, [x11]
cbnz w12, #0xe0
dmb ish
mov x0, x9
ret
brk #0
)");
}

// Capstone 4 shows these as bytes; they are, as GNU as reads them: stadd x2, [x11]; stclr w9, [x11];
// ldclral x9, x2, [x11]; swpal w2, w2, [x11]; casal x0, x2, [x11].
TEST(JitArm64, AtomicsInOneInstruction) {
  EXPECT_EQ(code_of(kAtomics, {.features = Features::kLse}), R"(movz w9, #0x1
stur x9, [x25, #-8]
sub x11, x25, #8
.byte 0x7f, 0x01, 0x22, 0xf8
sub x11, x25, #8
mvn w9, w2
.byte 0x7f, 0x11, 0x29, 0xb8
sub x11, x25, #8
mvn x9, x2
.byte 0x62, 0x11, 0xe9, 0xf8
sub x11, x25, #8
.byte 0x62, 0x81, 0xe2, 0xb8
movz w0, #0x1
sub x11, x25, #8
.byte 0x62, 0xfd, 0xe0, 0xc8
ret
brk #0
)");
}

}  // namespace
}  // namespace forager::jit::testing
