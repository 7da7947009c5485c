// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

Bytes random_bytes(Random& random, std::size_t size) {
  Bytes bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// One of `count` keys of that size, all bytes differing between keys.
Bytes nth_key(std::uint64_t n, std::size_t size) {
  Bytes key(size, '\0');
  for (std::size_t i = 0; i < size; ++i) key[i] = static_cast<char>((n * 0x9e3779b97f4a7c15ULL) >> (8 * (i % 8)));
  return key;
}

// Slots of per-CPU values carry zero padding, since what the kernel does with padding is nobody's business.
Bytes random_value(Random& random, const MapSpec& spec, unsigned cpus) {
  const std::size_t size = exec::host_value_size(spec, cpus);
  if (size == spec.value_size) return random_bytes(random, size);
  const std::size_t slot = size / cpus;
  Bytes value;
  for (unsigned cpu = 0; cpu < cpus; ++cpu)
    value += random_bytes(random, spec.value_size) + Bytes(slot - spec.value_size, '\0');
  return value;
}

Scenario hashed(std::string name, const MapSpec& spec, std::uint64_t keys, unsigned cpus) {
  return {.name = std::move(name),
          .spec = spec,
          .key = [spec, keys](Random& random) { return nth_key(below(random, keys), spec.key_size); },
          .value = [spec, cpus](Random& random) { return random_value(random, spec, cpus); }};
}

// Indices within and a little past the end.
Scenario indexed(std::string name, const MapSpec& spec, unsigned cpus) {
  return {.name = std::move(name),
          .spec = spec,
          .key =
              [spec](Random& random) {
                const auto index = static_cast<std::uint32_t>(below(random, spec.max_entries + 2));
                return bytes_of(below(random, 50) == 0 ? UINT32_MAX : index);
              },
          .value = [spec, cpus](Random& random) { return random_value(random, spec, cpus); },
          .ordered = true};
}

// A length, sometimes too long, and bytes that often share their first bits.
Scenario prefixes(std::string name, std::uint32_t data_size, std::uint32_t max_entries) {
  const MapSpec spec = {.type = MapType::lpm_trie,
                        .key_size = 4 + data_size,
                        .value_size = 12,
                        .max_entries = max_entries,
                        .flags = BPF_F_NO_PREALLOC};
  return {.name = std::move(name),
          .spec = spec,
          .key =
              [data_size](Random& random) {
                const std::uint32_t bits = data_size * 8;
                const auto length =
                    static_cast<std::uint32_t>(below(random, 40) == 0 ? bits + 1 : below(random, bits + 1));
                Bytes data(data_size, '\0');
                for (char& byte : data) byte = static_cast<char>(below(random, 4) == 0 ? random() : 0);
                if (below(random, 2) == 0) data.back() = static_cast<char>(random() & 3);
                return bytes_of(length) + data;
              },
          .value = [](Random& random) { return random_bytes(random, 12); },
          .ordered = true};
}

Bytes random_port(Random& random, std::uint32_t value_size) {
  const std::uint32_t ifindex = below(random, 4) == 0 ? 0 : 1;
  const std::int32_t program = below(random, 2) == 0 ? 0 : -1;
  return value_size == 4 ? bytes_of(ifindex) : bytes_of(ifindex) + bytes_of(program);
}

Scenario ports(std::string name, MapType type, std::uint32_t value_size) {
  const MapSpec spec = {.type = type, .key_size = 4, .value_size = value_size, .max_entries = 9};
  Scenario scenario =
      type == MapType::devmap ? indexed(std::move(name), spec, 1) : hashed(std::move(name), spec, 14, 1);
  scenario.value = [value_size](Random& random) { return random_port(random, value_size); };
  return scenario;
}

// Every CPU that there is, and two that there are not; queues within Linux's limit and one beyond it.
Scenario queues_of_cpus(std::string name, std::uint32_t value_size, unsigned cpus) {
  const MapSpec spec = {.type = MapType::cpumap, .key_size = 4, .value_size = value_size, .max_entries = cpus + 2};
  Scenario scenario = indexed(std::move(name), spec, 1);
  scenario.value = [value_size](Random& random) {
    constexpr std::uint32_t kSizes[] = {0, 1, 192, 16384, 16385};
    const std::uint32_t size = kSizes[below(random, std::size(kSizes))];
    const std::int32_t program = below(random, 2) == 0 ? 0 : -1;
    return value_size == 4 ? bytes_of(size) : bytes_of(size) + bytes_of(program);
  };
  return scenario;
}

void compare_keys(const Scenario& scenario, Subject& left, Subject& right) {
  const std::size_t limit = std::size_t{scenario.spec.max_entries} + 1;
  std::vector<Bytes> ours = left.keys(limit), theirs = right.keys(limit);
  if (!scenario.ordered) {
    std::ranges::sort(ours);
    std::ranges::sort(theirs);
  }
  ASSERT_EQ(ours, theirs);
}

// Where an iteration may stand. Missing keys go on differently here, on purpose: maps_iteration_test.cc.
Bytes cursor(const Scenario& scenario, Random& random, Subject& subject, const Bytes& key) {
  if (scenario.spec.type != MapType::lpm_trie) return key;
  const std::vector<Bytes> keys = subject.keys(scenario.spec.max_entries);
  return keys.empty() ? Bytes(scenario.spec.key_size, '\xff') : keys[below(random, keys.size())];
}

void step(const Scenario& scenario, Random& random, Subject& left, Subject& right) {
  const Bytes key = scenario.key(random);
  const std::uint64_t flags = below(random, 3) == 0 ? below(random, 5) : 0;
  const std::uint64_t choice = below(random, 8);
  if (choice < 2) {
    EXPECT_EQ(left.erase(key), right.erase(key));
  } else if (choice < 4) {
    const std::uint64_t read_flags = below(random, 20) == 0 ? flags : 0;
    EXPECT_EQ(left.read(key, read_flags), right.read(key, read_flags));
  } else if (choice == 4 && scenario.ordered) {
    const Bytes at = cursor(scenario, random, left, key);
    EXPECT_EQ(left.next(at), right.next(at));
  } else {
    const Bytes value = scenario.value(random);
    EXPECT_EQ(left.write(key, value, flags), right.write(key, value, flags)) << "flags " << flags;
  }
}

}  // namespace

