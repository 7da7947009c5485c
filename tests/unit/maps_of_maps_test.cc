// SPDX-License-Identifier: Apache-2.0
//
// ARRAY_OF_MAPS and HASH_OF_MAPS: what may stand in them, what they answer, and random operations on them and on the
// kernel's at the same time.
#include <algorithm>

#include "maps/inner_maps.h"
#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

MapSpec inner_spec(std::uint32_t entries = 2) {
  return {.type = MapType::array, .key_size = 4, .value_size = 8, .max_entries = entries};
}
MapSpec outer_spec(MapType type, const MapSpec& inner, std::uint32_t entries = 4) {
  return {.type = type,
          .key_size = 4,
          .value_size = 4,
          .max_entries = entries,
          .inner = std::make_shared<const MapSpec>(inner)};
}
const MapType kOuter[] = {MapType::array_of_maps, MapType::hash_of_maps};

std::string outer_name(const ::testing::TestParamInfo<MapType>& info) {
  return std::string(isa::find_map(static_cast<std::uint32_t>(info.param))->name);
}

class MapsOfMaps : public ::testing::TestWithParam<MapType> {};
INSTANTIATE_TEST_SUITE_P(All, MapsOfMaps, ::testing::ValuesIn(kOuter), outer_name);

TEST_P(MapsOfMaps, HoldsMapsAndShowsTheirIds) {
  const auto outer = make(outer_spec(GetParam(), inner_spec()));
  auto inner = make(inner_spec());
  exec::MapTable& table = *outer->abilities().maps;
  const std::uint32_t key = 3;
  std::uint32_t id = 0;
  EXPECT_EQ(outer->read(&key, &id, 0), -ENOENT);
  EXPECT_EQ(table.get(&key).map, nullptr);
  EXPECT_EQ(table.set(&key, {.id = 7, .map = inner}, BPF_ANY), 0);
  EXPECT_EQ(outer->read(&key, &id, 0), 0);
  EXPECT_EQ(id, 7U);
  EXPECT_EQ(table.get(&key).map, inner);
  EXPECT_EQ(outer->lookup(&key, 0), nullptr) << "programs come by MapTable";
  EXPECT_EQ(outer->usage().entries, 1U);
  EXPECT_EQ(inner.use_count(), 2);
  EXPECT_EQ(table.set(&key, {.id = 8, .map = make(inner_spec())}, BPF_ANY), 0);
  EXPECT_EQ(inner.use_count(), 1) << "a map that was replaced goes";
  EXPECT_EQ(outer->erase(&key), 0);
  EXPECT_EQ(outer->erase(&key), -ENOENT);
  EXPECT_EQ(outer->usage().entries, 0U);
}

TEST_P(MapsOfMaps, AMapInUseStaysWhateverBecomesOfItsSlot) {
  auto outer = make(outer_spec(GetParam(), inner_spec()));
  const std::uint32_t key = 0;
  ASSERT_EQ(outer->abilities().maps->set(&key, {.id = 1, .map = make(inner_spec())}, BPF_ANY), 0);
  const auto held = outer->abilities().maps->get(&key).map;
  outer.reset();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_NE(held->lookup(&key, 0), nullptr);
}

TEST_P(MapsOfMaps, MapsUnlikeTheExampleAreRefused) {
  const auto outer = make(outer_spec(GetParam(), inner_spec()));
  const std::uint32_t key = 0;
  exec::MapTable& table = *outer->abilities().maps;
  EXPECT_EQ(table.set(&key, {}, BPF_ANY), -EINVAL);
  EXPECT_EQ(table.set(&key, {.id = 1, .map = make(inner_spec(3))}, BPF_ANY), -EINVAL);
  EXPECT_EQ(table.set(&key, {.id = 1, .map = outer}, BPF_ANY), -EINVAL);
  EXPECT_EQ(outer->usage().entries, 0U);
}

