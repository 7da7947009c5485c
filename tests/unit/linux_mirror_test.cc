// SPDX-License-Identifier: Apache-2.0
//
// Maps that live on the host and in the kernel: each type, both ways, created, changed and deleted keys; and program
// arrays. Snapshots are tested alone, without a kernel.
#include <gmock/gmock.h>
#include <linux/bpf.h>

#include "jit-backends/linux/snapshot.h"
#include "tests/unit/linux_support.h"

namespace forager {
namespace {

using isa::MapType;
using linux_test::Bytes;
using linux_test::bytes_of;
using linux_test::bytes_of_value;
using linux_test::Rig;
using linux_test::spec_of;
using linux_test::TestMap;
using testing::HasSubstr;

// ---- snapshots -----------------------------------------------------------------------------------------------

// A side that notes what is done to it.
class NotingSide final : public jit::linux_kernel::Side {
 public:
  explicit NotingSide(std::map<std::string, std::string> rows) : rows_(std::move(rows)) {}
  int next_key(const std::byte* key, std::byte* next) override {
    const auto at = key == nullptr ? rows_.begin() : rows_.upper_bound(text(key));
    if (at == rows_.end()) return -ENOENT;
    std::memcpy(next, at->first.data(), 1);
    return 0;
  }
  int read(const std::byte* key, std::byte* value) override {
    if (text(key) == "!") return -ENOENT;  // gone since next_key
    std::memcpy(value, rows_.at(text(key)).data(), 1);
    return 0;
  }
  int write(const std::byte* key, const std::byte* value) override {
    notes += "+" + text(key) + text(value);
    return refuse_writes ? -E2BIG : 0;
  }
  int erase(const std::byte* key) override {
    notes += "-" + text(key);
    return -ENOENT;
  }
  std::string notes;
  bool refuse_writes = false;

