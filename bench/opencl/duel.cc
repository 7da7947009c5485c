// SPDX-License-Identifier: Apache-2.0
#include "bench/opencl/duel.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <utility>

#include "bench/opencl/foreign_load.h"
#include "exec/host_helpers.h"
#include "exec/skb.h"

namespace forager::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kCompared = 1024, kLeastTurns = 7, kMostTurns = 401, kWarmTurns = 2;

// Frames of all duels, as they are large: made once.
exec::PacketBatch all_frames() {
  static std::vector<exec::Frame> frames = [] {
    constexpr std::uint32_t kLoopback = 1;
    std::vector<exec::Frame> made;
    made.reserve(Duel::kMostPackets);
    const std::vector<std::byte> packet(std::ranges::max(kPacketSizes));
    for (std::size_t i = 0; i < Duel::kMostPackets; ++i) {
      made.push_back(*exec::Frame::make(packet));
      exec::set(made.back(), offsetof(xdp_md, ingress_ifindex), kLoopback);
      made.back().id = i;
    }
    return made;
  }();
  return frames;
}

std::vector<golden::FrameOutcome> outcomes(exec::PacketBatch frames) {
  std::vector<golden::FrameOutcome> out;
  out.reserve(frames.size());
  for (const exec::Frame& frame : frames) out.push_back(golden::outcome_of(frame));
  return out;
}

bool same(const golden::FrameOutcome& a, const golden::FrameOutcome& b) {
  return a.verdict == b.verdict && a.redirect == b.redirect && a.stopped == b.stopped && a.packet == b.packet;
}

// Packets that differ; the first of them by number.
struct Differences {
  std::size_t count = 0, first = 0;
};
Differences differences(const std::vector<golden::FrameOutcome>& a, const std::vector<golden::FrameOutcome>& b) {
  Differences out;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (same(a[i], b[i])) continue;
    if (out.count++ == 0) out.first = i;
  }
  return out;
}

// Helpers whose answer differs from CPU to CPU, or from call to call.
constexpr exec::HelperId kUnsteady[] = {exec::HelperId::get_prandom_u32, exec::HelperId::get_smp_processor_id,
                                        exec::HelperId::ktime_get_ns};

bool order_matters(const verifier::VerifiedProgram& program) {
  if (std::ranges::count(program.map_uses(), verifier::MapUse::read_write) != 0) return true;
  return std::ranges::any_of(program.facts(), [](const verifier::Facts& facts) {
    return std::ranges::count(kUnsteady, static_cast<exec::HelperId>(facts.call.helper)) != 0;
  });
}

std::unexpected<Diagnostic> wrong(std::string what) { return fail(ErrorKind::bug, EINVAL, std::move(what)); }

}  // namespace

Result<std::unique_ptr<Duel>> Duel::open(const ExampleProgram& program, std::size_t bytes) {
  auto traffic = traffic_of(program, bytes);
  if (!traffic) return std::unexpected(std::move(traffic.error()));
  if (traffic->packets.empty()) {
    return fail(ErrorKind::input, ENODATA,
                fmt::format("of {} bytes no packet does what it does in the capture", bytes));
  }
  std::unique_ptr<Duel> duel(new Duel(std::move(*traffic)));
  if (auto same = duel->compare(program); !same) return std::unexpected(std::move(same.error()));
  return duel;
}

void Duel::fill(exec::PacketBatch frames) const {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    frames[i].clear_results();
    std::ignore = frames[i].assign(traffic_.packets[i % traffic_.packets.size()]);
  }
}

Result<exec::RunReport> Duel::run(Side& side, exec::PacketBatch frames, double* ns) const {
  fill(frames);
  side.ready();
  const auto begin = Clock::now();
  auto report = side.run(frames);
  const std::chrono::duration<double, std::nano> took = Clock::now() - begin;
  side.rest();
  side.stage().drain();
  if (ns != nullptr) *ns = took.count();
  return report;
}

Result<std::vector<golden::FrameOutcome>> Duel::answers(Side& side, exec::PacketBatch frames) const {
  if (auto ran = run(side, frames, nullptr); !ran) return std::unexpected(std::move(ran.error()));
  return outcomes(frames);
}

