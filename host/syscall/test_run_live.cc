// SPDX-License-Identifier: Apache-2.0
#include "syscall/test_run_live.h"

#include <algorithm>

#include "exec/verdict.h"
#include "runtime/onward.h"
#include "runtime/session.h"

namespace forager::syscall {
namespace {

// Offsets of a frame's edges before it ever ran.
struct Edges {
  explicit Edges(const exec::Frame& frame)
      : metadata(frame.data() - frame.data_meta()), data(frame.data()), end(frame.packet_end()) {}

  // The metadata fitted once, and does so again.
  void restore(exec::Frame& frame) const {
    frame.move_edges(std::int64_t{data} - frame.data(), std::int64_t{end} - frame.packet_end());
    std::ignore = frame.adjust_meta(-static_cast<std::int32_t>(metadata));
  }

  std::uint32_t metadata, data, end;
};

// What xdp_do_redirect() would find: helpers ask nobody whether a port exists.
bool leads_somewhere(const runtime::Runtime& runtime, const exec::Redirect& redirect) {
  const bool names_port = redirect.map_type == 0 ||
                          redirect.map_type == static_cast<std::uint32_t>(isa::MapType::devmap) ||
                          redirect.map_type == static_cast<std::uint32_t>(isa::MapType::devmap_hash);
  return !names_port || (redirect.flags & BPF_F_BROADCAST) != 0 || runtime.port_exists(redirect.ifindex);
}

exec::Fate fate_of(const runtime::Runtime& runtime, const exec::Frame& frame) {
  const exec::Fate fate = exec::fate_of(isa::ProgType::xdp, static_cast<std::uint32_t>(frame.return_value));
  const bool lost = fate == exec::Fate::redirected && !leads_somewhere(runtime, frame.results().redirect);
  return lost ? exec::Fate::dropped : fate;
}

void deliver(runtime::Runtime& runtime, const exec::Frame& frame) {
  const exec::Fate fate = fate_of(runtime, frame);
  ++runtime.live_frames[static_cast<std::size_t>(fate)];
  if (fate != exec::Fate::dropped && runtime.settings.on_live_frame) runtime.settings.on_live_frame(frame);
}

// One batch; the time that it took.
Errno<std::uint64_t> run_batch(runtime::Runtime& runtime, runtime::Session& session, runtime::Onward& onward,
                               std::span<exec::Frame> frames) {
  const auto report = session.run(frames);
  if (!report) return std::unexpected(error_of(report.error()));
  if (const auto ran = onward.run(frames); !ran) return std::unexpected(error_of(ran.error()));
  for (const exec::Frame& frame : frames) {
    if (frame.results().trap) return std::unexpected(error_of(*frame.results().trap));
    deliver(runtime, frame);
  }
  return report->busy_ns;
}

}  // namespace

Errno<TestResult> run_live(const Call& call, std::shared_ptr<runtime::ProgramObject> program,
                           std::span<exec::Frame> batch) {
  auto session = open_session(call, std::move(program));
  if (!session) return std::unexpected(session.error());
  runtime::Onward onward(call.runtime(), call.runtime().session_options());
  const Edges start(batch.front());
  const std::uint32_t times = std::max(call.attr.test.repeat, 1U);
  std::uint64_t busy_ns = 0;
  for (std::size_t left = times; left != 0;) {
    const auto frames = batch.first(std::min(left, batch.size()));
    for (exec::Frame& frame : frames) start.restore(frame);
    const auto took = run_batch(call.runtime(), *session, onward, frames);
    if (!took) return std::unexpected(took.error());
    busy_ns += *took;
    left -= frames.size();
  }
  return TestResult{.retval = 0, .duration_ns = average(busy_ns, times)};
}

}  // namespace forager::syscall
