// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace forager::cli {
namespace {

using std::chrono::steady_clock;
constexpr auto kFirst = std::chrono::seconds(2);
constexpr auto kInterval = std::chrono::milliseconds(200);
constexpr std::size_t kWidth = 30;

}  // namespace

Progress::Progress(std::uint64_t total, std::string unit)
    : total_(std::max<std::uint64_t>(total, 1)),
      unit_(std::move(unit)),
      terminal_(::isatty(STDERR_FILENO) != 0),
      start_(steady_clock::now()),
      next_(start_ + kFirst) {}

Progress::~Progress() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
}

void Progress::advance(std::uint64_t amount) {
  done_ += amount;
  if (!terminal_ || steady_clock::now() < next_) return;
  next_ = steady_clock::now() + kInterval;
  draw();
}

void Progress::draw() {
  drawn_ = true;
  const double share = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
  const auto full = static_cast<std::size_t>(share * kWidth);
  const double elapsed = std::chrono::duration<double>(steady_clock::now() - start_).count();
  const double left = share > 0 ? elapsed / share - elapsed : 0;
  fmt::print(stderr, "\r[{:#<{}}{:.<{}}] {:3.0f} %  {} of {} {}, {:.0f} s left \033[K", "", full, "", kWidth - full,
             share * 100, done_, total_, unit_, left);
  std::fflush(stderr);
}

}  // namespace forager::cli