TEST_P(MapsOfMaps, DestroyingOneLetsGoOfAll) {
  const auto inner = make(inner_spec());
  {
    const auto outer = make(outer_spec(GetParam(), inner_spec(), 1000));
    for (std::uint32_t key = 0; key < 1000; ++key) {
      ASSERT_EQ(outer->abilities().maps->set(&key, {.id = 1, .map = inner}, BPF_ANY), 0);
    }
    EXPECT_EQ(inner.use_count(), 1001);
    EXPECT_GE(outer->usage().bytes, 1000 * sizeof(exec::MapSlot));
  }
  EXPECT_EQ(inner.use_count(), 1);
}

TEST(MapsOfMaps, AHashThatIsFullTakesNoMoreButReplaces) {
  const auto outer = make(outer_spec(MapType::hash_of_maps, inner_spec(), 2));
  const auto inner = make(inner_spec());
  exec::MapTable& table = *outer->abilities().maps;
  for (const std::uint32_t key : {10U, 11U}) EXPECT_EQ(table.set(&key, {.id = 1, .map = inner}, BPF_NOEXIST), 0);
  const std::uint32_t third = 12, first = 10;
  EXPECT_EQ(table.set(&third, {.id = 1, .map = inner}, BPF_ANY), -E2BIG);
  EXPECT_EQ(table.set(&first, {.id = 2, .map = inner}, BPF_EXIST), 0);
  EXPECT_EQ(table.set(&first, {.id = 2, .map = inner}, BPF_NOEXIST), -EEXIST);
  EXPECT_EQ(inner.use_count(), 3);
}

// ---- which maps are alike: the kernel decides ----------------------------------------------------------------------

int kernel_create_outer(const MapSpec& spec, int inner_fd) {
  union bpf_attr attributes = {};
  attributes.map_type = static_cast<std::uint32_t>(spec.type);
  attributes.key_size = spec.key_size;
  attributes.value_size = spec.value_size;
  attributes.max_entries = spec.max_entries;
  attributes.map_flags = spec.flags;
  attributes.inner_map_fd = static_cast<std::uint32_t>(inner_fd);
  return kernel_bpf(BPF_MAP_CREATE, attributes);
}

int kernel_element(int command, int fd, const void* key, void* value, std::uint64_t flags) {
  union bpf_attr attributes = {};
  attributes.map_fd = static_cast<std::uint32_t>(fd);
  attributes.key = reinterpret_cast<std::uintptr_t>(key);
  attributes.value = reinterpret_cast<std::uintptr_t>(value);
  attributes.flags = flags;
  return kernel_bpf(command, attributes);
}

struct Closed {
  explicit Closed(int number) : fd(number) {}
  Closed(const Closed&) = delete;
  Closed& operator=(const Closed&) = delete;
  ~Closed() {
    if (fd >= 0) close(fd);
  }
  int fd;
};

const MapSpec kKinds[] = {
    inner_spec(),
    inner_spec(3),
    {.type = MapType::array, .key_size = 4, .value_size = 8, .max_entries = 2, .flags = BPF_F_INNER_MAP},
    {.type = MapType::array, .key_size = 4, .value_size = 8, .max_entries = 5, .flags = BPF_F_INNER_MAP},
    {.type = MapType::array, .key_size = 4, .value_size = 12, .max_entries = 2},
    {.type = MapType::array, .key_size = 4, .value_size = 8, .max_entries = 2, .flags = BPF_F_RDONLY_PROG},
    {.type = MapType::hash, .key_size = 4, .value_size = 8, .max_entries = 2},
    {.type = MapType::hash, .key_size = 4, .value_size = 8, .max_entries = 9},
    {.type = MapType::hash, .key_size = 8, .value_size = 8, .max_entries = 2},
    {.type = MapType::lru_hash, .key_size = 4, .value_size = 8, .max_entries = 2},
    {.type = MapType::percpu_array, .key_size = 4, .value_size = 8, .max_entries = 2},
    {.type = MapType::percpu_array, .key_size = 4, .value_size = 8, .max_entries = 3},
    {.type = MapType::lpm_trie, .key_size = 8, .value_size = 8, .max_entries = 2, .flags = BPF_F_NO_PREALLOC},
    {.type = MapType::ringbuf, .max_entries = 4096},
    {.type = MapType::ringbuf, .max_entries = 8192},
    {.type = MapType::devmap, .key_size = 4, .value_size = 4, .max_entries = 2},
    {.type = MapType::devmap, .key_size = 4, .value_size = 4, .max_entries = 3},
    {.type = MapType::sockmap, .key_size = 4, .value_size = 4, .max_entries = 2},
    {.type = MapType::prog_array, .key_size = 4, .value_size = 4, .max_entries = 2},
    {.type = MapType::cgroup_storage, .key_size = 8, .value_size = 8},
    {.type = MapType::percpu_cgroup_storage, .key_size = 8, .value_size = 8},
};

