// SPDX-License-Identifier: Apache-2.0
//
// forager_golden_mutants [--seed N] [--count N] [--show N] [--only PREFIX] [--strict] FOLDER
//
// Changes golden programs at random, one or two instructions at a time, and asks our
// verifier and the running kernel's about each: programs just beside the rules, with one check removed, one bound
// moved, one register exchanged. Verdicts that differ are grouped by what the two say, each group with its first
// program. Stack bytes that were never written may be read here (allow_uninitialised_stack), since Linux allows that.
//
// It finds work for people and decides nothing: what it finds becomes a golden case. tests/twins does the like with
// compiled objects, one instruction at a time.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <ranges>
#include <string_view>

#include <fmt/format.h>

#include "golden_check.h"
#include "kernel_case.h"
#include "program/text.h"

namespace forager::verifier::golden {
namespace {

struct Settings {
  std::uint64_t seed = 1;
  unsigned count = 10;  // mutants of each case
  unsigned show = 40;   // groups
  bool strict = false;  // alignment
  std::string only;
  std::string folder;
};

struct Group {
  unsigned count = 0;
  std::string example;
};

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  void change(std::vector<isa::Slot>& slots) {
    const unsigned times = 1 + (pick(4) == 0 ? 1 : 0);
    for (unsigned i = 0; i < times; ++i) {
      isa::Slot changed;
      std::size_t at = 0;
      do {
        at = pick(slots.size());
        changed = slots[at];
        change_one(changed);
        clear_unused(changed);
      } while (isa::find_row(changed) == nullptr || changed == slots[at]);
      slots[at] = changed;
    }
  }

 private:
  std::size_t pick(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }

  // Fields that the instruction does not read are no rule worth testing.
  static void clear_unused(isa::Slot& slot) {
    const isa::Row* row = isa::find_row(slot);
    if (row == nullptr) return;
    const isa::Fields fields = isa::fields_of(row->form);
    if (!fields.dst) slot.dst = 0;
    if (!fields.src && !row->match.src) slot.src = 0;
    if (!fields.offset && !row->match.offset) slot.offset = 0;
    if (!fields.imm && !row->match.imm) slot.imm = 0;
  }

  void change_one(isa::Slot& slot) {
    constexpr std::int32_t kSteps[] = {-8, -4, -1, 1, 4, 8};
    switch (pick(9)) {
      case 0:
        slot.imm += kSteps[pick(std::size(kSteps))];
        break;
      case 1:
        slot.offset = static_cast<std::int16_t>(slot.offset + kSteps[pick(std::size(kSteps))]);
        break;
      case 2:
        slot.dst = pick(11) & 0xf;
        break;
      case 3:
        slot.src = pick(11) & 0xf;
        break;
      case 4:
        slot = isa::Slot{.opcode = 0x05};  // goto +0: the instruction is gone
        break;
      case 5:
        slot.opcode ^= 0x08;  // immediate or register; the width of an access
        break;
      case 6:
        change_class(slot);
        break;
      case 7:
        slot.opcode = static_cast<std::uint8_t>((slot.opcode & 0x0f) | (pick(14) << 4));  // another operator
        break;
      default:
        slot.imm = interesting();
    }
  }

  // 64 and 32 bit of the same.
  static void change_class(isa::Slot& slot) {
    const unsigned kind = slot.opcode & 7U;
    constexpr std::uint8_t kOther[] = {0, 1, 2, 3, 7, 6, 5, 4};
    slot.opcode = static_cast<std::uint8_t>((slot.opcode & ~7U) | kOther[kind]);
  }

  std::int32_t interesting() {
    constexpr std::int32_t kValues[] = {0, 1, -1, 2, 7, 8, 31, 32, 63, 64, 65, 255, 256, 0x7fffffff, -0x7fffffff - 1};
    return kValues[pick(std::size(kValues))];
  }

  std::mt19937_64 random_;
};

std::string listing(const program::Source& source) {
  std::vector<std::string> names;
  for (const auto& map : source.maps) names.push_back(map.name);  // NOLINT(performance-inefficient-vector-operation)
  std::string out;
  for (std::size_t at = 0; at < source.slots.size(); ++at) {
    out += fmt::format("    {}: {}\n", at, program::to_text(source.slots, at, names));
    if (source.slots[at].opcode == 0x18) ++at;
  }
  return out;
}

// What a message says without its numbers.
std::string kind_of(std::string_view message) {
  std::string out;
  for (const char c : message) {
    if (c >= '0' && c <= '9') {
      if (!out.ends_with('#')) out += '#';
    } else {
      out += c;
    }
  }
  return out.substr(0, 70);
}

class Comparison {
 public:
  explicit Comparison(const Settings& settings) : settings_(settings), mutator_(settings.seed) {}

