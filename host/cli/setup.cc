// SPDX-License-Identifier: Apache-2.0
#include "cli/setup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "cli/btf_value.h"
#include "cli/setup_sockets.h"
#include "cli/strict_json.h"

namespace forager::cli {
namespace {

using namespace strict;  // NOLINT(google-build-using-namespace): the words that this file is written in

exec::Mac mac(const std::string& text, const std::string& where) {
  exec::Mac out{};
  std::string spaced = text;
  std::replace(spaced.begin(), spaced.end(), ':', ' ');
  std::string raw;
  if (!parse_hex(spaced, raw) || raw.size() != out.size())
    bad(fmt::format("{}: \"{}\" is no MAC address", where, text));
  std::memcpy(out.data(), raw.data(), out.size());
  return out;
}

exec::FibRoute route(const Json& object, const std::string& where) {
  allow_only(object, where, {"prefix", "via", "ifindex", "mtu"});
  const std::string prefix = text(object, where, "prefix");
  const auto slash = prefix.find('/');
  const ParsedAddress parsed = address(prefix.substr(0, slash), where);
  const unsigned bits = parsed.ipv6 ? 128 : 32;
  const unsigned long length =
      slash == std::string::npos ? bits : std::strtoul(prefix.c_str() + slash + 1, nullptr, 10);
  if (length > bits) bad(fmt::format("{}: prefix length {} is over {}", where, length, bits));
  exec::FibRoute out;
  out.ipv6 = parsed.ipv6;
  out.prefix = parsed.address;
  out.prefix_length = static_cast<std::uint8_t>(length);
  if (object.contains("via")) out.via = address(text(object, where, "via"), where).address;
  out.ifindex = number(object, where, "ifindex");
  out.mtu = number_or(object, where, "mtu", 0);
  return out;
}

exec::FibNeighbour neighbour(const Json& object, const std::string& where) {
  allow_only(object, where, {"ip", "mac", "ifindex"});
  const ParsedAddress parsed = address(text(object, where, "ip"), where);
  return {.ipv6 = parsed.ipv6,
          .address = parsed.address,
          .mac = mac(text(object, where, "mac"), where),
          .ifindex = number(object, where, "ifindex")};
}

exec::FibInterface interface(const Json& object, const std::string& where) {
  allow_only(object, where, {"ifindex", "mac", "mtu", "forwarding"});
  exec::FibInterface out;
  out.ifindex = number(object, where, "ifindex");
  out.mac = mac(text(object, where, "mac"), where);
  out.mtu = number_or(object, where, "mtu", out.mtu);
  out.forwarding = object.value("forwarding", true);
  return out;
}

MapEntry map_entry(const Json& object, const std::string& where) {
  allow_only(object, where, {"map", "key", "value", "program"});
  return {.map = text(object, where, "map"),
          .key = bytes(object, where, "key"),
          .value = bytes(object, where, "value"),
          .program = object.contains("program") ? text(object, where, "program") : ""};
}

template <class T>
void each(const Json& object, const char* list, std::vector<T>& out, T (*read)(const Json&, const std::string&)) {
  if (!object.contains(list)) return;
  if (!object[list].is_array()) bad(fmt::format("\"{}\" is no list", list));
  std::size_t index = 0;
  for (const Json& element : object[list]) out.push_back(read(element, fmt::format("{}[{}]", list, index++)));
}

std::uint32_t port(const Json& value, const std::string& where) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > INT32_MAX) bad(where + " is no interface index");
  return value;
}

Setup read_document(const Json& document) {
  Setup setup;
  Json top = document.is_array() ? Json{{"maps", document}} : document;
  allow_only(top, "the setup", {"maps", "fib", "ports", "sockets"});
  each(top, "maps", setup.maps, map_entry);
  each(top, "ports", setup.ports, port);
  each(top, "sockets", setup.sockets, read_socket);
  check_cookies(setup.sockets);
  if (top.contains("fib")) {
    allow_only(top["fib"], "\"fib\"", {"routes", "neighbours", "interfaces"});
    each(top["fib"], "routes", setup.fib.routes, route);
    each(top["fib"], "neighbours", setup.fib.neighbours, neighbour);
    each(top["fib"], "interfaces", setup.fib.interfaces, interface);
  }
  return setup;
}

}  // namespace

Result<Setup> parse_setup(const std::string& text) {
  try {
    return read_document(Json::parse(text));
  } catch (const std::exception& error) {  // also nlohmann's parse errors
    return fail(ErrorKind::input, EINVAL, error.what());
  }
}

Result<Setup> read_setup(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorKind::input, errno, fmt::format("{}: {}", path, std::strerror(errno)));
  auto setup = parse_setup({std::istreambuf_iterator<char>(file), {}});
  if (!setup) setup.error().message = fmt::format("{}: {}", path, setup.error().message);
  return setup;
}

}  // namespace forager::cli
