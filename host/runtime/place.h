// SPDX-License-Identifier: Apache-2.0
//
// Place: what programs are attached to, as a value. Places are virtual and need not be made before they are named: a
// program attached to the kprobe of a function runs when the runtime is told that the function was called.
//
// Tested by: tests/unit/runtime_attach_test.cc.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace forager::runtime {

enum class PlaceKind : std::uint8_t {
  port,       // a virtual port: XDP, TCX, netkit
  cgroup,     // runtime/cgroups.h
  map,        // a SOCKMAP or SOCKHASH
  netns,      // the one network namespace there is: socket lookup, flow dissector
  netfilter,  // a hook of a protocol family
  route,      // a route with a lightweight tunnel
  kprobe,
  kretprobe,
  uprobe,
  uretprobe,
  tracepoint,
  raw_tracepoint,
  perf_event,  // a sampling counter
};

struct Place {
  PlaceKind kind{};
  std::uint32_t attach_type = 0;  // enum bpf_attach_type where it tells places of a kind apart; perf_event: its type
  std::uint64_t number = 0;       // ifindex, cgroup id, map id, hook, offset of a probe, config of a counter
  std::string name;               // function, file, "category/event"

  friend auto operator<=>(const Place&, const Place&) = default;

  [[nodiscard]] static Place port(std::uint32_t ifindex, std::uint32_t attach_type) {
    return {PlaceKind::port, attach_type, ifindex, {}};
  }
  [[nodiscard]] static Place cgroup(std::uint64_t id, std::uint32_t attach_type) {
    return {PlaceKind::cgroup, attach_type, id, {}};
  }
  [[nodiscard]] static Place map(std::uint32_t id, std::uint32_t attach_type) {
    return {PlaceKind::map, attach_type, id, {}};
  }
  [[nodiscard]] static Place netns(std::uint32_t attach_type) { return {PlaceKind::netns, attach_type, 0, {}}; }
  // family: NFPROTO_IPV4 or NFPROTO_IPV6; hook: NF_INET_*.
  [[nodiscard]] static Place netfilter(std::uint32_t family, std::uint32_t hook) {
    return {PlaceKind::netfilter, 0, std::uint64_t{family} << 32 | hook, {}};
  }
  // kind: kprobe, kretprobe, uprobe or uretprobe. where: a function, or a file; offset: bytes into it.
  [[nodiscard]] static Place probe(PlaceKind kind, std::string where, std::uint64_t offset = 0) {
    return {kind, 0, offset, std::move(where)};
  }
  // "sched/sched_switch"
  [[nodiscard]] static Place tracepoint(std::string name) { return {PlaceKind::tracepoint, 0, 0, std::move(name)}; }
  [[nodiscard]] static Place raw_tracepoint(std::string name) {
    return {PlaceKind::raw_tracepoint, 0, 0, std::move(name)};
  }
  // As in struct perf_event_attr.
  [[nodiscard]] static Place perf_event(std::uint32_t type, std::uint64_t config) {
    return {PlaceKind::perf_event, type, config, {}};
  }
};

}  // namespace forager::runtime
