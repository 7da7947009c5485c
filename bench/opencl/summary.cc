// SPDX-License-Identifier: Apache-2.0
#include "bench/opencl/summary.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench/common/programs.h"

namespace forager::bench {
namespace {

// Programs without maps that execute so many instructions for a packet are called compute-heavy.
constexpr double kHeavy = 50;

bool is_heavy(const DuelRow& row) { return !row.uses_maps && row.instructions >= kHeavy; }
bool is_empty(const DuelRow& row) { return row.program == kEmpty.name; }

// Steady ones before others.
bool is_better(const DuelFigure& a, const DuelFigure& b) {
  return a.is_steady() != b.is_steady() ? a.is_steady() : a.opencl.median < b.opencl.median;
}

void print_row(const DuelRow& row) {
  const DuelFigure& figure = row.figure;
  fmt::print("| {} | {} | {:.0f} | {} | {:.1f} ±{:.0f} % | {:.1f} | {:.1f} | {:.1f} ±{:.0f} % | {:.2f}{} |\n",
             row.program, row.bytes, row.instructions, row.batch, figure.opencl.median, figure.opencl.percent / 2,
             figure.launch, figure.staging, figure.x86_64.median, figure.x86_64.percent / 2, row.ratio(),
             figure.is_steady() ? "" : " ?");
}

void print_median(const char* what, const std::vector<DuelRow>& rows, double goal) {
  if (rows.empty()) return;
  std::vector<double> ratios;
  std::string losers;
  int unsteady = 0;
  for (const DuelRow& row : rows) {
    unsteady += row.figure.is_steady() ? 0 : 1;
    ratios.push_back(row.ratio());
    if (row.ratio() < goal) losers += fmt::format(" {}/{}", row.program, row.bytes);
  }
  fmt::print(
      "{}: median ratio {:.2f} (goal {:.1f}), least {:.2f}; of {} figures {} are not steady; below the goal:{}\n", what,
      spread_of(ratios).median, goal, std::ranges::min(ratios), rows.size(), unsteady,
      losers.empty() ? " none" : losers);
}

}  // namespace

std::vector<DuelRow> Summary::best() const {
  std::vector<DuelRow> best;
  for (const DuelRow& row : rows_) {
    const auto same = std::ranges::find_if(
        best, [&](const DuelRow& other) { return other.program == row.program && other.bytes == row.bytes; });
    if (same == best.end()) {
      best.push_back(row);
    } else if (is_better(row.figure, same->figure)) {
      *same = row;
    }
  }
  return best;
}

void Summary::print_duels() const {
  if (rows_.empty()) return;
  fmt::print(
      "\nThe batch that suits opencl best, of each program and size; ns a packet, median ± half of what lies between "
      "the quarters; ratio = x86_64 / opencl. A question mark: not steady, for the quarters are more than {:.0f} % "
      "apart, or others had more than {:.0f} % of the machine.\n\n",
      DuelFigure::kNoise, DuelFigure::kNoise / 2);
  fmt::print("| program | bytes | instructions | batch | opencl | launch | staging | x86_64, 2 threads | ratio |\n");
  fmt::print("|---|---|---|---|---|---|---|---|---|\n");
  std::vector<DuelRow> heavy, all;
  for (const DuelRow& row : best()) {
    print_row(row);
    if (is_empty(row)) continue;
    all.push_back(row);
    if (is_heavy(row)) heavy.push_back(row);
  }
  fmt::print("\n");
  print_median("compute-heavy programs", heavy, 1.0);
  print_median("all programs", all, 0.5);
}

// Of the program that does nothing, at the largest batch.
void Summary::print_staging() const {
  const DuelRow* largest = nullptr;
  for (const DuelRow& row : rows_) {
    if (is_empty(row) && row.bytes == 64 && (largest == nullptr || row.batch > largest->batch)) largest = &row;
  }
  if (largest == nullptr) return;
  fmt::print("staging of a 64-byte packet, batches of {}: {:.1f} ns (goal 15.0)\n", largest->batch,
             largest->figure.staging);
}

void Summary::print_loads() const {
  if (loads_.empty()) return;
  fmt::print("\n| program | first, ms | again | second | ours | pocl | driver |\n|---|---|---|---|---|---|---|\n");
  std::vector<double> seconds;
  for (const auto& [program, figure] : loads_) {
    fmt::print("| {} | {:.0f} | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.0f} |\n", program, figure.at("first"),
               figure.at("again"), figure.at("second"), figure.at("ours"), figure.at("pocl"), figure.at("driver"));
    seconds.push_back(figure.at("second"));
  }
  fmt::print("\nsecond load of a cached program: median {:.1f} ms, most {:.1f} ms (goal 20)\n",
             spread_of(seconds).median, std::ranges::max(seconds));
}

void Summary::print() const {
  print_duels();
  print_staging();
  print_loads();
  for (const std::string& failure : failures_) fmt::print("failed: {}\n", failure);
}

}  // namespace forager::bench
