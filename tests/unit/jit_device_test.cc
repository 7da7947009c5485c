// SPDX-License-Identifier: Apache-2.0
//
// Compiled programs as a device runs them: functions, tail calls, callbacks, lookups, contexts, and what stops them.
#include <fmt/format.h>
#include <sys/mman.h>

#include <fstream>
#include <set>
#include <sstream>

#include "exec_testing.h"
#include "jit-backends/common/executable.h"
#include "jit-backends/common/passes/passes.h"
#include "jit_testing.h"
#include "maps/registry.h"

namespace forager::jit {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::FakePrograms;
using exec::testing::MapRef;
using exec::testing::Rig;
using exec::testing::run;
using exec::testing::trap_of;
using exec::testing::verified;
using isa::MapType;
using ::testing::HasSubstr;

MapRef make_map(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t entries) {
  return maps::create(
             {.type = type, .key_size = key_size, .value_size = value_size, .max_entries = entries, .name = "values"},
             2)
      .value();
}

class JitDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::jit_here() == nullptr) GTEST_SKIP() << "no JIT of ours runs on this machine";
  }
  Rig rig(std::vector<MapRef> maps = {}) { return {.maps = std::move(maps), .engine = testing::jit_here()}; }
  std::uint64_t result(const std::string& text, std::vector<MapRef> maps = {}, const Bytes& packet = Bytes(64)) {
    const Frame frame = run(rig(std::move(maps)), text, packet);
    EXPECT_EQ(trap_of(frame), "") << text;
    return frame.return_value;
  }
};

// ---- functions -----------------------------------------------------------------------------------------------------

TEST_F(JitDevice, FunctionsGiveBackRegistersAndHaveFramesOfTheirOwn) {
  EXPECT_EQ(result("r6 = 6\nr7 = 7\nr8 = 8\nr9 = 9\n*(u64 *)(r10 -8) = 100\nr1 = 1\ncall f\n"
                   "r0 += r6\nr0 += r7\nr0 += r8\nr0 += r9\nr1 = *(u64 *)(r10 -8)\nr0 += r1\nexit\n"
                   "f: r6 = 0\nr7 = 0\nr8 = 0\nr9 = 0\n*(u64 *)(r10 -8) = 5\n*(u64 *)(r10 -256) = 5\nr0 = r1\nexit"),
            131U);
}

TEST_F(JitDevice, TheFirstInstructionMayBeACall) { EXPECT_EQ(result("call f\nexit\nf: r0 = 3\nexit"), 3U); }

TEST_F(JitDevice, EightFrames) {
  std::string text;
  for (int i = 1; i < 8; ++i) text += fmt::format("*(u64 *)(r10 -56) = {0}\ncall f{0}\nexit\nf{0}: ", i);
  EXPECT_EQ(result(text + "r0 = 2\nexit"), 2U);
}

// ---- tail calls ----------------------------------------------------------------------------------------------------

constexpr const char* kTailCall = "r2 = map[programs] ll\nr3 = 0\ncall bpf_tail_call\n";

exec::ProgramSlot slot_of(const std::string& text) {
  return {.id = 1, .program = verified({}, text), .maps = std::make_shared<const exec::MapList>()};
}

TEST_F(JitDevice, TailCallsLeaveTheProgram) {
  auto programs = std::make_shared<FakePrograms>();
  const std::string text = std::string(kTailCall) + "r0 = 1\nexit";
  EXPECT_EQ(result(text, {programs}), 1U);
  programs->set(0, slot_of("r0 = 4\nexit"));
  EXPECT_EQ(result(text, {programs}), 4U);
}

// The program that a subprogram called in its place returns to that subprogram's caller, whose registers are its own.
TEST_F(JitDevice, TailCallsOfFunctionsReturnToTheirCaller) {
  auto programs = std::make_shared<FakePrograms>();
  programs->set(0, slot_of("r6 = *(u32 *)(r1 +16)\nr6 += 100\nr7 = r6\nr8 = r6\nr9 = r6\n"
                           "r0 = r6\nr0 += r7\nr0 += r8\nr0 += r9\nexit"));
  const std::string text =
      "r6 = 10\nr7 = 20\nr8 = 30\nr9 = 40\ncall f\nr0 += r6\nr0 += r7\nr0 += r8\nr0 += r9\nexit\nf: " +
      std::string(kTailCall) + "r0 = 1\nexit";
  Rig with = rig({programs});
  with.unverified = true;  // verify() asks for BTF of functions that tail-call
  EXPECT_EQ(run(with, text).return_value, 500U);
}

