// SPDX-License-Identifier: Apache-2.0
//
// The driver's compiler: what it says of what it does not take, and the cache of what it made.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "exec_testing.h"
#include "jit-backends/opencl/build.h"
#include "jit-backends/opencl/lower.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOptions = "-cl-std=CL1.2 -w -DFG_LANES=1 -DFG_GROUP=1";

// Folders of its own, that go with the test.
class OpenclBuild : public testing::WithDevice {
 protected:
  void SetUp() override {
    WithDevice::SetUp();
    if (IsSkipped()) return;
    folder_ = fs::temp_directory_path() / fmt::format("forager_opencl_{}", getpid());
    fs::remove_all(folder_);
    set_places({.cache = (folder_ / "cache").string(), .sources = (folder_ / "sources").string()});
    std::string reason;
    auto driver = Driver::open(*usable_device(reason));
    ASSERT_TRUE(driver) << driver.error().text();
    driver_ = std::move(*driver);
  }
  void TearDown() override {
    set_places({});
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  [[nodiscard]] fs::path only_entry() const {
    std::vector<fs::path> files;
    for (const auto& each : fs::directory_iterator(folder_ / "cache")) files.push_back(each.path());
    EXPECT_EQ(files.size(), 1U);
    return files.empty() ? fs::path{} : files.front();
  }
  [[nodiscard]] bool comes_from_cache(const OpenclImage& image) const {
    const auto built = build(*driver_, image.source(), kOptions);
    EXPECT_TRUE(built) << built.error().text();
    return built && built->from_cache;
  }

  fs::path folder_;
  std::unique_ptr<Driver> driver_;
};

std::shared_ptr<const verifier::VerifiedProgram> program() { return exec::testing::verified({}, "r0 = 2\nexit"); }

std::string contents_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write(const fs::path& file, const std::string& contents) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << contents;
}

TEST_F(OpenclBuild, KeepsWhatItMade) {
  const auto image = compile(program(), {});
  ASSERT_TRUE(image);
  EXPECT_FALSE(comes_from_cache(**image));
  EXPECT_TRUE(comes_from_cache(**image));
  EXPECT_NE(contents_of(folder_ / "sources" / "test.cl").find("__kernel"), std::string::npos);
}

TEST_F(OpenclBuild, BuildsDamagedEntriesAnew) {
  const auto image = compile(program(), {});
  ASSERT_TRUE(image && !comes_from_cache(**image));
  const fs::path entry = only_entry();
  const std::string whole = contents_of(entry);
  ASSERT_GT(whole.size(), 200U);
  std::string flipped = whole;
  flipped[whole.size() / 2] = static_cast<char>(flipped[whole.size() / 2] ^ 1);
  for (const std::string& damaged :
       {flipped, whole.substr(0, whole.size() / 2), std::string{}, std::string("nonsense")}) {
    write(entry, damaged);
    EXPECT_FALSE(comes_from_cache(**image));
    EXPECT_TRUE(comes_from_cache(**image));
  }
}

TEST_F(OpenclBuild, SaysWhereTheCompilerStopped) {
  KernelSource source;
  source.text = "static ulong fn(void) {\n  return nothing;\n}\n";
  source.origins = {{}, {.instruction = 0}, {}};
  source.programs = {program()};
  const auto built = build(*driver_, source, kOptions);
  ASSERT_FALSE(built);
  EXPECT_EQ(built.error().kind, ErrorKind::bug);
  const auto line = std::ranges::count(prelude(), '\n') + 2;
  EXPECT_THAT(built.error().text(), ::testing::HasSubstr(fmt::format("sources/test.cl:{}:10: ", line)));
  EXPECT_THAT(built.error().text(), ::testing::HasSubstr("nothing"));
  EXPECT_EQ(built.error().instruction, 0U);
}

// A program's name is anybody's.
TEST_F(OpenclBuild, LeavesSourcesNowhereElse) {
  for (const std::string& name :
       std::vector<std::string>{"../outside", "/tmp/forager_outside", "", "..", "a/../../b", std::string(5000, 'n')}) {
    program::Source source{.name = name, .type = isa::ProgType::xdp};
    source.slots = program::assemble("r0 = 2\nexit", {}).value();
    const auto image = compile(verifier::verify(program::Program::decode(std::move(source)).value()).value(), {});
    ASSERT_TRUE(image && build(*driver_, (*image)->source(), kOptions));
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "sources"), {}), 6);
  EXPECT_FALSE(fs::exists("/tmp/forager_outside.cl"));
}

TEST(OpenclLog, GivesTheFirstError) {
  const BuildError error = first_error("/tmp/a.cl:3:1: warning: odd\n/tmp/a.cl:17:5: error: no such thing\nmore\n");
  EXPECT_EQ(error.line, 17U);
  EXPECT_EQ(error.column, 5U);
  EXPECT_EQ(error.message, "no such thing");
  EXPECT_EQ(first_error("error: /tmp/a.cl:9:2: unknown name\n").line, 9U);
  EXPECT_EQ(first_error("it broke\nsomewhere").message, "it broke");
  EXPECT_EQ(first_error("").message, "it does not say why");
}

}  // namespace
}  // namespace forager::jit::opencl
