// SPDX-License-Identifier: Apache-2.0
//
// bpf_loop on an OpenCL device: functions that are called back, held against the interpreter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exec_testing.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

using exec::testing::Rig;

// r6 = context, r7 = data, r9 = the packet's first four bytes, a number; a context of 16 bytes at r10 - 16.
constexpr const char* kStart =
    "r6 = r1\nr7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr0 = r7\nr0 += 16\nif r0 > r8 goto out\n"
    "r9 = *(u32 *)(r7 + 0)\n*(u64 *)(r10 -8) = 0\n*(u64 *)(r10 -16) = 0\n";
constexpr const char* kEnd =
    "*(u64 *)(r7 + 8) = r0\nr1 = *(u64 *)(r10 -16)\n*(u64 *)(r7 + 0) = r1\nout: r0 = 2\nexit\n";
constexpr const char* kRound = "round: r3 = *(u64 *)(r2 +0)\nr3 *= 3\nr3 += r1\n*(u64 *)(r2 +0) = r3\nr0 = 0\nexit\n";

std::string loop(const std::string& count, const std::string& function) {
  return fmt::format("r1 = {}\nr2 = subprog[{}] ll\nr3 = r10\nr3 += -16\nr4 = 0\ncall bpf_loop\n", count, function);
}

class OpenclCallbacks : public testing::WithDevice {
 protected:
  static std::vector<exec::Frame> run_on(const exec::Backend& engine, const std::string& text) {
    auto frames = testing::numbered_packets(200, 64);
    Rig rig{.engine = &engine};
    const auto device = exec::testing::open_device(rig, text);
    if (device == nullptr) return {};
    const auto ran = device->run(frames);
    EXPECT_TRUE(ran) << ran.error().text();
    return frames;
  }

  static void compare(const std::string& text) {
    const auto expected = run_on(interp::backend(), text), actual = run_on(*testing::opencl_here(), text);
    ASSERT_FALSE(expected.empty());
    testing::expect_alike(expected, actual, text);
  }
};

TEST_F(OpenclCallbacks, SeeTheIndexAndTheContext) {
  compare(kStart + loop("r9", "round") + kEnd + kRound);
  compare(kStart + loop("7", "round") + kEnd + kRound);
}

TEST_F(OpenclCallbacks, EndALoop) {
  compare(kStart + loop("1000", "until") + kEnd +
          "until: r3 = *(u64 *)(r2 +0)\nr3 += r1\n*(u64 *)(r2 +0) = r3\nr0 = 0\nif r3 < 999 goto +1\nr0 = 1\nexit\n");
}

TEST_F(OpenclCallbacks, HaveRegistersAndAFrameOfTheirOwn) {
  compare(kStart + loop("3", "spoil") + "r0 += r9\n" + kEnd +
          "spoil: r7 = 1\nr9 = 5\n*(u64 *)(r10 -8) = 1\n*(u64 *)(r10 -16) = 1\nr0 = 0\nexit\n");
}

TEST_F(OpenclCallbacks, StandInOneAnother) {
  compare(kStart + loop("r9", "outer") + kEnd + "outer: r6 = r2\nr7 = r1\n*(u64 *)(r10 -16) = 0\n" +
          loop("r7", "round") +
          "r1 = *(u64 *)(r10 -16)\nr2 = r7\ncall add\nr3 = *(u64 *)(r6 +0)\nr3 += r0\n*(u64 *)(r6 +0) = r3\nr0 = 0\n"
          "exit\nadd: r0 = r1\nr0 += r2\nexit\n" +
          kRound);
}

TEST_F(OpenclCallbacks, AreNamedByARegisterOfAnotherBlockIfThereIsOneOnly) {
  compare(std::string(kStart) +
          "r5 = subprog[round] ll\nif r9 > 50 goto more\nr9 += 100\nmore: r1 = r9\nr2 = r5\n"
          "r3 = r10\nr3 += -16\nr4 = 0\ncall bpf_loop\n" +
          kEnd + kRound);
}

TEST_F(OpenclCallbacks, RefuseFlagsAndTooManyRounds) {
  const std::string call = "r2 = subprog[round] ll\nr3 = r10\nr3 += -16\n";
  compare(kStart + call + "r1 = 5\nr4 = r9\ncall bpf_loop\n" + kEnd + kRound);
  compare(kStart + call + "r1 = 0x800001\nr1 += r9\nr4 = 0\ncall bpf_loop\n" + kEnd + kRound);
}

TEST_F(OpenclCallbacks, MustBePlainToSee) {
  const std::string text = std::string(kStart) +
                           "r5 = subprog[round] ll\nif r9 > 50 goto more\nr5 = subprog[other] ll\nmore: r1 = r9\n"
                           "r2 = r5\nr3 = r10\nr3 += -16\nr4 = 0\ncall bpf_loop\n" +
                           kEnd + kRound + "other: r0 = 1\nexit\n";
  const auto program = exec::testing::verified({}, text);
  ASSERT_NE(program, nullptr);
  const auto image = opencl::backend().compile(program, {});
  ASSERT_FALSE(image);
  EXPECT_THAT(image.error().text(), ::testing::HasSubstr("bpf_loop of one function or another"));
}

}  // namespace
}  // namespace forager::jit::opencl
