// SPDX-License-Identifier: Apache-2.0
//
// What becomes of programs: shapes of control flow without goto, by running them; what the source says; what is
// refused, by name.
#include <gtest/gtest.h>

#include "exec_testing.h"
#include "jit-backends/common/passes/passes.h"
#include "jit-backends/opencl/image.h"
#include "jit-backends/opencl/lower.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::Rig;
using exec::testing::verified;

constexpr exec::CompileOptions kNoPasses = {.passes_off = ~0U};

std::string source_of(const Rig& rig, std::string_view text, const exec::CompileOptions& options = {}) {
  const auto image = compile(verified(rig, text), options);
  EXPECT_TRUE(image) << image.error().text();
  return image ? (*image)->listing() : std::string{};
}

std::string refusal_of(const Rig& rig, std::string_view text) {
  const auto program = verified(rig, text);
  if (program == nullptr) return "not verified";
  const auto image = compile(program, {});
  if (image) return "taken";
  EXPECT_EQ(image.error().kind, ErrorKind::unsupported);
  return image.error().text();
}

struct Shape {
  const char* name;
  const char* text;  // reads r1's first bytes, leaves its result in r0
};
// r6 to r9 are the first four bytes of memory, which go through small numbers.
constexpr const char* kOperands =
    "r0 = 0\nr6 = *(u8 *)(r1 + 0)\nr7 = *(u8 *)(r1 + 1)\nr8 = *(u8 *)(r1 + 2)\nr9 = *(u8 *)(r1 + 3)\n";
constexpr Shape kShapes[] = {
    {"diamond", "if r6 > 1 goto a\nr0 += 1\ngoto b\na: r0 += 2\nb: r0 <<= 4\nr0 += r7\nexit"},
    {"merges in a merge",
     "if r6 > 1 goto a\nif r7 > 1 goto b\nr0 += 1\ngoto c\na: if r8 > 1 goto b\nr0 += 2\ngoto c\nb: r0 += 4\n"
     "c: r0 <<= 4\nr0 += r9\nexit"},
    {"ways out of a chain",
     "if r6 == 0 goto out\nr0 += 1\nif r7 == 0 goto out\nr0 += 2\nif r8 == 0 goto other\nr0 += 4\nif r9 == 0 goto out\n"
     "r0 += 8\nother: r0 += 16\nout: r0 *= 3\nr0 += 1\nr0 *= 5\nr0 += r6\nexit"},
    {"loop", "r2 = 0\na: r0 += r2\nr2 += 1\nif r2 < 5 goto a\nr0 += r6\nexit"},
    {"loop that is left in its middle",
     "r2 = 0\na: r0 += r6\nr2 += 1\nif r2 > 6 goto out\nif r0 > 5 goto early\nr0 += 1\ngoto a\nearly: r0 += 100\n"
     "out: r0 <<= 8\nr0 += r2\nr0 += 3\nr0 ^= r7\nexit"},
    {"loop in a loop",
     "r2 = 0\na: r3 = 0\nb: r0 += r7\nr3 += 1\nif r3 < 3 goto b\nr2 += 1\nif r2 < 3 goto a\nr0 += r6\nexit"},
    {"out of two loops",
     "r2 = 0\na: r3 = 0\nb: r0 += r7\nif r0 > 9 goto far\nif r0 == 4 goto next\nr3 += 1\nif r3 < 3 goto b\nr0 += 1\n"
     "next: r0 += 2\nr2 += 1\nif r2 < 3 goto a\nr0 += 1000\ngoto end\nfar: r0 += 2000\nend: r0 *= 3\nr0 += r2\nr0 += "
     "r3\n"
     "exit"},
    {"on with the outer loop",
     "r2 = 0\na: r2 += 1\nif r2 > 4 goto out\nr3 = 0\nb: r3 += 1\nif r3 > 3 goto a\nr0 += r6\nif r0 > 3 goto a\n"
     "r0 += r8\ngoto b\nout: r0 += r2\nr0 *= 7\nr0 += 1\nr0 ^= 5\nexit"},
    {"a loop with two ends",
     "r2 = 0\na: r2 += 1\nif r2 > 5 goto out\nr0 += r6\nif r0 > 4 goto b\nr0 += 1\ngoto a\nb: r0 += 2\ngoto a\n"
     "out: r0 += r9\nr0 *= 3\nr0 += 1\nr0 ^= 9\nexit"},
    {"into a loop at two places",
     "r2 = 0\nif r6 > 1 goto b\na: r0 += 1\nb: r0 += r7\nr2 += 1\nif r2 < 4 goto a\nr0 += r8\nexit"},
    {"calls",
     "r1 = r6\nr2 = r7\ncall f\nr6 = r0\nr1 = r8\nr2 = r9\ncall f\nr0 += r6\nexit\n"
     "f: r6 = r1\nr6 *= 10\nr6 += r2\nr1 = r6\ncall g\nr0 += r6\nexit\n"
     "g: r0 = 7\nif r1 > 20 goto h\nr0 = 3\nh: exit"},
    {"zeros side by side",
     "*(u64 *)(r10 - 24) = r6\n*(u64 *)(r10 - 16) = r7\n*(u64 *)(r10 - 8) = r8\n*(u64 *)(r10 - 8) = 0\n"
     "*(u64 *)(r10 - 16) = 0\nr1 = r10\nr1 += -24\ncall f\nexit\n"
     "f: r0 = *(u64 *)(r1 + 0)\nr0 *= 16\nr2 = *(u64 *)(r1 + 8)\nr0 += r2\nr0 *= 16\nr2 = *(u64 *)(r1 + 16)\nr0 += r2\n"
     "exit"},
    {"memory of the caller's",
     "*(u64 *)(r10 - 8) = r6\n*(u64 *)(r10 - 16) = r7\nr1 = r10\nr1 += -16\ncall f\nr0 = *(u64 *)(r10 - 8)\n"
     "r2 = *(u64 *)(r10 - 16)\nr0 *= 3\nr0 += r2\nexit\n"
     "f: r2 = *(u64 *)(r1 + 0)\nr2 += 5\n*(u64 *)(r1 + 8) = r2\n*(u64 *)(r10 - 8) = r2\nr3 = *(u64 *)(r10 - 8)\n"
     "*(u64 *)(r1 + 0) = r3\nr0 = 0\nexit"},
};

