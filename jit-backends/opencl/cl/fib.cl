// SPDX-License-Identifier: Apache-2.0
//
// bpf_fib_lookup: the host's routing tables (jit-backends/opencl/mirror_fib.cc), with the answers and the order of
// checks of host/helpers/fib.cc. Routes are sorted: of one family together, the longest prefixes first, so that the
// first that matches is the one; each says what it answers and how packets leave by it.
//
// The query is a struct bpf_fib_lookup, in words: addresses as they stand in packets.

#define FG_FIB_QUERY_BYTES 64
#define FG_FIB_INET 2u
#define FG_FIB_INET6 10u
#define FG_FIB_OUTPUT 2u
#define FG_FIB_SKIP_NEIGHBOUR 4u
#define FG_FIB_SOURCE 16u
#define FG_FIB_FLAGS 31u

#define FG_FIB_NOT_FORWARDED 4
#define FG_FIB_FORWARDING_DISABLED 5
#define FG_FIB_NO_NEIGHBOUR 7
#define FG_FIB_FRAGMENT 8
#define FG_FIB_NO_SOURCE 9

#define FG_ENODEV 19
#define FG_EAFNOSUPPORT 97

typedef struct {
  uint interfaces, routes, ipv4_routes, neighbours;  // how many; IPv4's routes come first
  uint routes_at, neighbours_at;                     // interfaces are behind the header, of 64 bytes
} fg_fib;
typedef struct {
  uint ifindex, forwarding;
} fg_fib_interface;
typedef struct {
  uint prefix[4], mask[4], via[4];
  uint has_via, ifindex, answer, mtu, metric;
  uint mac[2];  // of its interface
} fg_fib_route;
typedef struct {
  uint address[4];
  uint ipv6, ifindex;
  uint mac[2];
} fg_fib_neighbour;

// Words of a query.
#define FG_FIB_LENGTH 1  // the upper half; the MTU, afterwards
#define FG_FIB_IFINDEX 2
#define FG_FIB_METRIC 3
#define FG_FIB_FROM 4
#define FG_FIB_TO 8
#define FG_FIB_VLAN 12
#define FG_FIB_MACS 13  // the source's 6 bytes, the destination's 6

static __global const fg_fib_interface* fg_fib_find_interface(ulong fib, uint ifindex) {
  __global const fg_fib_interface* const rows = (__global const fg_fib_interface*)(fib + 64);
  for (uint i = 0; i < ((__global const fg_fib*)fib)->interfaces; ++i) {
    if (rows[i].ifindex == ifindex) return &rows[i];
  }
  return 0;
}

static bool fg_fib_matches(__global const fg_fib_route* route, const uint* to) {
  return (((to[0] ^ route->prefix[0]) & route->mask[0]) | ((to[1] ^ route->prefix[1]) & route->mask[1]) |
          ((to[2] ^ route->prefix[2]) & route->mask[2]) | ((to[3] ^ route->prefix[3]) & route->mask[3])) == 0;
}

// By any interface if `ifindex` is 0.
static __global const fg_fib_route* fg_fib_find_route(ulong fib, bool ipv6, const uint* to, uint ifindex) {
  __global const fg_fib* const table = (__global const fg_fib*)fib;
  __global const fg_fib_route* const rows = (__global const fg_fib_route*)(fib + table->routes_at);
  const uint end = ipv6 ? table->routes : table->ipv4_routes;
  for (uint i = ipv6 ? table->ipv4_routes : 0; i < end; ++i) {
    if ((ifindex == 0 || rows[i].ifindex == ifindex) && fg_fib_matches(&rows[i], to)) return &rows[i];
  }
  return 0;
}

static __global const fg_fib_neighbour* fg_fib_find_neighbour(ulong fib, uint ipv6, const uint* address, uint ifindex) {
  __global const fg_fib* const table = (__global const fg_fib*)fib;
  __global const fg_fib_neighbour* const rows = (__global const fg_fib_neighbour*)(fib + table->neighbours_at);
  for (uint i = 0; i < table->neighbours; ++i) {
    if (rows[i].ipv6 != ipv6 || rows[i].ifindex != ifindex || rows[i].address[0] != address[0]) continue;
    if (ipv6 == 0 || (rows[i].address[1] == address[1] && rows[i].address[2] == address[2] &&
                      rows[i].address[3] == address[3]))
      return &rows[i];
  }
  return 0;
}

