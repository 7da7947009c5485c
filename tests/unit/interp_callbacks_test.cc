// SPDX-License-Identifier: Apache-2.0
//
// Functions of the program that helpers call: what they see, what is as it was afterwards, and how they are stopped.
// Every program here runs in each of the interpreter's modes.
#include <fmt/format.h>

#include "exec_testing.h"
#include "jit_testing.h"
#include "maps/registry.h"

namespace forager::interp {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::FakePrograms;
using exec::testing::MapRef;
using exec::testing::open_device;
using exec::testing::Rig;
using exec::testing::run;
using exec::testing::trap_of;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr unsigned kCpus = 2;

MapRef make_map(isa::MapType type, std::uint32_t entries, std::vector<program::ValueField> fields = {}) {
  exec::MapSpec spec{.type = type, .key_size = 4, .value_size = 16, .max_entries = entries, .name = "values"};
  spec.fields = std::move(fields);
  return maps::create(spec, kCpus).value();
}

struct Mode {
  const char* name;
  bool checked, facts;
  bool jit = false;
};
class Callbacks : public ::testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    if (GetParam().jit && jit::testing::jit_here() == nullptr) GTEST_SKIP() << "no JIT of ours runs on this machine";
  }
  Rig rig(std::vector<MapRef> maps = {}) {
    Rig made{.checked = GetParam().checked, .facts = GetParam().facts, .maps = std::move(maps)};
    if (GetParam().jit) made.engine = jit::testing::jit_here();
    return made;
  }
  // What the program returns; a trap is a failure.
  std::uint64_t result(const std::string& text, std::vector<MapRef> maps = {}) {
    const Frame frame = run(rig(std::move(maps)), text);
    EXPECT_EQ(trap_of(frame), "") << text;
    return frame.return_value;
  }
  std::string trap(Rig with, const std::string& text) {
    with.unverified = true;
    with.facts = false;  // there are none
    with.engine = &interp::backend();
    return trap_of(run(with, text));
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, Callbacks,
                         ::testing::Values(Mode{"plain", false, false}, Mode{"checked", true, false},
                                           Mode{"facts", false, true}, Mode{"jit", false, false, true}),
                         [](const auto& info) { return info.param.name; });

// A call of bpf_loop with a context of 8 bytes at r10 - 8.
std::string loop(unsigned count, const std::string& function) {
  return fmt::format("r1 = {}\nr2 = subprog[{}] ll\nr3 = r10\nr3 += -8\nr4 = 0\ncall bpf_loop\n", count, function);
}
const std::string kSumIndices = "\nround: r3 = *(u64 *)(r2 +0)\nr3 += r1\n*(u64 *)(r2 +0) = r3\nr0 = 0\nexit";

// ---- what a callback sees, and leaves ----

TEST_P(Callbacks, GetTheIndexAndTheContext) {
  EXPECT_EQ(result("*(u64 *)(r10 -8) = 0\n" + loop(10, "round") + "r0 = *(u64 *)(r10 -8)\nexit" + kSumIndices), 45U);
}

TEST_P(Callbacks, CalleeSavedRegistersAndTheFrameAreAsTheyWere) {
  const std::string text =
      "r6 = 6\nr7 = 70\nr8 = 800\nr9 = 9000\n*(u64 *)(r10 -8) = 0\n*(u64 *)(r10 -16) = 50000\n" + loop(3, "spoil") +
      "r0 += r6\nr0 += r7\nr0 += r8\nr0 += r9\nr1 = *(u64 *)(r10 -16)\nr0 += r1\nexit\n"
      "spoil: r6 = 1\nr7 = 1\nr8 = 1\nr9 = 1\n*(u64 *)(r10 -8) = 1\n*(u64 *)(r10 -16) = 1\nr0 = 0\nexit";
  EXPECT_EQ(result(text), 59879U);
}

