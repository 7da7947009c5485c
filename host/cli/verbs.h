// SPDX-License-Identifier: Apache-2.0
//
// The grammar OBJECT VERB WORDS..., as bpftool has it: tables of verbs, the way from words to a verb, and help.
//
// Objects and verbs may be shortened to any beginning; the first row that fits is meant, and the first verb of an
// object is what it does without one. Every object has `help`.
//
// Tested by: tests/cli/cli_test.sh.
#pragma once

#include <span>
#include <string>

#include "cli/cli.h"
#include "forager/result.h"

namespace forager::cli {

struct Verb {
  const char* name;
  const char* usage;  // what stands behind the verb; may have several lines; empty rows are other spellings
  Result<> (*run)(const Cli& cli, Words words);
};

struct Object {
  const char* name;
  const char* summary;
  std::span<const Verb> verbs;
  const char* notes;  // lines below the usage: what PROG, MAP, DATA ... are
};

[[nodiscard]] std::span<const Object> objects();

[[nodiscard]] Object prog_object();
[[nodiscard]] Object map_object();
[[nodiscard]] Object link_object();
[[nodiscard]] Object net_object();
[[nodiscard]] Object btf_object();
[[nodiscard]] Object feature_object();
[[nodiscard]] Object device_object();

// Runs the words. Errors: usage where they name nothing, and the verb's.
[[nodiscard]] Result<> run_words(const Cli& cli, const std::vector<std::string>& words);
// `forager help`.
[[nodiscard]] std::string general_help();

}  // namespace forager::cli
