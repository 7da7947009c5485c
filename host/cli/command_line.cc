// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <fmt/format.h>

#include <cctype>
#include <string_view>
#include <utility>

namespace forager::cli {
namespace {

struct OptionRow {
  char letter;
  std::string_view name;
  bool Cli::* flag;  // null: has no meaning here and is taken in silence
};
constexpr OptionRow kOptions[] = {{'j', "json", &Cli::json},
                                  {'p', "pretty", &Cli::pretty},
                                  {'d', "debug", &Cli::debug},
                                  {'f', "bpffs", &Cli::pinned},
                                  {'n', "nomount", nullptr}};

std::unexpected<Diagnostic> unknown(std::string_view option) {
  return usage_error(fmt::format("'{}' is no option; see forager help", option));
}

void set(const OptionRow& row, Cli& cli) {
  if (row.flag != nullptr) cli.*row.flag = true;
}

bool set_letter(char letter, Cli& cli, CommandLine& line) {
  if (letter == 'h') line.help = true;
  if (letter == 'V') line.version = true;
  if (letter == 'h' || letter == 'V') return true;
  for (const OptionRow& row : kOptions) {
    if (row.letter != letter) continue;
    set(row, cli);
    return true;
  }
  return false;
}

bool set_name(std::string_view name, Cli& cli, CommandLine& line) {
  if (name == "help") line.help = true;
  if (name == "version") line.version = true;
  if (name == "help" || name == "version") return true;
  for (const OptionRow& row : kOptions) {
    if (row.name != name) continue;
    set(row, cli);
    return true;
  }
  return false;
}

bool set_letters(std::string_view letters, Cli& cli, CommandLine& line) {
  for (const char letter : letters) {
    if (!set_letter(letter, cli, line)) return false;
  }
  return true;
}

}  // namespace

Result<CommandLine> read_command_line(std::span<const std::string> arguments, Cli& cli) {
  constexpr std::string_view kState = "--state=";
  CommandLine out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") {
      out.words.insert(out.words.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1, arguments.end());
      break;
    }
    if (argument == "--state" && i + 1 == arguments.size()) return usage_error("--state needs a directory");
    if (argument == "--state") {
      cli.state_directory = arguments[++i];
    } else if (argument.starts_with(kState)) {
      cli.state_directory = argument.substr(kState.size());
    } else if (argument.starts_with("--")) {
      if (!set_name(std::string_view(argument).substr(2), cli, out)) return unknown(argument);
    } else if (argument.size() > 1 && argument.front() == '-') {
      if (!set_letters(std::string_view(argument).substr(1), cli, out)) return unknown(argument);
    } else {
      out.words.push_back(argument);  // "-" alone is a word: standard input or output
    }
  }
  return out;
}

Result<std::vector<std::string>> split_line(const std::string& line) {
  std::vector<std::string> out;
  std::string word;
  bool inside = false;  // of a word
  char quote = '\0';
  for (const char c : line) {
    if (quote == '\0' && c == '#' && !inside) break;
    if (quote == '\0' && std::isspace(static_cast<unsigned char>(c)) != 0) {
      if (inside) out.push_back(std::exchange(word, {}));
      inside = false;
    } else if (quote == '\0' && (c == '"' || c == '\'')) {
      quote = c;
      inside = true;
    } else if (c == quote) {
      quote = '\0';
    } else {
      word += c;
      inside = true;
    }
  }
  if (quote != '\0') return usage_error(fmt::format("a {} does not end", quote));
  if (inside) out.push_back(word);
  return out;
}

}  // namespace forager::cli
