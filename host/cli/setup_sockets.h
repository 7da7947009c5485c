// SPDX-License-Identifier: Apache-2.0
//
// The "sockets" of a setup file: what bpf_sk_lookup_* find.
//
//   protocol   "tcp" or "udp"
//   local      "10.0.0.1:80" or "[fd00::1]:80"; "0.0.0.0" and "[::]" are any address
//   remote     the same, of a connected one
//   state      of TCP: "listen", "established", "syn_recv", "time_wait", ...; "listen" without a remote end,
//              "established" with one, if it does not say
//   uid, cookie, mark, priority, ifindex (that it is bound to), cgroup   numbers; a cookie is made where there is none
//   ipv6only, reuseport   true or false
//
// Tested by: tests/unit/cli_setup_test.cc.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "exec/socket.h"

namespace forager::cli {

using SetupSocket = std::shared_ptr<exec::Socket>;

// Both throw what is wrong (strict_json.h).
[[nodiscard]] SetupSocket read_socket(const nlohmann::json& object, const std::string& where);
// No two sockets have one cookie.
void check_cookies(const std::vector<SetupSocket>& sockets);

}  // namespace forager::cli