TEST_P(Callbacks, OneThatReturnsOneIsTheLast) {
  const std::string text = "*(u64 *)(r10 -8) = 0\n" + loop(100, "until") +
                           "r1 = *(u64 *)(r10 -8)\nr1 *= 1000\nr0 += r1\nexit\n"
                           "until: r3 = *(u64 *)(r2 +0)\nr3 += 1\n*(u64 *)(r2 +0) = r3\nr0 = 0\n"
                           "if r1 < 6 goto +1\nr0 = 1\nexit";
  EXPECT_EQ(result(text), 7007U);
}

TEST_P(Callbacks, CallFunctionsAndOtherCallbacks) {
  const std::string text = "*(u64 *)(r10 -8) = 0\n" + loop(5, "outer") + "r0 = *(u64 *)(r10 -8)\nexit\n" +
                           "outer: r6 = r2\nr7 = r1\n*(u64 *)(r10 -8) = 0\n" + loop(4, "round") +
                           "r1 = *(u64 *)(r10 -8)\nr2 = r7\ncall add\nr3 = *(u64 *)(r6 +0)\nr3 += r0\n"
                           "*(u64 *)(r6 +0) = r3\nr0 = 0\nexit\nadd: r0 = r1\nr0 += r2\nexit" +
                           kSumIndices;
  EXPECT_EQ(result(text), 5U * 6U + 10U);
}

TEST_P(Callbacks, BadArgumentsOfLoop) {
  EXPECT_EQ(result("r1 = 0\nr2 = subprog[f] ll\nr3 = 0\nr4 = 1\ncall bpf_loop\nr0 = -r0\nexit\nf: r0 = 0\nexit"),
            static_cast<unsigned>(EINVAL));
  EXPECT_EQ(result("r1 = 0x800001 ll\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall bpf_loop\nr0 = -r0\nexit\nf: r0 = 0\n"
                   "exit"),
            static_cast<unsigned>(E2BIG));
  EXPECT_EQ(result("r1 = 0\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall bpf_loop\nexit\nf: r0 = 0\nexit"), 0U);
}

// ---- over maps ----

const std::string kEach =
    "r1 = map[0] ll\nr2 = subprog[each] ll\nr3 = r10\nr3 += -8\nr4 = 0\ncall bpf_for_each_map_elem\n";
// Adds key * value to the context.
const std::string kSumElements =
    "\neach: r2 = *(u32 *)(r2 +0)\nr3 = *(u64 *)(r3 +0)\nr3 *= r2\nr2 = *(u64 *)(r4 +0)\nr2 += r3\n"
    "*(u64 *)(r4 +0) = r2\nr0 = 0\nexit";

void fill(exec::Map& map, std::uint32_t entries) {
  for (std::uint32_t key = 0; key < entries; ++key) {
    const std::uint64_t value[2] = {key + 100, 0};
    ASSERT_EQ(map.update(&key, value, 0, 0), 0);
  }
}

std::uint64_t sum_of(std::uint64_t entries) {
  std::uint64_t sum = 0;
  for (std::uint64_t key = 0; key < entries; ++key) sum += key * (key + 100);
  return sum;
}

TEST_P(Callbacks, EachElementOfAMapIsVisitedOnce) {
  const std::string text =
      "*(u64 *)(r10 -8) = 0\n" + kEach + "r0 *= 1000000\nr1 = *(u64 *)(r10 -8)\nr0 += r1\nexit" + kSumElements;
  for (const auto type : {isa::MapType::array, isa::MapType::percpu_array, isa::MapType::hash,
                          isa::MapType::percpu_hash, isa::MapType::lru_hash, isa::MapType::lru_percpu_hash}) {
    const MapRef map = make_map(type, 50);
    fill(*map, 50);
    EXPECT_EQ(result(text, {map}), 50U * 1000000U + sum_of(50));
  }
}

TEST_P(Callbacks, ElementsMayBeDeletedOnTheWay) {
  const MapRef map = make_map(isa::MapType::hash, 300);
  fill(*map, 300);
  // Each deletes itself and the next in number, whichever of both comes first.
  const std::string text = "*(u64 *)(r10 -8) = 0\n" + kEach +
                           "exit\neach: r6 = r1\nr7 = *(u32 *)(r2 +0)\n*(u32 *)(r10 -4) = r7\nr2 = r10\nr2 += -4\n"
                           "call bpf_map_delete_elem\nr7 ^= 1\n*(u32 *)(r10 -4) = r7\nr1 = r6\nr2 = r10\nr2 += -4\n"
                           "call bpf_map_delete_elem\nr0 = 0\nexit";
  EXPECT_EQ(result(text, {map}), 150U);
  EXPECT_EQ(map->usage().entries, 0U);
}

