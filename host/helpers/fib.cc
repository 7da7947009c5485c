// SPDX-License-Identifier: Apache-2.0
//
// bpf_fib_lookup against the runtime's tables, with the answers and the order of checks of net/core/filter.c
// bpf_ipv4_fib_lookup and bpf_ipv6_fib_lookup. There is one routing table, so DIRECT and TBID choose nothing; SRC is
// answered by NO_SRC_ADDR because interfaces here have no addresses of their own.
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>

#include "helpers/functions.h"

namespace forager::helpers {
namespace {

constexpr u64 kFlags = BPF_FIB_LOOKUP_DIRECT | BPF_FIB_LOOKUP_OUTPUT | BPF_FIB_LOOKUP_SKIP_NEIGH | BPF_FIB_LOOKUP_TBID |
                       BPF_FIB_LOOKUP_SRC;
constexpr std::uint8_t kInet = 2, kInet6 = 10;  // AF_INET, AF_INET6

// Multicast (ff00::/8), link-local (fe80::/10) and loopback (::1) addresses are not forwarded.
bool stays_on_link(const exec::Address& address) {
  constexpr exec::Address kLoopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return address[0] == 0xff || (address[0] == 0xfe && (address[1] & 0xc0) == 0x80) || address == kLoopback;
}

class Lookup {
 public:
  Lookup(const exec::FibTable& tables, bpf_fib_lookup& query, u64 flags)
      : tables_(tables), query_(query), flags_(flags), ipv6_(query.family == kInet6) {}

  int run() {
    for (const auto step : {&Lookup::admit, &Lookup::find_route, &Lookup::check_mtu, &Lookup::find_next_hop}) {
      if (const int answer = (this->*step)(); answer != 0) return answer;
    }
    query_.h_vlan_proto = query_.h_vlan_TCI = 0;
    query_.mtu_result = static_cast<std::uint16_t>(mtu_);
    return BPF_FIB_LKUP_RET_SUCCESS;
  }

 private:
  exec::Address destination() const { return load(query_.ipv6_dst); }
  exec::Address load(const void* from) const {
    exec::Address address{};
    std::memcpy(address.data(), from, ipv6_ ? 16 : 4);
    return address;
  }

  int admit() {
    if (ipv6_ && (stays_on_link(destination()) || stays_on_link(load(query_.ipv6_src)))) {
      return BPF_FIB_LKUP_RET_NOT_FWDED;
    }
    const exec::FibInterface* input = tables_.interface(query_.ifindex);
    if (input == nullptr) return -ENODEV;
    return input->forwarding ? 0 : BPF_FIB_LKUP_RET_FWD_DISABLED;
  }

  int find_route() {
    const bool output = (flags_ & BPF_FIB_LOOKUP_OUTPUT) != 0;
    route_ = tables_.route(ipv6_, destination(), output ? query_.ifindex : 0);
    if (route_ == nullptr) return BPF_FIB_LKUP_RET_NOT_FWDED;
    switch (route_->type) {
      case exec::FibRouteType::unicast:
        break;
      case exec::FibRouteType::local:
        return BPF_FIB_LKUP_RET_NOT_FWDED;
      case exec::FibRouteType::blackhole:
        return BPF_FIB_LKUP_RET_BLACKHOLE;
      case exec::FibRouteType::unreachable:
        return BPF_FIB_LKUP_RET_UNREACHABLE;
      case exec::FibRouteType::prohibit:
        return BPF_FIB_LKUP_RET_PROHIBIT;
    }
    output_ = tables_.interface(route_->ifindex);
    return output_ != nullptr ? 0 : BPF_FIB_LKUP_RET_NOT_FWDED;
  }

  int check_mtu() {
    mtu_ = route_->mtu != 0 ? route_->mtu : output_->mtu;
    if (query_.tot_len <= mtu_) return 0;
    query_.mtu_result = static_cast<std::uint16_t>(mtu_);
    return BPF_FIB_LKUP_RET_FRAG_NEEDED;
  }

  int find_next_hop() {
    query_.rt_metric = route_->metric;
    query_.ifindex = output_->ifindex;
    if ((flags_ & BPF_FIB_LOOKUP_SRC) != 0) return BPF_FIB_LKUP_RET_NO_SRC_ADDR;
    if (route_->via) std::memcpy(query_.ipv6_dst, route_->via->data(), ipv6_ ? 16 : 4);
    if ((flags_ & BPF_FIB_LOOKUP_SKIP_NEIGH) != 0) return 0;
    const exec::FibNeighbour* hop = tables_.neighbour(ipv6_, destination(), output_->ifindex);
    if (hop == nullptr) return BPF_FIB_LKUP_RET_NO_NEIGH;
    std::memcpy(query_.dmac, hop->mac.data(), sizeof(query_.dmac));
    std::memcpy(query_.smac, output_->mac.data(), sizeof(query_.smac));
    return 0;
  }

  const exec::FibTable& tables_;
  bpf_fib_lookup& query_;
  u64 flags_;
  bool ipv6_;
  const exec::FibRoute* route_ = nullptr;
  const exec::FibInterface* output_ = nullptr;
  std::uint32_t mtu_ = 0;
};

}  // namespace

// The query stands in the program's memory, at any alignment.
u64 fib_lookup(RunContext& run, u64, u64 params, u64 size, u64 flags, u64) {
  bpf_fib_lookup query;
  const auto asked = static_cast<std::int32_t>(size);
  if (asked < static_cast<std::int32_t>(sizeof(query)) || (flags & 0xffffffff & ~kFlags) != 0) return result(-EINVAL);
  std::memcpy(&query, pointer<void>(params), sizeof(query));
  if (query.family != kInet && query.family != kInet6) return result(-EAFNOSUPPORT);
  const int answer = Lookup(run.environment->fib, query, flags).run();
  std::memcpy(pointer<void>(params), &query, sizeof(query));
  return result(answer);
}

}  // namespace forager::helpers
