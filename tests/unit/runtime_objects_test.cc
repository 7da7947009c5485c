// SPDX-License-Identifier: Apache-2.0
// Ids, lifetimes, PROG_ARRAYs and links.
#include <linux/bpf.h>

#include <cerrno>

#include "runtime_testing.h"

namespace forager::runtime::testing {
namespace {

using isa::MapType;

struct Thing {
  explicit Thing(std::uint32_t given) : id(given) {}
  std::uint32_t id;
};

TEST(IdTable, NeverGivesAnIdTwice) {
  IdTable<Thing> table;
  auto first = table.make();
  EXPECT_EQ(first->id, 1U);
  first.reset();
  EXPECT_EQ(table.find(1), nullptr);
  const auto second = table.make();
  EXPECT_EQ(second->id, 2U);
  EXPECT_EQ(table.find(2), second);
}

TEST(IdTable, ListsWhatLives) {
  IdTable<Thing> table;
  std::vector<std::shared_ptr<Thing>> things;
  things.reserve(1000);
  for (int i = 0; i < 1000; ++i) things.push_back(table.make());
  for (std::size_t i = 0; i < things.size(); ++i) {
    if (i % 10 != 9) things[i].reset();
  }
  std::uint32_t id = 0;
  int count = 0;
  while (const auto next = table.next(id)) {
    EXPECT_EQ(*next % 10, 0U);
    id = *next;
    ++count;
  }
  EXPECT_EQ(count, 100);
}

class Objects : public ::testing::Test {
 protected:
  Runtime runtime_;
};

TEST_F(Objects, ProgramsKeepTheirMaps) {
  auto map = make_map(runtime_, MapType::array, 8, 1, "values");
  const std::uint32_t id = map->id;
  auto program = load(runtime_, "r1 = map[values] ll\nr0 = 2\nexit\n", {map});
  map.reset();
  ASSERT_NE(runtime_.maps().find(id), nullptr);
  EXPECT_EQ(program->all_maps().size(), 1U);
  program.reset();
  EXPECT_EQ(runtime_.maps().find(id), nullptr);
}

// An array of one, read-only to programs, as .rodata is.
std::shared_ptr<MapObject> constants_map(Runtime& runtime) {
  constexpr std::uint32_t kReadOnlyProg = 1U << 7;
  auto map = runtime.create_map({.type = MapType::array,
                                 .key_size = 4,
                                 .value_size = 4,
                                 .max_entries = 1,
                                 .flags = kReadOnlyProg,
                                 .extra = 0,
                                 .name = "values"});
  EXPECT_TRUE(map.has_value());
  const std::uint32_t key = 0, value = 0x01020304;
  EXPECT_EQ((*map)->map->write(&key, &value, 0), 0);
  return *map;
}

TEST_F(Objects, FrozenValuesAreConstantsToTheVerifier) {
  constexpr std::string_view kText = "r1 = map[values] ll\nr0 = 2\nexit\n";
  const auto map = constants_map(runtime_);
  EXPECT_EQ(load(runtime_, kText, {map})->source().maps[0].frozen, nullptr) << "user space may still write";
  ASSERT_TRUE(map->freeze());
  EXPECT_FALSE(map->freeze()) << "it is frozen already";
  const auto frozen = load(runtime_, kText, {map})->source().maps[0].frozen;
  ASSERT_NE(frozen, nullptr);
  EXPECT_EQ(*frozen, (std::vector<std::byte>{std::byte{4}, std::byte{3}, std::byte{2}, std::byte{1}}));
}

TEST_F(Objects, WhatProgramsMayWriteIsNoConstant) {
  const auto map = make_map(runtime_, MapType::array, 4, 1, "values");
  ASSERT_TRUE(map->freeze());
  EXPECT_EQ(map->constants(), nullptr);
}

TEST_F(Objects, NothingIsFrozenOrConstantWhileItIsWritten) {
  const auto map = constants_map(runtime_);
  {
    const MapWriting writing(*map);
    EXPECT_TRUE(writing.allowed());
    EXPECT_FALSE(map->freeze());
  }
  ASSERT_TRUE(map->freeze());
  {
    const MapWriting late(*map);
    EXPECT_FALSE(late.allowed());
    EXPECT_EQ(map->constants(), nullptr) << "who knows when it began";
  }
  EXPECT_NE(map->constants(), nullptr);
}

TEST_F(Objects, MapsThatAreNotBuiltAreMadeForVerificationOnly) {
  const program::MapSpec spec = {
      .type = MapType::inode_storage, .key_size = 4, .value_size = 8, .flags = BPF_F_NO_PREALLOC};
  const auto refused = runtime_.create_map(spec);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
  runtime_.settings.verify_only = true;
  EXPECT_TRUE(runtime_.create_map(spec).has_value());
}

TEST_F(Objects, RefusedProgramsLeaveNothing) {
  ProgramRequest asked = request(kPass);
  asked.source.slots.pop_back();
  const auto refused = runtime_.load_program(std::move(asked));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::rejected);
  EXPECT_EQ(runtime_.programs().next(0), std::nullopt);
}

TEST_F(Objects, LoadsAreObserved) {
  std::vector<std::string> seen;
  runtime_.settings.on_load = [&](const LoadAttempt& attempt) {
    EXPECT_NE(attempt.program == nullptr, attempt.error == nullptr);
    seen.push_back(attempt.source.name + (attempt.error != nullptr ? " refused" : " loaded"));
  };
  const auto program = load(runtime_, kPass);
  ProgramRequest asked = request(kPass);
  asked.source.slots.pop_back();
  EXPECT_FALSE(runtime_.load_program(std::move(asked)).has_value());
  EXPECT_EQ(seen, (std::vector<std::string>{"test loaded", "test refused"}));
}

constexpr std::string_view kLoop = "r0 = 0\nagain: r0 += 1\nif r0 != 9 goto again\nexit\n";

TEST_F(Objects, SettingsAskMoreOfEveryProgram) {
  EXPECT_TRUE(runtime_.load_program(request(kLoop)).has_value());
  runtime_.settings.verify.strict_loops = true;
  EXPECT_EQ(runtime_.load_program(request(kLoop)).error().error, EINVAL);
  runtime_.settings.verify = {.instruction_limit = 10};
  const auto complex = runtime_.load_program(request(kLoop));
  ASSERT_FALSE(complex.has_value());
  EXPECT_EQ(complex.error().kind, ErrorKind::limit);
  EXPECT_EQ(complex.error().limit, 10U);
}

TEST_F(Objects, ObserversSeeWhatVerificationCostAndSaid) {
  verifier::Report seen;
  runtime_.settings.verify.log_level = 2;
  runtime_.settings.on_load = [&](const LoadAttempt& attempt) { seen = attempt.report; };
  load(runtime_, kLoop);
  EXPECT_EQ(seen.processed_instructions, 20U);
  EXPECT_NE(seen.log.find("r0 += 1"), std::string::npos);
}

TEST_F(Objects, ProgramArraysAreClearedWithTheirLastUser) {
  auto array = make_map(runtime_, MapType::prog_array, 4, 4, "next");
  auto user = std::make_unique<MapUser>(array);
  {
    // The program refers to the array that refers to it.
    const auto program = load(runtime_, "r2 = map[next] ll\nr3 = 0\ncall 12\nr0 = 2\nexit\n", {array});
    EXPECT_EQ(array->set_program(1, program), 0);
    EXPECT_EQ(array->program_at(1), program);
    const exec::ProgramSlot slot = array->map->abilities().programs->get(1);
    EXPECT_EQ(slot.id, program->id);
    ASSERT_EQ(slot.maps->size(), 1U);
    EXPECT_EQ(slot.maps->front(), array->map);
  }
  array.reset();
  EXPECT_NE(runtime_.programs().next(0), std::nullopt);
  {
    const MapUser second(user->object());
    user.reset();
    EXPECT_NE(runtime_.programs().next(0), std::nullopt) << "one user is left";
  }
  EXPECT_EQ(runtime_.programs().next(0), std::nullopt);
  EXPECT_EQ(runtime_.maps().next(0), std::nullopt);
}

TEST_F(Objects, ProgramArraysTakeOneKind) {
  const auto array = make_map(runtime_, MapType::prog_array, 4, 4, "next");
  const MapUser user(array);
  EXPECT_EQ(array->set_program(0, nullptr), -ENOENT);
  EXPECT_EQ(array->set_program(0, load(runtime_, kPass)), 0);
  EXPECT_EQ(array->set_program(1, load(runtime_, kPass, {}, isa::ProgType::socket_filter)), -EINVAL);
  EXPECT_EQ(array->set_program(4, load(runtime_, kPass)), -E2BIG);
  EXPECT_EQ(array->set_program(0, nullptr), 0);
  EXPECT_EQ(array->program_at(0), nullptr);
  const auto other =
      runtime_.load_program(request("r2 = map[next] ll\nr0 = 0\nexit\n", {array}, isa::ProgType::socket_filter));
  ASSERT_FALSE(other.has_value()) << "a socket filter must not jump to XDP programs";
  EXPECT_EQ(other.error().error, EINVAL);
}

TEST_F(Objects, PortsAreThoseOfTheSettings) {
  EXPECT_FALSE(runtime_.port_exists(0));
  EXPECT_TRUE(runtime_.port_exists(77));
  runtime_.settings.ports = {1, 2};
  EXPECT_TRUE(runtime_.port_exists(2));
  EXPECT_FALSE(runtime_.port_exists(77));
}

}  // namespace
}  // namespace forager::runtime::testing
