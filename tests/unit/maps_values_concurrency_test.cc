// SPDX-License-Identifier: Apache-2.0
//
// Queues, stacks, Bloom filters, user ring buffers and stack traces under many threads: nothing is lost, torn or
// counted twice. Numbers of operations are fixed and results exact; no test depends on time.
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "maps/user_ringbuf.h"
#include "maps_testing.h"
#include "maps_threads.h"

namespace forager::maps::testing {
namespace {

constexpr unsigned kThreads = 16;

// A value whose words all follow from the first.
struct Item {
  std::array<std::uint64_t, 6> words{};
  Item() = default;
  explicit Item(std::uint64_t number) {
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = number * (2 * i + 1);
  }
  [[nodiscard]] bool whole() const { return words == Item(words[0]).words; }
};

// ---- queues and stacks -------------------------------------------------------------------------------------------

class MapsRingsConcurrency : public ::testing::TestWithParam<MapType> {};

// Half of the threads push numbers, half pop: every number that went in comes out once, at last.
TEST_P(MapsRingsConcurrency, EveryValueComesOutOnce) {
  constexpr std::uint64_t kEach = 2000 * kScale, kProducers = kThreads / 2;
  const auto map = make({.type = GetParam(), .value_size = sizeof(Item), .max_entries = 64});
  exec::ValueStore& values = *map->abilities().values;
  std::vector<std::atomic<int>> seen(kProducers * kEach);
  std::atomic<std::uint64_t> left{kProducers * kEach};
  std::atomic<int> torn{0};
  on_threads(kThreads, [&](unsigned thread) {
    if (thread < kProducers) {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        const Item item(thread * kEach + i);
        while (values.push(item.words.data(), BPF_ANY) != 0) std::this_thread::yield();
      }
      return;
    }
    while (left.load() != 0) {
      Item item;
      if (values.pop(item.words.data()) != 0) {
        std::this_thread::yield();
        continue;
      }
      torn += item.whole() ? 0 : 1;
      ++seen.at(item.words[0]);
      --left;
    }
  });
  EXPECT_EQ(torn, 0);
  EXPECT_TRUE(std::ranges::all_of(seen, [](const auto& count) { return count == 1; }));
  EXPECT_EQ(map->usage().entries, 0U);
}

// A queue keeps each producer's order.
TEST(MapsQueueConcurrency, ProducersKeepTheirOrder) {
  constexpr std::uint64_t kEach = 2000 * kScale, kProducers = kThreads - 1;
  const auto map = make({.type = MapType::queue, .value_size = 8, .max_entries = 64});
  exec::ValueStore& values = *map->abilities().values;
  std::atomic<int> wrong{0};
  on_threads(kThreads, [&](unsigned thread) {
    if (thread < kProducers) {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        const std::uint64_t value = std::uint64_t{thread} << 32 | i;
        while (values.push(&value, BPF_ANY) != 0) std::this_thread::yield();
      }
      return;
    }
    std::array<std::uint64_t, kProducers> next{};
    for (std::uint64_t taken = 0; taken < kProducers * kEach;) {
      std::uint64_t value = 0;
      if (values.pop(&value) != 0) {
        std::this_thread::yield();
        continue;
      }
      wrong += (value & 0xffffffff) != next.at(value >> 32)++ ? 1 : 0;
      ++taken;
    }
  });
  EXPECT_EQ(wrong, 0);
}

std::string type_name(const ::testing::TestParamInfo<MapType>& info) {
  return std::string(isa::find_map(static_cast<std::uint32_t>(info.param))->name);
}
INSTANTIATE_TEST_SUITE_P(All, MapsRingsConcurrency, ::testing::Values(MapType::queue, MapType::stack), type_name);

// ---- Bloom filters -----------------------------------------------------------------------------------------------

TEST(MapsBloomConcurrency, NoMemberIsEverDenied) {
  constexpr std::uint64_t kEach = 1000 * kScale;
  const auto map = make({.type = MapType::bloom_filter, .value_size = 8, .max_entries = 1000, .extra = 3});
  exec::ValueStore& filter = *map->abilities().values;
  std::atomic<int> denied{0};
  on_threads(kThreads, [&](unsigned thread) {
    for (std::uint64_t i = 0; i < kEach; ++i) {
      std::uint64_t value = std::uint64_t{thread} << 32 | i;
      denied += filter.push(&value, BPF_ANY) != 0 || filter.peek(&value) != 0 ? 1 : 0;
    }
  });
  for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
    for (std::uint64_t i = 0; i < kEach; ++i) {
      std::uint64_t value = thread << 32 | i;
      denied += filter.peek(&value) != 0 ? 1 : 0;
    }
  }
  EXPECT_EQ(denied, 0);
}