TEST(MapsOfMapsKernel, TheSameMapsAreAlikeAsInTheKernel) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  int alike_ones = 0;
  for (const MapSpec& example : kKinds) {
    const Closed theirs(kernel_create(example));
    ASSERT_GE(theirs.fd, 0);
    const MapSpec spec = outer_spec(MapType::array_of_maps, make(example)->spec());
    const Closed outer(kernel_create_outer(spec, theirs.fd));
    const auto ours = create(spec, 2);
    ASSERT_EQ(ours ? 0 : -ours.error().error, std::min(outer.fd, 0)) << static_cast<int>(example.type);
    if (!ours) continue;
    for (const MapSpec& other : kKinds) {
      const Closed inner(kernel_create(other));
      const std::uint32_t key = 1;
      int fd = inner.fd;
      const int answer = kernel_element(BPF_MAP_UPDATE_ELEM, outer.fd, &key, &fd, BPF_ANY);
      EXPECT_EQ((*ours)->abilities().maps->set(&key, {.id = 1, .map = make(other)}, BPF_ANY), answer)
          << static_cast<int>(example.type) << " and " << static_cast<int>(other.type) << " of " << other.max_entries;
      alike_ones += answer == 0 ? 1 : 0;
    }
  }
  EXPECT_GT(alike_ones, 15);
}

TEST(MapsOfMapsKernel, TheSameAttributesMakeOne) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  const Closed inner(kernel_create(inner_spec()));
  for (const MapType type : kOuter) {
    for (const std::uint32_t key_size : {0U, 4U, 8U}) {
      for (const std::uint32_t value_size : {0U, 4U, 8U}) {
        for (const std::uint32_t entries : {0U, 1U, 4U}) {
          for (const std::uint32_t flags :
               {0U, std::uint32_t{BPF_F_NO_PREALLOC}, std::uint32_t{BPF_F_RDONLY_PROG}, std::uint32_t{BPF_F_RDONLY},
                std::uint32_t{BPF_F_ZERO_SEED}, std::uint32_t{BPF_F_INNER_MAP}, std::uint32_t{BPF_F_MMAPABLE}}) {
            MapSpec spec = outer_spec(type, inner_spec(), entries);
            spec.key_size = key_size;
            spec.value_size = value_size;
            spec.flags = flags;
            const Closed theirs(kernel_create_outer(spec, inner.fd));
            const auto ours = create(spec, 2);
            EXPECT_EQ(ours ? 0 : -ours.error().error, std::min(theirs.fd, 0))
                << static_cast<int>(type) << " " << key_size << " " << value_size << " " << entries << " " << flags;
          }
        }
      }
    }
  }
  MapSpec none = outer_spec(MapType::array_of_maps, inner_spec());
  none.inner = nullptr;
  EXPECT_EQ(create(none, 2).error().error, EINVAL);
}

// ---- the same operations on ours, on the kernel's, and on a std::map
// -------------------------------------------------

