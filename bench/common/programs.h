// SPDX-License-Identifier: Apache-2.0
//
// The example programs that are timed, each with the capture on which it does its work, and in which scenarios.
// xdp_csum stands twice: its rows of each scenario are comparable with older ones.
#pragma once

namespace forager::bench {

enum class Scenario : unsigned char {
  packet = 1,  // bench/packet
  peers = 2,   // bench/peers
  both = 3,
};

struct ExampleProgram {
  const char* name;
  const char* capture;
  Scenario scenario = Scenario::both;

  [[nodiscard]] constexpr bool is_in(Scenario one) const {
    return (static_cast<unsigned>(scenario) & static_cast<unsigned>(one)) != 0;
  }
};

// Its time is the floor that is taken off the others'.
inline constexpr ExampleProgram kEmpty = {"empty", "imix", Scenario::packet};

inline constexpr ExampleProgram kExamplePrograms[] = {
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
    {"xdp_core_globals", "imix", Scenario::packet},
    {"xdp_tail_parser", "mixed"},
    {"xdp_loop_calls", "mixed"},
    {"xdp_csum", "mixed", Scenario::packet},
    {"xdp_csum", "nat", Scenario::peers},
    // Those that only compute.
    {"xdp_tx", "imix"},
    {"xdp_sieve", "policy", Scenario::peers},
    {"xdp_payload_hash", "full", Scenario::peers},
    {"xdp_payload_sum", "full", Scenario::peers},
    {"xdp_siphash", "full", Scenario::peers},
    {"xdp_gcd", "policy", Scenario::peers},
    {"xdp_tlv", "tlv", Scenario::peers},
    {"xdp_acl", "policy", Scenario::peers},
};

}  // namespace forager::bench
