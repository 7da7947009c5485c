// SPDX-License-Identifier: Apache-2.0
#include "cli/setup_sockets.h"

#include <sys/socket.h>

#include <charconv>
#include <set>

#include "cli/strict_json.h"

namespace forager::cli {
namespace {

using namespace strict;  // NOLINT(google-build-using-namespace): the words that this file is written in
using exec::Socket;

struct State {
  const char* name;
  std::uint8_t number;  // include/net/tcp_states.h
};
constexpr State kStates[] = {{"established", 1}, {"syn_sent", 2}, {"fin_wait1", 4},  {"fin_wait2", 5},
                             {"time_wait", 6},   {"close", 7},    {"close_wait", 8}, {"last_ack", 9},
                             {"listen", 10},     {"closing", 11}, {"syn_recv", 12}};

struct End {
  ParsedAddress ip;
  std::uint16_t port = 0;  // network order
};

// "10.0.0.1:80" or "[fd00::1]:80".
End end(const Json& object, const std::string& where, const char* name) {
  const std::string whole = text(object, where, name);
  const auto colon = whole.rfind(':');
  if (colon == std::string::npos) bad(fmt::format("{}: \"{}\" has no port", where, whole));
  std::string ip = whole.substr(0, colon);
  const bool bracketed = ip.size() > 2 && ip.front() == '[' && ip.back() == ']';
  if (bracketed) ip = ip.substr(1, ip.size() - 2);
  End out{.ip = address(ip, where)};
  const char* last = whole.data() + whole.size();
  const auto [stop, error] = std::from_chars(whole.data() + colon + 1, last, out.port);
  if (error != std::errc{} || stop != last) bad(fmt::format("{}: \"{}\" has no port from 0 to 65535", where, whole));
  if (out.ip.ipv6 != bracketed)
    bad(fmt::format("{}: \"{}\": IPv6 addresses, and only they, stand in []", where, whole));
  out.port = htons(out.port);
  return out;
}

std::uint8_t protocol(const Json& object, const std::string& where) {
  const std::string name = text(object, where, "protocol");
  if (name == "tcp") return Socket::kTcp;
  if (name == "udp") return Socket::kUdp;
  bad(fmt::format("{}: protocol \"{}\" is neither tcp nor udp", where, name));
}

std::uint8_t state(const Json& object, const std::string& where, bool tcp, bool connected) {
  if (!object.contains("state")) return connected ? Socket::kEstablished : tcp ? Socket::kListen : Socket::kClose;
  if (!tcp) bad(where + ": only tcp sockets have a state");
  const std::string name = text(object, where, "state");
  const auto* known = std::ranges::find(kStates, name, &State::name);
  if (known == std::end(kStates)) bad(fmt::format("{}: \"{}\" is no state of a tcp socket", where, name));
  const bool needs_peer = known->number != Socket::kListen && known->number != Socket::kClose;
  if (needs_peer != connected) {
    bad(fmt::format("{}: a socket in state {} has {} remote end", where, name, needs_peer ? "a" : "no"));
  }
  return known->number;
}

bool truth(const Json& object, const std::string& where, const char* name) {
  if (!object.contains(name)) return false;
  if (!object[name].is_boolean()) bad(fmt::format("{}: \"{}\" is neither true nor false", where, name));
  return object[name];
}

std::uint64_t wide_or(const Json& object, const std::string& where, const char* name, std::uint64_t otherwise) {
  if (!object.contains(name)) return otherwise;
  if (!object[name].is_number_unsigned()) bad(fmt::format("{}: \"{}\" is no number from 0 on", where, name));
  return object[name];
}

void set_options(Socket& socket, const Json& object, const std::string& where) {
  const std::pair<const char*, int> options[] = {
      {"mark", SO_MARK}, {"priority", SO_PRIORITY}, {"ifindex", SO_BINDTOIFINDEX}};
  for (const auto& [name, option] : options) {
    if (!object.contains(name)) continue;
    socket.set_option(SOL_SOCKET, option, static_cast<std::int32_t>(number(object, where, name)));
  }
}

}  // namespace

SetupSocket read_socket(const Json& object, const std::string& where) {
  allow_only(object, where,
             {"protocol", "local", "remote", "state", "uid", "cookie", "mark", "priority", "ifindex", "cgroup",
              "ipv6only", "reuseport"});
  const std::uint8_t kind = protocol(object, where);
  const bool connected = object.contains("remote");
  const End local = end(object, where, "local");
  const End remote = connected ? end(object, where, "remote") : End{.ip = {.ipv6 = local.ip.ipv6}};
  if (local.ip.ipv6 != remote.ip.ipv6) bad(where + ": its ends are of different families");
  const exec::SocketAddresses ends{local.ip.ipv6, local.ip.address, remote.ip.address, local.port, remote.port};
  auto socket = std::make_shared<Socket>(ends, kind, state(object, where, kind == Socket::kTcp, connected));
  socket->uid = number_or(object, where, "uid", 0);
  socket->cookie = wide_or(object, where, "cookie", 0);
  socket->cgroup_id = wide_or(object, where, "cgroup", 1);
  socket->ipv6_only = truth(object, where, "ipv6only");
  socket->reuseport = truth(object, where, "reuseport");
  set_options(*socket, object, where);
  return socket;
}

void check_cookies(const std::vector<SetupSocket>& sockets) {
  std::set<std::uint64_t> seen;
  for (const SetupSocket& socket : sockets) {
    if (socket->cookie != 0 && !seen.insert(socket->cookie).second) {
      bad(fmt::format("two sockets have the cookie {}", socket->cookie));
    }
  }
}

}  // namespace forager::cli
