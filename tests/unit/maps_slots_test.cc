// SPDX-License-Identifier: Apache-2.0
//
// Maps whose slots hold numbers of the outside world: CPUs, AF_XDP sockets, cgroups. What takes no descriptors is in
// maps_model_test.cc and maps_kernel_test.cc.
#include <fcntl.h>
#include <linux/if_xdp.h>
#include <sys/socket.h>

#include <sstream>

#include "maps/cgroup_array.h"
#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

class OpenFd {
 public:
  explicit OpenFd(int fd) : fd_(fd) {}
  OpenFd(const OpenFd&) = delete;
  OpenFd& operator=(const OpenFd&) = delete;
  ~OpenFd() { close(); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

constexpr int kClosed = 1000;  // a descriptor that nobody has

// Indices within and past the end, and one of these descriptors as a value.
Scenario descriptors(const MapSpec& spec, const std::vector<int>& fds) {
  return {.name = "descriptors",
          .spec = spec,
          .key = [](Random& random) { return bytes_of(static_cast<std::uint32_t>(below(random, 6))); },
          .value = [fds](Random& random) { return bytes_of(fds[below(random, fds.size())]); },
          .ordered = true};
}

void play_beside_the_kernel(const MapSpec& spec, const std::vector<int>& fds) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    OurMap ours(make(spec), 2);
    KernelMap kernels(spec, 2);
    play(descriptors(spec, fds), seed, 1000, ours, kernels);
  }
}

// ---- CPUs --------------------------------------------------------------------------------------------------------

TEST(MapsCpumap, APossibleCpuTakesAQueue) {
  const auto map = make({.type = MapType::cpumap, .key_size = 4, .value_size = 8, .max_entries = 8}, 4);
  const std::uint32_t cpu = 3, beyond = 4, outside = 8;
  const std::uint32_t queue[2] = {192, 0}, none[2] = {0, 0}, too_long[2] = {16385, 0};
  EXPECT_EQ(map->write(&beyond, queue, BPF_ANY), -ENODEV);
  EXPECT_EQ(map->write(&outside, queue, BPF_ANY), -E2BIG);
  EXPECT_EQ(map->write(&cpu, too_long, BPF_ANY), -EOVERFLOW);
  EXPECT_EQ(map->write(&cpu, queue, BPF_NOEXIST), -EEXIST);
  EXPECT_EQ(map->lookup(&cpu, 0), nullptr);
  ASSERT_EQ(map->write(&cpu, queue, BPF_ANY), 0);
  ASSERT_NE(map->lookup(&cpu, 0), nullptr);
  EXPECT_EQ(map->usage().entries, 1U);
  ASSERT_EQ(map->write(&cpu, none, BPF_ANY), 0);
  EXPECT_EQ(map->lookup(&cpu, 0), nullptr) << "no queue is no entry";
  EXPECT_EQ(map->usage().entries, 0U);
}

// ---- AF_XDP sockets ----------------------------------------------------------------------------------------------

MapSpec xskmap() { return {.type = MapType::xskmap, .key_size = 4, .value_size = 4, .max_entries = 4}; }

class MapsXskmap : public ::testing::Test {
 protected:
  void SetUp() override {
    if (first_.get() < 0) GTEST_SKIP() << "this user makes no AF_XDP sockets";
  }
  OpenFd first_{socket(AF_XDP, SOCK_RAW, 0)}, second_{socket(AF_XDP, SOCK_RAW, 0)};
};

TEST_F(MapsXskmap, AnswersLikeTheKernel) {
  const OpenFd other(socket(AF_INET, SOCK_DGRAM, 0)), file(open("/dev/null", O_RDONLY));
  play_beside_the_kernel(xskmap(), {first_.get(), second_.get(), other.get(), file.get(), kClosed, -1});
}

TEST_F(MapsXskmap, ProgramsSeeWhichSlotsHaveASocketAndItsQueue) {
  const auto map = make(xskmap());
  const std::uint32_t index = 2, empty = 1;
  const int fd = first_.get();
  ASSERT_EQ(map->write(&index, &fd, BPF_ANY), 0);
  const auto* socket = static_cast<const bpf_xdp_sock*>(map->lookup(&index, 0));
  ASSERT_NE(socket, nullptr);
  EXPECT_EQ(socket->queue_id, 0U) << "not bound";
  EXPECT_EQ(map->lookup(&empty, 0), nullptr);
  EXPECT_EQ(map->usage().entries, 1U);
}

TEST_F(MapsXskmap, AClosedSocketsSlotIsEmptyToUpdates) {
  const auto map = make(xskmap());
  const std::uint32_t index = 2;
  const int first = first_.get(), second = second_.get();
  ASSERT_EQ(map->write(&index, &first, BPF_ANY), 0);
  ASSERT_EQ(map->write(&index, &second, BPF_NOEXIST), -EEXIST);
  first_.close();
  EXPECT_EQ(map->write(&index, &second, BPF_EXIST), -ENOENT);
  EXPECT_EQ(map->write(&index, &second, BPF_NOEXIST), 0);
  EXPECT_EQ(map->usage().entries, 1U);
}

// ---- cgroups -----------------------------------------------------------------------------------------------------

MapSpec cgroups() { return {.type = MapType::cgroup_array, .key_size = 4, .value_size = 4, .max_entries = 4}; }

// Where version 2 is mounted; empty if it is nowhere.
std::string cgroup_directory() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string device, path, type;
    if (words >> device >> path >> type && type == "cgroup2") return path;
  }
  return {};
}

TEST(MapsCgroupArray, AnswersLikeTheKernel) {
  std::vector<int> fds = {kClosed, -1};
  const OpenFd file(open("/dev/null", O_RDONLY)), directory(open("/", O_RDONLY | O_DIRECTORY));
  fds.push_back(file.get());
  fds.push_back(directory.get());
  const std::string path = cgroup_directory();
  const OpenFd cgroup(path.empty() ? -1 : open(path.c_str(), O_RDONLY | O_DIRECTORY));
  if (cgroup.get() >= 0) fds.push_back(cgroup.get());
  play_beside_the_kernel(cgroups(), fds);
}

TEST(MapsCgroupArray, HoldsIds) {
  const auto map = make(cgroups());
  auto& array = dynamic_cast<CgroupArrayMap&>(*map);
  const std::uint32_t index = 3, outside = 4;
  const std::uint64_t id = 0x1234567890;
  EXPECT_EQ(map->lookup(&index, 0), nullptr);
  EXPECT_EQ(array.set(outside, id), -E2BIG);
  ASSERT_EQ(array.set(index, id), 0);
  EXPECT_EQ(*static_cast<const std::uint64_t*>(map->lookup(&index, 0)), id);
  EXPECT_EQ(map->usage().entries, 1U);
  EXPECT_EQ(map->erase(&index), 0);
  EXPECT_EQ(map->erase(&index), -ENOENT);
  EXPECT_EQ(map->erase(&outside), -E2BIG);
}

}  // namespace
}  // namespace forager::maps::testing
