// SPDX-License-Identifier: Apache-2.0
//
// Agreement with the running kernel: every golden case as a test FILE.CASE that loads it there. Verdict and errno must
// be what the file expects of ours, or what its "kernel" line says, which divergences.def must explain.
//
// With --ask FILTER, prints what the kernel says of each case whose FILE.CASE begins so, for those who write cases.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <set>
#include <string_view>

#include "divergences.h"
#include "golden_check.h"
#include "kernel_case.h"

namespace forager::verifier::golden {
namespace {

const std::string& reason_to_skip() {
  static const std::string kReason = no_kernel();
  return kReason;
}

bool same_class(const Verdict& one, const Verdict& other) {
  return one.accepts == other.accepts && one.error == other.error;
}

DivergenceKind kind_of(const Verdict& ours, const Verdict& kernel) {
  if (ours.accepts == kernel.accepts) return DivergenceKind::error;
  return ours.accepts ? DivergenceKind::looser : DivergenceKind::stricter;
}

class AgreementTest : public testing::Test {
 public:
  explicit AgreementTest(Case given) : given_(std::move(given)) {}
  void TestBody() override {
    if (!reason_to_skip().empty()) GTEST_SKIP() << reason_to_skip();
    if (const std::string reason = not_for_kernels(given_); !reason.empty()) GTEST_SKIP() << reason;
    const auto assembled = assemble(given_);
    ASSERT_TRUE(assembled) << assembled.error().text();
    const KernelAnswer answer = ask_kernel(given_, *assembled);
    ASSERT_EQ(answer.trouble, "");
    const Verdict& expected = given_.kernel.value_or(given_.verdict);
    if (same_class(expected, answer.verdict)) return;
    const KernelAnswer explained = ask_kernel(given_, *assembled, true);
    ADD_FAILURE() << "expected of the kernel: " << words_of(expected) << "\n  found: " << words_of(explained.verdict)
                  << "\n"
                  << given_.text << explained.log;
  }

 private:
  Case given_;
};

// Every case with a "kernel" line has a row, and every row such a case, whose kinds agree.
class DivergencesTest : public testing::Test {
 public:
  explicit DivergencesTest(std::vector<Case> differing) : differing_(std::move(differing)) {}
  void TestBody() override {
    std::set<std::pair<std::string_view, std::string_view>> explained;
    for (const Case& given : differing_) {
      const Divergence* row = find_divergence(given.file, given.name);
      ASSERT_NE(row, nullptr) << given.file << "." << given.name << " is not explained";
      EXPECT_FALSE(same_class(given.verdict, *given.kernel)) << given.file << "." << given.name << " does not differ";
      if (row->kind != DivergenceKind::kernel_version) {
        EXPECT_EQ(row->kind, kind_of(given.verdict, *given.kernel));
      }
      explained.emplace(row->file, row->name);
    }
    for (const Divergence& row : divergences()) {
      EXPECT_TRUE(explained.contains({row.file, row.name})) << row.file << "." << row.name << " does not differ";
    }
  }

 private:
  std::vector<Case> differing_;
};

std::vector<Case> cases_in(const std::string& folder) {
  std::vector<Case> out;
  for (const std::string& path : files_of(folder)) {
    auto file = read_file(path);
    if (!file) std::cerr << file.error().message << "\n";  // forager_verifier_golden_test fails on it
    if (file) out.insert(out.end(), file->cases.begin(), file->cases.end());
  }
  return out;
}

void register_tests(const std::vector<Case>& cases) {
  std::vector<Case> differing;
  for (const Case& given : cases) {
    if (given.kernel) differing.push_back(given);
    testing::RegisterTest(given.file.c_str(), given.name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [given]() -> testing::Test* { return new AgreementTest(given); });
  }
  testing::RegisterTest("divergences", "explained", nullptr, nullptr, __FILE__, __LINE__,
                        [differing]() -> testing::Test* { return new DivergencesTest(differing); });
}

int ask(const std::vector<Case>& cases, std::string_view filter) {
  for (const Case& given : cases) {
    const std::string name = given.file + "." + given.name;
    if (!name.starts_with(filter) || !not_for_kernels(given).empty()) continue;
    const auto assembled = assemble(given);
    if (!assembled) {
      std::cout << name << ": " << assembled.error().text() << "\n";
      continue;
    }
    const KernelAnswer answer = ask_kernel(given, *assembled, true);
    const bool surprises = !same_class(given.kernel.value_or(given.verdict), answer.verdict);
    std::cout << (surprises ? "!! " : "   ") << name << ": " << answer.trouble << words_of(answer.verdict) << "\n";
    if (surprises) std::cout << answer.log;
  }
  return 0;
}

}  // namespace
}  // namespace forager::verifier::golden

int main(int count, char** arguments) {
  using namespace forager::verifier::golden;
  testing::InitGoogleTest(&count, arguments);
  const bool asks = count == 4 && std::string_view(arguments[1]) == "--ask";
  if (!asks && count != 2) {
    std::cerr << "usage: forager_verifier_kernel_test [--ask FILTER] FOLDER\n";
    return 2;
  }
  const auto cases = cases_in(arguments[count - 1]);
  if (asks) return ask(cases, arguments[2]);
  register_tests(cases);
  return RUN_ALL_TESTS();
}