 private:
  static std::string text(const std::byte* at) { return {reinterpret_cast<const char*>(at), 1}; }
  std::map<std::string, std::string> rows_;
};

jit::linux_kernel::Snapshot snapshot_of(std::map<std::string, std::string> rows) {
  NotingSide side(std::move(rows));
  jit::linux_kernel::Snapshot snapshot(1, 1);
  EXPECT_EQ(snapshot.take(side), 0);
  return snapshot;
}

TEST(LinuxSnapshot, CarriesOverDifferencesOnlyAndDeletesFirst) {
  NotingSide side({});
  const auto before = snapshot_of({{"a", "1"}, {"b", "2"}, {"c", "3"}});
  const auto after = snapshot_of({{"b", "2"}, {"c", "4"}, {"d", "5"}});
  EXPECT_EQ(before.change_to(after, side), 0);
  EXPECT_EQ(side.notes, "-a+c4+d5");
}

TEST(LinuxSnapshot, DoesNothingWhereNothingDiffers) {
  NotingSide side({});
  const auto same = snapshot_of({{"a", "1"}, {"b", "2"}});
  EXPECT_EQ(same.change_to(same, side), 0);
  EXPECT_EQ(side.notes, "");
}

TEST(LinuxSnapshot, LeavesOutKeysThatVanish) { EXPECT_EQ(snapshot_of({{"!", "1"}, {"b", "2"}}).size(), 1U); }

TEST(LinuxSnapshot, ReportsARefusedWriteAndGoesOn) {
  NotingSide side({});
  side.refuse_writes = true;
  EXPECT_EQ(snapshot_of({}).change_to(snapshot_of({{"a", "1"}, {"b", "2"}}), side), -E2BIG);
  EXPECT_EQ(side.notes, "+a1+b2");
}

// ---- maps ----------------------------------------------------------------------------------------------------

// Increments the u64 under key 1; where there is none, creates it with value 100. Deletes key 2. Returns XDP_PASS.
constexpr const char* kCount = R"(
  *(u32 *)(r10 - 4) = 1
  r1 = map[m0] ll
  r2 = r10
  r2 += -4
  call bpf_map_lookup_elem
  if r0 == 0 goto create
  r1 = *(u64 *)(r0 + 0)
  r1 += 1
  *(u64 *)(r0 + 0) = r1
  goto erase
create:
  *(u64 *)(r10 - 16) = 100
  r1 = map[m0] ll
  r2 = r10
  r2 += -4
  r3 = r10
  r3 += -16
  r4 = 0
  call bpf_map_update_elem
erase:
  *(u32 *)(r10 - 4) = 2
  r1 = map[m0] ll
  r2 = r10
  r2 += -4
  call bpf_map_delete_elem
  r0 = 2
  exit
)";

class LinuxHashes : public testing::TestWithParam<MapType> {};

TEST_P(LinuxHashes, FollowBothSides) {
  FORAGER_NEEDS_KERNEL();
  const std::uint32_t flags = GetParam() == MapType::lpm_trie ? BPF_F_NO_PREALLOC : 0;
  auto map = std::make_shared<TestMap>(spec_of(GetParam(), 4, 8, 64, flags), 1);
  const std::uint32_t first = 1;
  const std::uint32_t second = 2;
  const std::uint32_t third = 3;
  map->put(bytes_of_value(second), bytes_of_value(std::uint64_t{22}));
  map->put(bytes_of_value(third), bytes_of_value(std::uint64_t{33}));
  Rig rig;
  rig.open(kCount, {map});
  (void)rig.run();
  EXPECT_EQ(map->get<std::uint64_t>(first), 100U);  // made by the program
  EXPECT_FALSE(map->has(second));                   // deleted by it
  EXPECT_EQ(map->get<std::uint64_t>(third), 33U);   // untouched

  map->put(bytes_of_value(first), bytes_of_value(std::uint64_t{500}));
  map->erase(&third);
  (void)rig.run();
  EXPECT_EQ(map->get<std::uint64_t>(first), 501U);  // the host's value reached the program
  EXPECT_FALSE(map->has(third));                    // and stays deleted

  const unsigned writes = map->writes;
  map->erase(&first);
  (void)rig.run();
  EXPECT_EQ(map->get<std::uint64_t>(first), 100U);  // the host's deletion reached the program
  EXPECT_EQ(map->writes, writes + 1);               // one key changed, one key was written
}

INSTANTIATE_TEST_SUITE_P(AllTypes, LinuxHashes, testing::Values(MapType::hash, MapType::lru_hash),
                         [](const auto& info) { return std::string(isa::find_map(std::uint32_t(info.param))->name); });

TEST(LinuxArrays, FollowBothSides) {
  FORAGER_NEEDS_KERNEL();
  auto map = std::make_shared<TestMap>(spec_of(MapType::array, 4, 8, 3), 1);
  map->put(bytes_of_value(0U), bytes_of_value(std::uint64_t{7}));
  map->put(bytes_of_value(1U), bytes_of_value(std::uint64_t{41}));
  Rig rig;
  rig.open(kCount, {map});
  (void)rig.run();
  EXPECT_EQ(map->get<std::uint64_t>(0), 7U);
  EXPECT_EQ(map->get<std::uint64_t>(1), 42U);
  EXPECT_EQ(map->get<std::uint64_t>(2), 0U);
  (void)rig.run();
  EXPECT_EQ(map->get<std::uint64_t>(1), 43U);
}

// More rows than one batch of the kernel's has.
TEST(LinuxArrays, AndHashesMayBeLarge) {
  FORAGER_NEEDS_KERNEL();
  for (const MapType type : {MapType::array, MapType::hash}) {
    auto map = std::make_shared<TestMap>(spec_of(type, 4, 8, 60000), 1);
    for (std::uint32_t i = 0; i < 60000; ++i) map->put(bytes_of_value(i), bytes_of_value(std::uint64_t{i} * 3));
    Rig rig;
    rig.open(kCount, {map});
    (void)rig.run();
    map->writes = 0;
    (void)rig.run();
    EXPECT_EQ(map->writes, 1U);
    EXPECT_EQ(map->get<std::uint64_t>(1), 5U);
    for (std::uint32_t i = 3; i < 60000; ++i) ASSERT_EQ(map->get<std::uint64_t>(i), std::uint64_t{i} * 3);
    EXPECT_EQ(map->has(2), type == MapType::array);
  }
}

class LinuxPerCpu : public testing::TestWithParam<std::pair<MapType, unsigned>> {};

// The program runs in lane 0, and the values of other lanes stay what the host made them, also of lanes for which the
// kernel has no CPU.
TEST_P(LinuxPerCpu, FollowBothSidesInLaneZero) {
  FORAGER_NEEDS_KERNEL();
  const auto [type, cpus] = GetParam();
  auto map = std::make_shared<TestMap>(spec_of(type, 4, 8, 4), cpus);
  Bytes lanes;
  for (std::uint64_t lane = 0; lane < cpus; ++lane) {
    const Bytes value = bytes_of_value(10 * (lane + 1));
    lanes.insert(lanes.end(), value.begin(), value.end());
  }
  map->put(bytes_of_value(1U), lanes);
  Rig rig;
  rig.environment.cpus = cpus;
  rig.open(kCount, {map});
  (void)rig.run();
  (void)rig.run();
  EXPECT_EQ(map->get<std::uint64_t>(1, 0), 12U);
  for (unsigned lane = 1; lane < cpus; ++lane) EXPECT_EQ(map->get<std::uint64_t>(1, 8 * lane), 10U * (lane + 1));
}

INSTANTIATE_TEST_SUITE_P(TypesAndCpus, LinuxPerCpu,
                         testing::Values(std::pair{MapType::percpu_array, 1U}, std::pair{MapType::percpu_array, 2U},
                                         std::pair{MapType::percpu_hash, 1U}, std::pair{MapType::percpu_hash, 64U}));

TEST(LinuxTries, FindTheLongestPrefixOfTheHost) {
  FORAGER_NEEDS_KERNEL();
  auto map = std::make_shared<TestMap>(spec_of(MapType::lpm_trie, 8, 4, 16, BPF_F_NO_PREALLOC), 1);
  map->put(bytes_of({8, 0, 0, 0, 10, 0, 0, 0}), bytes_of({1, 0, 0, 0}));
  map->put(bytes_of({16, 0, 0, 0, 10, 1, 0, 0}), bytes_of({3, 0, 0, 0}));
  Rig rig;
  rig.open(R"(
    *(u32 *)(r10 - 8) = 32
    *(u32 *)(r10 - 4) = 0x0301010a
    r1 = map[m0] ll
    r2 = r10
    r2 += -8
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r0 = *(u32 *)(r0 + 0)
  out:
    exit
  )",
           {map});
  EXPECT_EQ(rig.run().return_value, 3U);
  map->rows.erase(map->rows.begin());
  map->rows.clear();
  EXPECT_EQ(rig.run().return_value, 0U);
}

