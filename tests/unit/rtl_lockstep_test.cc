// SPDX-License-Identifier: Apache-2.0
//
// Lockstep: programs of every kind go through, and one wrong operation is found where it stands.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>

#include "exec_testing.h"
#include "jit-backends/rtl/backend.h"
#include "jit-backends/rtl/image.h"
#include "maps/registry.h"

namespace forager::jit::rtl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::Rig;
using exec::testing::verified;
using ::testing::HasSubstr;

constexpr const char* kPacket =
    "r6 = r1\nr2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 40\nr0 = 0\n"
    "if r4 > r3 goto out\n";

std::unique_ptr<exec::Device> device_of(std::shared_ptr<const exec::Image> image, const std::vector<MapRef>& maps = {},
                                        const std::string& wave = {}, bool plain = false) {
  auto device = backend().open({.environment = &exec::testing::plain_environment(),
                                .simulation = {.lockstep = true, .plain = plain, .wave = wave}});
  EXPECT_TRUE(device);
  EXPECT_TRUE((*device)->load(std::move(image)));
  for (std::uint32_t i = 0; i < maps.size(); ++i) EXPECT_TRUE((*device)->bind(i, maps[i]));
  return std::move(*device);
}

std::vector<Frame> packets() {
  std::vector<Frame> out;
  for (unsigned n = 0; n < 20; ++n) {
    Bytes packet(60 + 13 * n);
    for (std::size_t i = 0; i < packet.size(); ++i) packet[i] = static_cast<std::uint8_t>(i * 31 + n);
    out.push_back(*Frame::make(exec::testing::as_bytes(packet)));
    out.back().id = n;
  }
  return out;
}

double metric(const exec::Device& device, std::string_view name) {
  const auto metrics = device.counters().metrics;
  const auto found = std::ranges::find(metrics, name, &exec::Metric::name);
  EXPECT_NE(found, metrics.end()) << name;
  return found == metrics.end() ? -1 : found->value;
}

void expect_same(const std::string& text, const std::vector<MapRef>& maps = {}) {
  const auto program = verified({.maps = maps}, text);
  ASSERT_NE(program, nullptr) << text;
  const auto device = device_of(*backend().compile(program, {}), maps);
  auto frames = packets();
  const auto ran = device->run(frames);
  EXPECT_TRUE(ran) << ran.error().message << "\n" << text;
  EXPECT_GT(metric(*device, "lockstep_compared"), 0);
  EXPECT_EQ(metric(*device, "lockstep_incomplete"), 0) << text;
}

// What passes fold away has no result to compare; without them each instruction has one.
TEST(RtlLockstep, PlainProgramsAreComparedWhole) {
  const std::string text =
      std::string(kPacket) +
      "r5 = 7\nr5 *= 6\n*(u64 *)(r10 -8) = r5\nr7 = *(u32 *)(r10 -8)\nif r7 != 42 goto out\nr0 = *(u8 *)(r2 +3)\n"
      "if r0 == 9 goto out\nr0 += r7\nout: exit";
  const auto program = verified({}, text);
  ASSERT_NE(program, nullptr);
  std::array<double, 2> compared{};
  for (const bool plain : {false, true}) {
    const auto device = device_of(*backend().compile(program, {}), {}, {}, plain);
    auto frames = packets();
    ASSERT_TRUE(device->run(frames));
    compared[plain ? 1 : 0] = metric(*device, "lockstep_compared");
    if (plain) EXPECT_EQ(metric(*device, "lockstep_incomplete"), 0);
  }
  EXPECT_GT(compared[1], compared[0]);
  EXPECT_EQ(compared[1], 20 * 9) << "instructions that have a result";
}

TEST(RtlLockstep, ArithmeticMemoryAndFunctions) {
  expect_same(std::string(kPacket) +
              "r5 = *(u32 *)(r2 +14)\nr5 = be32 r5\nr7 = *(u16 *)(r2 +12)\nr7 *= 77\nr7 += r5\n*(u64 *)(r10 -16) = r7\n"
              "r8 = *(u32 *)(r10 -16)\nr8 <<= 32\nr8 s>>= 32\nr8 /= 3\n*(u16 *)(r2 +20) = r8\nw0 = w8\nout: exit");
  expect_same(
      "r6 = 6\nr7 = 7\n*(u64 *)(r10 -8) = 100\nr1 = 1\ncall f\nr0 += r6\nr1 = *(u64 *)(r10 -8)\nr0 += r1\nexit\n"
      "f: r6 = 5\n*(u64 *)(r10 -8) = 5\nr0 = r1\nr0 += r6\nexit");
}

