// SPDX-License-Identifier: Apache-2.0
//
// forager_verifier_table: ours beside the kernel's verifier, a row a program, as a Markdown table for README.
//
//   forager_verifier_table [--repeat N] [--generated] [OBJECT...]
//
// A program on which the verdicts differ gets what each said instead of figures. Status: 0 if all agree.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "bench/verifier/measure.h"
#include "tests/twins/grow.h"
#include "tests/twins/tee.h"

namespace forager::bench {
namespace {

struct Totals {
  std::vector<double> ratios;
  std::size_t rows = 0, wrong = 0;
};

void print_row(const twins::Subject& subject, unsigned repetitions, Totals& totals) {
  ++totals.rows;
  if (const std::string why = wrong_answer(subject); !why.empty()) {
    ++totals.wrong;
    const twins::Verdict kernel = twins::ask_kernel(subject.kernel);
    fmt::print("| {} | {} | - / {} | - / {:.2f} | | {} |\n", subject.title(), subject.kernel.slots().size(),
               kernel.processed, kernel.milliseconds, why.substr(0, why.find('\n')));
    return;
  }
  const Cost cost = cost_of(subject, repetitions);
  const double ratio = cost.kernel.milliseconds > 0 ? cost.ours.milliseconds / cost.kernel.milliseconds : 0;
  totals.ratios.push_back(ratio);
  fmt::print("| {} | {} | {} / {} | {:.2f} / {:.2f} | {:.2f} | {:.1f} |\n", subject.title(),
             subject.kernel.slots().size(), cost.ours.processed, cost.kernel.processed, cost.ours.milliseconds,
             cost.kernel.milliseconds, ratio, cost.megabytes);
}

void print_totals(Totals& totals) {
  std::ranges::sort(totals.ratios);
  fmt::print("\n{} programs, {} without comparison", totals.rows, totals.wrong);
  if (!totals.ratios.empty()) {
    fmt::print("; time against the kernel's: median {:.2f}, worst {:.2f}", totals.ratios[totals.ratios.size() / 2],
               totals.ratios.back());
  }
  fmt::print("\n");
}

int table(const std::vector<std::string>& objects, bool generated, unsigned repetitions) {
  fmt::print("| program | instructions | processed, ours / kernel | ms, ours / kernel | ratio | MB |\n");
  fmt::print("|---|---|---|---|---|---|\n");
  Totals totals;
  for (const std::string& object : objects) {
    auto subjects = twins::load_twice(object);
    if (!subjects) {
      fmt::print("| {} | | | | | {} |\n", object, subjects.error().text());
      ++totals.wrong;
      continue;
    }
    for (const twins::Subject& subject : *subjects) print_row(subject, repetitions, totals);
  }
  if (generated) {
    for (const twins::Growth& growth : twins::kGrowths) {
      const auto subject = twins::subject_of(twins::grow(growth));
      if (subject) print_row(*subject, repetitions, totals);
    }
  }
  print_totals(totals);
  return totals.wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace forager::bench

int main(int argc, char** argv) {
  std::vector<std::string> objects;
  bool generated = false;
  unsigned repetitions = 3;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--generated") {
      generated = true;
    } else if (word == "--repeat" && i + 1 < argc) {
      repetitions = static_cast<unsigned>(std::strtoul(argv[++i], nullptr, 10));
    } else {
      objects.emplace_back(word);
    }
  }
  return forager::bench::table(objects, generated, repetitions);
}