TEST_P(Callbacks, AWalkInsideAWalkDoesNotLeadTheOuterAstray) {
  const MapRef map = make_map(isa::MapType::hash, 200);
  fill(*map, 200);
  const std::string text =
      "*(u64 *)(r10 -8) = 0\n" + kEach +
      "r1 = *(u64 *)(r10 -8)\nr1 *= 1000\nr0 += r1\nexit\n"
      "each: r6 = r4\nr7 = *(u32 *)(r2 +0)\nr8 = r1\nif r7 != 3 goto inner\n"
      "inner: *(u32 *)(r10 -4) = r7\nr2 = r10\nr2 += -4\ncall bpf_map_delete_elem\n"
      "r1 = r8\nr2 = subprog[count] ll\nr3 = r6\nr4 = 0\ncall bpf_for_each_map_elem\nr0 = 0\nexit\n"
      "count: r1 = *(u64 *)(r4 +0)\nr1 += 1\n*(u64 *)(r4 +0) = r1\nr0 = 0\nexit";
  EXPECT_EQ(result(text, {map}), 200U + 1000U * (199U * 200U / 2U));
}

TEST_P(Callbacks, AWalkMakesNoElementOfAnLruYounger) {
  const MapRef map = make_map(isa::MapType::lru_hash, 4);
  fill(*map, 4);
  const std::uint32_t first = 0;
  ASSERT_NE(map->lookup(&first, 0), nullptr);
  EXPECT_EQ(result("*(u64 *)(r10 -8) = 0\n" + kEach + "exit" + kSumElements, {map}), 4U);
  const std::uint64_t value[2] = {};
  for (std::uint32_t key = 10; key < 13; ++key) ASSERT_EQ(map->update(&key, value, 0, 0), 0);
  EXPECT_NE(map->lookup(&first, 0), nullptr);
}

TEST_P(Callbacks, ValuesOfAWalkStayMemory) {
  const MapRef map = make_map(isa::MapType::array, 3);
  const std::string text = kEach + "r0 = 0\nexit\neach: r0 = 7\n*(u64 *)(r3 +8) = r0\nr0 = 0\nexit";
  EXPECT_EQ(result("*(u64 *)(r10 -8) = 0\n" + text, {map}), 0U);
  for (std::uint32_t key = 0; key < 3; ++key) {
    std::uint64_t value[2] = {};
    ASSERT_EQ(map->read(&key, value, 0), 0);
    EXPECT_EQ(value[1], 7U);
  }
}

// ---- what a callback must not do ----

TEST_P(Callbacks, KeysAreNotWritable) {
  const MapRef map = make_map(isa::MapType::array, 3);
  EXPECT_THAT(trap(rig({map}), "*(u64 *)(r10 -8) = 0\n" + kEach + "exit\neach: *(u32 *)(r2 +0) = 1\nr0 = 0\nexit"),
              StartsWith("write of 4 bytes at offset 0 of the memory, which programs may not write"));
  EXPECT_THAT(trap(rig({map}), "*(u64 *)(r10 -8) = 0\n" + kEach + "exit\neach: r1 = *(u64 *)(r2 +0)\nr0 = 0\nexit"),
              StartsWith("read of 8 bytes at offset 0 of the memory, which has offsets 0 to 3"));
}

TEST_P(Callbacks, AKeyIsNoMemoryAfterItsCallback) {
  const MapRef map = make_map(isa::MapType::array, 1);
  EXPECT_THAT(trap(rig({map}), "*(u64 *)(r10 -8) = 0\n" + kEach +
                                   "r1 = *(u64 *)(r10 -8)\nr0 = *(u32 *)(r1 +0)\nexit\n"
                                   "each: *(u64 *)(r4 +0) = r2\nr0 = 0\nexit"),
              HasSubstr("the callback that it was lent to has returned"));
}

