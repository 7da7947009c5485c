// SPDX-License-Identifier: Apache-2.0
//
// DEVMAP, DEVMAP_HASH and CPUMAP whose entries have programs: the program and the number of an entry are of one moment,
// and a program is held exactly as long as an entry names it. Under ThreadSanitizer too.
#include <atomic>
#include <thread>

#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

constexpr MapType kTypes[] = {MapType::devmap, MapType::devmap_hash, MapType::cpumap};
constexpr unsigned kCpus = 4;

// A program that nobody looks into: only its identity and its lifetime matter here.
exec::ProgramSlot program(std::uint32_t id, const std::shared_ptr<int>& owner) {
  return {.id = id, .program = {owner, reinterpret_cast<const verifier::VerifiedProgram*>(owner.get())}};
}

std::shared_ptr<Map> make_redirects(MapType type, std::uint32_t value_size = 8, std::uint32_t entries = 4) {
  return make({.type = type, .key_size = 4, .value_size = value_size, .max_entries = entries}, kCpus);
}

// Descriptor n is program 100 + n, if it is known.
class MapsRedirects : public ::testing::TestWithParam<MapType> {
 protected:
  int set(std::uint32_t key, std::uint32_t number, std::int32_t fd, std::uint64_t flags = BPF_ANY) {
    const EntryBytes value = {number, fd};
    return map_->abilities().redirects->set(&key, &value, flags, [&](int asked, exec::ProgramSlot& found) {
      ++asked_;
      if (asked > 9) return -EBADF;
      found = program(100 + static_cast<std::uint32_t>(asked), owner_);
      return 0;
    });
  }
  std::optional<exec::RedirectEntry> get(std::uint32_t key) { return map_->abilities().redirects->get(&key); }
  std::uint64_t word(std::uint32_t key) {
    const void* value = map_->lookup(&key, 0);
    return value == nullptr ? 0 : value_of<std::uint64_t>(Bytes(static_cast<const char*>(value), 8));
  }
  [[nodiscard]] bool by_index() const { return GetParam() != MapType::devmap_hash; }
  [[nodiscard]] int no_program() const { return GetParam() == MapType::cpumap ? -ENOMEM : -EINVAL; }

  struct EntryBytes {
    std::uint32_t number;
    std::int32_t fd;
  };
  std::shared_ptr<int> owner_ = std::make_shared<int>();
  std::shared_ptr<Map> map_ = make_redirects(GetParam());
  unsigned asked_ = 0;
};

TEST_P(MapsRedirects, AnEntryHasItsProgramAndShowsItsId) {
  ASSERT_EQ(set(1, 7, 3), 0);
  EXPECT_EQ(word(1), 103ULL << 32 | 7);
  const auto entry = get(1);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->number, 7U);
  EXPECT_EQ(entry->program.id, 103U);
  EXPECT_EQ(entry->program.program, program(0, owner_).program);
  const std::uint32_t key = 1;
  std::uint64_t value = 0;
  EXPECT_EQ(map_->read(&key, &value, 0), 0);
  EXPECT_EQ(value, 103ULL << 32 | 7);
  EXPECT_FALSE(get(2).has_value());
}

TEST_P(MapsRedirects, AProgramIsHeldAsLongAsItsEntry) {
  const auto held = [&] { return owner_.use_count() - 1; };
  ASSERT_EQ(set(1, 7, 3), 0);
  EXPECT_EQ(held(), 1);
  ASSERT_EQ(set(1, 8, 4), 0);
  EXPECT_EQ(held(), 1) << "the other is in its place";
  EXPECT_EQ(get(1)->program.id, 104U);
  ASSERT_EQ(set(1, 9, 0), 0);
  EXPECT_EQ(held(), 0);
  EXPECT_EQ(get(1)->number, 9U);
  EXPECT_EQ(get(1)->program.program, nullptr);
  ASSERT_EQ(set(0, 7, 1), 0);
  ASSERT_EQ(set(2, 7, 2), 0);
  EXPECT_EQ(held(), 2);
  const std::uint32_t key = 2;
  EXPECT_EQ(map_->erase(&key), 0);
  EXPECT_EQ(held(), 1);
  map_.reset();
  EXPECT_EQ(held(), 0);
}

