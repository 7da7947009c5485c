// SPDX-License-Identifier: Apache-2.0
//
// Machine code shown to profilers, asked for through the public library.
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/unit/api_testing.h"

namespace forager {
namespace {

using testing::HasSubstr;
using testing::Not;

class ApiRecordCode : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/forager-record-code-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  [[nodiscard]] std::string map() const {
    std::ifstream file(directory_ + "/perf-" + std::to_string(getpid()) + ".map");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string directory_;
};

// The JIT that runs on this machine; empty if there is none.
std::string jit_here() {
  for (const Backend& each : backends()) {
    if (each.available && (each.name == "x86_64" || each.name == "arm64")) return std::string(each.name);
  }
  return {};
}

Device running(const Object& object, const std::string& backend) {
  auto device = Device::open(*object.program(), {.backend = backend}).value();
  std::vector<Packet> packets(1);
  packets[0].bytes.resize(60);
  EXPECT_TRUE(device.run(packets));
  return device;
}

TEST_F(ApiRecordCode, NothingAskedForIsAMistake) {
  const auto done = record_code({});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::input);
}

TEST_F(ApiRecordCode, ADirectoryThatThereIsNot) {
  const auto done = record_code({.perf_map = true, .directory = directory_ + "/none"});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::system);
  EXPECT_EQ(done.error().error, ENOENT);
}

// The map is this process's, so there is one test of it.
TEST_F(ApiRecordCode, TheMapNamesWhatRunsAndWhatRanBefore) {
  const std::string backend = jit_here();
  if (backend.empty()) GTEST_SKIP() << "no JIT of ours runs on this machine";
  const Object early = loaded("xdp_tx"), late = loaded("xdp_drop");
  const Device before = running(early, backend);
  ASSERT_TRUE(record_code({.perf_map = true, .directory = directory_}));
  EXPECT_THAT(map(), HasSubstr("_xdp_tx\n"));
  EXPECT_THAT(map(), Not(HasSubstr("_xdp_drop\n")));
  const Device after = running(late, backend);
  EXPECT_THAT(map(), HasSubstr("_xdp_drop\n"));
  const auto again = record_code({.perf_map = true, .directory = directory_});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().error, EBUSY);
}

}  // namespace
}  // namespace forager