TEST_P(Callbacks, NullIsStillNoMemoryAfterwards) {
  const MapRef map = make_map(isa::MapType::array, 1);
  EXPECT_THAT(trap(rig({map}), "*(u64 *)(r10 -8) = 0\n" + kEach + "r1 = 0\nr0 = *(u32 *)(r1 +0)\nexit" + kSumElements),
              StartsWith("read of 4 bytes through what is no pointer to memory"));
}

TEST_P(Callbacks, OnlyFunctionsOfTheProgramAreCalled) {
  EXPECT_THAT(trap(rig(), "r1 = 1\nr2 = r10\nr3 = 0\nr4 = 0\ncall bpf_loop\nexit"),
              StartsWith("argument 2 of bpf_loop is the stack, expected a function of the program"));
  EXPECT_THAT(trap(rig(), "r1 = 1\nr2 = subprog[f] ll\nr2 += 99\nr3 = 0\nr4 = 0\ncall bpf_loop\nexit\nf: r0 = 0\nexit"),
              HasSubstr("expected a function of the program"));
}

// ---- being stopped inside ----

TEST_P(Callbacks, ATrapInsideStopsTheProgramAtItsInstruction) {
  const Frame frame = run({.checked = GetParam().checked, .unverified = true},
                          "*(u64 *)(r10 -8) = 0\n" + loop(5, "bad") + "r0 = 1\nexit\nbad: r0 = *(u64 *)(r2 +8)\nexit");
  ASSERT_NE(frame.results().trap, nullptr);
  EXPECT_EQ(frame.results().trap->instruction, 10U);  // of the callback
  EXPECT_EQ(frame.return_value, 0U);                  // XDP_ABORTED
}

TEST_P(Callbacks, ADeviceGoesOnAfterOneWasStopped) {
  const auto device =
      open_device({.checked = GetParam().checked, .unverified = true},
                  "r6 = *(u32 *)(r1 +0)\nr6 = *(u8 *)(r6 +0)\n*(u64 *)(r10 -8) = r6\n" + loop(3, "maybe") +
                      "r0 += 1\nexit\nmaybe: r3 = *(u64 *)(r2 +0)\n"
                      "if r3 == 0 goto +1\nr3 = *(u64 *)(r2 +8)\nr0 = 0\nexit");
  std::vector<Frame> frames;
  for (const std::uint8_t first : {0, 1, 0}) frames.push_back(*Frame::make(exec::testing::as_bytes(Bytes(64, first))));
  ASSERT_TRUE(device->run(frames));
  EXPECT_EQ(frames[0].return_value, 4U);
  EXPECT_NE(frames[1].results().trap, nullptr);
  EXPECT_EQ(frames[2].return_value, 4U);
}

TEST_P(Callbacks, TheBudgetIsOneForAll) {
  if (GetParam().jit) GTEST_SKIP() << "compiled programs have no budget";
  Rig with = rig();
  with.budget = 1000;
  const std::string text = "*(u64 *)(r10 -8) = 0\n" + loop(1000, "round") + "r0 = 0\nexit" + kSumIndices;
  EXPECT_THAT(trap_of(run(with, text)), HasSubstr("the program runs too long"));
  with.budget = 10000;
  EXPECT_EQ(trap_of(run(with, text)), "");
}

TEST_P(Callbacks, TheirFramesCountToo) {
  // bpf_loop from itself: no verified program does.
  EXPECT_THAT(trap(rig(),
                   "r1 = 1\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall bpf_loop\nexit\n"
                   "f: r1 = 1\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall bpf_loop\nr0 = 0\nexit"),
              HasSubstr("calls nest too deep"));
}

TEST_P(Callbacks, StackOfACallbackIsFresh) {
  const std::string text =
      "*(u64 *)(r10 -8) = 0\n" + loop(2, "reads") + "exit\nreads: r0 = *(u64 *)(r10 -8)\nr0 = 0\nexit";
  Rig with = rig();
  with.checked = true;
  EXPECT_THAT(trap(with, text), HasSubstr("not all of which was written before"));
}