TEST_F(JitDevice, ThirtyThreeTailCalls) {
  auto programs = std::make_shared<FakePrograms>();
  auto counter = make_map(MapType::array, 4, 8, 1);
  const std::string text =
      "r6 = r1\nr1 = map[values][0]+0 ll\nr2 = *(u64 *)(r1 +0)\nr2 += 1\n*(u64 *)(r1 +0) = r2\nr1 = r6\n" +
      std::string(kTailCall) + "r0 = 7\nexit";
  const std::vector<MapRef> maps = {programs, counter};
  programs->set(
      0, {.id = 1, .program = verified({.maps = maps}, text), .maps = std::make_shared<const exec::MapList>(maps)});
  EXPECT_EQ(result(text, maps), 7U);
  std::uint64_t runs = 0;
  const std::uint32_t key = 0;
  ASSERT_EQ(counter->read(&key, &runs, 0), 0);
  EXPECT_EQ(runs, 34U);
  programs->set(0, {});  // the slot holds the list that holds the array
}

// ---- lookups -------------------------------------------------------------------------------------------------------

std::string lookup(const std::string& store, int key_at) {
  return store + fmt::format("\nr1 = map[0] ll\nr2 = r10\nr2 += {}\ncall bpf_map_lookup_elem\n", key_at) +
         "if r0 == 0 goto +2\nr0 = *(u64 *)(r0 +0)\nexit\nr0 = 99\nexit";
}

TEST_F(JitDevice, ArraysAreIndexed) {
  for (const std::uint32_t value_size : {8U, 12U, 16U, 24U, 64U}) {
    const auto array = make_map(MapType::array, 4, value_size, 5);
    for (std::uint32_t i = 0; i < 5; ++i) *static_cast<std::uint64_t*>(array->lookup(&i, 0)) = 10 + i;
    for (std::uint32_t i = 0; i < 5; ++i) {
      EXPECT_EQ(result(lookup(fmt::format("*(u32 *)(r10 -4) = {}", i), -4), {array}), 10 + i) << value_size;
    }
    EXPECT_EQ(result(lookup("*(u32 *)(r10 -4) = 5", -4), {array}), 99U);
    EXPECT_EQ(result(lookup("*(u32 *)(r10 -4) = -1", -4), {array}), 99U);
    // An index that nobody knows: the context's rx_queue_index, 0.
    EXPECT_EQ(result(lookup("r2 = *(u32 *)(r1 +16)\nr2 += 3\n*(u32 *)(r10 -4) = r2", -4), {array}), 13U);
  }
}

TEST_F(JitDevice, LanesOfPerCpuArraysAreTheDevices) {
  const auto array = make_map(MapType::percpu_array, 4, 8, 2);
  const std::uint32_t key = 1;
  *static_cast<std::uint64_t*>(array->lookup(&key, 0)) = 5;
  *static_cast<std::uint64_t*>(array->lookup(&key, 1)) = 6;
  Rig with = rig({array});
  for (with.cpu = 0; with.cpu < 2; ++with.cpu) {
    EXPECT_EQ(run(with, lookup("*(u32 *)(r10 -4) = 1", -4)).return_value, 5 + with.cpu);
  }
}

TEST_F(JitDevice, HashesAreSearched) {
  for (const MapType type : {MapType::hash, MapType::lru_hash, MapType::percpu_hash, MapType::lru_percpu_hash}) {
    const auto hash = make_map(type, 8, 8, 16);
    const std::uint64_t key = 77, values[] = {123, 123};
    EXPECT_EQ(result(lookup("*(u64 *)(r10 -8) = 77", -8), {hash}), 99U);
    ASSERT_EQ(hash->write(&key, values, 0), 0);
    EXPECT_EQ(result(lookup("*(u64 *)(r10 -8) = 77", -8), {hash}), 123U);
  }
}

