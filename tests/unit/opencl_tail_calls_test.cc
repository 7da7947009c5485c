// SPDX-License-Identifier: Apache-2.0
//
// Tail calls on an OpenCL device: a program and those that it reaches are one kernel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "jit-backends/opencl/build.h"
#include "jit-backends/opencl/device.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

using exec::testing::FakePrograms;
using exec::testing::MapRef;
using exec::testing::Rig;

constexpr const char* kTailCall = "r2 = map[programs] ll\nr3 = 0\ncall bpf_tail_call\n";

class OpenclTailCalls : public testing::WithDevice {
 protected:
  static exec::ProgramSlot slot_of(const std::string& text, const std::vector<MapRef>& maps = {}) {
    return {.id = 1,
            .program = exec::testing::verified({.maps = maps}, text),
            .maps = std::make_shared<const exec::MapList>(maps)};
  }

  std::uint64_t run(const std::string& text) {
    if (device_ == nullptr) device_ = testing::open_device(rig_, text, {});
    if (device_ == nullptr) return UINT64_MAX;
    exec::Frame frame = *exec::Frame::make(exec::testing::as_bytes(exec::testing::Bytes(64)));
    const auto ran = device_->run({&frame, 1});
    error_ = ran ? "" : ran.error().text();
    return frame.return_value;
  }

  std::shared_ptr<FakePrograms> programs_ = std::make_shared<FakePrograms>();
  Rig rig_{.maps = {programs_}};
  std::unique_ptr<exec::Device> device_;
  std::string error_;
};

TEST_F(OpenclTailCalls, GoWhereTheArraySays) {
  const std::string text = std::string(kTailCall) + "r0 = 1\nexit";
  EXPECT_EQ(run(text), 1U);
  ASSERT_EQ(programs_->set(0, slot_of("r0 = 4\nexit")), 0);
  EXPECT_EQ(run(text), 4U);
  ASSERT_EQ(programs_->set(0, slot_of("r0 = 3\nexit")), 0);
  EXPECT_EQ(run(text), 3U);
  ASSERT_EQ(programs_->set(0, {}), 0);
  EXPECT_EQ(run(text), 1U);
}

// Each program counts itself in one map that both have, by other numbers.
TEST_F(OpenclTailCalls, ProgramsShareMaps) {
  const MapRef counts = exec::testing::make_array(8, 1, 0, "counts");
  const std::string count = "r1 = 1\nr9 = map[counts][0] + 0 ll\nlock *(u64 *)(r9 + 0) += r1\n";
  ASSERT_EQ(programs_->set(0, slot_of(count + "r0 = 2\nexit", {counts})), 0);
  rig_.maps = {programs_, counts};
  EXPECT_EQ(run("r6 = r1\n" + count + "r1 = r6\n" + kTailCall + "r0 = 1\nexit"), 2U);
  std::uint64_t value = 0;
  const std::uint32_t key = 0;
  ASSERT_EQ(counts->read(&key, &value, 0), 0);
  EXPECT_EQ(value, 2U);
}

TEST_F(OpenclTailCalls, ThirtyThreeOfThem) {
  const MapRef counts = exec::testing::make_array(8, 1, 0, "counts");
  const std::string text = "r6 = r1\nr9 = map[counts][0] + 0 ll\nr1 = 1\nlock *(u64 *)(r9 + 0) += r1\nr1 = r6\n" +
                           std::string(kTailCall) + "r0 = 2\nexit";
  rig_.maps = {programs_, counts};
  ASSERT_EQ(programs_->set(0, slot_of(text, {programs_, counts})), 0);
  EXPECT_EQ(run(text), 2U) << error_;
  std::uint64_t value = 0;
  const std::uint32_t key = 0;
  ASSERT_EQ(counts->read(&key, &value, 0), 0);
  EXPECT_EQ(value, 34U);
  ASSERT_EQ(programs_->set(0, {}), 0);  // which holds the array itself
}

// A slot has no list of maps where its program has none.
TEST_F(OpenclTailCalls, GoToProgramsWithoutMaps) {
  exec::ProgramSlot slot = slot_of("r0 = 4\nexit");
  slot.maps = nullptr;
  ASSERT_EQ(programs_->set(0, slot), 0);
  EXPECT_EQ(run(std::string(kTailCall) + "r0 = 1\nexit"), 4U);
}

TEST_F(OpenclTailCalls, NameTheMapThatATargetLacks) {
  const MapRef counts = exec::testing::make_array(8, 1, 0, "counts");
  exec::ProgramSlot slot = slot_of("r9 = map[counts][0] + 0 ll\n*(u64 *)(r9 + 0) = 1\nr0 = 2\nexit", {counts});
  for (const exec::MapList& maps :
       {exec::MapList{}, exec::MapList{nullptr}, exec::MapList{exec::testing::make_array(4, 1, 0, "counts")}}) {
    slot.maps = std::make_shared<const exec::MapList>(maps);
    ASSERT_EQ(programs_->set(0, slot), 0);
    run(std::string(kTailCall) + "r0 = 1\nexit");
    EXPECT_THAT(error_, ::testing::HasSubstr("map counts"));
  }
}

// An array that no instruction names has no part in the kernel: it is not made anew for it.
TEST_F(OpenclTailCalls, AreNotLookedForInArraysThatNobodyNames) {
  const std::string folder = ::testing::TempDir() + fmt::format("forager_opencl_tail_{}", getpid());
  set_places({.sources = folder});
  ASSERT_EQ(programs_->set(0, slot_of("r0 = 4\nexit")), 0);
  EXPECT_EQ(run("r0 = 1\nexit"), 1U);
  EXPECT_GT(std::filesystem::remove_all(folder), 1U);
  EXPECT_EQ(run("r0 = 1\nexit"), 1U);
  EXPECT_EQ(std::filesystem::remove_all(folder), 0U);
  set_places({});
}

TEST_F(OpenclTailCalls, NameTheProgramThatIsNotTaken) {
  ASSERT_EQ(programs_->set(0, slot_of("call bpf_get_current_pid_tgid\nr0 = 4\nexit")), 0);
  run(std::string(kTailCall) + "r0 = 1\nexit");
  EXPECT_THAT(error_, ::testing::HasSubstr("target of a tail call"));
  EXPECT_THAT(error_, ::testing::HasSubstr("bpf_get_current_pid_tgid"));
}

TEST(OpenclTailCallsOfFunctions, AreRefused) {
  Rig rig{.maps = {std::make_shared<FakePrograms>()}};
  rig.unverified = true;  // verify() asks for BTF of functions that tail-call
  const auto program = exec::testing::verified(rig, "call f\nexit\nf: " + std::string(kTailCall) + "r0 = 1\nexit");
  ASSERT_NE(program, nullptr);
  const auto image = backend().compile(program, {});
  ASSERT_FALSE(image);
  EXPECT_THAT(image.error().text(), ::testing::HasSubstr("bpf_tail_call in a function"));
}

}  // namespace
}  // namespace forager::jit::opencl
