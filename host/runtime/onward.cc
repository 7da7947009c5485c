// SPDX-License-Identifier: Apache-2.0
#include "runtime/onward.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "exec/skb.h"

namespace forager::runtime {
namespace {

// Programs may send a frame from CPU to CPU for ever. Linux lets them.
constexpr unsigned kMostPrograms = 64;

bool leads_on(const exec::Frame& frame) {
  return frame.return_value == XDP_REDIRECT &&
         (frame.results().redirect.program != nullptr || frame.results().redirect.ports != nullptr);
}

bool is_cpu(const exec::Redirect& way) { return way.map_type == static_cast<std::uint32_t>(isa::MapType::cpumap); }

std::uint32_t ingress_of(const exec::Frame& frame) {
  std::uint32_t ifindex = 0;
  std::memcpy(&ifindex, frame.context.data() + offsetof(xdp_md, ingress_ifindex), sizeof ifindex);
  return ifindex;
}

// What the program of an entry sees: Linux tells it the ports, and no queue.
void set_way(exec::Frame& frame, std::uint32_t queue, std::uint32_t egress) {
  exec::set(frame, offsetof(xdp_md, rx_queue_index), queue);
  exec::set(frame, offsetof(xdp_md, egress_ifindex), egress);
}

// What a verdict makes of the frame that came this way.
void decide(exec::Frame& frame, const exec::Redirect& way) {
  if (frame.results().trap != nullptr || frame.return_value == XDP_DROP) return;
  if (frame.return_value == XDP_REDIRECT && is_cpu(way)) return;
  const bool passed = frame.return_value == XDP_PASS;
  frame.return_value = passed ? XDP_REDIRECT : XDP_ABORTED;
  frame.change_results().redirect = passed ? way : exec::Redirect{};
}

// The ports of a broadcast, in the map's order.
std::vector<exec::Redirect> ports_of(const exec::Redirect& broadcast, std::uint32_t ingress) {
  exec::Map& map = *broadcast.ports;
  std::vector<exec::Redirect> ports;
  std::uint32_t key = 0;
  for (int left = map.next_key(nullptr, &key); left == 0; left = map.next_key(&key, &key)) {
    auto entry = map.abilities().redirects->get(&key);
    if (!entry || ((broadcast.flags & BPF_F_EXCLUDE_INGRESS) != 0 && entry->number == ingress)) continue;
    auto& port = ports.emplace_back(exec::Redirect{.ifindex = entry->number, .map_type = broadcast.map_type});
    if (entry->program.program) port.program = std::make_shared<exec::ProgramSlot>(std::move(entry->program));
  }
  return ports;
}

Result<exec::Frame> copy_of(const exec::Frame& frame, const exec::Redirect& way) {
  auto copy = exec::Frame::make(frame.packet());
  if (!copy) return copy;
  copy->set_linear(frame.data_end() - frame.data());
  copy->context = frame.context;
  copy->id = frame.id;
  copy->timestamp_ns = frame.timestamp_ns;
  copy->return_value = XDP_REDIRECT;
  copy->change_results().redirect = way;
  return copy;
}

}  // namespace

Result<exec::RunReport> Onward::run(exec::PacketBatch batch) {
  report_ = {};
  for (auto& [id, waiting] : waiting_) waiting.met = false;
  for (exec::Frame& frame : batch) {
    if (auto followed = follow(frame); !followed) return std::unexpected(std::move(followed.error()));
  }
  // A program that is no longer in a map shall not live on here.
  std::erase_if(waiting_, [](const auto& entry) { return !entry.second.met; });
  return report_;
}

Result<> Onward::follow(exec::Frame& frame) {
  for (unsigned programs = 0; leads_on(frame); ++programs) {
    if (programs == kMostPrograms) {
      frame.return_value = XDP_ABORTED;
      frame.change_results().redirect = {};
      break;
    }
    auto went = frame.results().redirect.ports != nullptr ? spread(frame) : meet(frame);
    if (!went) return went;
  }
  return {};
}

Result<> Onward::meet(exec::Frame& frame) {
  exec::Redirect way = std::exchange(frame.change_results().redirect, {});
  const auto program = std::exchange(way.program, nullptr);
  auto session = session_of(*program);
  if (!session) return std::unexpected(std::move(session.error()));
  xdp_md before;
  std::memcpy(&before, frame.context.data(), sizeof before);
  auto copies = std::move(frame.change_results().clones);
  set_way(frame, 0, is_cpu(way) ? 0 : way.ifindex);
  const auto ran = (*session)->run({&frame, 1});
  set_way(frame, before.rx_queue_index, before.egress_ifindex);
  if (!ran) return std::unexpected(ran.error());
  frame.change_results().clones = std::move(copies);
  report_.packets += ran->packets;
  report_.traps += ran->traps;
  report_.busy_ns += ran->busy_ns;
  ++answers_[{program->id, (*session)->program().name(), static_cast<std::uint32_t>(frame.return_value)}];
  decide(frame, way);
  return {};
}

Result<> Onward::spread(exec::Frame& frame) {
  const auto ports = ports_of(frame.results().redirect, ingress_of(frame));
  frame.change_results().redirect.ports = nullptr;
  if (std::ranges::none_of(ports, [](const exec::Redirect& port) { return port.program != nullptr; })) return {};
  for (const exec::Redirect& port : std::span(ports).first(ports.size() - 1)) {
    auto copy = copy_of(frame, port);
    if (!copy) return std::unexpected(std::move(copy.error()));
    if (auto followed = follow(*copy); !followed) return followed;
    if (copy->return_value != XDP_REDIRECT) continue;
    const auto packet = std::as_const(*copy).packet();
    frame.change_results().clones.push_back(
        {.redirect = copy->results().redirect, .packet = {packet.begin(), packet.end()}});
  }
  frame.change_results().redirect = ports.back();
  return {};
}

Result<Session*> Onward::session_of(const exec::ProgramSlot& program) {
  if (const auto known = waiting_.find(program.id); known != waiting_.end()) {
    known->second.met = true;
    return &known->second.session;
  }
  auto object = runtime_.programs().find(program.id);
  if (object == nullptr) return fail(ErrorKind::bug, ENOENT, fmt::format("an entry's program {} is gone", program.id));
  auto session = Session::open(runtime_.environment, std::move(object), options_);
  if (!session) return std::unexpected(std::move(session.error()));
  return &waiting_.emplace(program.id, Waiting{std::move(*session)}).first->second.session;
}

}  // namespace forager::runtime
