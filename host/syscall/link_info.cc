// SPDX-License-Identifier: Apache-2.0
#include "syscall/link_info.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

namespace forager::syscall {
namespace {

using runtime::LinkObject;
using runtime::LinkTarget;
using runtime::LinkType;
using runtime::Place;
using runtime::PlaceKind;

// ---- names and lists
// -------------------------------------------------------------------------------------------------

// A name where the caller wants one; its size, with the end, in any case.
long put_sized(UserAddress to, std::uint32_t& size, std::string_view name) {
  if ((to == 0) != (size == 0)) return -EINVAL;
  const std::size_t room = std::exchange(size, static_cast<std::uint32_t>(name.size() + 1));
  return to == 0 ? 0 : put_name(to, room, name);
}

long put_each(UserAddress to, std::size_t shown, const std::vector<LinkTarget>& targets, auto field) {
  if (to == 0) return 0;
  std::vector<std::uint64_t> numbers;
  numbers.reserve(shown);
  for (std::size_t i = 0; i < shown; ++i) numbers.push_back(field(targets[i]));
  return copy_to_user(to, numbers.data(), numbers.size() * sizeof numbers[0]);
}

constexpr auto kOffset = [](const LinkTarget& target) { return target.place.number; };
constexpr auto kCookie = [](const LinkTarget& target) { return target.cookie; };
constexpr auto kSemaphore = [](const LinkTarget& target) { return target.semaphore; };

bool returns(PlaceKind kind) { return kind == PlaceKind::kretprobe || kind == PlaceKind::uretprobe; }

// ---- links of one place
// ----------------------------------------------------------------------------------------------

const Place& place_of(const LinkObject& link) { return link.spec.targets.front().place; }

long fill_raw_tracepoint(LinkInfo& info, const LinkObject& link) {
  info.raw_tracepoint.cookie = link.spec.targets.front().cookie;
  return put_sized(info.raw_tracepoint.name, info.raw_tracepoint.name_len, place_of(link).name);
}

long fill_cgroup(LinkInfo& info, const LinkObject& link) {
  info.cgroup.cgroup_id = link.attached() ? place_of(link).number : 0;
  info.cgroup.attach_type = link.spec.attach_type;
  return 0;
}

long fill_iter(LinkInfo& info, const LinkObject& link) {
  const long error = put_sized(info.iter.name, info.iter.name_len, link.program()->source().iterator->name);
  if (error != 0) return error;
  if (link.spec.map != nullptr) info.iter.map_id = link.spec.map->object()->id;
  return 0;
}

constexpr std::uint32_t kNetns = 1;  // the one there is

long fill_netns(LinkInfo& info, const LinkObject& link) {
  info.netns.netns_ino = link.attached() ? kNetns : 0;
  info.netns.attach_type = link.spec.attach_type;
  return 0;
}

long fill_xdp(LinkInfo& info, const LinkObject& link) {
  info.xdp.ifindex = link.attached() ? static_cast<std::uint32_t>(place_of(link).number) : 0;
  return 0;
}

long fill_port(LinkInfo& info, const LinkObject& link) {
  info.port.ifindex = link.attached() ? static_cast<std::uint32_t>(place_of(link).number) : 0;
  info.port.attach_type = link.spec.attach_type;
  return 0;
}

long fill_netfilter(LinkInfo& info, const LinkObject& link) {
  const std::uint64_t hook = place_of(link).number;
  info.netfilter.family = static_cast<std::uint32_t>(hook >> 32);
  info.netfilter.hook = static_cast<std::uint32_t>(hook);
  info.netfilter.priority = link.spec.priority;
  info.netfilter.flags = link.spec.flags;
  return 0;
}

long fill_sockmap(LinkInfo& info, const LinkObject& link) {
  info.sockmap.map_id = link.attached() ? static_cast<std::uint32_t>(place_of(link).number) : 0;
  info.sockmap.attach_type = link.spec.attach_type;
  return 0;
}

// ---- perf events
// -----------------------------------------------------------------------------------------------------

enum class PerfKind : std::uint8_t { uprobe = 1, uretprobe, kprobe, kretprobe, tracepoint, event };

long fill_kprobe(LinkInfo& info, const LinkTarget& target) {
  auto& shown = info.perf_event.kprobe;
  info.perf_event.kind =
      static_cast<std::uint32_t>(returns(target.place.kind) ? PerfKind::kretprobe : PerfKind::kprobe);
  shown.offset = static_cast<std::uint32_t>(target.place.number);
  shown.address = shown.missed = 0;
  shown.cookie = target.cookie;
  return put_sized(shown.function, shown.function_len, target.place.name);
}

long fill_uprobe(LinkInfo& info, const LinkTarget& target) {
  auto& shown = info.perf_event.uprobe;
  info.perf_event.kind =
      static_cast<std::uint32_t>(returns(target.place.kind) ? PerfKind::uretprobe : PerfKind::uprobe);
  shown.offset = static_cast<std::uint32_t>(target.place.number);
  shown.cookie = target.cookie;
  shown.semaphore = target.semaphore;
  return put_sized(shown.file, shown.file_len, target.place.name);
}

long fill_perf_event(LinkInfo& info, const LinkObject& link) {
  const LinkTarget& target = link.spec.targets.front();
  switch (target.place.kind) {
    case PlaceKind::tracepoint:
      info.perf_event.kind = static_cast<std::uint32_t>(PerfKind::tracepoint);
      info.perf_event.tracepoint.cookie = target.cookie;
      return put_sized(info.perf_event.tracepoint.name, info.perf_event.tracepoint.name_len, event_name(target.place));
    case PlaceKind::perf_event:
      info.perf_event.kind = static_cast<std::uint32_t>(PerfKind::event);
      info.perf_event.event.type = target.place.attach_type;
      info.perf_event.event.config = target.place.number;
      info.perf_event.event.cookie = target.cookie;
      return 0;
    case PlaceKind::uprobe:
    case PlaceKind::uretprobe:
      return fill_uprobe(info, target);
    default:
      return fill_kprobe(info, target);
  }
}

// ---- links of many probes
// --------------------------------------------------------------------------------------------

long fill_kprobe_multi(LinkInfo& info, const LinkObject& link) {
  auto& shown = info.kprobe_multi;
  const auto& targets = link.spec.targets;
  if ((shown.addresses == 0) != (shown.count == 0) || (shown.cookies != 0 && shown.count == 0)) return -EINVAL;
  const std::size_t room = std::exchange(shown.count, static_cast<std::uint32_t>(targets.size()));
  shown.flags = link.spec.flags;
  shown.missed = 0;
  if (shown.addresses == 0) return 0;
  const std::size_t copied = std::min(room, targets.size());
  if (const long error = put_each(shown.cookies, copied, targets, kCookie); error != 0) return error;
  if (const long error = put_each(shown.addresses, copied, targets, kOffset); error != 0) return error;
  return copied < targets.size() ? -ENOSPC : 0;
}

long fill_uprobe_multi(LinkInfo& info, const LinkObject& link) {
  auto& shown = info.uprobe_multi;
  const auto& targets = link.spec.targets;
  const bool lists = shown.offsets != 0 || shown.semaphores != 0 || shown.cookies != 0;
  if (lists && shown.count == 0) return -EINVAL;
  const std::size_t room = std::exchange(shown.count, static_cast<std::uint32_t>(targets.size()));
  shown.flags = link.spec.flags;
  shown.pid = link.spec.pid;
  if (const long error = put_sized(shown.path, shown.path_size, place_of(link).name); error != 0) return error;
  if (!lists) return 0;
  const std::size_t copied = std::min(room, targets.size());
  if (const long error = put_each(shown.offsets, copied, targets, kOffset); error != 0) return error;
  if (const long error = put_each(shown.semaphores, copied, targets, kSemaphore); error != 0) return error;
  if (const long error = put_each(shown.cookies, copied, targets, kCookie); error != 0) return error;
  return copied < targets.size() ? -ENOSPC : 0;
}

struct InfoRow {
  LinkType type;
  long (*fill)(LinkInfo&, const LinkObject&);
};

constexpr InfoRow kRows[] = {
    {LinkType::raw_tracepoint, fill_raw_tracepoint},
    {LinkType::cgroup, fill_cgroup},
    {LinkType::iter, fill_iter},
    {LinkType::netns, fill_netns},
    {LinkType::xdp, fill_xdp},
    {LinkType::perf_event, fill_perf_event},
    {LinkType::kprobe_multi, fill_kprobe_multi},
    {LinkType::netfilter, fill_netfilter},
    {LinkType::tcx, fill_port},
    {LinkType::uprobe_multi, fill_uprobe_multi},
    {LinkType::netkit, fill_port},
    {LinkType::sockmap, fill_sockmap},
};

}  // namespace

long put_name(UserAddress to, std::size_t room, std::string_view name) {
  const std::size_t copied = std::min(name.size(), room - 1);
  const std::string text(name.substr(0, copied));
  if (const long error = copy_to_user(to, text.c_str(), copied + 1); error != 0) return error;
  return copied < name.size() ? -ENOSPC : 0;
}

std::string_view event_name(const Place& tracepoint) {
  const std::string_view name = tracepoint.name;
  return name.substr(name.find('/') + 1);
}

long fill_link_info(LinkInfo& info, const LinkObject& link) {
  info.type = static_cast<std::uint32_t>(link.spec.type);
  info.id = link.id;
  info.prog_id = link.program()->id;
  for (const InfoRow& row : kRows) {
    if (row.type == link.spec.type) return row.fill(info, link);
  }
  return 0;
}

}  // namespace forager::syscall
