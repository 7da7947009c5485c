// SPDX-License-Identifier: Apache-2.0
//
// Maps under many threads: nothing is lost, torn, missed or counted twice. Label "concurrency": these run under
// ThreadSanitizer too. Numbers of operations are fixed and results exact; no test depends on time.
#include <algorithm>
#include <array>
#include <atomic>
#include <set>

#include "maps_testing.h"
#include "maps_threads.h"

namespace forager::maps::testing {
namespace {

constexpr unsigned kCpus = 4;

MapSpec spec_of(MapType type, std::uint32_t value_size, std::uint32_t max_entries) {
  const bool trie = type == MapType::lpm_trie;
  return {.type = type,
          .key_size = trie ? 8U : 4U,
          .value_size = value_size,
          .max_entries = max_entries,
          .flags = trie ? std::uint32_t{BPF_F_NO_PREALLOC} : 0};
}

// Key n of whatever type: in a trie, a full-length prefix that shares its first bits with many others.
struct Key {
  std::array<std::uint32_t, 2> words;
  Key(MapType type, std::uint32_t n) : words{n, 0} {
    if (type == MapType::lpm_trie) words = {32, __builtin_bswap32(n)};
  }
  [[nodiscard]] const void* data() const { return words.data(); }
};

// A value of 64 bytes for each CPU whose words all are the same.
struct Pattern {
  std::array<std::uint64_t, std::size_t{8} * kCpus> words;
  explicit Pattern(std::uint64_t word = 0) { words.fill(word); }
  [[nodiscard]] bool whole(std::size_t count) const {
    return std::all_of(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(count),
                       [&](auto w) { return w == words[0]; });
  }
};

std::string type_name(const ::testing::TestParamInfo<MapType>& info) {
  return std::string(isa::find_map(static_cast<std::uint32_t>(info.param))->name);
}

// ---- every key/value type ----------------------------------------------------------------------------------------

class MapsConcurrency : public ::testing::TestWithParam<MapType> {
 protected:
  static constexpr unsigned kThreads = 8;
  static std::size_t words() { return exec::host_value_size(spec_of(GetParam(), 64, 1), kCpus) / 8; }
};

class MapsConcurrencyKeyed : public MapsConcurrency {};  // types whose keys come and go

// Half of the threads write, half read, few keys: no read sees parts of two writes.
TEST_P(MapsConcurrency, HostReadsAreNeverTorn) {
  constexpr int kOperations = 5000 * kScale;
  const auto map = make(spec_of(GetParam(), 64, 8), kCpus);
  for (std::uint32_t n = 0; n < 4; ++n)
    ASSERT_EQ(map->write(Key(GetParam(), n).data(), Pattern(0).words.data(), BPF_ANY), 0);
  std::atomic<int> torn{0}, failed{0};
  on_threads(kThreads, [&](unsigned thread) {
    Random random(thread);
    Pattern pattern;
    for (int i = 0; i < kOperations; ++i) {
      const Key key(GetParam(), static_cast<std::uint32_t>(below(random, 4)));
      if (thread % 2 == 0) {
        if (map->write(key.data(), Pattern(random()).words.data(), BPF_ANY) != 0) ++failed;
      } else {
        if (map->read(key.data(), pattern.words.data(), 0) != 0) ++failed;
        if (!pattern.whole(words())) ++torn;
      }
    }
  });
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(failed, 0) << "keys that are only updated never vanish";
}

// One writer counts up; no reader sees a number smaller than any reader saw before it began.
TEST_P(MapsConcurrency, ReadsOfOneKeyAreLinearizable) {
  constexpr std::uint64_t kLast = 5000 * kScale;
  const auto map = make(spec_of(GetParam(), 64, 8), kCpus);
  const Key key(GetParam(), 3);
  ASSERT_EQ(map->write(key.data(), Pattern(0).words.data(), BPF_ANY), 0);
  std::atomic<std::uint64_t> seen{0};
  std::atomic<int> wrong{0};
  on_threads(kThreads, [&](unsigned thread) {
    if (thread == 0) {
      for (std::uint64_t n = 1; n <= kLast; ++n) {
        if (map->write(key.data(), Pattern(n).words.data(), BPF_EXIST) != 0) ++wrong;
        std::uint64_t before = seen.load();
        while (before < n && !seen.compare_exchange_weak(before, n)) {
        }
      }
      return;
    }
    Pattern pattern;
    for (std::uint64_t least = 0; least < kLast;) {
      least = seen.load();
      if (map->read(key.data(), pattern.words.data(), 0) != 0 || pattern.words[0] < least) ++wrong;
      std::uint64_t before = seen.load();
      while (before < pattern.words[0] && !seen.compare_exchange_weak(before, pattern.words[0])) {
      }
    }
  });
  EXPECT_EQ(wrong, 0);
}

// Each thread owns keys that only it inserts and deletes: for its owner a key is there exactly when it should be,
// whatever the others do to the same buckets and nodes.
TEST_P(MapsConcurrencyKeyed, EachThreadSeesItsOwnKeysExactly) {
  constexpr std::uint32_t kKeys = 16;
  constexpr int kOperations = 5000 * kScale;
  const auto map = make(spec_of(GetParam(), 64, kThreads * kKeys), kCpus);
  std::atomic<int> wrong{0};
  std::atomic<std::uint64_t> left{0};
  on_threads(kThreads, [&](unsigned thread) {
    Random random(thread);
    std::array<bool, kKeys> present{};
    Pattern pattern;
    for (int i = 0; i < kOperations; ++i) {
      const auto n = static_cast<std::uint32_t>(below(random, kKeys));
      const Key key(GetParam(), n * kThreads + thread);
      const std::uint64_t word = std::uint64_t{thread} << 32 | n;
      const auto choice = below(random, 4);
      if (choice == 0) {
        wrong += map->erase(key.data()) != (present[n] ? 0 : -ENOENT) ? 1 : 0;
        present[n] = false;
      } else if (choice == 1) {
        wrong += map->write(key.data(), Pattern(word).words.data(), BPF_ANY) != 0 ? 1 : 0;
        present[n] = true;
      } else if (choice == 2) {
        wrong += (map->lookup(key.data(), 0) != nullptr) != present[n] ? 1 : 0;
      } else {
        wrong += map->read(key.data(), pattern.words.data(), 0) != (present[n] ? 0 : -ENOENT) ? 1 : 0;
        if (present[n]) wrong += pattern.words[0] != word || !pattern.whole(words()) ? 1 : 0;
      }
    }
    left += static_cast<std::uint64_t>(std::ranges::count(present, true));
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(map->usage().entries, left);
}

// Programs count in place, by atomics, on keys that stay, while other keys churn around them: no count is lost.
TEST_P(MapsConcurrency, AtomicsThroughAValuesAddressAreNeverLost) {
  constexpr std::uint32_t kCounters = 4;
  constexpr int kOperations = 5000 * kScale;
  const auto map = make(spec_of(GetParam(), 64, 64), kCpus);
  for (std::uint32_t n = 0; n < kCounters; ++n) {
    ASSERT_EQ(map->write(Key(GetParam(), n).data(), Pattern(0).words.data(), BPF_ANY), 0);
  }
  std::atomic<int> missing{0};
  on_threads(kThreads, [&](unsigned thread) {
    Random random(thread);
    for (int i = 0; i < kOperations; ++i) {
      const Key counter(GetParam(), static_cast<std::uint32_t>(i) % kCounters);
      auto* value = static_cast<std::uint64_t*>(map->lookup(counter.data(), thread % kCpus));
      if (value == nullptr) {
        ++missing;
      } else {
        std::atomic_ref(*value).fetch_add(1, std::memory_order_relaxed);
      }
      const Key other(GetParam(), static_cast<std::uint32_t>(8 + below(random, 32)));
      static_cast<void>(below(random, 2) == 0 ? map->erase(other.data())
                                              : map->update(other.data(), Pattern(1).words.data(), BPF_ANY, 0));
    }
  });
  EXPECT_EQ(missing, 0);
  std::uint64_t sum = 0;
  const unsigned cpus = words() == 8 ? 1 : kCpus;
  for (std::uint32_t n = 0; n < kCounters; ++n) {
    Pattern pattern;
    ASSERT_EQ(map->read(Key(GetParam(), n).data(), pattern.words.data(), 0), 0);
    for (unsigned cpu = 0; cpu < cpus; ++cpu) sum += pattern.words[std::size_t{cpu} * 8];
  }
  EXPECT_EQ(sum, std::uint64_t{kThreads} * kOperations);
}

// Iterations of several threads among churn: each ends and meets every key that stays.
TEST_P(MapsConcurrency, IterationEndsAndMissesNoStayingKey) {
  constexpr std::uint32_t kStaying = 100;
  const auto map = make(spec_of(GetParam(), 8, 400), kCpus);
  const std::array<std::uint64_t, kCpus> value{};
  for (std::uint32_t n = 0; n < kStaying; ++n)
    ASSERT_EQ(map->write(Key(GetParam(), n).data(), value.data(), BPF_ANY), 0);
  std::atomic<int> running{4}, missed{0}, endless{0};
  on_threads(kThreads, [&](unsigned thread) {
    if (thread >= 4) {
      Random random(thread);
      while (running.load() != 0) {
        const Key key(GetParam(), static_cast<std::uint32_t>(below(random, 390)));
        const bool stays = key.words == Key(GetParam(), 0).words || below(random, 2) == 0;
        static_cast<void>(stays ? map->write(key.data(), value.data(), BPF_ANY) : 0);
        const Key other(GetParam(), static_cast<std::uint32_t>(kStaying + below(random, 290)));
        if (!stays) static_cast<void>(map->erase(other.data()));
      }
      return;
    }
    for (int round = 0; round < 10; ++round) {
      std::set<Bytes> seen;
      Bytes key(map->spec().key_size, '\0');
      int steps = 0;
      for (int result = map->next_key(nullptr, key.data()); result == 0;
           result = map->next_key(key.data(), key.data())) {
        seen.insert(key);
        if (++steps < 100000) continue;
        ++endless;
        break;
      }
      for (std::uint32_t n = 0; n < kStaying; ++n) {
        const Key staying(GetParam(), n);
        missed += seen.contains(Bytes(static_cast<const char*>(staying.data()), key.size())) ? 0 : 1;
      }
    }
    --running;
  });
  EXPECT_EQ(missed, 0);
  EXPECT_EQ(endless, 0);
}

INSTANTIATE_TEST_SUITE_P(All, MapsConcurrency,
                         ::testing::Values(MapType::array, MapType::percpu_array, MapType::hash, MapType::percpu_hash,
                                           MapType::lru_hash, MapType::lru_percpu_hash, MapType::lpm_trie),
                         type_name);
INSTANTIATE_TEST_SUITE_P(All, MapsConcurrencyKeyed,
                         ::testing::Values(MapType::hash, MapType::percpu_hash, MapType::lru_hash,
                                           MapType::lru_percpu_hash, MapType::lpm_trie),
                         type_name);

// ---- hash maps ---------------------------------------------------------------------------------------------------

TEST(MapsConcurrencyHash, FullIsExact) {
  constexpr std::uint32_t kMax = 1000, kThreads = 16, kEach = 200;
  for (const MapType type : {MapType::hash, MapType::percpu_hash}) {
    const auto map = make(spec_of(type, 8, kMax), kCpus);
    std::atomic<std::uint32_t> inserted{0}, full{0};
    on_threads(kThreads, [&](unsigned thread) {
      for (std::uint32_t i = 0; i < kEach; ++i) {
        const std::uint32_t key = thread * kEach + i;
        const std::uint64_t value = 1;
        const int result = map->update(&key, &value, BPF_NOEXIST, 0);
        if (result == 0) ++inserted;
        if (result == -E2BIG) ++full;
      }
    });
    EXPECT_EQ(inserted, kMax);
    EXPECT_EQ(full, kThreads * kEach - kMax);
    EXPECT_EQ(map->usage().entries, kMax);
  }
}

// All threads fight for the same few keys with NOEXIST and delete: each success of one is matched by the other.
TEST(MapsConcurrencyHash, CreatingAndDeletingAKeyAlternate) {
  constexpr unsigned kThreads = 12;
  constexpr int kOperations = 5000 * kScale;
  const auto map = make(spec_of(MapType::hash, 8, 4), kCpus);
  std::array<std::atomic<int>, 4> balance{};
  on_threads(kThreads, [&](unsigned thread) {
    Random random(thread);
    for (int i = 0; i < kOperations; ++i) {
      const auto key = static_cast<std::uint32_t>(below(random, 4));
      const std::uint64_t value = 1;
      if (below(random, 2) == 0) {
        if (map->update(&key, &value, BPF_NOEXIST, 0) == 0) ++balance[key];
      } else if (map->erase(&key) == 0) {
        --balance[key];
      }
    }
  });
  for (std::uint32_t key = 0; key < 4; ++key) EXPECT_EQ(balance[key], map->lookup(&key, 0) != nullptr ? 1 : 0);
}

// Only keys with equal halves are ever inserted; nodes go from one to another all the time. No lookup of unequal halves
// may find one, neither half-written nor with a list's link where the key was.
TEST(MapsConcurrencyHash, HalvesOfTwoKeysNeverMakeAThird) {
  const auto map = make({.type = MapType::hash, .key_size = 16, .value_size = 8, .max_entries = 4}, kCpus);
  std::atomic<int> found{0};
  on_threads(8, [&](unsigned thread) {
    Random random(thread);
    for (int i = 0; i < 20000 * kScale; ++i) {
      const std::uint64_t first = below(random, 6), value = 1;
      const std::array equal{first, first}, unequal{first, (first + 1 + below(random, 5)) % 6};
      if (thread % 4 == 0) {
        static_cast<void>(below(random, 2) == 0 ? map->erase(equal.data())
                                                : map->update(equal.data(), &value, BPF_ANY, 0));
      } else if (map->lookup(unequal.data(), 0) != nullptr) {
        ++found;
      }
    }
  });
  EXPECT_EQ(found, 0);
}

// A map so small that all of its nodes may be in the hands of inserting threads.
TEST(MapsConcurrencyHash, LruInsertionsNeverFail) {
  constexpr unsigned kThreads = 16;
  for (const auto& [type, max] : {std::pair{MapType::lru_hash, 1U},
                                  {MapType::lru_hash, 5U},
                                  {MapType::lru_hash, 300U},
                                  {MapType::lru_percpu_hash, 1U},
                                  {MapType::lru_percpu_hash, 300U}}) {
    const auto map = make(spec_of(type, 8, max), kCpus);
    std::atomic<int> failed{0};
    on_threads(kThreads, [&](unsigned thread) {
      Random random(thread);
      for (int i = 0; i < 2000 * kScale; ++i) {
        const auto key = static_cast<std::uint32_t>(below(random, 1000));
        const std::uint64_t value = key;
        if (map->update(&key, &value, BPF_ANY, 0) != 0) ++failed;
        std::array<std::uint64_t, kCpus> read{key};
        if (map->read(&key, read.data(), 0) == 0 && read[0] != key) ++failed;
      }
    });
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(map->usage().entries, max);
    EXPECT_EQ(OurMap(map, kCpus).keys(1000).size(), max);
  }
}

// ---- the trie ----------------------------------------------------------------------------------------------------

// 10/8 and 10.1/16 stay; longer prefixes come and go. Addresses outside those always match the ones that stay.
TEST(MapsConcurrencyTrie, StayingPrefixesAlwaysMatch) {
  const auto map = make(spec_of(MapType::lpm_trie, 8, 1000), kCpus);
  const auto prefix = [](std::uint32_t length, std::uint32_t address) {
    return std::array{length, __builtin_bswap32(address)};
  };
  const std::uint64_t eight = 8, sixteen = 16, longer = 99;
  ASSERT_EQ(map->write(prefix(8, 0x0a000000).data(), &eight, BPF_ANY), 0);
  ASSERT_EQ(map->write(prefix(16, 0x0a010000).data(), &sixteen, BPF_ANY), 0);
  std::atomic<int> wrong{0};
  on_threads(8, [&](unsigned thread) {
    Random random(thread);
    for (int i = 0; i < 5000 * kScale; ++i) {
      const auto host = static_cast<std::uint32_t>(below(random, 256));
      if (thread % 2 == 0) {
        const auto key = prefix(static_cast<std::uint32_t>(18 + below(random, 15)), 0x0a010000 | 0x4000 | host << 6);
        static_cast<void>(below(random, 2) == 0 ? map->erase(key.data()) : map->write(key.data(), &longer, BPF_ANY));
        continue;
      }
      std::uint64_t found = 0;
      if (map->read(prefix(32, 0x0a010000 | host).data(), &found, 0) != 0 || found != 16) ++wrong;
      if (map->read(prefix(32, 0x0a020000 | host).data(), &found, 0) != 0 || found != 8) ++wrong;
      if (map->read(prefix(32, 0x0b000000 | host).data(), &found, 0) != -ENOENT) ++wrong;
      if (map->read(prefix(32, 0x0a010000 | 0x4000 | host << 6).data(), &found, 0) != 0 || (found != 99 && found != 16))
        ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0);
}

// 10/8 and 0/0 stay; 8/5, which covers the one and lies in the other, comes, goes and is replaced.
TEST(MapsConcurrencyTrie, ShortPrefixesMatchAllThatTheyCover) {
  const auto map = make(spec_of(MapType::lpm_trie, 8, 1000), kCpus);
  const auto prefix = [](std::uint32_t length, std::uint32_t address) {
    return std::array{length, __builtin_bswap32(address)};
  };
  const std::uint64_t all = 1, five = 5, eight = 8;
  ASSERT_EQ(map->write(prefix(0, 0).data(), &all, BPF_ANY), 0);
  ASSERT_EQ(map->write(prefix(8, 0x0a000000).data(), &eight, BPF_ANY), 0);
  std::atomic<int> wrong{0};
  on_threads(8, [&](unsigned thread) {
    Random random(thread);
    for (int i = 0; i < 5000 * kScale; ++i) {
      if (thread % 4 == 0) {
        const auto key = prefix(5, 0x08000000);
        static_cast<void>(below(random, 3) == 0 ? map->erase(key.data()) : map->write(key.data(), &five, BPF_ANY));
        continue;
      }
      const auto low = static_cast<std::uint32_t>(below(random, 1U << 24));
      std::uint64_t found = 0;
      if (map->read(prefix(32, 0x0a000000 | low).data(), &found, 0) != 0 || found != 8) ++wrong;
      if (map->read(prefix(32, 0x09000000 | low).data(), &found, 0) != 0 || (found != 5 && found != 1)) ++wrong;
      if (map->read(prefix(32, 0xc8000000 | low).data(), &found, 0) != 0 || found != 1) ++wrong;
      if (map->read(prefix(6, 0x08000000).data(), &found, 0) != 0 || (found != 5 && found != 1)) ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0);
}

// ---- slots of objects --------------------------------------------------------------------------------------------

TEST(MapsConcurrencyObjects, ProgramsLiveAsLongAsSomeoneHoldsThem) {
  const auto map = make({.type = MapType::prog_array, .key_size = 4, .value_size = 4, .max_entries = 4});
  exec::ProgramTable& table = *map->abilities().programs;
  const auto owner = std::make_shared<int>();
  std::atomic<int> wrong{0};
  on_threads(8, [&](unsigned thread) {
    Random random(thread);
    for (int i = 0; i < 5000 * kScale; ++i) {
      const auto index = static_cast<std::uint32_t>(below(random, 4));
      if (thread % 4 == 0) {
        const bool clear = below(random, 3) == 0;
        const exec::ProgramSlot slot = {
            .id = index + 1, .program = {owner, reinterpret_cast<const verifier::VerifiedProgram*>(owner.get())}};
        if (table.set(index, clear ? exec::ProgramSlot{} : slot) != 0) ++wrong;
      } else {
        const exec::ProgramSlot slot = table.get(index);
        if (slot.program != nullptr && slot.id != index + 1) ++wrong;
      }
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(owner.use_count(), 1 + static_cast<long>(map->usage().entries));
}

}  // namespace
}  // namespace forager::maps::testing
