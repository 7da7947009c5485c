// SPDX-License-Identifier: Apache-2.0
//
// The arm64 generator on any host, as in jit_arm64_test.cc: functions, helpers, tail calls, what stands behind the
// code.
#include "jit_arm64_testing.h"

namespace forager::jit::testing {
namespace {

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
mov w0, w19
movz w10, #0x1388
cmp w0, w10
b.hs #0xa4
ldr x9, #0xb0
movz x10, #0x18
madd x0, x0, x10, x9
cbz x0, #0xa0
ldr x0, [x0, #8]
ret
movz x0, #0
b #0x98
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
}  // namespace forager::jit::testing