// A pass that takes an index for known must see every store that could change it.
TEST_F(JitDevice, IndicesThatChangeAreNotTakenForKnown) {
  const auto array = make_map(MapType::array, 4, 8, 2);
  const std::string overwritten = "*(u32 *)(r10 -4) = 1\nr3 = *(u32 *)(r1 +16)\nr3 += 9\n";
  EXPECT_EQ(result(lookup(overwritten + "*(u8 *)(r10 -3) = r3", -4), {array}), 99U);
  EXPECT_EQ(result(lookup(overwritten + "*(u64 *)(r10 -8) = -1", -4), {array}), 99U);
  EXPECT_EQ(result(lookup(overwritten + "r2 = r10\nr2 += -4\nlock *(u32 *)(r2 +0) += r3", -4), {array}), 99U);
  EXPECT_EQ(result(lookup(overwritten + "r1 = r10\nr1 += -4\ncall f", -4) + "\nf: *(u32 *)(r1 +0) = 7\nr0 = 0\nexit",
                   {array}),
            99U);
  EXPECT_EQ(result(lookup(overwritten, -4), {array}), 0U);
}

// ---- memory --------------------------------------------------------------------------------------------------------

TEST_F(JitDevice, PacketsThatMoveAreSeenWhereTheyAre) {
  Bytes packet(64);
  packet[0] = 5;
  EXPECT_EQ(result("r6 = r1\nr2 = -14\ncall bpf_xdp_adjust_head\nif r0 != 0 goto bad\nr2 = *(u32 *)(r6 +0)\n"
                   "r3 = *(u32 *)(r6 +4)\nr1 = r2\nr1 += 15\nif r1 > r3 goto bad\n*(u8 *)(r2 +0) = 9\n"
                   "r0 = *(u8 *)(r2 +14)\nr1 = *(u8 *)(r2 +0)\nr0 += r1\nexit\nbad: r0 = 77\nexit",
                   {}, packet),
            14U);
}

// A helper that fails leaves what it was to fill as it was: zeros, not what another invocation left.
TEST_F(JitDevice, FramesHoldNothingOfOthers) {
  const auto device = exec::testing::open_device(
      rig(),
      "r6 = *(u32 *)(r1 +16)\nr3 = r10\nr3 += -8\nr4 = 8\nr2 = 1000\ncall bpf_xdp_load_bytes\nr0 = *(u64 *)(r10 -8)\n"
      "*(u64 *)(r10 -8) = -1\nexit");
  ASSERT_NE(device, nullptr);
  for (int i = 0; i < 3; ++i) {
    Frame frame = *Frame::make(exec::testing::as_bytes(Bytes(64)));
    ASSERT_TRUE(device->run({&frame, 1}));
    EXPECT_EQ(frame.return_value, 0U);
  }
}

TEST_F(JitDevice, RawMemoryIsChecked) {
  Rig with = rig();
  with.type = isa::ProgType::raw_memory;
  const Bytes memory = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(run(with, "r0 = *(u64 *)(r1 +0)\nexit", memory).return_value, 0x0807060504030201U);
  for (const int offset : {-1, 1, 8, -8}) {  // further off may be the program's stack, which it may read
    const Frame frame = run(with, fmt::format("r0 = *(u64 *)(r1 {:+})\nexit", offset), memory);
    EXPECT_THAT(trap_of(frame), HasSubstr("outside the memory that the program was given, at instruction 0"));
  }
  with.unverified = true;
  const Frame wild = run(with, "r1 = -4\nr0 = *(u64 *)(r1 +0)\nexit", memory);
  EXPECT_NE(trap_of(wild), "");
}