std::vector<Frame> shape_frames() {
  std::vector<Frame> frames;
  for (unsigned n = 0; n < 256; ++n) {
    const Bytes memory = {static_cast<std::uint8_t>(n & 3), static_cast<std::uint8_t>(n >> 2 & 3),
                          static_cast<std::uint8_t>(n >> 4 & 3), static_cast<std::uint8_t>(n >> 6)};
    frames.push_back(Frame::raw(exec::testing::as_bytes(memory)));
  }
  return frames;
}

std::vector<Frame> run_on(const exec::Backend& engine, const std::shared_ptr<const verifier::VerifiedProgram>& program,
                          const exec::CompileOptions& options) {
  auto frames = shape_frames();
  const auto image = engine.compile(program, options);
  const auto device = engine.open({.environment = &exec::testing::plain_environment()});
  EXPECT_TRUE(image && device && (*device)->load(*image) && (*device)->run(frames));
  return frames;
}

class OpenclShapes : public testing::WithDevice {};

TEST_F(OpenclShapes, AreTheInterpreters) {
  const Rig rig{.type = isa::ProgType::raw_memory};
  for (const Shape& shape : kShapes) {
    const auto program = verified(rig, std::string(kOperands) + shape.text);
    ASSERT_NE(program, nullptr) << shape.name;
    const auto expected = run_on(interp::backend(), program, {});
    const auto actual = run_on(*testing::opencl_here(), program, {});
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(testing::difference(expected[i], actual[i]), "") << shape.name << ", memory " << std::hex << i;
    }
  }
}

TEST_F(OpenclShapes, AreTheInterpretersWithoutPasses) {
  const auto program = verified({.type = isa::ProgType::raw_memory}, std::string(kOperands) + kShapes[6].text);
  ASSERT_NE(program, nullptr);
  const auto expected = run_on(interp::backend(), program, {});
  const auto actual = run_on(*testing::opencl_here(), program, kNoPasses);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(testing::difference(expected[i], actual[i]), "") << i;
}

// ---- the source ----------------------------------------------------------------------------------------------------

TEST(OpenclSource, HasNoGotoAndNoSwitchWhereLoopsAreLoops) {
  for (const Shape& shape : kShapes) {
    const bool irreducible = std::string_view(shape.name) == "into a loop at two places";
    const std::string source = source_of({.type = isa::ProgType::raw_memory}, std::string(kOperands) + shape.text);
    EXPECT_EQ(source.find("\n  goto"), std::string::npos) << shape.name;
    EXPECT_EQ(source.find("switch (to)") != std::string::npos, irreducible) << shape.name << "\n" << source;
  }
}