TEST_P(Callbacks, RegistersOfTheCallerAreNotTheCallbacks) {
  Rig with = rig();
  with.checked = true;
  EXPECT_THAT(trap(with, "r6 = 1\nr1 = 1\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall bpf_loop\nexit\nf: r0 = r6\nexit"),
              StartsWith("r6 is read but was never written"));
  EXPECT_THAT(trap(with, "r1 = 1\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall bpf_loop\nexit\nf: r0 = r3\nexit"),
              StartsWith("r3 is read but was never written"));
}

// ---- tail calls ----

TEST_P(Callbacks, ATailCallInsideReturnsToTheHelper) {
  const auto programs = std::make_shared<FakePrograms>();
  const auto target = exec::testing::verified({}, "r0 = 1\nexit");
  ASSERT_NE(target, nullptr);
  programs->set(1, {.id = 1, .program = target});
  Rig with = rig({programs});
  with.unverified = true;
  with.facts = false;
  // The program that is jumped to returns 1 for the callback: the second round is the last.
  const auto frame = run(with, "r6 = r1\n*(u64 *)(r10 -8) = r1\n" + loop(9, "jump") +
                                   "r0 += 100\nexit\njump: if r1 != 1 goto +5\nr3 = 1\nr1 = *(u64 *)(r2 +0)\n"
                                   "r2 = map[0] ll\ncall bpf_tail_call\nr0 = 0\nexit");
  EXPECT_EQ(trap_of(frame), "");
  EXPECT_EQ(frame.return_value, 102U);
}

// ---- asynchronous callbacks ----

constexpr std::uint32_t kFunction = 6;  // of the program below

std::unique_ptr<exec::Device> device_with(const MapRef& map, bool checked, const std::string& function) {
  return open_device({.checked = checked, .unverified = true, .maps = {map}},
                     "r1 = 0\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall bpf_loop\nexit\nf: " + function);
}

TEST_P(Callbacks, RunByThemselves) {
  const MapRef map = make_map(isa::MapType::hash, 4);
  fill(*map, 3);
  const auto device = device_with(map, GetParam().checked,
                                  "r2 = *(u32 *)(r2 +0)\n*(u64 *)(r3 +8) = r2\n*(u32 *)(r10 -4) = 0\nr2 = r10\n"
                                  "r2 += -4\ncall bpf_map_delete_elem\nr0 = 0\nexit");
  const std::uint32_t key = 2, first = 0;
  EXPECT_TRUE(device->call_back({.function = kFunction, .map = map, .key = &key, .value = map->lookup(&key, 0)}));
  std::uint64_t value[2] = {};
  ASSERT_EQ(map->read(&key, value, 0), 0);
  EXPECT_EQ(value[1], 2U);
  EXPECT_EQ(map->lookup(&first, 0), nullptr);
}

TEST_P(Callbacks, OfWhatThereIsNotAreRefused) {
  const MapRef map = make_map(isa::MapType::hash, 4);
  fill(*map, 1);
  const std::uint32_t key = 0;
  const auto device = device_with(map, GetParam().checked, "r0 = *(u64 *)(r3 +16)\nexit");
  EXPECT_EQ(device->call_back({.function = 1000, .map = map, .key = &key, .value = map->lookup(&key, 0)}).error().kind,
            ErrorKind::input);
  EXPECT_FALSE(device->call_back({.function = kFunction, .map = map, .key = &key, .value = nullptr}));
  EXPECT_FALSE(device->call_back({.function = kFunction, .map = nullptr, .key = &key, .value = nullptr}));
  const auto stopped =
      device->call_back({.function = kFunction, .map = map, .key = &key, .value = map->lookup(&key, 0)});
  ASSERT_FALSE(stopped);
  EXPECT_THAT(stopped.error().message, StartsWith("read of 8 bytes at offset 16 of a value of map values"));
}

}  // namespace
}  // namespace forager::interp
