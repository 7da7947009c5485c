// SPDX-License-Identifier: Apache-2.0
//
// The sets that the .def files speak of: groups of program types, attach types and map types.
//
// Bit n of a ProgTypeSet is row n of prog_types.def, bit n of an AttachSet is Linux's enum bpf_attach_type n, bit n of
// a MapTypeSet is Linux's enum bpf_map_type n. Groups are named after what their members have in common; a set that
// only one row needs is written in that row.
//
// Private to host/isa: others ask the functions of tables.h.
#pragma once

#include <limits>

#include "isa/tables.h"

namespace forager::isa::sets {

// ---- program types -----------------------------------------------------------------------------------------------

enum class ProgTypeIndex : unsigned {
#define FORAGER_PROG_TYPE(id, name, ...) name,
#include "isa/prog_types.def"
  count,
};
static_assert(static_cast<unsigned>(ProgTypeIndex::count) <= std::numeric_limits<ProgTypeSet>::digits);

template <class... Index>
constexpr ProgTypeSet types(Index... index) {
  return (ProgTypeSet{0} | ... | (ProgTypeSet{1} << static_cast<unsigned>(index)));
}

// NOLINTBEGIN(readability-identifier-naming): these are the words of the .def files
inline constexpr ProgTypeSet nobody = 0, all = types(ProgTypeIndex::count) - 1;

// One set for each program type, under its name: `xdp | sched_cls` is a set.
#define FORAGER_PROG_TYPE(id, name, ...) inline constexpr ProgTypeSet name = types(ProgTypeIndex::name);
#include "isa/prog_types.def"
// NOLINTEND(readability-identifier-naming)

using Types = ProgTypeSet;

inline constexpr Types kTc = sched_cls | sched_act;
inline constexpr Types kLwt = lwt_in | lwt_out | lwt_xmit | lwt_seg6local;
// Those that see a whole __sk_buff (flow_dissector sees a sliver of it).
inline constexpr Types kSkb = socket_filter | kTc | cgroup_skb | kLwt | sk_skb;
// Packets whose addresses stand in the context.
inline constexpr Types kInet = cgroup_skb | sk_skb;
// Those that may set a packet's mark and priority.
inline constexpr Types kSkbShaping = kTc | cgroup_skb | kLwt;
inline constexpr Types kSkbSocket = socket_filter | kTc | kInet;
inline constexpr Types kCgroup =
    cgroup_skb | cgroup_sock | cgroup_device | cgroup_sock_addr | cgroup_sysctl | cgroup_sockopt;
// Attached by a trampoline, with arguments typed by BTF.
inline constexpr Types kTrampoline = tracing | lsm;
inline constexpr Types kTrace =
    kprobe | tracepoint | perf_event | raw_tracepoint | raw_tracepoint_writable | kTrampoline;
inline constexpr Types kProbes = kTrace | syscall;
inline constexpr Types kBtfObjects = kTrampoline | syscall;

// Infrared decoders have a short list of helpers of their own; all others share what Linux calls the base helpers.
inline constexpr Types kBase = all & ~lirc_mode2;
// Who has the helper, or the family of helpers, that the set is named after.
inline constexpr Types kOutputs = kBase & ~(sk_reuseport | flow_dissector | netfilter | struct_ops | raw_memory);
inline constexpr Types kCoarseClock =
    kBase & ~(kTrace | cgroup_device | cgroup_sockopt | syscall | netfilter | raw_memory);
inline constexpr Types kNoSocketCasts = (kTrace & ~kTrampoline) | cgroup_sock | cgroup_device | cgroup_sysctl |
                                        cgroup_sockopt | sk_reuseport | netfilter | struct_ops | raw_memory;
inline constexpr Types kSocketCasts = kBase & ~kNoSocketCasts;
inline constexpr Types kSocketLookup = kTc | xdp | cgroup_skb | sk_skb | cgroup_sock_addr;
inline constexpr Types kSocketStorage =
    kTc | cgroup_skb | sock_ops | sk_msg | cgroup_sock_addr | cgroup_sockopt | syscall | kTrampoline | struct_ops;
inline constexpr Types kSocketOptions = sock_ops | cgroup_sock_addr | cgroup_sockopt | struct_ops | lsm;
inline constexpr Types kSocketCookie =
    kSkbSocket | cgroup_sock | sock_ops | cgroup_sock_addr | sk_reuseport | kBtfObjects;
inline constexpr Types kNetnsCookie =
    (kSkbSocket & ~sk_skb) | cgroup_sock | sock_ops | sk_msg | cgroup_sock_addr | cgroup_sockopt;
inline constexpr Types kReturnValue =
    cgroup_sock | cgroup_sock_addr | cgroup_sockopt | cgroup_sysctl | cgroup_device | lsm;

// ---- attach types ------------------------------------------------------------------------------------------------

// NOLINTBEGIN(readability-identifier-naming): at_<name>, after the words of attach_types.def
#define FORAGER_ATTACH(id, name, ...) inline constexpr AttachSet at_##name = AttachSet{1} << (id);
#include "isa/attach_types.def"
// NOLINTEND(readability-identifier-naming)

inline constexpr AttachSet kAnywhere = ~AttachSet{0};
inline constexpr AttachSet kSocketLife = at_cgroup_inet_sock_create | at_cgroup_inet_sock_release;
inline constexpr AttachSet kPostBind = at_cgroup_inet4_post_bind | at_cgroup_inet6_post_bind;
inline constexpr AttachSet kIpv4Address = at_cgroup_inet4_bind | at_cgroup_inet4_connect | at_cgroup_udp4_sendmsg |
                                          at_cgroup_udp4_recvmsg | at_cgroup_inet4_getpeername |
                                          at_cgroup_inet4_getsockname;
inline constexpr AttachSet kIpv6Address = at_cgroup_inet6_bind | at_cgroup_inet6_connect | at_cgroup_udp6_sendmsg |
                                          at_cgroup_udp6_recvmsg | at_cgroup_inet6_getpeername |
                                          at_cgroup_inet6_getsockname;

// Where a program's refusal becomes the system call's own error.
inline constexpr AttachSet kReturnsToCaller = at_cgroup_inet4_bind | at_cgroup_inet6_bind | at_cgroup_inet4_connect |
                                              at_cgroup_inet6_connect | at_cgroup_udp4_sendmsg |
                                              at_cgroup_udp6_sendmsg | at_cgroup_unix_connect | at_cgroup_unix_sendmsg;

// ---- map types ---------------------------------------------------------------------------------------------------

namespace maps {

// NOLINTBEGIN(readability-identifier-naming): the words of maps.def
#define FORAGER_MAP(id, name, ...) inline constexpr MapTypeSet name = MapTypeSet{1} << (id);
#include "isa/maps.def"
// NOLINTEND(readability-identifier-naming)

inline constexpr MapTypeSet kPerCpu = percpu_hash | percpu_array | lru_percpu_hash;
inline constexpr MapTypeSet kKeyed = hash | array | lru_hash | lpm_trie | kPerCpu;
inline constexpr MapTypeSet kSockets = sockmap | sockhash;
inline constexpr MapTypeSet kDevices = devmap | devmap_hash;
inline constexpr MapTypeSet kCgroupStorage = cgroup_storage | percpu_cgroup_storage;

}  // namespace maps
}  // namespace forager::isa::sets
