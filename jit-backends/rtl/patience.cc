// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/patience.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "jit-backends/rtl/isa/core_isa.h"

namespace forager::jit::rtl {
namespace {

// Cycles without a bundle: more than the map engine takes for a table's longest chain.
constexpr std::uint64_t kStill = 1 << 18;
// Of a bundle, at most: a division, and its turn among all threads' divisions.
constexpr std::uint64_t kCyclesOfBundle = 1 << 11;

std::uint64_t times(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  return b != 0 && a > kMost / b ? kMost : a * b;
}

Result<std::uint64_t> issued_by(sim::Board& board) {
  const auto low = board.read(offset_of(CoreRegister::Issued));
  if (!low) return std::unexpected(low.error());
  const auto high = board.read(offset_of(CoreRegister::Issued) + 4);
  if (!high) return std::unexpected(high.error());
  return *low | std::uint64_t{*high} << 32;
}

}  // namespace

void Patience::begin(std::uint64_t cycle, std::uint64_t bundles) {
  most_ = bundles;
  departed(cycle);
}

void Patience::departed(std::uint64_t cycle) {
  departed_ = since_ = cycle;
  requests_ = 0;
  issued_.reset();
}

void Patience::served(std::uint64_t from, std::uint64_t to) {
  ++requests_;
  departed_ += to - from;
  since_ = to;
  issued_.reset();
}

Result<> Patience::look(sim::Board& board) {
  const std::uint64_t now = board.cycle();
  if (requests_ > most_)
    return fail(ErrorKind::bug, EIO, fmt::format("the device asks without end: {} times for a packet", requests_));
  if (now - since_ < kStill) return {};
  since_ = now;
  const auto issued = issued_by(board);
  if (!issued) return std::unexpected(issued.error());
  const bool still = issued_ == *issued, late = now - departed_ > times(most_, kCyclesOfBundle);
  issued_ = *issued;
  if (!still && !late) return {};
  return fail(ErrorKind::bug, EIO,
              fmt::format("the device gives no packet back: none in {} cycles, {}", now - departed_,
                          still ? "and it stands still" : "more than its program may take"));
}

}  // namespace forager::jit::rtl