// Multicast (ff00::/8), link-local (fe80::/10) and loopback (::1) addresses are not forwarded.
static bool fg_fib_stays_on_link(const uint* address) {
  const bool loopback = (address[0] | address[1] | address[2]) == 0 && address[3] == 0x01000000;
  return (address[0] & 0xff) == 0xff || (address[0] & 0xc0ff) == 0x80fe || loopback;
}

static int fg_fib_next_hop(ulong fib, __global const fg_fib_route* route, uint* query, bool ipv6, uint flags) {
  query[FG_FIB_METRIC] = route->metric;
  query[FG_FIB_IFINDEX] = route->ifindex;
  if ((flags & FG_FIB_SOURCE) != 0) return FG_FIB_NO_SOURCE;
  for (uint i = 0; i < (ipv6 ? 4 : 1) && route->has_via != 0; ++i) query[FG_FIB_TO + i] = route->via[i];
  if ((flags & FG_FIB_SKIP_NEIGHBOUR) != 0) return 0;
  __global const fg_fib_neighbour* const hop =
      fg_fib_find_neighbour(fib, ipv6 ? 1 : 0, query + FG_FIB_TO, route->ifindex);
  if (hop == 0) return FG_FIB_NO_NEIGHBOUR;
  query[FG_FIB_MACS] = route->mac[0];
  query[FG_FIB_MACS + 1] = (route->mac[1] & 0xffff) | hop->mac[0] << 16;
  query[FG_FIB_MACS + 2] = hop->mac[0] >> 16 | hop->mac[1] << 16;
  return 0;
}

static int fg_fib_find(ulong fib, uint* query, bool ipv6, uint flags) {
  if (ipv6 && (fg_fib_stays_on_link(query + FG_FIB_TO) || fg_fib_stays_on_link(query + FG_FIB_FROM)))
    return FG_FIB_NOT_FORWARDED;
  const uint ifindex = query[FG_FIB_IFINDEX], length = query[FG_FIB_LENGTH] >> 16;
  __global const fg_fib_interface* const input = fg_fib_find_interface(fib, ifindex);
  if (input == 0) return -FG_ENODEV;
  if (input->forwarding == 0) return FG_FIB_FORWARDING_DISABLED;
  uint to[4] = {query[FG_FIB_TO], 0, 0, 0};
  for (uint i = 1; i < 4 && ipv6; ++i) to[i] = query[FG_FIB_TO + i];
  __global const fg_fib_route* const route =
      fg_fib_find_route(fib, ipv6, to, (flags & FG_FIB_OUTPUT) != 0 ? ifindex : 0);
  if (route == 0) return FG_FIB_NOT_FORWARDED;
  if (route->answer != 0) return (int)route->answer;
  const uint told = (query[FG_FIB_LENGTH] & 0xffff) | route->mtu << 16;
  if (length > route->mtu) {
    query[FG_FIB_LENGTH] = told;
    return FG_FIB_FRAGMENT;
  }
  const int answer = fg_fib_next_hop(fib, route, query, ipv6, flags);
  if (answer != 0) return answer;
  query[FG_FIB_VLAN] = 0;
  query[FG_FIB_LENGTH] = told;
  return 0;
}

static ulong fg_fib_lookup(fg_run* run, ulong at, int size, uint flags) {
  if (size < FG_FIB_QUERY_BYTES || (flags & ~FG_FIB_FLAGS) != 0) return FG_ERROR(FG_EINVAL);
  uint query[FG_FIB_QUERY_BYTES / 4];
  for (uint i = 0; i < FG_FIB_QUERY_BYTES / 4; ++i) query[i] = (uint)fg_load32_any(run, at + 4 * i);
  const uint family = query[0] & 0xff;
  if (family != FG_FIB_INET && family != FG_FIB_INET6) return FG_ERROR(FG_EAFNOSUPPORT);
  const int answer = fg_fib_find(run->maps + run->batch->fib, query, family == FG_FIB_INET6, flags);
  for (uint i = 0; i < FG_FIB_QUERY_BYTES / 4; ++i) fg_store32_any(run, at + 4 * i, query[i]);
  return (ulong)(long)answer;
}