// The kernel names maps by fd going in and by id coming out. Ids here are the index of the inner map.
class Twins {
 public:
  explicit Twins(MapType type) : ours(make(outer_spec(type, inner_spec(), 6))) {
    for (int i = 0; i < 5; ++i) {
      inner_fds.push_back(kernel_create(inner_spec()));
      inner.push_back(make(inner_spec()));
      bpf_map_info info = {};
      union bpf_attr attributes = {};
      attributes.info.bpf_fd = static_cast<std::uint32_t>(inner_fds.back());
      attributes.info.info_len = sizeof info;
      attributes.info.info = reinterpret_cast<std::uintptr_t>(&info);
      EXPECT_EQ(kernel_bpf(BPF_OBJ_GET_INFO_BY_FD, attributes), 0);
      ids.push_back(info.id);
    }
    theirs = kernel_create_outer(outer_spec(type, inner_spec(), 6), inner_fds[0]);
  }
  Twins(const Twins&) = delete;
  Twins& operator=(const Twins&) = delete;
  ~Twins() {
    for (const int fd : inner_fds) close(fd);
    close(theirs);
  }

  void set(std::uint32_t key, std::size_t which, std::uint64_t flags) {
    int fd = inner_fds[which];
    const int answer = kernel_element(BPF_MAP_UPDATE_ELEM, theirs, &key, &fd, flags);
    ASSERT_EQ(ours->abilities().maps->set(&key, {.id = ids[which], .map = inner[which]}, flags), answer);
    if (answer == 0) model[key] = ids[which];
  }
  void erase(std::uint32_t key) {
    const int answer = kernel_element(BPF_MAP_DELETE_ELEM, theirs, &key, nullptr, 0);
    ASSERT_EQ(ours->erase(&key), answer);
    ASSERT_EQ(model.erase(key), answer == 0 ? 1U : 0U);
  }
  void read(std::uint32_t key) {
    std::uint32_t kernel_id = 0, our_id = 0;
    const int answer = kernel_element(BPF_MAP_LOOKUP_ELEM, theirs, &key, &kernel_id, 0);
    ASSERT_EQ(ours->read(&key, &our_id, 0), answer);
    ASSERT_EQ(our_id, kernel_id);
    ASSERT_EQ(model.contains(key), answer == 0);
    ASSERT_EQ(ours->abilities().maps->get(&key).id, kernel_id);
  }
  void iterate() {
    std::vector<std::uint32_t> left, right;
    std::uint32_t key = 0;
    for (int step = ours->next_key(nullptr, &key); step == 0; step = ours->next_key(&key, &key)) left.push_back(key);
    union bpf_attr attributes = {};
    attributes.map_fd = static_cast<std::uint32_t>(theirs);
    attributes.next_key = reinterpret_cast<std::uintptr_t>(&key);
    for (; kernel_bpf(BPF_MAP_GET_NEXT_KEY, attributes) == 0; attributes.key = attributes.next_key)
      right.push_back(key);
    std::ranges::sort(left);
    std::ranges::sort(right);
    ASSERT_EQ(left, right);
  }

  std::shared_ptr<Map> ours;
  int theirs = -1;
  std::vector<int> inner_fds;
  std::vector<std::shared_ptr<Map>> inner;
  std::vector<std::uint32_t> ids;
  std::map<std::uint32_t, std::uint32_t> model;
};

class MapsOfMapsKernelPlay : public ::testing::TestWithParam<MapType> {};
INSTANTIATE_TEST_SUITE_P(All, MapsOfMapsKernelPlay, ::testing::ValuesIn(kOuter), outer_name);

TEST_P(MapsOfMapsKernelPlay, RandomOperationsAgree) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  Twins twins(GetParam());
  Random random(20);
  for (int step = 0; step < 600 && !HasFailure(); ++step) {
    const auto key = static_cast<std::uint32_t>(below(random, 9));
    switch (below(random, 8)) {
      case 0:
      case 1:
      case 2:
        twins.set(key, below(random, twins.inner.size()), below(random, 4));
        break;
      case 3:
        twins.set(key, below(random, twins.inner.size()), BPF_ANY);
        break;
      case 4:
        twins.erase(key);
        break;
      case 5:
        twins.iterate();
        break;
      default:
        twins.read(key);
    }
  }
  EXPECT_GT(twins.model.size(), 0U);
}

}  // namespace
}  // namespace forager::maps::testing
