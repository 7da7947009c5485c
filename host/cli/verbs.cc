// SPDX-License-Identifier: Apache-2.0
#include "cli/verbs.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace forager::cli {
namespace {

bool is_short_for(std::string_view word, std::string_view name) { return !word.empty() && name.starts_with(word); }

// The exact row, or else the first that the word begins.
template <class Row>
const Row* find_row(std::span<const Row> rows, std::string_view word) {
  for (const Row& row : rows) {
    if (word == row.name) return &row;
  }
  for (const Row& row : rows) {
    if (is_short_for(word, row.name)) return &row;
  }
  return nullptr;
}

std::string names_of(const auto& rows) {
  std::string out;
  for (const auto& row : rows) out += fmt::format("{}{}", out.empty() ? "" : ", ", row.name);
  return out;
}

// Usage rows of more than one line go on below where the first began.
std::string indented(std::string_view usage, std::size_t column) {
  std::string out;
  for (const char c : usage) {
    out += c;
    if (c == '\n') out.append(column, ' ');
  }
  return out;
}

std::string help_of(const Object& object) {
  std::string out;
  for (const Verb& verb : object.verbs) {
    if (verb.usage == nullptr) continue;
    const std::string head =
        fmt::format("{}forager {} {} ", out.empty() ? "Usage: " : "       ", object.name, verb.name);
    std::string line = head + indented(verb.usage, head.size());
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  out += fmt::format("       forager {} help\n", object.name);
  if (*object.notes != '\0') out += fmt::format("\n{}", object.notes);
  return out + "\nOptions: -j, -p: JSON; -f: show pins; -d: libbpf's messages; --state DIR\n";
}

Result<> print_help(const Cli& cli, const std::string& text) {
  if (cli.wants_json()) {
    cli.print_nothing();
  } else {
    cli.print(text);
  }
  return {};
}

Result<> run_object(const Cli& cli, const Object& object, Words words) {
  if (words.peek() == "help") return print_help(cli, help_of(object));
  if (words.empty()) return object.verbs.front().run(cli, std::move(words));
  const std::string word = *words.next("the verb");
  const Verb* verb = find_row(object.verbs, word);
  if (verb != nullptr) return verb->run(cli, std::move(words));
  return usage_error(
      fmt::format("'{}' is no verb of {}; there are {}, help", word, object.name, names_of(object.verbs)));
}

}  // namespace

std::span<const Object> objects() {
  static const std::array kObjects = {prog_object(), map_object(),     link_object(),  net_object(),
                                      btf_object(),  feature_object(), device_object()};
  return kObjects;
}

Result<> run_words(const Cli& cli, const std::vector<std::string>& arguments) {
  Words words(arguments);
  if (words.empty()) return usage_error("what is to be done? see forager help");
  if (words.peek() == "help") return print_help(cli, general_help());
  const std::string word = *words.next("the object");
  const Object* object = find_row(objects(), word);
  if (object != nullptr) return run_object(cli, *object, std::move(words));
  return usage_error(fmt::format("'{}' is nothing forager knows; there are run, explain, {}, batch, version, help",
                                 word, names_of(objects())));
}

std::string general_help() {
  std::string out =
      "Usage: forager [OPTIONS] OBJECT { VERB | help }\n"
      "       forager run PROG.o --pcap FILE    run a capture (forager run --help)\n"
      "       forager explain PROG.o            which backend takes it, and why not\n"
      "       forager batch file FILE           a command a line\n"
      "       forager version\n\nObjects:\n";
  for (const Object& object : objects()) out += fmt::format("  {:<8} {}\n", object.name, object.summary);
  return out +
         "\nOptions:\n"
         "  -j, --json      print JSON\n"
         "  -p, --pretty    print indented JSON\n"
         "  -f, --bpffs     show where things are pinned\n"
         "  -d, --debug     show libbpf's messages on standard error\n"
         "  -V, --version\n"
         "  --state DIR     directory that keeps loaded objects\n";
}

}  // namespace forager::cli
