// SPDX-License-Identifier: Apache-2.0
// SeqFile: what fits, what does not, and what is left of it.
#include "exec/visit.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace forager::exec {
namespace {

std::string text_of(const SeqFile& file) {
  const auto text = file.text();
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

TEST(SeqFile, TextsStandOneAfterAnother) {
  SeqFile file;
  EXPECT_EQ(file.count(), 0U);
  EXPECT_TRUE(file.write("one "));
  EXPECT_TRUE(file.write(""));
  EXPECT_TRUE(file.write("two"));
  EXPECT_EQ(text_of(file), "one two");
  EXPECT_FALSE(file.overflowed());
}

TEST(SeqFile, TheLastByteIsNeverUsed) {
  const std::vector<std::byte> most(SeqFile::kBytes - 1), all(SeqFile::kBytes);
  SeqFile file;
  EXPECT_TRUE(file.write(most));
  EXPECT_FALSE(file.overflowed());
  EXPECT_FALSE(file.write("x")) << "one byte is left, and stays";
  EXPECT_TRUE(file.overflowed());
  SeqFile other;
  EXPECT_FALSE(other.write(all));
}

TEST(SeqFile, NothingIsWrittenAfterAnOverflowUntilItIsCut) {
  const std::vector<std::byte> large(SeqFile::kBytes);
  SeqFile file;
  EXPECT_TRUE(file.write("kept"));
  EXPECT_FALSE(file.write(large));
  EXPECT_FALSE(file.write("")) << "not even nothing";
  file.cut(4);
  EXPECT_FALSE(file.overflowed());
  EXPECT_TRUE(file.write("!"));
  EXPECT_EQ(text_of(file), "kept!");
}

}  // namespace
}  // namespace forager::exec