// A constant of a frozen map decides a branch; the other branch would not pass the kernel's verifier.
constexpr const char* kConstant = R"(
  r1 = map[m0][0]+4 ll
  r0 = *(u32 *)(r1 + 0)
  if r0 != 0 goto bad
  r0 = 2
  exit
bad:
  r2 = 0
  r0 = *(u32 *)(r2 + 0)
  exit
)";

TEST(LinuxConstants, AreFoldedByTheKernelsVerifier) {
  FORAGER_NEEDS_KERNEL();
  const Bytes value = bytes_of({9, 9, 9, 9, 0, 0, 0, 0});
  exec::MapSpec spec = spec_of(MapType::array, 4, 8, 1, BPF_F_RDONLY_PROG);
  spec.frozen = std::make_shared<const Bytes>(value);  // our own verifier folds them too
  auto map = std::make_shared<TestMap>(std::move(spec), 1);
  map->put(bytes_of_value(0U), value);
  Rig rig;
  rig.open(kConstant, {map});
  EXPECT_EQ(rig.run().return_value, 2U);
}

TEST(LinuxConstants, AreLoadedAnewWhenTheHostChangesThem) {
  FORAGER_NEEDS_KERNEL();
  auto map = std::make_shared<TestMap>(spec_of(MapType::array, 4, 4, 1, BPF_F_RDONLY_PROG), 1);
  auto count = std::make_shared<TestMap>(spec_of(MapType::array, 4, 8, 1), 1);
  map->put(bytes_of_value(0U), bytes_of({1, 0, 0, 0}));
  Rig rig;
  rig.open(
      "r1 = map[m1][0]+0 ll\nr2 = 1\nlock *(u64 *)(r1 + 0) += r2\nr1 = map[m0][0]+0 ll\nr0 = *(u32 *)(r1 + 0)\nexit\n",
      {map, count});
  EXPECT_EQ(rig.run().return_value, 1U);
  map->put(bytes_of_value(0U), bytes_of({4, 0, 0, 0}));
  EXPECT_EQ(rig.run().return_value, 4U);
  EXPECT_EQ(count->get<std::uint64_t>(0), 2U);  // other maps keep their contents
}

TEST(LinuxDeviceMaps, NameInterfacesOfTheDevicesOwnNetwork) {
  FORAGER_NEEDS_KERNEL();
  const char* text = "r1 = map[m0] ll\nr2 = 1\nr3 = 1\ncall bpf_redirect_map\nexit\n";
  for (const MapType type : {MapType::devmap, MapType::devmap_hash}) {
    auto map = std::make_shared<TestMap>(spec_of(type, 4, 4, 4), 1);
    Rig rig;
    rig.open(text, {map});
    EXPECT_EQ(rig.run().return_value, XDP_DROP);  // an empty slot: the fallback in the flags
    map->put(bytes_of_value(1U), bytes_of_value(4321U));
    EXPECT_EQ(rig.run().return_value, XDP_REDIRECT);
    map->rows.clear();
    EXPECT_EQ(rig.run().return_value, XDP_DROP);
  }
}

TEST(LinuxDeviceMaps, RefuseAnInterfaceThatCannotBe) {
  FORAGER_NEEDS_KERNEL();
  auto map = std::make_shared<TestMap>(spec_of(MapType::devmap, 4, 4, 4), 1);
  map->put(bytes_of_value(1U), bytes_of_value(0xffffffffU));
  Rig rig;
  rig.open("r1 = map[m0] ll\nr2 = 1\nr3 = 1\ncall bpf_redirect_map\nexit\n", {map});
  auto frame = exec::Frame::make(Bytes(64)).value();
  const auto report = rig.device->run({&frame, 1});
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().text(), HasSubstr("interface 4294967295"));
}