// A lock taken twice stops one invocation, and none after it.
TEST_F(JitDevice, FaultsOfHelpersStopOneInvocation) {
  Rig with = rig();
  with.type = isa::ProgType::raw_memory;
  with.unverified = true;
  const auto device =
      exec::testing::open_device(with,
                                 "*(u64 *)(r10 -8) = 0\nr6 = *(u8 *)(r1 +0)\nr1 = r10\nr1 += -8\ncall bpf_spin_lock\n"
                                 "if r6 == 0 goto free\nr1 = r10\nr1 += -8\ncall bpf_spin_lock\n"
                                 "free: r1 = r10\nr1 += -8\ncall bpf_spin_unlock\nr0 = 7\nexit");
  ASSERT_NE(device, nullptr);
  for (const std::uint8_t twice : {1, 0, 1, 0}) {
    Frame frame = Frame::raw(exec::testing::as_bytes(Bytes{twice}));
    ASSERT_TRUE(device->run({&frame, 1}));
    EXPECT_EQ(trap_of(frame).empty(), twice == 0) << trap_of(frame);
    if (twice == 0) {
      EXPECT_EQ(frame.return_value, 7U);
    }
    if (twice == 1) {
      EXPECT_THAT(trap_of(frame), HasSubstr("holds a lock already, at instruction 8"));
    }
  }
}

// ---- images and code -----------------------------------------------------------------------------------------------

TEST_F(JitDevice, ImagesAreTheirBackends) {
  const auto image = find_backend("interp")->compile(verified({}, "r0 = 2\nexit"), {});
  auto device = testing::jit_here()->open({});
  ASSERT_TRUE(image && device);
  EXPECT_FALSE((*device)->load(*image));
  Frame frame = *Frame::make({});
  EXPECT_FALSE((*device)->run({&frame, 1}));
}

TEST_F(JitDevice, CheckedModeIsTheInterpreters) {
  EXPECT_FALSE(testing::jit_here()->capabilities().checked);
  EXPECT_TRUE(find_backend("interp")->capabilities().checked);
}

TEST_F(JitDevice, MapsHaveToHaveTheShapeOfTheProgram) {
  const auto image = testing::jit_here()->compile(
      verified({.maps = {make_map(MapType::array, 4, 8, 4)}}, "r1 = map[0] ll\nr0 = 0\nexit"), {});
  auto device = testing::jit_here()->open({.environment = &exec::testing::plain_environment()});
  ASSERT_TRUE(image && device && (*device)->load(*image));
  EXPECT_FALSE((*device)->bind(0, make_map(MapType::array, 4, 8, 3)));
  EXPECT_FALSE((*device)->bind(0, make_map(MapType::array, 4, 16, 4)));
  EXPECT_FALSE((*device)->bind(0, nullptr));
  EXPECT_FALSE((*device)->bind(1, make_map(MapType::array, 4, 8, 4)));
  EXPECT_TRUE((*device)->bind(0, make_map(MapType::array, 4, 8, 4)));
}

TEST_F(JitDevice, EveryPassHasAName) {
  std::set<std::string_view> names;
  for (const Pass& pass : passes()) names.insert(pass.name);
  EXPECT_EQ(names.size(), passes().size());
}

// "r-xp" and the like of the mapping that holds an address; empty if nothing is mapped there.
std::string rights_at(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0, to = 0;
    std::string rights;
    char dash = 0;
    std::istringstream(line) >> std::hex >> from >> dash >> to >> rights;
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    if (from <= at && at < to) return rights;
  }
  return {};
}

TEST(JitExecutable, IsNeverWritableAndExecutableAndHasGuards) {
  std::string while_written;
  auto made = Executable::make(5000, [&](std::span<std::byte> bytes) -> Result<> {
    while_written = rights_at(bytes.data());
    std::ranges::fill(bytes, std::byte{0xc3});
    return {};
  });
  ASSERT_TRUE(made);
  EXPECT_EQ(while_written, "rw-p");
  const std::byte* code = made->code().data();
  EXPECT_EQ(made->code().size(), 5000U);
  EXPECT_EQ(rights_at(code), "r-xp");
  EXPECT_EQ(rights_at(code - 1), "---p");
  EXPECT_EQ(rights_at(code + 8192), "---p");
}

TEST(JitExecutable, FailuresOfTheWriterArePassedOn) {
  const auto made = Executable::make(
      1, [](std::span<std::byte>) -> Result<> { return fail(ErrorKind::unsupported, EOPNOTSUPP, "no"); });
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message, "no");
}

}  // namespace
}  // namespace forager::jit
