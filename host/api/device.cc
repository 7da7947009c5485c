// SPDX-License-Identifier: Apache-2.0
//
// Device: a runtime session, and packets to and from its frames.
#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "api/guarded.h"
#include "api/lanes.h"
#include "api/state.h"
#include "exec/frame.h"
#include "jit-backends/backends.h"
#include "runtime/onward.h"
#include "runtime/session.h"
#include "syscall/process.h"

namespace forager {
namespace {

constexpr std::size_t kBatch = 64;  // frames are 4 KiB each: a batch stays in the cache

Result<> check_lengths(std::span<const Packet> packets) {
  const auto too_long = [](const Packet& packet) { return packet.bytes.size() > exec::kMaxPacketBytes; };
  const auto found = std::ranges::find_if(packets, too_long);
  if (found == packets.end()) return {};
  auto error = fail(ErrorKind::limit, EMSGSIZE, fmt::format("packet {} is too long", found - packets.begin()));
  error.error().limit = exec::kMaxPacketBytes;
  error.error().asked = found->bytes.size();
  return error;
}

void set_field(exec::Frame& frame, std::size_t offset, std::uint32_t value) {
  std::memcpy(frame.context.data() + offset, &value, sizeof value);
}

// Long packets come to a program in fragments if it was made for them (section "xdp.frags"), else in one piece, as
// Linux's generic XDP has it.
Result<std::vector<exec::Frame>> frames_of(std::span<const Packet> packets, std::uint64_t first_id, bool fragments) {
  std::vector<exec::Frame> frames;
  frames.reserve(packets.size());
  for (const Packet& packet : packets) {
    auto frame = exec::Frame::make(packet.bytes);
    if (!frame) return std::unexpected(std::move(frame.error()));
    if (fragments) frame->set_linear(exec::kMaxLinearBytes);
    frame->id = first_id + frames.size();
    set_field(*frame, offsetof(xdp_md, ingress_ifindex), packet.ingress_ifindex);
    set_field(*frame, offsetof(xdp_md, rx_queue_index), packet.rx_queue);
    frames.push_back(std::move(*frame));
  }
  return frames;
}

// A program may ask for a redirect and then decide otherwise.
void take_result(Packet& packet, exec::Frame& frame) {
  const auto bytes = std::as_const(frame).packet();
  packet.bytes.assign(bytes.begin(), bytes.end());
  packet.verdict = static_cast<std::uint32_t>(frame.return_value);
  packet.redirect_ifindex = packet.verdict == XDP_REDIRECT ? frame.results().redirect.ifindex : 0;
  packet.stopped.reset();
  if (frame.results().trap) packet.stopped = std::move(*frame.change_results().trap);
}

}  // namespace

struct Device::State {
  Program program;
  std::unique_ptr<api::Lanes::Lane> lane;
  runtime::Session session;
  runtime::Onward onward;
  std::uint64_t packets = 0;  // run so far

  Result<> run(std::span<Packet> part, RunReport& report) {
    auto frames = frames_of(part, packets, session.program().source().xdp_has_frags);
    if (!frames) return std::unexpected(std::move(frames.error()));
    auto ran = session.run(*frames);
    if (!ran) return std::unexpected(std::move(ran.error()));
    const auto onward_ran = onward.run(*frames);
    if (!onward_ran) return std::unexpected(onward_ran.error());
    for (std::size_t i = 0; i < part.size(); ++i) take_result(part[i], (*frames)[i]);
    packets += part.size();
    report.packets += ran->packets;
    report.stopped += ran->traps + onward_ran->traps;
    report.busy_ns += ran->busy_ns + onward_ran->busy_ns;
    return {};
  }
};

Device::Device(std::unique_ptr<State> state) : state_(std::move(state)) {}
Device::Device(Device&&) noexcept = default;
Device& Device::operator=(Device&&) noexcept = default;
Device::~Device() = default;

Result<Device> Device::open(const Program& program, const DeviceOptions& options) {
  return api::guarded([&]() -> Result<Device> {
    if (program.state_->object->type() != isa::ProgType::xdp) {
      return fail(
          ErrorKind::unsupported, EOPNOTSUPP,
          fmt::format("program {} is of type {}; packets run through xdp programs", program.name(), program.type()));
    }
    auto lane = api::lanes().take();
    runtime::SessionOptions session;
    session.placement = {.backend = options.backend, .fallback = options.fallback};
    session.compile.checked = options.checked;
    session.device.cpu = lane->number();
    session.device.seed = options.seed;
    session.device.ports = options.ports;
    const runtime::Runtime& runtime = syscall::process().runtime;
    auto opened = runtime::Session::open(runtime.environment, program.state_->object, session);
    if (!opened) return std::unexpected(std::move(opened.error()));
    runtime::Onward onward(runtime, session);
    return Device(std::make_unique<State>(program, std::move(lane), std::move(*opened), std::move(onward)));
  });
}

std::string_view Device::backend() const { return state_->session.backend(); }

Result<RunReport> Device::run(std::span<Packet> packets) {
  return api::guarded([&]() -> Result<RunReport> {
    if (auto fit = check_lengths(packets); !fit) return std::unexpected(std::move(fit.error()));
    const auto turn = state_->lane->turn();
    RunReport report;
    for (std::size_t at = 0; at < packets.size(); at += kBatch) {
      const auto part = packets.subspan(at, std::min(kBatch, packets.size() - at));
      if (auto ran = state_->run(part, report); !ran) return std::unexpected(std::move(ran.error()));
    }
    return report;
  });
}

std::vector<Backend> backends() {
  std::vector<Backend> out;
  for (const jit::BackendRow& row : jit::backends()) {
    const exec::Capabilities& able = row.get().capabilities();
    out.push_back({.name = row.name, .summary = row.summary, .available = able.available, .reason = able.reason});
  }
  return out;
}

}  // namespace forager