// ---- user ring buffers -------------------------------------------------------------------------------------------

// One producer and many that drain: each sample is taken once, in order, or the drainer was told that it was too late.
TEST(MapsUserRingConcurrency, EverySampleIsTakenOnceAndInOrder) {
  constexpr std::uint32_t kSize = 4096;
  constexpr std::uint64_t kSamples = 5000 * kScale;
  const auto map = make({.type = MapType::user_ringbuf, .max_entries = kSize});
  auto& ring = dynamic_cast<UserRingBufferMap&>(*map);
  char* base = reinterpret_cast<char*>(map->memory().base);
  char* data = base + 2 * page_size();
  std::atomic<std::uint64_t> next{0};
  std::atomic<int> wrong{0}, odd{0};
  on_threads(kThreads, [&](unsigned thread) {
    if (thread == 0) {
      std::atomic_ref<std::uint64_t> consumer(*reinterpret_cast<std::uint64_t*>(base));
      std::atomic_ref<std::uint64_t> producer(*reinterpret_cast<std::uint64_t*>(base + page_size()));
      for (std::uint64_t i = 0; i < kSamples; ++i) {
        const std::uint64_t at = i * 16;
        while (at + 16 - consumer.load(std::memory_order_acquire) > kSize) std::this_thread::yield();
        std::memcpy(data + at % kSize + 8, &i, sizeof i);
        std::atomic_ref(*reinterpret_cast<std::uint32_t*>(data + at % kSize)).store(8, std::memory_order_release);
        producer.store(at + 16, std::memory_order_release);
      }
      return;
    }
    const auto take = [&](std::span<std::byte> sample) {
      std::uint64_t number = 0;
      std::memcpy(&number, sample.data(), sizeof number);
      wrong += sample.size() != 8 || number != next.load() ? 1 : 0;
      ++next;
      return true;
    };
    while (next.load() < kSamples) {
      const std::int64_t result = ring.drain(take, 0);
      odd += result < 0 && result != -EBUSY ? 1 : 0;
      if (result <= 0) std::this_thread::yield();
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(odd, 0);
  EXPECT_EQ(next, kSamples);
}

// ---- stack traces ------------------------------------------------------------------------------------------------

// Writers put stacks whose addresses all are the same, readers and deleters come between: what is read is whole.
TEST(MapsStackTraceConcurrency, StacksAreNeverTorn) {
  const auto map = make({.type = MapType::stack_trace, .key_size = 4, .value_size = 64, .max_entries = 8});
  exec::StackTable& stacks = *map->abilities().stacks;
  std::atomic<int> wrong{0};
  on_threads(kThreads, [&](unsigned thread) {
    Random random(thread);
    for (int i = 0; i < 2000 * kScale; ++i) {
      std::array<std::uint64_t, 8> stack{};
      const std::uint64_t choice = below(random, 4);
      const auto key = static_cast<std::uint32_t>(below(random, 8));
      if (choice < 2) {
        stack.fill(1 + below(random, 50));
        const std::int64_t id = stacks.put(stack, choice == 0 ? BPF_F_REUSE_STACKID : 0);
        wrong += id >= 8 || (id < 0 && id != -EEXIST && id != -ENOMEM) ? 1 : 0;
      } else if (choice == 2) {
        static_cast<void>(map->erase(&key));
      } else if (map->read(&key, stack.data(), 0) == 0) {
        wrong += stack[0] == 0 || std::ranges::any_of(stack, [&](auto word) { return word != stack[0]; }) ? 1 : 0;
      }
    }
  });
  EXPECT_EQ(wrong, 0);
  std::uint64_t listed = 0;
  std::uint32_t key = 0;
  for (int error = map->next_key(nullptr, &key); error == 0; error = map->next_key(&key, &key)) ++listed;
  EXPECT_EQ(map->usage().entries, listed);
}

}  // namespace
}  // namespace forager::maps::testing
