// SPDX-License-Identifier: Apache-2.0
//
// The setup file of `forager run --setup`: what a control plane would have put in place before the first packet.
//
//   {
//     "maps":  [{"map": "routes", "key": "18 00 00 00 0a 00 00 00", "value": "01 00 00 00"},
//               {"map": "ports", "key": "00 00 00 00", "value": "02 00 00 00 00 00 00 00", "program": "set_mac"}, ...],
//     "fib":   {"routes":     [{"prefix": "10.0.0.0/8", "via": "192.168.1.1", "ifindex": 3}],
//               "neighbours": [{"ip": "192.168.1.1", "mac": "02:00:00:00:00:01", "ifindex": 3}],
//               "interfaces": [{"ifindex": 3, "mac": "02:00:00:00:00:03", "mtu": 1500}]},
//     "ports": [2, 3],
//     "sockets": [{"protocol": "tcp", "local": "10.0.0.1:80", "state": "listen", "uid": 33},
//                 {"protocol": "udp", "local": "[fd00::1]:53", "remote": "[fd00::2]:4000", "cookie": 7}]
//   }
//
// Keys and values are hex bytes as bpftool takes them; "program" names a program of the object, whose descriptor goes
// into the value where maps of that type have one (PROG_ARRAY, DEVMAP, DEVMAP_HASH, CPUMAP). A bare list is short for
// {"maps": list}. Unknown names are errors, so that a misspelt one is not silently ignored.
//
// Tested by: tests/unit/cli_setup_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "exec/fib.h"
#include "exec/socket.h"
#include "forager/result.h"

namespace forager::cli {

struct MapEntry {
  std::string map;
  std::string key;      // bytes
  std::string value;    // bytes; of one CPU for per-CPU maps, which get it on every CPU
  std::string program;  // of the object, to stand where the value names one; empty: none
};

struct Setup {
  std::vector<MapEntry> maps;
  exec::FibTable fib;
  std::vector<std::uint32_t> ports;
  std::vector<std::shared_ptr<exec::Socket>> sockets;  // setup_sockets.h has their members
};

// Errors: input, naming the file and the entry.
[[nodiscard]] Result<Setup> read_setup(const std::string& path);
[[nodiscard]] Result<Setup> parse_setup(const std::string& text);

}  // namespace forager::cli
