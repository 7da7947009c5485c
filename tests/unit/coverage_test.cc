// SPDX-License-Identifier: Apache-2.0
//
// The coverage table: every helper and map type of Linux's has its row, and what is missing has a reason.
#include "jit-backends/coverage.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exec/host_helpers.h"
#include "isa/tables.h"

namespace forager::jit {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kLinuxHelpers = 211;

TEST(Coverage, HasARowForEveryHelperAndMapType) {
  const std::string text = coverage_markdown();
  ASSERT_EQ(isa::helpers().size(), kLinuxHelpers);
  for (const isa::HelperRow& row : isa::helpers())
    EXPECT_THAT(text, HasSubstr(fmt::format("| {} | {} |", row.id, row.name)));
  for (const isa::MapRow& row : isa::maps()) {
    EXPECT_THAT(text, HasSubstr(fmt::format("| {} | {} |", static_cast<std::uint32_t>(row.type), row.name)));
  }
}

TEST(Coverage, SaysWhatIsMissingAndWhy) {
  for (const isa::HelperRow& row : isa::helpers()) {
    const bool built = exec::host_helpers().test(row.id) || row.name == "tail_call";
    EXPECT_EQ(exec::unsupported_reason(row.id).empty(), built) << row.name;
  }
  const std::string text = coverage_markdown();
  EXPECT_THAT(text, HasSubstr("| 149 | snprintf_btf | it prints kernel objects"));
  EXPECT_THAT(text, HasSubstr("| native | by the host | native | delegated |"));
}

}  // namespace
}  // namespace forager::jit
