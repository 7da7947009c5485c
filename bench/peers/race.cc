// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/race.h"

#include <algorithm>

namespace forager::bench {
namespace {

constexpr std::size_t kWarm = 3, kLeast = 15, kMost = 301;

// A contender and its engine's empty program.
struct Lane {
  std::unique_ptr<Contender> contender, floor;
  std::vector<double> times, floors;
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string difference(const golden::Outcome& expected, Contender& contender, golden::Compared told) {
  const auto actual = contender.answers();
  if (!actual) return actual.error().text();
  const auto found = golden::differences(expected, *actual, told);
  return found.empty() ? "" : found.front();
}

// Empty, or why the entrant is not timed.
std::string enter(const ExampleProgram& program, const golden::Outcome& expected, const Entrant& entrant, Lane& lane) {
  auto floor = entrant.make({kEmpty.name, program.capture});
  if (!floor) return floor.error().text();
  auto contender = entrant.make(program);
  if (!contender) return contender.error().message;
  if (std::string wrong = difference(expected, **contender, entrant.told); !wrong.empty()) return wrong;
  lane.floor = std::move(*floor);
  lane.contender = std::move(*contender);
  return "";
}

std::string time_once(Lane& lane, bool counts) {
  const auto floor = lane.floor->pass(), time = lane.contender->pass();
  if (!floor) return floor.error().text();
  if (!time) return time.error().text();
  if (!counts) return "";
  lane.floors.push_back(*floor);
  lane.times.push_back(*time);
  return "";
}

void finish(const Lane& lane, Figure& figure) {
  figure.floor = median(lane.floors);
  figure.net = median(lane.times) - figure.floor;
  figure.code_bytes = lane.contender->code_bytes();
}

cli::RunOptions on_interpreter() {
  cli::RunOptions options;
  options.placement.backend = "interp";
  return options;
}

}  // namespace

std::vector<Figure> race(const ExampleProgram& program, const std::vector<Entrant>& entrants,
                         std::chrono::milliseconds time) {
  std::vector<Figure> figures(entrants.size());
  std::vector<Lane> lanes(entrants.size());
  const auto expected = golden::run(subject_of(program), on_interpreter());
  for (std::size_t i = 0; i < entrants.size(); ++i) {
    figures[i].name = entrants[i].name;
    figures[i].error = expected ? enter(program, *expected, entrants[i], lanes[i]) : expected.error().text();
  }
  const auto end = std::chrono::steady_clock::now() + time;
  for (std::size_t turn = 0; turn < kWarm + kMost; ++turn) {
    if (turn >= kWarm + kLeast && std::chrono::steady_clock::now() > end) break;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      if (figures[i].error.empty()) figures[i].error = time_once(lanes[i], turn >= kWarm);
    }
  }
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    if (figures[i].error.empty()) finish(lanes[i], figures[i]);
  }
  return figures;
}

}  // namespace forager::bench
