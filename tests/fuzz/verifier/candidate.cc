// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/candidate.h"

#include <fmt/format.h>

#include <cctype>

#include "program/text.h"
#include "tests/fuzz/verifier/code.h"
#include "tests/fuzz/verifier/generator.h"
#include "tests/fuzz/verifier/mutate.h"

namespace forager::fuzz {

Candidate make_candidate(std::uint64_t seed, std::uint64_t index) {
  // Few programs need more, and those for long.
  constexpr std::uint64_t kLimit = 8192;
  Random random(seed + 1, index);
  Candidate candidate{.global_functions = random.percent(15)};
  Generator generator(seed, index);
  candidate.slots = generator.program(candidate.global_functions);
  candidate.linux_is_wrong = generator.comes_back();
  if (random.percent(25)) mutate(random, candidate.slots);
  candidate.options.instruction_limit = kLimit;
  candidate.options.strict_alignment = random.percent(5);
  candidate.options.test_state_freq = random.percent(25);
  return candidate;
}

std::string text_of(const std::vector<isa::Slot>& program) {
  std::vector<std::string> names;
  for (const program::MapSpec& spec : map_specs()) names.push_back(spec.name);
  std::string text;
  for (std::size_t at = 0; at < program.size(); ++at) {
    text += fmt::format("  {:3}: {}\n", at, program::to_text(program, at, names));
    if (is_wide(program[at])) ++at;
  }
  return text;
}

std::string words_of(const Candidate& candidate) {
  std::string words;
  if (candidate.options.strict_alignment) words += " strict_alignment";
  if (candidate.options.test_state_freq) words += " test_state_freq";
  if (candidate.global_functions) words += " global_functions";
  return words;
}

std::string class_of(std::string_view message) {
  std::string out;
  for (std::size_t at = 0; at < message.size();) {
    const bool number = std::isdigit(static_cast<unsigned char>(message[at])) != 0;
    out += number ? '#' : message[at];
    ++at;
    while (number && at < message.size() && std::isxdigit(static_cast<unsigned char>(message[at])) != 0) ++at;
    if (number && at < message.size() && message[at] == 'x') {
      ++at;
      while (at < message.size() && std::isxdigit(static_cast<unsigned char>(message[at])) != 0) ++at;
    }
  }
  return out;
}

}  // namespace forager::fuzz
