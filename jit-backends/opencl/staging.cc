// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/staging.h"

#include <linux/bpf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "exec/frame_layout.h"
#include "jit-backends/opencl/refusals.h"
#include "jit-backends/opencl/staging_skb.h"

namespace forager::jit::opencl {
namespace {

constexpr std::uint32_t kMostMetadata = 255;
constexpr auto kFirstPort = static_cast<std::int64_t>(offsetof(xdp_md, ingress_ifindex));

std::uint32_t context_word(const exec::Frame& frame, std::size_t offset) {
  std::uint32_t value = 0;
  std::memcpy(&value, frame.context.data() + offset, sizeof value);
  return value;
}

// The bytes that travel.
struct Part {
  std::uint32_t from, to;
};
Part part_of(const exec::Frame& frame, const FrameUse& use) {
  if (use.skb.sees) return {0, frame.capacity()};
  if (use.moves_edges) return {0, frame.packet_end()};
  const std::uint64_t reached = std::uint64_t{frame.data()} + use.most;
  return {frame.data_meta(), static_cast<std::uint32_t>(std::min<std::uint64_t>(reached, frame.packet_end()))};
}

// The linear part ends where it did, or with the packet, as the frame will have it; helpers of __sk_buff move its end.
bool makes_sense(const exec::Frame& frame, const FrameUse& use, const PacketRecord& record) {
  const bool fragments = frame.data_end() < frame.packet_end(), free = use.skb.sees;
  const std::uint32_t first = use.is_xdp ? exec::kFrameHeader : 0;
  const std::uint32_t last = fragments || free ? frame.capacity() : frame.limit();
  const std::uint32_t kept = fragments ? std::min(frame.data_end(), record.packet_end) : record.packet_end;
  const bool ordered = first <= record.meta && record.meta <= record.data &&
                       record.data <= (free ? record.end : kept) && record.end <= record.packet_end &&
                       record.packet_end <= last;
  return ordered && (record.data - record.meta) % 4 == 0 && record.data - record.meta <= kMostMetadata;
}

bool is_moved(const exec::Frame& frame, const PacketRecord& record) {
  return frame.data_meta() != record.meta || frame.data() != record.data || frame.data_end() != record.end ||
         frame.packet_end() != record.packet_end;
}

using verifier::Region;

bool is_packet(Region region) { return region == Region::packet || region == Region::packet_meta; }

bool reaches_memory(isa::Form form) {
  using isa::Form;
  constexpr Form kForms[] = {Form::load, Form::store_imm, Form::store_reg, Form::atomic};
  return std::ranges::find(kForms, form) != std::end(kForms);
}

// The end of an access of packets, from data().
std::uint32_t end_of(std::int64_t offset_max, std::uint64_t bytes) {
  if (offset_max < 0 || offset_max > UINT16_MAX || bytes > UINT16_MAX) return UINT32_MAX;
  return static_cast<std::uint32_t>(offset_max) + static_cast<std::uint32_t>(bytes);
}

std::uint32_t reached_by_call(const verifier::VerifiedProgram& program, const verifier::CallFact& call) {
  std::uint32_t most = 0;
  if (call.helper == 0 || call.arguments == program::kNone) return most;
  for (const verifier::ArgumentFact& argument : program.call_arguments()[call.arguments]) {
    if (is_packet(argument.region)) most = std::max(most, end_of(argument.offset_max, argument.bytes));
  }
  return most;
}

}  // namespace

FrameUse use_of_frames(const verifier::VerifiedProgram& program, bool shared) {
  using exec::HelperId;
  FrameUse use{.shared = shared,
               .moves_edges = moves_edges(program),
               .is_xdp = program.program().type() == isa::ProgType::xdp,
               .ports = false,
               .most = 0,
               .skb = skb_use(program)};
  use.moves_edges |= use.skb.sees;
  use.direct = shared && !use.skb.sees && exec::FrameLayout::get().known;
  const bool whole = !use.is_xdp || calls(program, HelperId::xdp_load_bytes) ||
                     calls(program, HelperId::xdp_store_bytes) || calls(program, HelperId::perf_event_output);
  for (std::size_t at = 0; at < program.facts().size(); ++at) {
    const verifier::Facts& facts = program.facts()[at];
    if (!facts.reachable) continue;
    use.ports |= facts.access.region == Region::context && facts.access.offset_max >= kFirstPort;
    const isa::Row& row = isa::row(program.program().instructions()[at].op);
    if (is_packet(facts.access.region)) use.most = std::max(use.most, end_of(facts.access.offset_max, row.width / 8U));
    if (facts.access.region == Region::unknown && reaches_memory(row.form)) use.most = UINT32_MAX;
    use.most = std::max(use.most, reached_by_call(program, facts.call));
  }
  if (whole) use.most = UINT32_MAX;
  return use;
}

std::size_t frame_bytes(const exec::Frame& frame, const FrameUse& use) {
  if (use.shared) return 0;
  return in_lines(use.moves_edges ? frame.capacity() : part_of(frame, use).to);
}

std::size_t staged_bytes(const exec::Frame& frame, const FrameUse& use) {
  return frame_bytes(frame, use) + in_lines(clone_bytes(frame, use.skb));
}

std::size_t travelling_bytes(const exec::Frame& frame, const FrameUse& use) {
  const Part part = part_of(frame, use);
  return use.shared ? 0 : part.to - part.from;
}

PacketRecord stage(exec::Frame& frame, const FrameUse& use, std::size_t base, std::span<std::byte> packets) {
  const Part part = part_of(frame, use);
  if (!use.shared) std::copy(frame.buffer() + part.from, frame.buffer() + part.to, packets.data() + base + part.from);
  PacketRecord record{.base = use.shared ? reinterpret_cast<std::uintptr_t>(frame.buffer()) : base,
                      .meta = frame.data_meta(),
                      .data = frame.data(),
                      .end = frame.data_end(),
                      .packet_end = frame.packet_end(),
                      .limit = frame.limit(),
                      .head_limit = use.is_xdp ? static_cast<std::uint16_t>(exec::kFrameHeader) : std::uint16_t{0}};
  if (!use.ports) return record;
  record.ingress_ifindex = context_word(frame, offsetof(xdp_md, ingress_ifindex));
  record.rx_queue_index = context_word(frame, offsetof(xdp_md, rx_queue_index));
  record.egress_ifindex = context_word(frame, offsetof(xdp_md, egress_ifindex));
  return record;
}

// Edges first: bytes are where the device left them, in the frame or in what it gives back.
bool unstage(exec::Frame& frame, const FrameUse& use, const Returned& returned) {
  const PacketRecord& record = returned.record;
  if (is_moved(frame, record)) {
    if (!use.moves_edges || !makes_sense(frame, use, record)) return false;
    frame.move_edges(std::int64_t{record.data} - frame.data(), std::int64_t{record.packet_end} - frame.packet_end());
    const auto metadata = static_cast<std::int32_t>(record.data - record.meta);
    if (metadata != 0 && frame.adjust_meta(-metadata) != 0) return false;
    if (use.skb.sees) frame.set_linear(record.end - record.data);
  }
  if (use.skb.sees) unstage_skb(frame, returned.skb);
  if (use.skb.tunnels) unstage_tunnel(frame, returned.tunnel);
  if (use.shared) return true;
  const Part part = part_of(frame, use);
  const auto begin = returned.staged.begin();
  std::copy(begin + part.from, begin + part.to, frame.buffer() + part.from);
  return true;
}

}  // namespace forager::jit::opencl