  void compare(Case given) {
    given.setting.options.strict_alignment |= settings_.strict;
    const auto assembled = assemble(given);
    if (assembled && not_for_kernels(given).empty()) compare(given, *assembled);
  }

  void compare(const Case& given, const Assembled& assembled) {
    for (unsigned i = 0; i < settings_.count; ++i) {
      Assembled mutant = assembled;
      mutator_.change(mutant.source.slots);
      compare_one(given, mutant);
    }
  }

  void report() const {
    std::vector<std::pair<std::string, Group>> sorted(groups_.begin(), groups_.end());
    std::ranges::stable_sort(sorted, {}, [](const auto& entry) { return -static_cast<int>(entry.second.count); });
    for (const auto& [kind, group] : sorted | std::views::take(settings_.show)) {
      std::cout << fmt::format("== {} times: {}\n{}\n", group.count, kind, group.example);
    }
    std::cout << fmt::format("{} mutants, {} accepted by both, {} differ, in {} groups\n", total_, accepted_,
                             differing_, groups_.size());
  }

 private:
  void compare_one(const Case& given, const Assembled& mutant) {
    Options options = given.setting.options;
    options.allow_uninitialised_stack = true;
    const auto verified = verify_case(mutant, options);
    compare_pruned(given, mutant, options, verified.has_value());
    const KernelAnswer kernel = ask_kernel(given, mutant);
    if (!kernel.trouble.empty()) return;
    ++total_;
    if (verified.has_value() == kernel.verdict.accepts) {
      accepted_ += verified.has_value() ? 1 : 0;
      return;
    }
    ++differing_;
    add(given, mutant, verified ? std::string("accept") : verified.error().text(),
        words_of(ask_kernel(given, mutant, true).verdict));
  }

  // More states to stop at must not change a verdict.
  void compare_pruned(const Case& given, const Assembled& mutant, Options options, bool accepted) {
    options.test_state_freq = true;
    const auto again = verify_case(mutant, options);
    if (again.has_value() == accepted) return;
    ++differing_;
    add(given, mutant, "another verdict with test_state_freq", again ? "accept" : again.error().text());
  }

  void add(const Case& given, const Assembled& mutant, const std::string& ours, const std::string& kernel) {
    Group& group = groups_[fmt::format("ours: {} | kernel: {}", kind_of(ours), kind_of(kernel))];
    if (group.count++ > 0) return;
    group.example = fmt::format("{}.{}\n  ours: {}\n  kernel: {}\n{}", given.file, given.name, ours, kernel,
                                listing(mutant.source));
  }

  Settings settings_;
  Mutator mutator_;
  std::map<std::string, Group> groups_;
  unsigned total_ = 0, accepted_ = 0, differing_ = 0;
};

bool parse_arguments(int count, char** arguments, Settings& out) {
  for (int i = 1; i < count; ++i) {
    const std::string_view word = arguments[i];
    if (word == "--strict") {
      out.strict = true;
      continue;
    }
    const bool is_option = word.starts_with("--");
    if (is_option && i + 1 == count) return false;
    if (!is_option) {
      out.folder = word;
    } else if (word == "--seed") {
      out.seed = std::strtoull(arguments[++i], nullptr, 10);
    } else if (word == "--count") {
      out.count = static_cast<unsigned>(std::strtoul(arguments[++i], nullptr, 10));
    } else if (word == "--show") {
      out.show = static_cast<unsigned>(std::strtoul(arguments[++i], nullptr, 10));
    } else if (word == "--only") {
      out.only = arguments[++i];
    } else {
      return false;
    }
  }
  return !out.folder.empty();
}

int run(const Settings& settings) {
  if (const std::string reason = no_kernel(); !reason.empty()) {
    std::cerr << reason << "\n";
    return 1;
  }
  Comparison comparison(settings);
  for (const std::string& path : files_of(settings.folder)) {
    const auto file = read_file(path);
    if (!file) continue;
    for (const Case& given : file->cases) {
      if ((given.file + "." + given.name).starts_with(settings.only)) comparison.compare(given);
    }
  }
  comparison.report();
  return 0;
}

}  // namespace
}  // namespace forager::verifier::golden

int main(int count, char** arguments) {
  forager::verifier::golden::Settings settings;
  if (!forager::verifier::golden::parse_arguments(count, arguments, settings)) {
    std::cerr << "usage: forager_golden_mutants [--seed N] [--count N] [--show N] [--only PREFIX] [--strict] FOLDER\n";
    return 2;
  }
  return forager::verifier::golden::run(settings);
}
