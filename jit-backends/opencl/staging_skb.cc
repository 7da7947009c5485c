// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/staging_skb.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "exec/skb.h"

namespace forager::jit::opencl {
namespace {

constexpr std::uint32_t kHeaderRoom = 64;  // tailroom for headers that a short packet has not (fg_insert)

std::uint32_t bytes_of_clone(const exec::Frame& frame) {
  return (static_cast<std::uint32_t>(sizeof(CloneRecord)) + frame.capacity() + 7) / 8 * 8;
}

// Behind the packet as it is.
std::size_t tailroom(const exec::Frame& frame, const SkbUse& use) {
  if (use.longest == 0) return kHeaderRoom;
  const std::uint64_t end = std::uint64_t{frame.data()} + use.shrinks + use.longest;
  return kHeaderRoom + static_cast<std::size_t>(end > frame.packet_end() ? end - frame.packet_end() : 0);
}

// What bpf_get_socket_cookie() and its like say.
void put_owner(SkbRecord& record, const exec::Frame& frame, const exec::Task& current) {
  constexpr std::uint64_t kInitialNamespace = 1;  // init_net's cookie
  constexpr std::uint32_t kNobody = 65534;        // DEFAULT_OVERFLOWUID
  const exec::Socket* socket = frame.socket.get();
  record.netns_cookie = socket == nullptr ? kInitialNamespace : socket->netns_cookie;
  record.uid = socket == nullptr || !socket->full() ? kNobody : socket->uid;
  if (socket == nullptr) return;
  const exec::Task& task = frame.task == nullptr ? current : *frame.task;
  record.socket_cookie = socket->cookie;
  record.cgroup = task.cgroup_id;
  record.classid = task.classid;
}

}  // namespace

void give_room(exec::Frame& frame, const SkbUse& use) {
  if ((use.grows == 0 && use.longest == 0) || frame.skb == nullptr) return;
  const std::size_t tail = tailroom(frame, use);
  if (frame.data() >= use.grows && frame.limit() - frame.packet_end() >= tail) return;
  // Where there is no more memory to be had, the device stops the packet as it would grow.
  std::ignore = exec::skb_reserve(frame, use.grows, tail);
}

std::size_t clone_bytes(const exec::Frame& frame, const SkbUse& use) {
  return std::size_t{bytes_of_clone(frame)} * use.clones;
}

SkbRecord stage_skb(const exec::Frame& frame, const SkbUse& use, std::uint64_t clones_at, const exec::Task& current) {
  const exec::Skb skb = frame.skb == nullptr ? exec::Skb{} : *frame.skb;
  SkbRecord record{.mac_header = skb.mac_header,
                   .network_header = skb.network_header,
                   .transport_header = skb.transport_header,
                   .mac_length = skb.mac_length,
                   .encapsulation = skb.encapsulation ? 1U : 0U,
                   .hashed = skb.hashed ? 1U : 0U,
                   .ip_summed = static_cast<std::uint32_t>(skb.ip_summed),
                   .checksum_level = skb.checksum_level,
                   .checksum = skb.checksum,
                   .queue_mapping = skb.queue_mapping,
                   .most_clones = use.clones,
                   .clones_at = clones_at,
                   .clone_bytes = bytes_of_clone(frame)};
  std::memcpy(record.context.data(), frame.context.data(), record.context.size());
  put_owner(record, frame, current);
  return record;
}

void unstage_skb(exec::Frame& frame, const SkbRecord& record) {
  std::memcpy(frame.context.data(), record.context.data(), record.context.size());
  if (frame.skb == nullptr) return;
  exec::Skb& skb = *frame.skb;
  skb.mac_header = record.mac_header;
  skb.network_header = record.network_header;
  skb.transport_header = record.transport_header;
  skb.mac_length = static_cast<std::uint16_t>(record.mac_length);
  skb.encapsulation = record.encapsulation != 0;
  skb.hashed = record.hashed != 0;
  skb.ip_summed = static_cast<exec::Skb::Checksum>(std::min(record.ip_summed, 2U));
  skb.checksum_level = static_cast<std::uint8_t>(record.checksum_level);
  skb.checksum = record.checksum;
  skb.queue_mapping = static_cast<std::uint16_t>(record.queue_mapping);
}

TunnelRecord stage_tunnel(const exec::Frame& frame) {
  TunnelRecord record;
  if (frame.skb == nullptr || !frame.skb->tunnel) return record;
  const exec::TunnelInfo& info = *frame.skb->tunnel;
  record = {.present = 1,
            .ipv6 = info.ipv6 ? 1U : 0U,
            .id = info.id,
            .label = info.label,
            .tos = info.tos,
            .ttl = info.ttl,
            .flags = info.flags,
            .source = info.source,
            .destination = info.destination};
  record.option_bytes = static_cast<std::uint32_t>(std::min(info.options.size(), record.options.size()));
  std::copy_n(info.options.begin(), record.option_bytes, record.options.begin());
  return record;
}

void unstage_tunnel(exec::Frame& frame, const TunnelRecord& record) {
  if (frame.skb == nullptr || record.present == 0) return;
  exec::TunnelInfo& info = frame.skb->tunnel.emplace();
  info = {.ipv6 = record.ipv6 != 0,
          .id = record.id,
          .tos = record.tos,
          .ttl = record.ttl,
          .label = record.label,
          .flags = record.flags,
          .source = record.source,
          .destination = record.destination};
  const auto bytes = std::span(record.options).first(std::min<std::size_t>(record.option_bytes, record.options.size()));
  info.options.assign(bytes.begin(), bytes.end());
}

bool take_clones(exec::Frame& frame, const SkbRecord& record, std::span<const std::byte> clones) {
  const std::size_t stride = bytes_of_clone(frame);
  if (record.clones > clones.size() / stride) return false;
  for (std::size_t i = 0; i < record.clones; ++i) {
    CloneRecord clone;
    const auto slot = clones.subspan(i * stride, stride);
    std::memcpy(&clone, slot.data(), sizeof clone);
    if (clone.bytes > stride - sizeof clone) return false;
    const auto packet = slot.subspan(sizeof clone, clone.bytes);
    frame.change_results().clones.push_back(
        {.redirect = {.ifindex = clone.ifindex, .flags = clone.flags}, .packet = {packet.begin(), packet.end()}});
  }
  return true;
}

}  // namespace forager::jit::opencl
