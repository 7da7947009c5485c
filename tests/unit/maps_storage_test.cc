// SPDX-License-Identifier: Apache-2.0
//
// SK_STORAGE, CGROUP_STORAGE and PERCPU_CGROUP_STORAGE: values for owners.
#include "maps/cgroup_storage.h"
#include "maps/owner_values.h"
#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

constexpr std::uint64_t kCreate = BPF_LOCAL_STORAGE_GET_F_CREATE;

MapSpec sk_spec(std::uint32_t value_size = 8) {
  return {.type = MapType::sk_storage, .key_size = 4, .value_size = value_size, .flags = BPF_F_NO_PREALLOC};
}
MapSpec cgroup_spec(std::uint32_t key_size, MapType type = MapType::cgroup_storage) {
  return {.type = type, .key_size = key_size, .value_size = 8};
}

struct Owner {
  explicit Owner(std::uint64_t number) : cookie(number) {}
  [[nodiscard]] exec::StorageOwner ref() const { return {cookie, life}; }
  std::uint64_t cookie;
  std::shared_ptr<int> life = std::make_shared<int>();
};

TEST(MapsStorage, AValueIsMadeOnDemandAndStays) {
  const auto map = make(sk_spec());
  exec::LocalStorage& storage = *map->abilities().storage;
  const Owner first(1), second(2);
  EXPECT_EQ(storage.get(first.ref(), nullptr, 0), nullptr);
  const std::uint64_t initial = 5;
  auto* value = static_cast<std::uint64_t*>(storage.get(first.ref(), &initial, kCreate));
  ASSERT_NE(value, nullptr);
  EXPECT_EQ(*value, 5U);
  *value = 6;
  EXPECT_EQ(storage.get(first.ref(), nullptr, 0), value);
  EXPECT_EQ(storage.get(first.ref(), &initial, kCreate), value);
  EXPECT_EQ(*value, 6U);
  EXPECT_EQ(*static_cast<std::uint64_t*>(storage.get(second.ref(), nullptr, kCreate)), 0U);
  EXPECT_EQ(map->usage().entries, 2U);
  EXPECT_EQ(storage.erase(first.ref()), 0);
  EXPECT_EQ(storage.erase(first.ref()), -ENOENT);
  EXPECT_EQ(storage.get(first.ref(), nullptr, 0), nullptr);
  EXPECT_EQ(storage.get(second.ref(), nullptr, 2), nullptr) << "no such flag";
}

TEST(MapsStorage, ANewValueInAUsedPlaceHoldsZeros) {
  const auto map = make(sk_spec(20));
  exec::LocalStorage& storage = *map->abilities().storage;
  for (std::uint64_t cookie = 1; cookie < 50; ++cookie) {
    const Owner owner(cookie);
    auto* value = static_cast<unsigned char*>(storage.get(owner.ref(), nullptr, kCreate));
    ASSERT_NE(value, nullptr);
    for (int i = 0; i < 20; ++i) ASSERT_EQ(value[i], 0);
    std::memset(value, 0xff, 20);
    ASSERT_EQ(storage.erase(owner.ref()), 0);
  }
}

TEST(MapsStorage, ValuesGoWithTheirOwnersAndMemoryStaysBounded) {
  const auto map = make(sk_spec(1024));
  std::uint64_t most = 0;
  for (std::uint64_t cookie = 1; cookie <= 20000; ++cookie) {
    const Owner owner(cookie);
    ASSERT_NE(map->abilities().storage->get(owner.ref(), nullptr, kCreate), nullptr);
    if (cookie == 1000) most = map->usage().bytes;
  }
  EXPECT_EQ(map->usage().entries, 0U);
  EXPECT_LE(map->usage().bytes, most) << "20000 owners, one at a time, need no more than 1000 did";
}

TEST(MapsStorage, AnOwnerThatIsGoneGetsNothing) {
  const auto map = make(sk_spec());
  exec::StorageOwner gone;
  {
    const Owner owner(9);
    gone = owner.ref();
  }
  EXPECT_EQ(map->abilities().storage->get(gone, nullptr, kCreate), nullptr);
}

TEST(MapsStorage, OwnersBeyondTheBoundGetNothingUntilOthersGo) {
  OwnerValues values;
  ASSERT_TRUE(values.open(8, 32));
  std::vector<Owner> owners;
  for (std::uint64_t cookie = 1; cookie <= 4; ++cookie) {
    owners.emplace_back(cookie);
    ASSERT_NE(values.find_or_make(owners.back().ref(), nullptr), nullptr);
  }
  const Owner late(5);
  EXPECT_EQ(values.find_or_make(late.ref(), nullptr), nullptr);
  owners.erase(owners.begin());
  EXPECT_NE(values.find_or_make(late.ref(), nullptr), nullptr);
}

TEST(MapsStorage, DescriptorsAreBpfsBusiness) {
  const auto map = make(sk_spec());
  const int key = 0;
  std::uint64_t value = 0;
  EXPECT_EQ(map->read(&key, &value, 0), -EBADF);
  EXPECT_EQ(map->write(&key, &value, BPF_ANY), -EBADF);
  EXPECT_EQ(map->erase(&key), -EBADF);
  EXPECT_EQ(map->next_key(nullptr, &value), -exec::kNotSupported);
}

// ---- cgroups
// ---------------------------------------------------------------------------------------------------------

