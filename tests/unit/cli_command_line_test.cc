// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forager::cli {
namespace {

using testing::ElementsAre;
using Arguments = std::vector<std::string>;

TEST(CommandLine, OptionsStandAnywhere) {
  Cli cli;
  const auto line = read_command_line(Arguments{"-j", "map", "show", "-fd", "--state", "here"}, cli);
  ASSERT_TRUE(line);
  EXPECT_THAT(line->words, ElementsAre("map", "show"));
  EXPECT_TRUE(cli.json && cli.pinned && cli.debug);
  EXPECT_FALSE(cli.pretty);
  EXPECT_EQ(cli.state_directory, "here");
}

TEST(CommandLine, TwoDashesEndThem) {
  Cli cli;
  const auto line = read_command_line(Arguments{"prog", "show", "--", "name", "-j", "--"}, cli);
  ASSERT_TRUE(line);
  EXPECT_THAT(line->words, ElementsAre("prog", "show", "name", "-j", "--"));
  EXPECT_FALSE(cli.json);
}

TEST(CommandLine, ADashAloneIsAWord) {
  Cli cli;
  const auto line = read_command_line(Arguments{"data_out", "-"}, cli);
  ASSERT_TRUE(line);
  EXPECT_THAT(line->words, ElementsAre("data_out", "-"));
}

TEST(CommandLine, UnknownOptionsAreUsageErrors) {
  for (const char* option : {"--frob", "-x", "-jx", "--state"}) {
    Cli cli;
    const auto line = read_command_line(Arguments{option}, cli);
    ASSERT_FALSE(line) << option;
    EXPECT_TRUE(is_usage_error(line.error())) << option;
  }
}

TEST(CommandLine, LinesOfABatch) {
  EXPECT_THAT(*split_line("map  show # all of them"), ElementsAre("map", "show"));
  EXPECT_THAT(*split_line("prog run data_in 'a file' \"b c\"d"),
              ElementsAre("prog", "run", "data_in", "a file", "b cd"));
  EXPECT_THAT(*split_line("a#b ''"), ElementsAre("a#b", ""));
  EXPECT_TRUE(split_line("  # nothing")->empty());
  EXPECT_FALSE(split_line("name 'open"));
}

TEST(Words, KeywordsMayBeShortened) {
  Words words({"na", "flows", "names"});
  EXPECT_TRUE(words.take("name"));
  EXPECT_FALSE(words.take("name"));
  EXPECT_EQ(*words.next("the name"), "flows");
  EXPECT_FALSE(words.take("name"));  // longer than the keyword
  EXPECT_THAT(words.rest(), ElementsAre("names"));
  EXPECT_TRUE(words.end());
}

}  // namespace
}  // namespace forager::cli
