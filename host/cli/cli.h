// SPDX-License-Identifier: Apache-2.0
//
// What all subcommands share: global options, output, and the words of bpftool's grammar.
//
// Verbs of bpftool's grammar stand in tables (cli/verbs.h). `run`, `explain` and `prog verify` have options of their
// own: each is one file with one add_*() function, which declares them and leaves an action that main() runs after
// parsing. Exit status: 0 done, 1 an error (one line on stderr, or {"error": ...} with --json), 2 usage.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/state.h"
#include "forager/result.h"

namespace forager::cli {

struct Cli {
  bool json = false;
  bool pretty = false;
  bool debug = false;
  bool pinned = false;  // -f: show where things are pinned
  std::string state_directory = default_state_directory();
  nlohmann::ordered_json* captured = nullptr;  // where documents go instead of standard output, if not null
  std::function<Result<>()> action;

  // One document on standard output.
  void print(const nlohmann::ordered_json& document) const;
  void print(const std::string& text) const;
  // What a verb prints that has nothing to say: "null" for programs that read JSON, as bpftool does.
  void print_nothing() const;
  [[nodiscard]] bool wants_json() const { return json || pretty; }
};

void add_run(CLI::App& app, Cli& cli);
void add_explain(CLI::App& app, Cli& cli);
void add_prog_verify(CLI::App& object, Cli& cli);

// Words of bpftool's grammar after the verb: "id 3", "name flows", "key hex 01 02", ...; keywords may be shortened.
class Words {
 public:
  explicit Words(std::vector<std::string> words) : words_(std::move(words)) {}
  [[nodiscard]] bool empty() const { return at_ == words_.size(); }
  [[nodiscard]] const std::string& peek() const;
  // The next word. Errors: input, "`what` is missing".
  [[nodiscard]] Result<std::string> next(const std::string& what);
  // Takes `word`, or a beginning of it, if it is next.
  bool take(std::string_view word);
  [[nodiscard]] Result<std::uint64_t> number(const std::string& what);
  // Exactly `count` bytes: decimal or 0x.., or plain hex after "hex". Errors: input, naming wanted and given.
  [[nodiscard]] Result<std::string> bytes(const std::string& what, std::size_t count);
  // Errors: input if words are left.
  [[nodiscard]] Result<> end() const;
  // All that are left.
  [[nodiscard]] std::vector<std::string> rest();

 private:
  std::vector<std::string> words_;
  std::size_t at_ = 0;
};

// Errors of wrong words are usage errors: exit status 2.
[[nodiscard]] std::unexpected<Diagnostic> usage_error(std::string message);
[[nodiscard]] bool is_usage_error(const Diagnostic& diagnostic);
// An error whose whole story is in the document that was printed: exit status 1 and nothing more.
[[nodiscard]] std::unexpected<Diagnostic> told_already();
[[nodiscard]] bool was_told(const Diagnostic& diagnostic);

}  // namespace forager::cli
