// SPDX-License-Identifier: Apache-2.0
//
// Every case of every golden file as a test FILE.CASE. With --bless FOLDER, rewrites messages, slots and facts as the
// verifier has them today, for review as a diff; a verdict that is wrong stays wrong.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <string_view>

#include "golden_check.h"

namespace forager::verifier::golden {
namespace {

class GoldenTest : public testing::Test {
 public:
  explicit GoldenTest(Case given) : given_(std::move(given)) {}
  void TestBody() override {
    for (const std::string& fault : judge(given_).faults) {
      ADD_FAILURE_AT((given_.file + ".txt").c_str(), static_cast<int>(given_.line)) << fault << "\n" << given_.text;
    }
  }

 private:
  Case given_;
};

class UnreadableFile : public testing::Test {
 public:
  explicit UnreadableFile(std::string why) : why_(std::move(why)) {}
  void TestBody() override { FAIL() << why_; }

 private:
  std::string why_;
};

void register_file(const std::string& path) {
  auto file = read_file(path);
  if (!file) {
    const std::string why = file.error().message;
    testing::RegisterTest("unreadable", path.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [why]() -> testing::Test* { return new UnreadableFile(why); });
    return;
  }
  for (const Case& given : file->cases) {
    testing::RegisterTest(given.file.c_str(), given.name.c_str(), nullptr, nullptr, path.c_str(),
                          static_cast<int>(given.line), [given]() -> testing::Test* { return new GoldenTest(given); });
  }
}

int bless(const std::string& path) {
  auto file = read_file(path);
  if (!file) {
    std::cerr << file.error().message << "\n";
    return 1;
  }
  for (const Case& given : file->cases) {
    for (auto& [line, text] : judge(given).blessed) file->lines[line - 1] = text;
  }
  std::ofstream out(path);
  for (const std::string& line : file->lines) out << line << "\n";
  return out.good() ? 0 : 1;
}

}  // namespace
}  // namespace forager::verifier::golden

int main(int count, char** arguments) {
  using namespace forager::verifier::golden;
  testing::InitGoogleTest(&count, arguments);
  const bool blesses = count == 3 && std::string_view(arguments[1]) == "--bless";
  if (!blesses && count != 2) {
    std::cerr << "usage: forager_verifier_golden_test [--bless] FOLDER\n";
    return 2;
  }
  int status = 0;
  for (const std::string& path : files_of(arguments[count - 1])) {
    if (blesses) {
      status |= bless(path);
    } else {
      register_file(path);
    }
  }
  return blesses ? status : RUN_ALL_TESTS();
}
