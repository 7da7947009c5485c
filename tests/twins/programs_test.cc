// SPDX-License-Identifier: Apache-2.0
//
// Every example program and every shape of every program in tests/programs/verifier, through an unmodified libbpf to
// both verifiers: ours accepts what the machine's kernel accepts. Without a kernel to ask, ours accepts them all.
#include <gtest/gtest.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/twins/tee.h"

namespace forager::twins {
namespace {

std::vector<std::string> objects() {
  std::vector<std::string> out;
  for (const char* folder : {FORAGER_PROGRAMS, FORAGER_VERIFIER_PROGRAMS}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".o") out.push_back(entry.path());
    }
  }
  std::ranges::sort(out);
  return out;
}

// Than the one whose rules ours are: Linux 6.18.
bool older_kernel() {
  utsname name{};
  unsigned major = 0, minor = 0;
  if (uname(&name) != 0 || std::sscanf(name.release, "%u.%u", &major, &minor) != 2) return true;
  return major * 100 + minor < 618;
}

// As a test's name: the file's, without what names may not hold.
std::string name_of(const testing::TestParamInfo<std::string>& info) {
  std::string name = std::filesystem::path(info.param).filename();
  name.resize(name.rfind(".bpf.o"));
  std::ranges::replace_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

class VerifierPrograms : public testing::TestWithParam<std::string> {};

TEST_P(VerifierPrograms, Accepted) {
  const auto subjects = load_twice(GetParam());
  ASSERT_TRUE(subjects) << subjects.error().text();
  ASSERT_FALSE(subjects->empty());
  for (const Subject& subject : *subjects) {
    SCOPED_TRACE(subject.title());
    if (no_kernel().empty()) {
      const Verdict kernel = ask_kernel(subject.kernel);
      const bool no_verdict = keeps_away(subject, kernel);
      EXPECT_TRUE(kernel.accepted() || no_verdict || older_kernel()) << kernel.message;
      if (!kernel.accepted() && !no_verdict) continue;
    }
    ASSERT_FALSE(subject.missing) << subject.missing->text();
    const Verdict ours = ask_ours(subject.source);
    EXPECT_TRUE(ours.accepted()) << ours.message;
  }
}

INSTANTIATE_TEST_SUITE_P(Objects, VerifierPrograms, testing::ValuesIn(objects()), name_of);

}  // namespace
}  // namespace forager::twins