std::vector<Scenario> scenarios(unsigned cpus) {
  const auto spec = [](MapType type, std::uint32_t key, std::uint32_t value, std::uint32_t entries,
                       std::uint32_t flags = 0) {
    return MapSpec{.type = type, .key_size = key, .value_size = value, .max_entries = entries, .flags = flags};
  };
  return {
      indexed("array", spec(MapType::array, 4, 12, 7), cpus),
      indexed("array_of_one", spec(MapType::array, 4, 1, 1), cpus),
      indexed("array_mmapable", spec(MapType::array, 4, 100, 100, BPF_F_MMAPABLE), cpus),
      indexed("percpu_array", spec(MapType::percpu_array, 4, 20, 6), cpus),
      hashed("hash_key4", spec(MapType::hash, 4, 8, 20), 30, cpus),
      hashed("hash_key8", spec(MapType::hash, 8, 8, 64), 60, cpus),
      hashed("hash_key16", spec(MapType::hash, 16, 3, 50), 70, cpus),
      hashed("hash_key13", spec(MapType::hash, 13, 70, 33), 40, cpus),
      hashed("hash_key40", spec(MapType::hash, 40, 4, 10), 15, cpus),
      hashed("hash_key600", spec(MapType::hash, 600, 4, 10), 15, cpus),
      hashed("hash_of_one", spec(MapType::hash, 1, 1, 1), 3, cpus),
      hashed("hash_no_prealloc", spec(MapType::hash, 4, 16, 20, BPF_F_NO_PREALLOC), 30, cpus),
      hashed("percpu_hash", spec(MapType::percpu_hash, 8, 12, 20), 30, cpus),
      hashed("percpu_hash_no_prealloc", spec(MapType::percpu_hash, 4, 8, 5, BPF_F_NO_PREALLOC), 9, cpus),
      hashed("lru_hash_with_room", spec(MapType::lru_hash, 8, 16, 4096), 60, cpus),
      hashed("lru_percpu_hash_with_room", spec(MapType::lru_percpu_hash, 8, 12, 4096), 60, cpus),
      prefixes("lpm_trie_ipv4", 4, 1000),
      prefixes("lpm_trie_full", 4, 12),
      prefixes("lpm_trie_one_byte", 1, 1000),
      prefixes("lpm_trie_ipv6", 16, 300),
      prefixes("lpm_trie_11_bytes", 11, 60),
      ports("devmap", MapType::devmap, 4),
      ports("devmap_with_program", MapType::devmap, 8),
      ports("devmap_hash", MapType::devmap_hash, 4),
      ports("devmap_hash_with_program", MapType::devmap_hash, 8),
      queues_of_cpus("cpumap", 4, cpus),
      queues_of_cpus("cpumap_with_program", 8, cpus),
  };
}

void play(const Scenario& scenario, std::uint64_t seed, int steps, Subject& left, Subject& right) {
  Random random(seed);
  for (int i = 0; i < steps; ++i) {
    SCOPED_TRACE(scenario.name + ", seed " + std::to_string(seed) + ", step " + std::to_string(i));
    step(scenario, random, left, right);
    if (i % 64 == 0) compare_keys(scenario, left, right);
    if (::testing::Test::HasFailure()) return;
  }
  compare_keys(scenario, left, right);
  for (const Bytes& key : left.keys(scenario.spec.max_entries)) ASSERT_EQ(left.read(key, 0), right.read(key, 0));
}

}  // namespace forager::maps::testing
