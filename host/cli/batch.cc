// SPDX-License-Identifier: Apache-2.0
#include "cli/batch.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>

#include "cli/command_line.h"
#include "cli/verbs.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Batch {
  std::size_t line = 0;
  std::size_t commands = 0;
  Json documents = Json::array();
};

// One command; its document, or its error as one, goes to the list.
Result<> run_line(const Cli& cli, const std::vector<std::string>& words, Batch& batch) {
  ++batch.commands;
  if (!cli.wants_json()) return run_words(cli, words);
  Json output;
  Cli inner = cli;
  inner.captured = &output;
  auto done = run_words(inner, words);
  if (!done && !was_told(done.error())) output = {{"error", done.error().text()}};
  batch.documents.push_back({{"command", words}, {"output", std::move(output)}});
  return done;
}

Result<> run_lines(const Cli& cli, std::istream& input, Batch& batch) {
  std::string text;
  while (std::getline(input, text)) {
    ++batch.line;
    auto words = split_line(text);
    if (!words) return std::unexpected(words.error());
    if (words->empty()) continue;
    if (auto done = run_line(cli, *words, batch); !done) return done;
  }
  return {};
}

// With JSON the error stands in the document already.
Result<> finish(const Cli& cli, const std::string& file, const Batch& batch, Result<> done) {
  if (cli.wants_json()) cli.print(batch.documents);
  if (done) {
    if (!cli.wants_json()) cli.print(fmt::format("processed {} commands\n", batch.commands));
    return done;
  }
  if (cli.wants_json() && !batch.documents.empty()) return told_already();
  if (!was_told(done.error())) done.error().message = fmt::format("{}:{}: {}", file, batch.line, done.error().message);
  return done;
}

}  // namespace

Result<> run_batch(const Cli& cli, std::vector<std::string> arguments) {
  Words words(std::move(arguments));
  if (!words.take("file")) return usage_error("'file FILE' is missing");
  auto file = words.next("the file");
  if (!file) return std::unexpected(file.error());
  if (auto end = words.end(); !end) return end;
  Batch batch;
  if (*file == "-") {
    auto done = run_lines(cli, std::cin, batch);
    return finish(cli, "standard input", batch, std::move(done));
  }
  std::ifstream input(*file, std::ios::binary);
  if (!input) return fail(ErrorKind::input, errno, fmt::format("{}: {}", *file, std::strerror(errno)));
  auto done = run_lines(cli, input, batch);
  return finish(cli, *file, batch, std::move(done));
}

}  // namespace forager::cli