TEST(MapsStorage, UserSpaceSeesTheCgroupsThatHaveValues) {
  const auto map = make(cgroup_spec(16));
  const Owner egress(cgroup_owner_cookie(40, 1)), ingress(cgroup_owner_cookie(40, 0)), other(cgroup_owner_cookie(7, 0));
  for (const Owner* owner : {&egress, &ingress, &other}) {
    auto* value = static_cast<std::uint64_t*>(map->abilities().storage->get(owner->ref(), nullptr, kCreate));
    *value = owner->cookie;
  }
  std::vector<std::uint64_t> seen;
  bpf_cgroup_storage_key key{};
  for (int step = map->next_key(nullptr, &key); step == 0; step = map->next_key(&key, &key)) {
    std::uint64_t value = 0;
    ASSERT_EQ(map->read(&key, &value, 0), 0);
    EXPECT_EQ(value, cgroup_owner_cookie(key.cgroup_inode_id, static_cast<std::uint8_t>(key.attach_type)));
    seen.push_back(value);
  }
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{7, 40, cgroup_owner_cookie(40, 1)}));
  const std::uint64_t fresh = 3;
  EXPECT_EQ(map->write(&key, &fresh, BPF_EXIST), 0);
  EXPECT_EQ(*static_cast<std::uint64_t*>(map->abilities().storage->get(egress.ref(), nullptr, 0)), 3U);
}

TEST(MapsStorage, KeysOfIdsAloneShareOneValue) {
  const auto map = make(cgroup_spec(8));
  const Owner egress(cgroup_owner_cookie(40, 1)), ingress(cgroup_owner_cookie(40, 0));
  EXPECT_EQ(map->abilities().storage->get(egress.ref(), nullptr, kCreate),
            map->abilities().storage->get(ingress.ref(), nullptr, kCreate));
  EXPECT_EQ(map->usage().entries, 1U);
}

TEST(MapsStorage, PerCpuValuesStandOneAfterTheOther) {
  const auto map = make({.type = MapType::percpu_cgroup_storage, .key_size = 8, .value_size = 4}, 3);
  const Owner owner(5);
  auto* values = static_cast<std::uint64_t*>(map->abilities().storage->get(owner.ref(), nullptr, kCreate));
  for (std::uint64_t cpu = 0; cpu < 3; ++cpu) values[cpu] = 10 + cpu;
  std::uint64_t out[3] = {};
  EXPECT_EQ(map->read(&owner.cookie, out, 0), 0);
  for (std::uint64_t cpu = 0; cpu < 3; ++cpu) EXPECT_EQ(out[cpu], 10 + cpu);
}

class MapsStorageKernel : public ::testing::TestWithParam<MapType> {};
INSTANTIATE_TEST_SUITE_P(All, MapsStorageKernel,
                         ::testing::Values(MapType::cgroup_storage, MapType::percpu_cgroup_storage),
                         [](const auto& info) {
                           return std::string(isa::find_map(static_cast<std::uint32_t>(info.param))->name);
                         });

TEST_P(MapsStorageKernel, KeysWithoutValuesAreAnsweredLikeTheKernel) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  const unsigned cpus = possible_cpus();
  for (const std::uint32_t key_size : {8U, 16U}) {
    const MapSpec spec = cgroup_spec(key_size, GetParam());
    OurMap ours(make(spec, cpus), cpus);
    KernelMap theirs(spec, cpus);
    const Bytes key(key_size, '\1'), value(exec::host_value_size(spec, cpus), '\0');
    for (const std::uint64_t flags : {0, 1, 2, 3, 4, 5, 8}) {
      EXPECT_EQ(ours.write(key, value, flags), theirs.write(key, value, flags)) << flags;
    }
    EXPECT_EQ(ours.read(key, 0), theirs.read(key, 0));
    EXPECT_EQ(ours.erase(key), theirs.erase(key));
    EXPECT_EQ(ours.next(key), theirs.next(key));
    EXPECT_EQ(ours.next({}), theirs.next({}));
  }
}

TEST(MapsStorage, AttributesAreTheKernels) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  for (const MapType type : {MapType::cgroup_storage, MapType::percpu_cgroup_storage}) {
    for (const std::uint32_t key_size : {0U, 4U, 8U, 12U, 16U}) {
      for (const std::uint32_t value_size : {0U, 1U, 32768U, 32769U, 65407U, 65408U}) {
        for (const std::uint32_t entries : {0U, 1U}) {
          const MapSpec spec = {.type = type, .key_size = key_size, .value_size = value_size, .max_entries = entries};
          const int fd = kernel_create(spec);
          if (fd >= 0) close(fd);
          const auto ours = create(spec, 2);
          EXPECT_EQ(ours ? 0 : -ours.error().error, std::min(fd, 0)) << key_size << " " << value_size;
        }
      }
    }
  }
}

TEST(MapsStorage, SocketStorageIsNeitherPreallocatedNorCounted) {
  EXPECT_TRUE(create(sk_spec(65407), 2));
  EXPECT_EQ(create(sk_spec(65408), 2).error().error, E2BIG);
  EXPECT_EQ(create(sk_spec(0), 2).error().error, EINVAL);
  MapSpec spec = sk_spec();
  spec.max_entries = 1;
  EXPECT_EQ(create(spec, 2).error().error, EINVAL);
  spec = sk_spec();
  spec.flags = 0;
  EXPECT_EQ(create(spec, 2).error().error, EINVAL);
}

}  // namespace
}  // namespace forager::maps::testing
