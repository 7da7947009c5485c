// SPDX-License-Identifier: Apache-2.0
//
// SYN cookies: a sequence number that proves that its owner was sent it, so that a listener needs no memory for a
// connection that was merely asked for (net/ipv4/syncookies.c, net/ipv6/syncookies.c; Bernstein, 1996).
//
// A cookie is the hash of both ends, the peer's sequence number, a count of minutes and, hashed into the lower 24 bits,
// which of a few segment sizes the peer can take. It holds for two minutes. The keys are this process's secret, as the
// kernel's are its own; a cookie is good where it was made.
//
// The listeners here behave as with net.ipv4.tcp_syncookies = 2: they give cookies whether their queue is full or not.
#include <linux/bpf.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <random>
#include <utility>

#include "helpers/functions.h"
#include "helpers/siphash.h"

namespace forager::helpers {
namespace {

constexpr std::uint32_t kCountShift = 24, kMask = (1U << kCountShift) - 1, kMaxAge = 2;
constexpr std::uint64_t kPeriodNs = 60'000'000'000;

// What names a connection attempt, as words for the hash.
struct Flow {
  std::array<std::uint64_t, 4> addresses{};
  std::uint64_t ports = 0;
};

struct Segments {
  std::array<std::uint16_t, 4> sizes;  // of what a peer can take, rising
  std::uint16_t usual;                 // where it does not say
};
constexpr Segments kIpv4 = {{536, 1300, 1440, 1460}, 536};
constexpr Segments kIpv6 = {{1280 - 60, 1480 - 60, 1500 - 60, 9000 - 60}, 1280 - 60};

std::uint32_t hash(const Flow& flow, std::uint64_t count, unsigned which) {
  static const std::array<SipKey, 2> kKeys = [] {
    std::random_device random;
    const auto word = [&] { return std::uint64_t{random()} << 32 | random(); };
    return std::array{SipKey{word(), word()}, SipKey{word(), word()}};
  }();
  const std::array words = {flow.addresses[0], flow.addresses[1], flow.addresses[2],
                            flow.addresses[3], flow.ports,        count};
  return static_cast<std::uint32_t>(siphash(kKeys[which], words));
}

std::uint64_t now(const RunContext& run) { return run.environment->monotonic_ns ? run.environment->monotonic_ns() : 0; }
std::uint32_t minutes(const RunContext& run) { return static_cast<std::uint32_t>(now(run) / kPeriodNs); }

// secure_tcp_syn_cookie and check_tcp_syn_cookie: `data` goes in and comes out, unless the cookie is none.
std::uint32_t make_cookie(const Flow& flow, std::uint32_t sequence, std::uint32_t count, std::uint32_t data) {
  return hash(flow, 0, 0) + sequence + (count << kCountShift) + ((hash(flow, count, 1) + data) & kMask);
}
std::optional<std::uint32_t> read_cookie(const Flow& flow, std::uint32_t sequence, std::uint32_t count,
                                         std::uint32_t cookie) {
  cookie -= hash(flow, 0, 0) + sequence;
  const std::uint32_t age = (count - (cookie >> kCountShift)) & (UINT32_MAX >> kCountShift);
  if (age >= kMaxAge) return std::nullopt;
  return (cookie - hash(flow, count - age, 1)) & kMask;
}

// A packet's headers, copied: they may stand anywhere in the program's memory.
struct Headers {
  Flow flow;
  tcphdr tcp{};
  const std::byte* options = nullptr;
  std::size_t option_bytes = 0;
  const Segments* segments = &kIpv4;

