// SPDX-License-Identifier: Apache-2.0
//
// PROG_ARRAY and PERF_EVENT_ARRAY: slots that hold objects.
#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

// A program that nobody looks into: only its identity and its lifetime matter here.
exec::ProgramSlot program(std::uint32_t id, const std::shared_ptr<int>& owner) {
  return {.id = id, .program = {owner, reinterpret_cast<const verifier::VerifiedProgram*>(owner.get())}};
}

class NullSink final : public exec::PerfSink {
 public:
  int write(std::span<const std::byte>, std::span<const std::byte>) override { return 0; }
  [[nodiscard]] std::uint64_t lost() const override { return 0; }
  void lose(std::uint64_t) override {}
};

std::shared_ptr<Map> make_slots(MapType type) {
  return make({.type = type, .key_size = 4, .value_size = 4, .max_entries = 4});
}

TEST(MapsObjects, AProgramArrayHoldsProgramsAndShowsTheirIds) {
  const auto map = make_slots(MapType::prog_array);
  exec::ProgramTable* table = map->abilities().programs;
  ASSERT_NE(table, nullptr);
  const auto owner = std::make_shared<int>();
  std::uint32_t key = 2, id = 0;
  EXPECT_EQ(map->read(&key, &id, 0), -ENOENT);
  EXPECT_EQ(table->get(2).program, nullptr);
  EXPECT_EQ(table->set(2, program(41, owner)), 0);
  EXPECT_EQ(table->set(2, program(42, owner)), 0);
  EXPECT_EQ(map->read(&key, &id, 0), 0);
  EXPECT_EQ(id, 42U);
  EXPECT_EQ(table->get(2).id, 42U);
  EXPECT_EQ(owner.use_count(), 2) << "one for us, one for the slot";
  EXPECT_EQ(map->usage().entries, 1U);
  EXPECT_EQ(map->erase(&key), 0);
  EXPECT_EQ(map->erase(&key), -ENOENT);
  EXPECT_EQ(owner.use_count(), 1);
}

TEST(MapsObjects, AnEmptySlotOrNoSinkClears) {
  const auto owner = std::make_shared<int>();
  const auto programs = make_slots(MapType::prog_array);
  EXPECT_EQ(programs->abilities().programs->set(1, program(1, owner)), 0);
  EXPECT_EQ(programs->abilities().programs->set(1, {}), 0);
  EXPECT_EQ(programs->abilities().programs->set(1, {}), 0) << "clearing an empty slot is no error";
  EXPECT_EQ(owner.use_count(), 1);
  const auto perf = make_slots(MapType::perf_event_array);
  EXPECT_EQ(perf->abilities().perf->set(1, std::make_shared<NullSink>()), 0);
  EXPECT_NE(perf->abilities().perf->get(1), nullptr);
  EXPECT_EQ(perf->abilities().perf->set(1, nullptr), 0);
  EXPECT_EQ(perf->abilities().perf->get(1), nullptr);
}

TEST(MapsObjects, SlotsEndWithTheirMap) {
  const auto owner = std::make_shared<int>();
  const auto sink = std::make_shared<NullSink>();
  {
    const auto programs = make_slots(MapType::prog_array), perf = make_slots(MapType::perf_event_array);
    for (std::uint32_t i = 0; i < 4; ++i) {
      EXPECT_EQ(programs->abilities().programs->set(i, program(i + 1, owner)), 0);
      EXPECT_EQ(perf->abilities().perf->set(i, sink), 0);
    }
    EXPECT_EQ(owner.use_count(), 5);
    EXPECT_EQ(sink.use_count(), 5);
  }
  EXPECT_EQ(owner.use_count(), 1);
  EXPECT_EQ(sink.use_count(), 1);
}

TEST(MapsObjects, IndicesPastTheEndAreRefused) {
  const auto programs = make_slots(MapType::prog_array), perf = make_slots(MapType::perf_event_array);
  std::uint32_t key = 4, value = 0;
  EXPECT_EQ(programs->abilities().programs->set(4, program(1, std::make_shared<int>())), -E2BIG);
  EXPECT_EQ(programs->abilities().programs->get(4).program, nullptr);
  EXPECT_EQ(perf->abilities().perf->set(4, std::make_shared<NullSink>()), -E2BIG);
  EXPECT_EQ(perf->abilities().perf->get(UINT32_MAX), nullptr);
  for (const auto& map : {programs, perf}) {
    EXPECT_EQ(map->erase(&key), -E2BIG);
    EXPECT_EQ(map->write(&key, &value, 0), -E2BIG);
  }
}

// What bpf(2) of the kernel says to the operations that need no object.
class MapsObjectsKernel : public ::testing::TestWithParam<MapType> {};

TEST_P(MapsObjectsKernel, AnswersLikeTheKernel) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  const MapSpec spec = {.type = GetParam(), .key_size = 4, .value_size = 4, .max_entries = 4};
  OurMap ours(make(spec), 2);
  KernelMap kernels(spec, 2);
  for (const std::uint32_t index : {0U, 3U, 4U, UINT32_MAX}) {
    const Bytes key = bytes_of(index), no_fd = bytes_of(std::int32_t{-1});
    for (const std::uint64_t flags : {0, 1, 2, 3})
      EXPECT_EQ(ours.write(key, no_fd, flags), kernels.write(key, no_fd, flags));
    EXPECT_EQ(ours.read(key, 0), kernels.read(key, 0)) << index;
    EXPECT_EQ(ours.erase(key), kernels.erase(key)) << index;
    EXPECT_EQ(ours.next(key), kernels.next(key)) << index;
  }
  EXPECT_EQ(ours.keys(9), kernels.keys(9));
}
INSTANTIATE_TEST_SUITE_P(All, MapsObjectsKernel, ::testing::Values(MapType::prog_array, MapType::perf_event_array),
                         [](const auto& info) {
                           return std::string(isa::find_map(static_cast<std::uint32_t>(info.param))->name);
                         });

}  // namespace
}  // namespace forager::maps::testing
