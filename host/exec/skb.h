// SPDX-License-Identifier: Apache-2.0
//
// Skb: what Linux's stack knows about a packet besides its bytes. The fields that programs see in struct __sk_buff
// stand in Frame::context; here is the rest of struct sk_buff that helpers act upon.
//
// Tested by: tests/unit/exec_skb_test.cc, and against the kernel by helpers_skb_kernel_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace forager::exec {

struct Skb {
  // Offsets in the frame's buffer.
  std::uint32_t mac_header = 0;
  std::uint32_t network_header = 0;
  std::uint32_t transport_header = 0;
  std::vector<std::byte> tunnel_key;      // struct bpf_tunnel_key as it was set; empty = none
  std::vector<std::byte> tunnel_options;  // bpf_skb_set_tunnel_opt
};

}  // namespace forager::exec