  void set_tcp(u64 th, u64 th_len) {
    std::memcpy(&tcp, pointer<void>(th), sizeof tcp);
    options = pointer<const std::byte>(th) + sizeof tcp;
    option_bytes = th_len - sizeof tcp;
    flow.ports = std::uint64_t{tcp.source} << 16 | tcp.dest;
  }
  void set_ipv4(u64 iph) {
    iphdr ip{};
    std::memcpy(&ip, pointer<void>(iph), sizeof ip);
    flow.addresses[0] = std::uint64_t{ip.saddr} << 32 | ip.daddr;
    segments = &kIpv4;
  }
  void set_ipv6(u64 iph) {
    ip6_hdr ip{};
    std::memcpy(&ip, pointer<void>(iph), sizeof ip);
    std::memcpy(flow.addresses.data(), &ip.ip6_src, 16);
    std::memcpy(flow.addresses.data() + 2, &ip.ip6_dst, 16);
    segments = &kIpv6;
  }
};

// tcp_parse_mss_option: 0 where the peer says nothing.
std::uint16_t stated_mss(const Headers& headers) {
  std::size_t left = headers.option_bytes;
  for (const std::byte* at = headers.options; left > 0;) {
    const auto kind = std::to_integer<unsigned>(at[0]);
    if (kind == TCPOPT_EOL) return 0;
    const std::size_t size = kind == TCPOPT_NOP ? 1 : left < 2 ? 0 : std::to_integer<std::size_t>(at[1]);
    if (size == 0 || (size < 2 && kind != TCPOPT_NOP) || size > left) return 0;
    if (kind == TCPOPT_MAXSEG && size == TCPOLEN_MAXSEG) {
      const auto mss =
          static_cast<std::uint16_t>(std::to_integer<unsigned>(at[2]) << 8 | std::to_integer<unsigned>(at[3]));
      if (mss != 0) return mss;
    }
    at += size;
    left -= size;
  }
  return 0;
}

// The cookie and, above it, the segment size that it remembers.
u64 generate(const RunContext& run, const Headers& headers) {
  const std::uint16_t stated = stated_mss(headers);
  const std::uint16_t mss = stated != 0 ? stated : headers.segments->usual;
  std::uint32_t index = headers.segments->sizes.size() - 1;
  while (index != 0 && mss < headers.segments->sizes[index]) --index;
  const std::uint32_t cookie = make_cookie(headers.flow, ntohl(headers.tcp.seq), minutes(run), index);
  return cookie | u64{headers.segments->sizes[index]} << 32;
}

bool is_valid(const RunContext& run, const Headers& headers) {
  const auto index =
      read_cookie(headers.flow, ntohl(headers.tcp.seq) - 1, minutes(run), ntohl(headers.tcp.ack_seq) - 1);
  return index && *index < headers.segments->sizes.size();
}

constexpr std::size_t kTcpHeader = sizeof(tcphdr);

// The IP header of a packet for a listener, which says its version. 0, or what Linux says of it.
int read_ip(Headers& headers, const exec::Socket& listener, u64 iph, u64 iph_len) {
  const bool ipv6 = listener.addresses().ipv6;
  switch (std::to_integer<unsigned>(*pointer<std::byte>(iph)) >> 4) {
    case 4:
      if (ipv6 && listener.ipv6_only) return -EINVAL;
      headers.set_ipv4(iph);
      return 0;
    case 6:
      if (iph_len < sizeof(ip6_hdr) || !ipv6) return -EINVAL;
      headers.set_ipv6(iph);
      return 0;
    default:
      return -EPROTONOSUPPORT;
  }
}

bool is_listener(const exec::Socket& socket) { return socket.protocol() == exec::Socket::kTcp && socket.listens(); }

}  // namespace

u64 tcp_gen_syncookie(RunContext& run, u64 sk, u64 iph, u64 iph_len, u64 th, u64 th_len) {
  exec::Socket& listener = socket_at(sk);
  Headers headers;
  if (th_len < kTcpHeader) return result(-EINVAL);
  headers.set_tcp(th, th_len);
  const tcphdr& tcp = headers.tcp;
  const bool is_request = tcp.syn != 0 && tcp.ack == 0 && tcp.fin == 0 && tcp.rst == 0;
  if (th_len != tcp.doff * 4U || !is_listener(listener) || !is_request || iph_len < sizeof(iphdr)) {
    return result(-EINVAL);
  }
  if (const int error = read_ip(headers, listener, iph, iph_len); error != 0) return result(error);
  listener.last_syncookie_ns = std::max<std::uint64_t>(now(run), 1);
  return generate(run, headers);
}

u64 tcp_check_syncookie(RunContext& run, u64 sk, u64 iph, u64 iph_len, u64 th, u64 th_len) {
  exec::Socket& listener = socket_at(sk);
  Headers headers;
  if (th_len < kTcpHeader || !is_listener(listener)) return result(-EINVAL);
  headers.set_tcp(th, th_len);
  if (headers.tcp.ack == 0 || headers.tcp.rst != 0 || headers.tcp.syn != 0) return result(-ENOENT);
  if (iph_len < sizeof(iphdr)) return result(-EINVAL);
  // A listener that gave no cookie lately has none to take back.
  const std::uint64_t last = listener.last_syncookie_ns;
  if (last == 0 || now(run) > last + kMaxAge * kPeriodNs) return result(-ENOENT);
  if (const int error = read_ip(headers, listener, iph, iph_len); error != 0) return result(error);
  return is_valid(run, headers) ? 0 : result(-ENOENT);
}

namespace {

u64 generate_raw(const RunContext& run, Headers& headers, u64 th, u64 th_len) {
  if (th_len < kTcpHeader) return result(-EINVAL);
  headers.set_tcp(th, th_len);
  return th_len == headers.tcp.doff * 4U ? generate(run, headers) : result(-EINVAL);
}

u64 check_raw(const RunContext& run, Headers& headers, u64 th) {
  headers.set_tcp(th, kTcpHeader);
  return is_valid(run, headers) ? 0 : result(-EACCES);
}

}  // namespace

u64 tcp_raw_gen_syncookie_ipv4(RunContext& run, u64 iph, u64 th, u64 th_len, u64, u64) {
  Headers headers;
  headers.set_ipv4(iph);
  return generate_raw(run, headers, th, th_len);
}
u64 tcp_raw_gen_syncookie_ipv6(RunContext& run, u64 iph, u64 th, u64 th_len, u64, u64) {
  Headers headers;
  headers.set_ipv6(iph);
  return generate_raw(run, headers, th, th_len);
}
u64 tcp_raw_check_syncookie_ipv4(RunContext& run, u64 iph, u64 th, u64, u64, u64) {
  Headers headers;
  headers.set_ipv4(iph);
  return check_raw(run, headers, th);
}
u64 tcp_raw_check_syncookie_ipv6(RunContext& run, u64 iph, u64 th, u64, u64, u64) {
  Headers headers;
  headers.set_ipv6(iph);
  return check_raw(run, headers, th);
}

}  // namespace forager::helpers
