// SPDX-License-Identifier: Apache-2.0
//
// Reading JSON that people write, strictly: what is unknown, of the wrong type or out of range is an error that names
// its place. Inside a reader an error is an exception (std::invalid_argument), caught once by whoever made the
// document.
//
// Tested by: tests/unit/cli_setup_test.cc, cli_event_file_test.cc.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "cli/btf_value.h"
#include "exec/fib.h"

namespace forager::cli::strict {

using Json = nlohmann::json;

[[noreturn]] inline void bad(const std::string& what) { throw std::invalid_argument(what); }

inline void allow_only(const Json& object, const std::string& where, std::initializer_list<const char*> names) {
  if (!object.is_object()) bad(where + " is no object");
  for (const auto& [key, ignored] : object.items()) {
    const bool known = std::any_of(names.begin(), names.end(), [&](const char* name) { return key == name; });
    if (!known) bad(fmt::format("{} has an unknown member \"{}\"", where, key));
  }
}

inline std::string text(const Json& object, const std::string& where, const char* name) {
  if (!object.contains(name) || !object[name].is_string()) bad(fmt::format("{} needs the string \"{}\"", where, name));
  return object[name];
}

inline std::uint32_t number(const Json& object, const std::string& where, const char* name) {
  if (!object.contains(name) || !object[name].is_number_unsigned() || object[name].get<std::uint64_t>() > UINT32_MAX) {
    bad(fmt::format("{} needs the number \"{}\" (0 to 4294967295)", where, name));
  }
  return object[name];
}

inline std::uint32_t number_or(const Json& object, const std::string& where, const char* name,
                               std::uint32_t otherwise) {
  return object.contains(name) ? number(object, where, name) : otherwise;
}

inline std::string bytes(const Json& object, const std::string& where, const char* name) {
  std::string out;
  if (!parse_hex(text(object, where, name), out)) bad(fmt::format("{}: \"{}\" is no list of hex bytes", where, name));
  return out;
}

struct ParsedAddress {
  bool ipv6 = false;
  exec::Address address{};
};

inline ParsedAddress address(const std::string& text, const std::string& where) {
  ParsedAddress result;
  if (::inet_pton(AF_INET, text.c_str(), result.address.data()) == 1) return result;
  result.ipv6 = true;
  if (::inet_pton(AF_INET6, text.c_str(), result.address.data()) == 1) return result;
  bad(fmt::format("{}: \"{}\" is no IPv4 or IPv6 address", where, text));
}

}  // namespace forager::cli::strict
