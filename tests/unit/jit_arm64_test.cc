// SPDX-License-Identifier: Apache-2.0
//
// The arm64 generator on any host: what it makes of small programs, as Capstone reads it back. That the code does what
// it should is what jit_forms_test and the conformance vectors say, on arm64 or under qemu.
#include <gmock/gmock.h>

#include <cstring>

#include "jit-backends/arm64/backend.h"
#include "jit-backends/arm64/emitter.h"
#include "jit-backends/common/features.h"
#include "jit-backends/common/listing.h"
#include "jit-backends/common/passes.h"
#include "program_testing.h"

namespace forager::jit {
namespace {

using isa::ProgType;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::shared_ptr<const verifier::VerifiedProgram> verified(std::string_view text, ProgType type,
                                                          std::vector<program::MapSpec> maps = {}) {
  program::Source source = program::testing::source_of(text, type);
  source.maps = std::move(maps);
  const auto bare = program::Program::decode(source);
  EXPECT_TRUE(bare) << program::testing::verdict(bare);
  if (!bare) return nullptr;
  for (const program::Subprogram& subprogram : bare->subprograms()) {  // as clang -g names them
    source.functions.push_back({.slot = bare->instructions()[subprogram.begin].slot, .name = "function"});
  }
  auto program = program::Program::decode(std::move(source));
  EXPECT_TRUE(program) << program::testing::verdict(program);
  if (!program) return nullptr;
  auto result = verifier::verify(std::move(*program));
  EXPECT_TRUE(result) << program::testing::verdict(result);
  return result.value_or(nullptr);
}

std::shared_ptr<const JitImage> image_of(const std::shared_ptr<const verifier::VerifiedProgram>& program,
                                         const Settings& settings = {}) {
  if (program == nullptr) return nullptr;
  const auto code = optimised(*program, {});
  EXPECT_TRUE(code) << program::testing::verdict(code);
  if (!code) return nullptr;
  auto made = arm64::generate(*code, settings);
  EXPECT_TRUE(made) << program::testing::verdict(made);
  if (!made) return nullptr;
  return std::make_shared<const JitImage>("arm64", Arch::arm64, exec::CompileOptions{}, program, std::move(*made));
}

// "operation operands" of each machine instruction behind enter(), without what only aligns functions.
std::vector<std::string> instructions(const JitImage& image) {
  std::vector<std::string> found;
  bool entered = false;
  for (const MachineLine& line : disassemble(image)) {
    if (entered && line.operation != "nop") {
      found.push_back(line.operands.empty() ? line.operation : line.operation + " " + line.operands);
    }
    entered = entered || line.operation == "ret";
  }
  return found;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

std::string code_of(std::string_view text, const Settings& settings = {}, ProgType type = ProgType::raw_memory,
                    std::vector<program::MapSpec> maps = {}) {
  const auto image = image_of(verified(text, type, std::move(maps)), settings);
  return image == nullptr ? "" : joined(instructions(*image));
}

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

TEST(JitArm64, FunctionsKeepWhatTheyWrite) {
  EXPECT_EQ(
      code_of("r6 = r2\nr1 = r2\ncall f\nr0 += r6\nexit\n"
              "f: r6 = r1\nr7 = 7\nr8 = r1\nr7 *= r6\ncall g\nr0 += r7\nr0 += r8\nexit\ng: r0 = 3\nr9 = r0\nexit"),
      R"(stp x29, x30, [sp, #-0x10]!
mov x29, sp
mov x19, x2
mov x1, x2
add x25, x25, #0x200
bl #0xa0
sub x25, x25, #0x200
add x0, x0, x19
ldp x29, x30, [sp], #0x10
ret
stp x29, x30, [sp, #-0x30]!
mov x29, sp
stp x19, x20, [sp, #0x10]
stp x21, xzr, [sp, #0x20]
mov x19, x1
movz w20, #0x7
mov x21, x1
mul x20, x20, x19
add x25, x25, #0x200
bl #0xf0
sub x25, x25, #0x200
add x0, x0, x20
add x0, x0, x21
ldp x19, x20, [sp, #0x10]
ldp x21, xzr, [sp, #0x20]
ldp x29, x30, [sp], #0x30
ret
movz w0, #0x3
ret
brk #0
)");
}

TEST(JitArm64, HelpersAndContext) {
  EXPECT_EQ(
      code_of("r6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +12)\ncall bpf_ktime_get_ns\nr0 += r7\nexit", {}, ProgType::xdp),
      R"(stp x29, x30, [sp, #-0x10]!
mov x29, sp
ldr x19, [x26, #0x10]
ldr x11, [x26, #0x28]
ldr w20, [x11, #0xc]
ldr x0, [x26]
bl #0x9c
add x0, x0, x20
ldp x29, x30, [sp], #0x10
ret
brk #0
)");
}

TEST(JitArm64, Lookups) {
  const program::MapSpec array = {
      .type = isa::MapType::array, .key_size = 4, .value_size = 24, .max_entries = 5000, .name = "a"};
  constexpr std::string_view kText =
      "r6 = *(u32 *)(r1 +12)\n*(u32 *)(r10 -4) = r6\nr2 = r10\nr2 += -4\nr1 = map[0] ll\ncall bpf_map_lookup_elem\n"
      "if r0 == 0 goto out\nr0 = *(u64 *)(r0 +8)\nout: exit";
  EXPECT_EQ(code_of(kText, {}, ProgType::xdp, {array}), R"(ldr x11, [x26, #0x28]
ldr w19, [x11, #0xc]
stur w19, [x25, #-4]
sub x2, x25, #4
ldr w0, [x2]
movz w10, #0x1388
cmp w0, w10
b.hs #0xa8
ldr x9, #0xb8
movz x10, #0x18
madd x0, x0, x10, x9
cbz x0, #0xa4
ldr x0, [x0, #8]
ret
movz x0, #0
b #0x9c
brk #0
)");
}

TEST(JitArm64, PacketsAndStoresOfSocketBuffers) {
  EXPECT_EQ(code_of("r6 = r1\n*(u32 *)(r6 +8) = 7\nr0 = *(u16 *)skb[12]\nexit", {}, ProgType::sched_cls),
            R"(stp x29, x30, [sp, #-0x10]!
mov x29, sp
ldr x11, [x26, #0x28]
movz w9, #0x7
str w9, [x11, #8]
stp x0, x1, [sp, #-0x30]!
stp x2, x3, [sp, #0x10]
stp x4, x5, [sp, #0x20]
movz x1, #0x8
mov x0, x26
bl #0xd8
ldp x4, x5, [sp, #0x20]
ldp x2, x3, [sp, #0x10]
ldp x0, x1, [sp], #0x30
movz w1, #0xc
movz w2, #0x2
mov x0, x26
bl #0xe8
cmp x0, #0
b.lt #0xc8
ldp x29, x30, [sp], #0x10
ret
movz x0, #0
ldp x29, x30, [sp], #0x10
ret
brk #0
)");
}

TEST(JitArm64, TailCalls) {
  const program::MapSpec programs = {
      .type = isa::MapType::prog_array, .key_size = 4, .value_size = 4, .max_entries = 4, .name = "p"};
  EXPECT_EQ(code_of("r2 = map[0] ll\nr3 = 1\ncall bpf_tail_call\nr0 = 1\nexit", {}, ProgType::xdp, {programs}),
            R"(stp x29, x30, [sp, #-0x10]!
mov x29, sp
ldr x2, #0xc8
movz w3, #0x1
mov x0, x26
bl #0xb8
cbnz x0, #0x98
ldr w9, [x26, #0x90]
cbz w9, #0xa8
b #0x44
mov x9, x0
ldr x1, [x26, #8]
ldp x29, x30, [sp], #0x10
br x9
movz w0, #0x1
ldp x29, x30, [sp], #0x10
ret
brk #0
)");
}

TEST(JitArm64, ATailCallInAFunctionKeepsItsCallersRegisters) {
  const program::MapSpec programs = {
      .type = isa::MapType::prog_array, .key_size = 4, .value_size = 4, .max_entries = 4, .name = "p"};
  const std::string code = code_of(
      "r6 = 4\ncall f\nr0 += r6\nexit\nf: r2 = map[0] ll\nr3 = 1\ncall bpf_tail_call\n"
      "r0 = 1\nexit",
      {}, ProgType::xdp, {programs});
  EXPECT_THAT(code, HasSubstr("stp x19, x20, [sp, #0x10]\nstp x21, x22, [sp, #0x20]\n"));
  EXPECT_THAT(code, HasSubstr("blr x9\nldp x19, x20, [sp, #0x10]\nldp x21, x22, [sp, #0x20]\n"));
}

TEST(JitArm64, BlindedConstantsDoNotStandInTheCode) {
  constexpr std::string_view kText =
      "r0 = r2\nr0 ^= 0x12345678\nr3 = r2\nr3 += 0x12345678\nr0 += r3\n*(u32 *)(r10 -8) = 0x12345678\n"
      "if r0 != 0x12345678 goto out\nr0 = 0x12345678\nout: exit";
  EXPECT_THAT(code_of(kText), HasSubstr("0x5678"));
  const std::string blinded = code_of(kText, {.blind_constants = true, .blinding = 0x0123456789abcdef});
  EXPECT_THAT(blinded, Not(HasSubstr("0x5678")));
  EXPECT_THAT(blinded, Not(HasSubstr("0x1234")));
  EXPECT_THAT(blinded, HasSubstr("eor x9, x9, x10\neor x0, x2, x9\n"));
}

std::uint32_t word_at(const MachineCode& code, std::uint32_t offset) {
  std::uint32_t word = 0;
  std::memcpy(&word, &code.bytes.at(offset), sizeof word);
  return word;
}

// A helper is called twice: one veneer, whose address is in data behind the code, and two calls that go there.
TEST(JitArm64, CallsGoThroughVeneersUntilTheyAreLinked) {
  const auto image = image_of(verified("call bpf_ktime_get_ns\ncall bpf_ktime_get_ns\nexit", ProgType::xdp));
  ASSERT_NE(image, nullptr);
  const MachineCode& code = image->code();
  ASSERT_EQ(code.relocations.size(), 3U);
  const Symbol ktime = {.kind = Symbol::Kind::helper, .index = 5};
  for (const Relocation& relocation : code.relocations) EXPECT_EQ(relocation.symbol, ktime);
  const std::uint32_t veneer = code.code_end, address = code.relocations[2].offset;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::uint32_t at = code.relocations[i].offset;
    EXPECT_EQ(code.relocations[i].kind, Relocation::Kind::call);
    EXPECT_EQ(word_at(code, at), 0x94000000U | (veneer - at) / 4);  // BL
  }
  EXPECT_EQ(code.relocations[2].kind, Relocation::Kind::absolute);
  EXPECT_EQ(address % 8, 0U);
  EXPECT_EQ(word_at(code, veneer), 0x58000010U | (address - veneer) / 4 << 5);  // LDR X16, address
  EXPECT_EQ(word_at(code, veneer + 4), 0xd61f0200U);                            // BR X16
  EXPECT_EQ(code.bytes.size(), address + 8);
}

// A conditional branch of BPF's goes over up to 32767 instructions, AArch64's over 1 MiB: it takes long ones to get
// there.
TEST(JitArm64, LongProgramsBranchFar) {
  std::string text = "r0 = r2\nif r2 > 7 goto out\n";
  for (unsigned i = 0; i < 30000; ++i) text += "r0 ^= 0x12345678\n";
  const auto image = image_of(verified(text + "out: exit", ProgType::raw_memory),
                              {.blind_constants = true, .blinding = 0x0123456789abcdef});
  ASSERT_NE(image, nullptr);
  EXPECT_GT(image->bytes(), 1U << 20);
  const std::vector<std::string> code = instructions(*image);
  const auto branch = std::ranges::find_if(code, [](const std::string& line) { return line.starts_with("b."); });
  ASSERT_NE(branch, code.end());
  EXPECT_THAT(*branch, StartsWith("b.ls "));
  EXPECT_THAT(*(branch + 1), StartsWith("b #0x"));
}

TEST(JitArm64, ImagesAreMadeOnAnyHostAndRunOnArm64Only) {
  const exec::Backend& backend = arm64::backend();
  const auto image = backend.compile(verified("r0 = 2\nexit", ProgType::xdp), {});
  ASSERT_TRUE(image) << image.error().text();
  EXPECT_EQ((*image)->backend(), "arm64");
#if defined(__aarch64__)
  EXPECT_TRUE(backend.capabilities().available);
#else
  EXPECT_FALSE(backend.capabilities().available);
  EXPECT_THAT(backend.capabilities().reason, HasSubstr("another processor"));
#endif
}

}  // namespace
}  // namespace forager::jit