// With maps.
Result<> Duel::compare_in_order(const ExampleProgram& program, Side& reference, exec::PacketBatch frames,
                                std::vector<golden::FrameOutcome>& expected) const {
  auto side = make_single(program, "opencl", exec::Order::packet);
  if (!side) return std::unexpected(std::move(side.error()));
  auto right = answers(reference, frames), ours = answers(**side, frames);
  if (!right) return std::unexpected(std::move(right.error()));
  if (!ours) return std::unexpected(std::move(ours.error()));
  expected = *right;
  auto all = golden::outcome_of(std::move(*right), reference.stage().engine());
  auto actual = golden::outcome_of(std::move(*ours), (*side)->stage().engine());
  if (!all) return std::unexpected(std::move(all.error()));
  if (!actual) return std::unexpected(std::move(actual.error()));
  // Lines go to whichever side was opened last.
  const auto found = golden::differences(*all, *actual, {.printk = false});
  return found.empty() ? Result<>{} : wrong(fmt::format("opencl in order: {}", found.front()));
}

Result<> Duel::compare(const ExampleProgram& program) {
  const exec::PacketBatch frames = all_frames().first(kCompared);
  auto reference = make_single(program, "interp", exec::Order::packet);
  auto opencl = make_single(program, "opencl", exec::Order::none);
  auto x86_64 = make_threads(program, "x86_64");
  for (const SideResult* side : {&reference, &opencl, &x86_64}) {
    if (!*side) return std::unexpected(side->error());
  }
  order_matters_ = order_matters(*(*opencl)->stage().program().verified);
  std::vector<golden::FrameOutcome> expected;
  if (auto same = compare_in_order(program, **reference, frames, expected); !same) return same;
  for (Side* side : {opencl->get(), x86_64->get()}) {
    auto actual = answers(*side, frames);
    if (!actual) return std::unexpected(std::move(actual.error()));
    const Differences found = differences(expected, *actual);
    if (found.count == 0 || order_matters_) continue;
    return wrong(fmt::format("{}: packet {} is not the interpreter's", side == opencl->get() ? "opencl" : "x86_64",
                             found.first));
  }
  opencl_ = std::move(*opencl);
  x86_64_ = std::move(*x86_64);
  return {};
}

Result<std::size_t> Duel::compare_batch(exec::PacketBatch frames) const {
  const auto ours = answers(*opencl_, frames), theirs = answers(*x86_64_, frames);
  if (!ours) return std::unexpected(ours.error());
  if (!theirs) return std::unexpected(theirs.error());
  const Differences found = differences(*ours, *theirs);
  if (found.count == 0 || order_matters_) return found.count;
  return wrong(fmt::format("opencl and x86_64 differ in packet {} of {}", found.first, frames.size()));
}

Result<DuelFigure> Duel::take_turns(exec::PacketBatch frames, std::chrono::milliseconds time) const {
  std::vector<double> ours, theirs, launches, rests;
  const auto packets = static_cast<double>(frames.size());
  const ForeignLoad load;
  const auto end = Clock::now() + time;
  for (std::size_t turn = 0; turn < kMostTurns && (turn < kLeastTurns + kWarmTurns || Clock::now() < end); ++turn) {
    double opencl_ns = 0, x86_64_ns = 0;
    const auto report = run(*opencl_, frames, &opencl_ns), other = run(*x86_64_, frames, &x86_64_ns);
    if (!report) return std::unexpected(report.error());
    if (!other) return std::unexpected(other.error());
    if (turn < kWarmTurns) continue;
    const auto busy = static_cast<double>(report->busy_ns);
    ours.push_back(opencl_ns / packets);
    theirs.push_back(x86_64_ns / packets);
    launches.push_back(busy / packets);
    rests.push_back((opencl_ns - busy) / packets);
  }
  return DuelFigure{.turns = ours.size(),
                    .opencl = spread_of(std::move(ours)),
                    .x86_64 = spread_of(std::move(theirs)),
                    .launch = spread_of(std::move(launches)).median,
                    .staging = spread_of(std::move(rests)).median,
                    .foreign = load.percent()};
}

Result<DuelFigure> Duel::measure(std::size_t batch, std::chrono::milliseconds time) {
  const exec::PacketBatch frames = all_frames().first(std::min(batch, kMostPackets));
  const auto different = compare_batch(frames);
  if (!different) return std::unexpected(different.error());
  std::optional<DuelFigure> best;
  for (int i = 0; i < kTries && (!best || !best->is_steady()); ++i) {
    auto figure = take_turns(frames, time);
    if (!figure) return figure;
    if (!best || figure->noise() < best->noise()) best = *figure;
  }
  best->differences = *different;
  return *best;
}

}  // namespace forager::bench
