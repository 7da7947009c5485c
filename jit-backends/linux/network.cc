// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/linux/network.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "jit-backends/linux/kernel.h"

namespace forager::jit::linux_kernel {
namespace {

constexpr const char* kLinkKinds[] = {"dummy", "ifb", "bridge"};

// By exec::FibRouteType.
struct RouteKind {
  unsigned char type;
  unsigned char scope;  // of a route without a gateway
  bool has_interface;
};
constexpr RouteKind kRouteKinds[] = {
    {RTN_UNICAST, RT_SCOPE_LINK, true},        {RTN_LOCAL, RT_SCOPE_HOST, true},
    {RTN_BLACKHOLE, RT_SCOPE_UNIVERSE, false}, {RTN_UNREACHABLE, RT_SCOPE_UNIVERSE, false},
    {RTN_PROHIBIT, RT_SCOPE_UNIVERSE, false},
};

std::string name_of(std::uint32_t ifindex) {
  return ifindex == kLoopbackIfindex ? "lo" : fmt::format("port{}", ifindex);
}

// Locally administered, and different for each port.
exec::Mac default_mac(std::uint32_t ifindex) {
  const auto byte = [ifindex](unsigned shift) { return static_cast<std::uint8_t>(ifindex >> shift); };
  return {0x02, 0x00, byte(24), byte(16), byte(8), byte(0)};
}

// /proc/sys/net is that of the calling thread's namespace. 0 or a negative errno.
int set_sysctl(const std::string& path, const char* value) {
  const Fd fd(::open(("/proc/sys/net/" + path).c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return -errno;
  return write(fd.get(), value, 1) == 1 ? 0 : -errno;
}

int set_forwarding(const exec::FibInterface& interface) {
  const char* value = interface.forwarding ? "1" : "0";
  const std::string path = "/conf/" + name_of(interface.ifindex) + "/forwarding";
  if (const int error = set_sysctl("ipv4" + path, value); error != 0) return error;
  const int error = set_sysctl("ipv6" + path, value);
  return error == -ENOENT ? 0 : error;  // a kernel without IPv6
}

std::size_t address_bytes(bool ipv6) { return ipv6 ? 16 : 4; }
unsigned char family_of(bool ipv6) { return ipv6 ? AF_INET6 : AF_INET; }

// The kernel refuses a prefix with bits set beyond its length.
exec::Address masked(exec::Address address, unsigned length) {
  for (unsigned bit = length; bit < address.size() * 8; ++bit) {
    address[bit / 8] = static_cast<std::uint8_t>(address[bit / 8] & ~(0x80U >> (bit % 8)));
  }
  return address;
}

std::string text_of(const exec::Address& address, bool ipv6) {
  return ipv6 ? fmt::format("{:02x}", fmt::join(address, ""))
              : fmt::format("{}.{}.{}.{}", address[0], address[1], address[2], address[3]);
}

}  // namespace

Result<> Network::enter() {
  if (unshare(CLONE_NEWNET) != 0) return refused("make a private network (CAP_SYS_ADMIN)", "unshare", -errno);
  if (const int error = netlink_.open(); error != 0) return refused("open a netlink socket", "socket", error);
  (void)set_sysctl("ipv6/conf/default/addr_gen_mode", "1");  // no addresses that the table does not have; or no IPv6
  if (const int error = raise_loopback(); error != 0) return refused("raise the loopback interface", "netlink", error);
  return {};
}

// A namespace has no table of local addresses before it has one, and calls every gateway invalid till then.
int Network::raise_loopback() {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(kLoopbackIfindex);
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  NetlinkRequest request(RTM_NEWLINK, 0, header);
  return netlink_.send(request);
}

Result<> Network::install(const exec::FibTable& table) {
  for (const auto& interface : table.interfaces) {
    if (auto done = add_interface(interface); !done) return done;
  }
  for (const auto& route : table.routes) {
    if (auto done = add_route(route); !done) return done;
  }
  for (const auto& neighbour : table.neighbours) {
    if (auto done = add_neighbour(neighbour); !done) return done;
  }
  return {};
}

Result<> Network::ensure_port(std::uint32_t ifindex) {
  if (ifindex == 0 || ifindex == kLoopbackIfindex || ports_.contains(ifindex)) return {};
  return add_interface({.ifindex = ifindex, .mac = default_mac(ifindex), .forwarding = false});
}

Result<> Network::add_interface(const exec::FibInterface& interface) {
  if (ports_.contains(interface.ifindex)) return {};
  if (ports_.size() >= kMaxPorts) {
    auto failure = fail(ErrorKind::limit, ENOSPC, "the linux backend's network has no room for more interfaces");
    failure.error().limit = kMaxPorts;
    return failure;
  }
  int error = interface.ifindex == kLoopbackIfindex ? 0 : create_link(interface);
  if (error == 0) error = set_forwarding(interface);
  if (error != 0) return refused(fmt::format("make network interface {}", interface.ifindex), "netlink", error);
  ports_.insert(interface.ifindex);
  return {};
}

int Network::create_link(const exec::FibInterface& interface) {
  int error = -EOPNOTSUPP;
  for (const char* kind : kLinkKinds) {
    if (!kind_.empty() && kind_ != kind) continue;
    ifinfomsg header{};
    header.ifi_index = static_cast<int>(interface.ifindex);
    header.ifi_flags = IFF_UP;
    header.ifi_change = IFF_UP;
    NetlinkRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, header);
    request.put_text(IFLA_IFNAME, name_of(interface.ifindex))
        .put(IFLA_ADDRESS, interface.mac.data(), interface.mac.size())
        .put_u32(IFLA_MTU, interface.mtu)
        .put_u32(IFLA_NUM_RX_QUEUES, kQueuesOfPort);
    const std::size_t nest = request.open_nest(IFLA_LINKINFO);
    request.put_text(IFLA_INFO_KIND, kind);
    request.close_nest(nest);
    error = netlink_.send(request);
    if (error != -EOPNOTSUPP) kind_ = kind;
    if (error != -EOPNOTSUPP) break;
  }
  return error;
}

// A gateway need not be on a connected network: our table's routes name interface and neighbour by themselves. The MTU
// is locked, as the kernel's forwarding looks at a route's MTU only then.
Result<> Network::add_route(const exec::FibRoute& route) {
  const RouteKind& kind = kRouteKinds[static_cast<std::size_t>(route.type)];
  if (kind.has_interface) {
    if (auto port = ensure_port(route.ifindex); !port) return port;
  }
  rtmsg header{};
  header.rtm_family = family_of(route.ipv6);
  header.rtm_dst_len = route.prefix_length;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = route.via ? static_cast<unsigned char>(RT_SCOPE_UNIVERSE) : kind.scope;
  header.rtm_type = kind.type;
  header.rtm_flags = route.via ? RTNH_F_ONLINK : 0;
  const exec::Address prefix = masked(route.prefix, route.prefix_length);
  NetlinkRequest request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, header);
  request.put(RTA_DST, prefix.data(), address_bytes(route.ipv6)).put_u32(RTA_PRIORITY, route.metric);
  if (kind.has_interface) request.put_u32(RTA_OIF, route.ifindex);
  if (kind.has_interface && route.via) request.put(RTA_GATEWAY, route.via->data(), address_bytes(route.ipv6));
  if (route.mtu != 0) {
    const std::size_t nest = request.open_nest(RTA_METRICS);
    request.put_u32(RTAX_MTU, route.mtu).put_u32(RTAX_LOCK, 1U << RTAX_MTU);
    request.close_nest(nest);
  }
  const int error = netlink_.send(request);
  if (error == 0 || error == -EEXIST) return {};  // of two equal routes the first counts, as in FibTable::route
  return refused(fmt::format("add the route to {}/{}", text_of(route.prefix, route.ipv6), route.prefix_length),
                 "netlink", error);
}

Result<> Network::add_neighbour(const exec::FibNeighbour& neighbour) {
  if (auto port = ensure_port(neighbour.ifindex); !port) return port;
  ndmsg header{};
  header.ndm_family = family_of(neighbour.ipv6);
  header.ndm_ifindex = static_cast<int>(neighbour.ifindex);
  header.ndm_state = NUD_PERMANENT;
  NetlinkRequest request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, header);
  request.put(NDA_DST, neighbour.address.data(), address_bytes(neighbour.ipv6))
      .put(NDA_LLADDR, neighbour.mac.data(), neighbour.mac.size());
  const int error = netlink_.send(request);
  if (error == 0 || error == -EEXIST) return {};
  return refused(
      fmt::format("add neighbour {} on interface {}", text_of(neighbour.address, neighbour.ipv6), neighbour.ifindex),
      "netlink", error);
}

}  // namespace forager::jit::linux_kernel