// The kernel's test run redirects nothing, so that they would not run.
TEST(LinuxDeviceMaps, RefuseProgramsOfEntries) {
  FORAGER_NEEDS_KERNEL();
  for (const MapType type : {MapType::devmap, MapType::devmap_hash, MapType::cpumap}) {
    auto map = std::make_shared<TestMap>(spec_of(type, 4, 8, 4), 1);
    map->put(bytes_of_value(0U), bytes_of_value(std::uint64_t{5} << 32 | 1));
    Rig rig;
    rig.open("r1 = map[m0] ll\nr2 = 0\nr3 = 1\ncall bpf_redirect_map\nexit\n", {map});
    auto frame = exec::Frame::make(Bytes(64)).value();
    const auto report = rig.device->run({&frame, 1});
    ASSERT_FALSE(report);
    EXPECT_THAT(report.error().text(), HasSubstr("runs no programs of map entries"));
    map->put(bytes_of_value(0U), bytes_of_value(std::uint64_t{1}));
    EXPECT_TRUE(rig.device->run({&frame, 1}));
  }
}

// ---- program arrays --------------------------------------------------------------------------------------------

constexpr const char* kTailCall = R"(
  r2 = map[m0] ll
  r3 = 1
  call bpf_tail_call
  r0 = 2
  exit
)";

TEST(LinuxProgramArrays, LoadWhatTheirSlotsName) {
  FORAGER_NEEDS_KERNEL();
  auto programs = std::make_shared<TestMap>(spec_of(MapType::prog_array, 4, 4, 4), 1);
  auto count = std::make_shared<TestMap>(spec_of(MapType::array, 4, 8, 2), 1);
  Rig rig;
  rig.open(kTailCall, {programs});
  EXPECT_EQ(rig.run().return_value, XDP_PASS);  // nothing in the slot

  auto target = linux_test::program_of(kCount, {count->spec()});
  ASSERT_TRUE(target) << target.error().text();
  auto drop = linux_test::program_of("r0 = 1\nexit\n");
  ASSERT_TRUE(drop) << drop.error().text();
  exec::ProgramTable& table = *programs->abilities().programs;
  table.set(1, {.program = *target, .maps = std::make_shared<exec::MapList>(exec::MapList{count})});
  EXPECT_EQ(rig.run().return_value, XDP_PASS);
  EXPECT_EQ(count->get<std::uint64_t>(1), 1U);
  table.set(1, {.program = *drop});
  EXPECT_EQ(rig.run().return_value, XDP_DROP);
  table.set(1, {});
  EXPECT_EQ(rig.run().return_value, XDP_PASS);
}

// A program that calls itself through the array: Linux lets 33 tail calls pass, so it runs 34 times.
TEST(LinuxProgramArrays, MayHoldTheProgramThatUsesThem) {
  FORAGER_NEEDS_KERNEL();
  auto programs = std::make_shared<TestMap>(spec_of(MapType::prog_array, 4, 4, 4), 1);
  auto count = std::make_shared<TestMap>(spec_of(MapType::array, 4, 8, 1), 1);
  Rig rig;
  rig.open(R"(
    r6 = r1
    r1 = map[m1][0]+0 ll
    r2 = 1
    lock *(u64 *)(r1 + 0) += r2
    r1 = r6
    r2 = map[m0] ll
    r3 = 1
    call bpf_tail_call
    r0 = 2
    exit
  )",
           {programs, count});
  programs->abilities().programs->set(1, {.program = rig.program, .maps = rig.maps});
  EXPECT_EQ(rig.run().return_value, XDP_PASS);
  EXPECT_EQ(count->get<std::uint64_t>(0), 34U);
  programs->abilities().programs->set(1, {});  // the array would keep itself alive
}

TEST(LinuxProgramArrays, SayWhichMapATargetLacks) {
  FORAGER_NEEDS_KERNEL();
  auto programs = std::make_shared<TestMap>(spec_of(MapType::prog_array, 4, 4, 4), 1);
  auto target = linux_test::program_of(kCount, {spec_of(MapType::array, 4, 8, 2)});
  ASSERT_TRUE(target) << target.error().text();
  programs->abilities().programs->set(1, {.program = *target});
  Rig rig;
  rig.open(kTailCall, {programs});
  auto frame = exec::Frame::make(Bytes(64)).value();
  const auto report = rig.device->run({&frame, 1});
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().text(), HasSubstr("map 0"));
}

}  // namespace
}  // namespace forager
