// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/race.h"

#include <algorithm>

namespace forager::bench {
namespace {

constexpr std::size_t kWarm = 3, kLeast = 15, kMost = 301, kCounted = 5;

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

// Puts both programs into the lane, or says in the figure why not.
void enter(const ExampleProgram& program, const golden::Outcome& expected, const Entrant& entrant, Lane& lane,
           Figure& figure) {
  auto floor = entrant.make({kEmpty.name, program.capture});
  auto contender = entrant.make(program);
  if (!floor || !contender) {
    figure.error = floor ? contender.error().message : floor.error().text();
    return;
  }
  figure.error = difference(expected, **contender, entrant.told);
  figure.is_wrong = !figure.error.empty();
  lane.floor = std::move(*floor);
  lane.contender = std::move(*contender);
}

using Measure = std::function<Result<double>(Contender&)>;

std::string measure_once(Lane& lane, const Measure& measure, bool counts) {
  const auto floor = measure(*lane.floor), time = measure(*lane.contender);
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

// Until `enough` says so of the number of turns that count.
std::vector<Figure> take_turns(const ExampleProgram& program, const std::vector<Entrant>& entrants,
                               const Measure& measure, const std::function<bool(std::size_t)>& enough) {
  std::vector<Figure> figures(entrants.size());
  std::vector<Lane> lanes(entrants.size());
  const auto expected = golden::run(subject_of(program), on_interpreter());
  for (std::size_t i = 0; i < entrants.size(); ++i) {
    figures[i].name = entrants[i].name;
    if (expected) {
      enter(program, *expected, entrants[i], lanes[i], figures[i]);
    } else {
      figures[i].error = expected.error().text();
    }
  }
  for (std::size_t turn = 0; turn < kWarm || !enough(turn - kWarm); ++turn) {
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      if (figures[i].error.empty()) figures[i].error = measure_once(lanes[i], measure, turn >= kWarm);
    }
  }
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    if (figures[i].error.empty()) finish(lanes[i], figures[i]);
  }
  return figures;
}

}  // namespace

std::vector<Figure> race(const ExampleProgram& program, const std::vector<Entrant>& entrants,
                         std::chrono::milliseconds time) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point end = Clock::time_point::max();
  return take_turns(
      program, entrants, [](Contender& contender) { return contender.pass(); },
      [&](std::size_t turns) {
        if (turns == 0) end = Clock::now() + time;
        return turns >= kMost || (turns >= kLeast && Clock::now() > end);
      });
}

std::vector<Figure> count(const ExampleProgram& program, const std::vector<Entrant>& entrants, Meter meter) {
  return take_turns(
      program, entrants, [meter](Contender& contender) { return contender.count(meter); },
      [](std::size_t turns) { return turns >= kCounted; });
}

}  // namespace forager::bench