TEST_P(MapsRedirects, AnEntryThatGoesTakesItsProgramAlong) {
  if (!by_index()) GTEST_SKIP() << "its entries go by deletion alone";
  ASSERT_EQ(set(1, 7, 3), 0);
  ASSERT_EQ(set(1, 0, 0), 0);
  EXPECT_EQ(owner_.use_count(), 1);
  EXPECT_FALSE(get(1).has_value());
}

// What is wrong besides decides, and nothing changes.
TEST_P(MapsRedirects, TheProgramIsTheLastThingThatIsLookedFor) {
  ASSERT_EQ(set(1, 7, 3), 0);
  EXPECT_EQ(set(1, 8, 10), no_program());
  EXPECT_EQ(asked_, 2U);
  EXPECT_EQ(set(1, 8, 10, 7), -EINVAL);
  EXPECT_EQ(set(1, 8, 10, BPF_NOEXIST), -EEXIST);
  if (by_index()) {
    EXPECT_EQ(set(4, 8, 10), -E2BIG);
  }
  EXPECT_EQ(asked_, 2U);
  EXPECT_EQ(get(1)->number, 7U);
  EXPECT_EQ(get(1)->program.id, 103U);
  const std::uint32_t key = 1;
  const EntryBytes value = {8, 3};
  EXPECT_EQ(map_->write(&key, &value, 0), no_program()) << "a descriptor means nothing to the map alone";
}

TEST_P(MapsRedirects, AProgramWithoutAPortIsAnErrorAndOneWithoutAQueueNone) {
  EXPECT_EQ(set(1, 0, 3), GetParam() == MapType::cpumap ? 0 : -EINVAL);
  EXPECT_EQ(asked_, 0U);
  EXPECT_EQ(owner_.use_count(), 1);
}

TEST_P(MapsRedirects, AFullMapTakesNoMore) {
  if (by_index()) GTEST_SKIP() << "an index is always there";
  for (std::uint32_t key = 10; key < 14; ++key) ASSERT_EQ(set(key, 1, 1), 0);
  EXPECT_EQ(set(99, 1, 2), -E2BIG);
  EXPECT_EQ(owner_.use_count(), 5);
  EXPECT_EQ(set(13, 2, 2), 0) << "but another program for an entry";
  EXPECT_EQ(owner_.use_count(), 5);
}

TEST_P(MapsRedirects, ProgramsCountAsMemory) {
  ASSERT_EQ(set(1, 7, 0), 0);
  const std::uint64_t without = map_->usage().bytes;
  ASSERT_EQ(set(1, 7, 3), 0);
  EXPECT_GT(map_->usage().bytes, without);
  EXPECT_EQ(map_->usage().entries, 1U);
}

TEST_P(MapsRedirects, SmallValuesHaveNoPrograms) {
  EXPECT_EQ(make_redirects(GetParam(), 4)->abilities().redirects, nullptr);
}

// Entries say 50 + n of program 100 + n, and 50 without one.
TEST_P(MapsRedirects, ReadersSeeAProgramWithItsNumber) {
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> met{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      // On few cores the writer may be done before a reader runs: then it looks until it has seen what is left.
      while (!done || met == 0) {
        const auto entry = get(1);
        if (!entry) continue;
        const std::uint32_t expected = entry->program.program == nullptr ? 50 : entry->program.id - 50;
        EXPECT_EQ(entry->number, expected);
        ++met;
      }
    });
  }
  for (int i = 0; i < 4000; ++i) {
    const std::int32_t fd = i % 5;
    if (i % 7 == 3) {
      const std::uint32_t key = 1;
      std::ignore = map_->erase(&key);
    } else {
      EXPECT_EQ(set(1, 50 + static_cast<std::uint32_t>(fd), fd), 0);
    }
  }
  EXPECT_EQ(set(1, 51, 1), 0);
  done = true;
  readers.clear();
  EXPECT_EQ(owner_.use_count(), 2);
}

INSTANTIATE_TEST_SUITE_P(All, MapsRedirects, ::testing::ValuesIn(kTypes), [](const auto& info) {
  return std::string(isa::find_map(static_cast<std::uint32_t>(info.param))->name);
});

}  // namespace
}  // namespace forager::maps::testing