TEST(RtlLockstep, HelpersOfTheDeviceAndOfTheHost) {
  expect_same(
      "r6 = r1\nr2 = -8\ncall bpf_xdp_adjust_head\nr2 = *(u32 *)(r6 +0)\nr3 = *(u32 *)(r6 +4)\nr4 = r2\nr4 += 16\n"
      "r0 = 1\nif r4 > r3 goto none\nr5 = 0x1122334455667788 ll\n*(u64 *)(r2 +0) = r5\nr0 = *(u8 *)(r2 +8)\n"
      "none: exit");
  expect_same(
      "r6 = r1\nr2 = 3\nr3 = r10\nr3 += -16\nr4 = 8\ncall bpf_xdp_load_bytes\nif r0 != 0 goto none\n"
      "r7 = *(u64 *)(r10 -16)\nr7 += 1\nr0 = r7\nexit\nnone: r0 = 0\nexit");
  expect_same("call 5\nr6 = r0\ncall 7\nr6 += r0\nr6 &= 1\nr0 = r6\nexit");
}

TEST(RtlLockstep, Maps) {
  for (const auto type : {isa::MapType::array, isa::MapType::hash}) {
    const MapRef map =
        maps::create({.type = type, .key_size = 4, .value_size = 8, .max_entries = 8, .name = "values"}, 2).value();
    expect_same(
        "*(u32 *)(r10 -4) = 3\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall 1\nif r0 == 0 goto none\n"
        "r1 = 5\nlock *(u64 *)(r0 +0) += r1\nr6 = *(u64 *)(r0 +0)\nr6 += 2\nr0 = r6\nexit\n"
        "none: *(u64 *)(r10 -16) = 9\nr1 = map[values] ll\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\n"
        "call 2\nr0 = 2\nexit",
        {map});
  }
}

// A wrong constant in one bundle: which one, what it wrote and what it should have.
TEST(RtlLockstep, AWrongOperationIsFoundInItsPlace) {
  const auto program =
      verified({}, std::string(kPacket) + "r5 = *(u8 *)(r2 +30)\nr5 ^= 12345\nr5 += 3\nr0 = r5\nout: exit");
  ASSERT_NE(program, nullptr);
  const auto image = std::dynamic_pointer_cast<const RtlImage>(*backend().compile(program, {}));
  ASSERT_NE(image, nullptr);
  CoreProgram code = image->code();
  std::size_t broken = 0;
  std::uint32_t instruction = 0;
  for (std::size_t i = 0; i < code.bundles.size(); ++i) {
    for (unsigned lane = 0; lane < 2; ++lane) {
      Slot& slot = code.bundles[i].slots[lane];
      if (slot.op != CoreOp::AluXor || slot.imm != 12345) continue;
      ASSERT_TRUE(code.origins[i][lane].result);
      slot.imm = 12346;
      broken = i;
      instruction = code.origins[i][lane].instruction;
    }
  }
  ASSERT_NE(broken, 0U);
  const auto device = device_of(std::make_shared<const RtlImage>(program, code));
  auto frames = packets();
  const auto ran = device->run(frames);
  ASSERT_FALSE(ran);
  const unsigned first = (30 * 31) & 0xff;
  EXPECT_THAT(ran.error().message, HasSubstr("packet 0: cycle "));
  EXPECT_THAT(ran.error().message,
              HasSubstr(fmt::format("bundle {}: instruction {} (r5 ^= 12345)", broken, instruction)));
  EXPECT_THAT(ran.error().message,
              HasSubstr(fmt::format("makes r5 {:#x}, in the interpreter {:#x}", first ^ 12346U, first ^ 12345U)));
}

// What no instruction's result shows is seen at the end.
TEST(RtlLockstep, AWrongByteOfThePacketIsFound) {
  const auto program = verified({}, std::string(kPacket) + "*(u8 *)(r2 +7) = 55\nr0 = 2\nout: exit");
  ASSERT_NE(program, nullptr);
  const auto image = std::dynamic_pointer_cast<const RtlImage>(*backend().compile(program, {}));
  CoreProgram code = image->code();
  unsigned changed = 0;
  for (Bundle& bundle : code.bundles) {
    if (bundle.slots[0].imm != 55) continue;
    bundle.slots[0].imm = 56;
    ++changed;
  }
  ASSERT_GE(changed, 1U) << "each version of the program has one";
  const std::filesystem::path wave =
      std::filesystem::temp_directory_path() / fmt::format("lockstep-{}.fst", ::getpid());
  auto device = device_of(std::make_shared<const RtlImage>(program, code), {}, wave);
  auto frames = packets();
  const auto ran = device->run(frames);
  ASSERT_FALSE(ran);
  EXPECT_THAT(ran.error().message, HasSubstr("byte 7 of the packet is 0x38, in the interpreter 0x37"));
  EXPECT_THAT(ran.error().message, HasSubstr("waveform: " + wave.string()));
  device.reset();
  EXPECT_GT(std::filesystem::file_size(wave), 1000U) << "what was around it";
  std::filesystem::remove(wave);
}

TEST(RtlLockstep, OtherProgramsThanXdpAreRefused) {
  const Rig rig{.type = isa::ProgType::socket_filter};
  const auto program = verified(rig, "r0 = 0\nexit");
  ASSERT_NE(program, nullptr);
  auto device = backend().open({.environment = &exec::testing::plain_environment(), .simulation = {.lockstep = true}});
  ASSERT_TRUE(device);
  const auto loaded = (*device)->load(*backend().compile(program, {}));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, ErrorKind::unsupported);
}

}  // namespace
}  // namespace forager::jit::rtl
