// SPDX-License-Identifier: Apache-2.0
//
// Network: the private network namespace in which one device's programs run.
//
// Test runs use the calling thread's network: its interfaces fill device maps and are what ingress_ifindex names, its
// routes answer bpf_fib_lookup. So that answers depend on the runtime's tables and not on the machine, each device has
// a namespace of its own, with interfaces of exactly the numbers asked for, and the environment's routes, neighbours
// and forwarding settings. Frames never leave it: a test run does not transmit. It disappears with its thread.
//
// Interfaces are of the first kind this kernel has of dummy, ifb and bridge; all they do is exist. Number 1 is the
// namespace's loopback, which every namespace has and whose address and MTU stay as they are.
//
// Invariant: all members are called on the thread that entered the namespace.
//
// Tested by: tests/unit/linux_network_test.cc.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "exec/environment.h"
#include "forager/result.h"
#include "jit-backends/linux/netlink.h"

namespace forager::jit::linux_kernel {

inline constexpr std::uint32_t kLoopbackIfindex = 1;
inline constexpr std::uint32_t kMaxPorts = 1024;    // interfaces of one device
inline constexpr std::uint32_t kQueuesOfPort = 16;  // receive queues of an interface: rx_queue_index is below

class Network {
 public:
  // Moves the calling thread into a namespace of its own. Errors: system (CAP_SYS_ADMIN is needed).
  [[nodiscard]] Result<> enter();
  // Makes the interfaces, routes and neighbours of the table. Errors: limit; system.
  [[nodiscard]] Result<> install(const exec::FibTable& table);
  // Makes sure that an interface of that number exists; one that the table does not have forwards nothing.
  // Errors: limit; system.
  [[nodiscard]] Result<> ensure_port(std::uint32_t ifindex);

 private:
  [[nodiscard]] Result<> add_interface(const exec::FibInterface& interface);
  [[nodiscard]] int raise_loopback();
  [[nodiscard]] int create_link(const exec::FibInterface& interface);
  [[nodiscard]] Result<> add_route(const exec::FibRoute& route);
  [[nodiscard]] Result<> add_neighbour(const exec::FibNeighbour& neighbour);

  NetlinkSocket netlink_;
  std::set<std::uint32_t> ports_;
  std::string kind_;  // of link; empty until one worked
};

}  // namespace forager::jit::linux_kernel