TEST(OpenclSource, NamesInstructionsAndLines) {
  const std::string source = source_of({}, "r0 = 2\nr0 += 5\nexit", kNoPasses);
  EXPECT_THAT(source, ::testing::HasSubstr("// ---- test.c:7: the line;"));
  EXPECT_THAT(source, ::testing::ContainsRegex("r0 \\+= 5ul; +// 1: r0 \\+= 5"));
}

TEST(OpenclSource, AccessesWhatTheFactsName) {
  const Rig rig{.maps = {exec::testing::make_array(8)}};
  const std::string source = source_of(rig,
                                       "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 14\nr0 = 1\n"
                                       "if r4 > r3 goto out\nr5 = *(u16 *)(r2 + 12)\n*(u64 *)(r10 - 8) = r5\n"
                                       "r6 = map[values][0] + 0 ll\n*(u64 *)(r6 + 0) = r5\nout: exit");
  EXPECT_THAT(source, ::testing::HasSubstr("fg_load16_global(FG_GLOBAL("));
  EXPECT_THAT(source, ::testing::HasSubstr("fg_store64_global(FG_GLOBAL("));
  EXPECT_THAT(source, ::testing::Not(::testing::HasSubstr("_any(")));
}

TEST(OpenclSource, LeavesOutWhatIsDead) {
  const std::string source = source_of({}, "r0 = 1\nif r0 > 5 goto dead\nr0 = 2\nexit\ndead: r0 = 77\nexit");
  EXPECT_THAT(source, ::testing::Not(::testing::HasSubstr("77ul")));
}

// Names and C lines come with the program: they stay in their comments, and take no line of code with them.
TEST_F(OpenclShapes, HaveCommentsOfAnyBytes) {
  for (const std::string& end : std::vector<std::string>{"\\", "\\ ", "?\?/", "?\?\?/", "\nr0 = 7;", "\r#error"}) {
    program::Source source{.name = "a" + end, .type = isa::ProgType::xdp};
    source.slots = program::assemble("r0 = 2\nr0 += 3\nexit", {}).value();
    source.lines = {{.slot = 0, .file = "a.c", .line = 1, .text = "x" + end},
                    {.slot = 1, .file = "a.c", .line = 2, .text = "y" + end}};
    source.maps = {{.type = isa::MapType::array, .key_size = 4, .value_size = 8, .max_entries = 1, .name = "m" + end}};
    const exec::testing::MapRef map = std::make_shared<exec::testing::FakeMap>(source.maps[0]);
    const auto program = verifier::verify(program::Program::decode(std::move(source)).value()).value();
    const auto image = compile(program, kNoPasses).value();
    EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(image->listing(), '\n')), image->source().origins.size());
    const auto device = testing::opencl_here()->open({.environment = &exec::testing::plain_environment()}).value();
    ASSERT_TRUE(device->load(image) && device->bind(0, map));
    Frame frame = *Frame::make(exec::testing::as_bytes(Bytes(64)));
    const auto ran = device->run({&frame, 1});
    ASSERT_TRUE(ran) << ran.error().text();
    EXPECT_EQ(frame.return_value, 5U) << end;
  }
}

// ---- refusals ------------------------------------------------------------------------------------------------------

TEST(OpenclRefusals, AreByName) {
  EXPECT_THAT(refusal_of({}, "call bpf_get_current_task\nr0 = 1\nexit"), ::testing::HasSubstr("bpf_get_current_task"));
  const Rig stacks{.maps = {exec::testing::make_map(isa::MapType::stack_trace, 4, 8, 4)}};
  EXPECT_THAT(refusal_of(stacks, "r1 = map[values] ll\nr0 = 1\nexit"), ::testing::HasSubstr("stack_trace"));
  EXPECT_THAT(refusal_of({.type = isa::ProgType::cgroup_sock}, "r0 = 0\nexit"), ::testing::HasSubstr("cgroup_sock"));
  EXPECT_THAT(refusal_of({}, "call bpf_get_current_pid_tgid\nr0 = 1\nexit"),
              ::testing::HasSubstr("bpf_get_current_pid_tgid"));
}

TEST(OpenclRefusals, NameTheInstructionOfACall) {
  const Rig rig{.maps = {exec::testing::make_map(isa::MapType::devmap, 4, 4, 4)}};
  const std::string why = refusal_of(rig,
                                     "*(u32 *)(r10 - 4) = 0\nr2 = r10\nr2 += -4\nr1 = map[values] ll\n"
                                     "call bpf_map_lookup_elem\nr0 = 1\nexit");
  EXPECT_THAT(why, ::testing::HasSubstr("bpf_map_lookup_elem of map values, at instruction"));
}

}  // namespace
}  // namespace forager::jit::opencl
