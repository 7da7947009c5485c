// SPDX-License-Identifier: Apache-2.0
//
// Event: something that happened and is no packet, of the program types that run on such. The fields that programs see
// stand in Frame::context (a tracepoint's record, which may be 8 KB long, in the frame's packet bytes); here is the
// rest of what helpers know about it, and what the program asked the machine to do.
//
// Nothing that is asked for is done: an offload runtime traces no machine it could change. It is recorded, so that the
// one who fed the event in can act on it.
//
// Tested by: tests/unit/helpers_event_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace forager::exec {

// struct bpf_perf_event_value.
struct CounterValue {
  std::uint64_t counter = 0, enabled_ns = 0, running_ns = 0;
};

struct SysctlEvent {
  std::string name;  // "net/ipv4/tcp_mem"
  std::string current;
  std::string fresh;  // what is about to be written; bpf_sysctl_set_new_value replaces it
};

// Of all the programs that ran on the event, one after another.
struct EventEffects {
  struct Signal {
    std::uint32_t number = 0;
    bool thread = false;  // to the thread, else to its whole group
  };
  std::vector<Signal> signals;
  std::optional<std::uint64_t> override_return;  // the probed function returns this, and is not run
  std::vector<std::byte> bound;                  // sockaddr of bpf_bind
  bool sysctl_replaced = false;
  std::uint32_t option_bytes = 0;  // of TCP options reserved or stored: bpf_reserve_hdr_opt, bpf_store_hdr_opt
};

struct Visit;

struct Event {
  std::uint64_t cookie = 0;             // bpf_get_attach_cookie
  std::uint64_t function = 0;           // bpf_get_func_ip; 0 = not at the entry of a function
  std::int32_t retval = 0;              // what the system call returns so far: bpf_get_retval, bpf_set_retval
  std::optional<CounterValue> counter;  // of a perf_event
  std::vector<std::byte> branches;      // struct perf_branch_entry (24 bytes) each, newest first
  std::optional<SysctlEvent> sysctl;
  std::vector<std::byte> saved_syn;  // TCP header of the connection's SYN, with its options: bpf_load_hdr_opt
  std::uint32_t option_room = 40;    // bytes left for TCP options of the packet that is being written
  const Visit* visit = nullptr;      // what an iterator is shown (exec/visit.h)
  EventEffects effects;
};

}  // namespace forager::exec
