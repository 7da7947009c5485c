// SPDX-License-Identifier: Apache-2.0
//
// The example programs that engines are compared on, each with the capture on which it does its work.
#pragma once

namespace forager::bench {

struct PeerProgram {
  const char* name;
  const char* capture;
};

inline constexpr PeerProgram kEmpty = {"empty", "imix"};

inline constexpr PeerProgram kPeerPrograms[] = {
    // Those that use maps.
    {"xdp_drop", "imix"},
    {"xdp1", "imix"},
    {"xdp2", "imix"},
    {"xdp_adjust_tail", "imix"},
    {"xdp_router_ipv4", "router"},
    {"xdp_fib", "router"},
    {"xdp_rxq_info", "imix"},
    {"xdp_tx_iptunnel", "tunnel"},
    {"xdp_redirect_map", "imix"},
    {"xdp_simple_firewall", "firewall"},
    {"xdp_lb", "lb"},
    {"xdp_rate_limiter", "imix"},
    {"xdp_ringbuf_sampler", "firewall"},
    {"xdp_perf_sampler", "firewall"},
    {"xdp_tail_parser", "mixed"},
    {"xdp_loop_calls", "mixed"},
    {"xdp_csum", "nat"},
    // Those that only compute.
    {"xdp_tx", "imix"},
    {"xdp_sieve", "policy"},
    {"xdp_payload_hash", "full"},
    {"xdp_payload_sum", "full"},
    {"xdp_siphash", "full"},
    {"xdp_gcd", "policy"},
    {"xdp_tlv", "tlv"},
    {"xdp_acl", "policy"},
};

}  // namespace forager::bench
