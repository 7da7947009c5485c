// SPDX-License-Identifier: Apache-2.0
//
// What this backend asks of bpf(2), one function each, and the facts of the machine that its answers depend on.
//
// Tested by: tests/unit/linux_kernel_test.cc.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <span>
#include <string>

#include "exec/map.h"
#include "forager/result.h"
#include "isa/isa.h"
#include "jit-backends/linux/raw_bpf.h"

namespace forager::jit::linux_kernel {

// A Diagnostic for a system call that failed: "cannot WHAT: bpf(2) said EPERM (Operation not permitted)".
[[nodiscard]] std::unexpected<Diagnostic> refused(const std::string& what, const char* call, long negative_errno);
// "EPERM (Operation not permitted)".
[[nodiscard]] std::string errno_text(long negative_errno);

// At most 15 characters of those that the kernel takes in object names, others replaced by '_'.
[[nodiscard]] std::string object_name(const std::string& name);

[[nodiscard]] Result<Fd> create_map(const exec::MapSpec& spec);
// 0 or a negative errno; per-CPU values are possible_cpus() slots of 8-byte multiples.
[[nodiscard]] int map_next_key(const Fd& map, const void* key, void* next);
[[nodiscard]] int map_lookup(const Fd& map, const void* key, void* value);
[[nodiscard]] int map_update(const Fd& map, const void* key, const void* value);
[[nodiscard]] int map_erase(const Fd& map, const void* key);
[[nodiscard]] int map_take(const Fd& map, const void* key, void* value);  // and erases it
[[nodiscard]] int map_freeze(const Fd& map);
// Up to `count` keys and values from where `token` says (null: from the start); `count` becomes how many there were and
// `next_token` where to go on. -ENOENT at the end, -ENOSPC where `count` is too small to get further; other errors mean
// that the kernel has no such operation for this map type. Tokens have max(key size, 8) bytes.
[[nodiscard]] int map_lookup_batch(const Fd& map, const void* token, void* next_token, void* keys, void* values,
                                   std::uint32_t& count);

struct LoadRequest {
  std::string name;
  std::uint32_t prog_type = 0;    // enum bpf_prog_type
  std::uint32_t attach_type = 0;  // enum bpf_attach_type
  bool gpl_compatible = false;
  bool xdp_has_frags = false;
  std::span<const isa::Slot> slots;  // maps by file descriptor
};
// The program's fd, or a negative errno; `log` becomes the verifier's words where it had any.
[[nodiscard]] long load_program(const LoadRequest& request, std::string& log, SystemCall call = kernel_call);

struct TestRun {
  std::span<const std::byte> in;  // metadata and packet
  std::span<std::byte> out;
  std::uint32_t in_meta = 0;       // bytes of metadata before the packet
  std::uint32_t in_fragments = 0;  // bytes at its end that are not linear
  std::uint32_t ingress_ifindex = 0;
  std::uint32_t rx_queue = 0;
  std::uint32_t egress_ifindex = 0;
  std::uint32_t repeat = 1;
  // Results.
  std::uint32_t out_bytes = 0;  // metadata and packet
  std::uint32_t out_meta = 0;
  std::uint32_t out_fragments = 0;
  std::uint32_t return_value = 0;
  std::uint32_t nanoseconds = 0;  // of one repetition
};
// Runs an XDP program; 0 or a negative errno.
[[nodiscard]] int run_xdp(const Fd& program, TestRun& run, SystemCall call = kernel_call);

// Runs a program that sees a __sk_buff on a packet with its Ethernet header. `context` becomes what came of it.
struct SkbTestRun {
  std::span<const std::byte> in;
  std::span<std::byte> out;
  __sk_buff context{};
  std::uint32_t repeat = 1;
  // Results.
  std::uint32_t out_bytes = 0;
  std::uint32_t return_value = 0;
  std::uint32_t nanoseconds = 0;  // of one repetition
};
[[nodiscard]] int run_skb(const Fd& program, SkbTestRun& run, SystemCall call = kernel_call);

// CPUs the kernel has value slots for, and the one that programs run on: the lowest that this process may use.
[[nodiscard]] unsigned possible_cpus();
[[nodiscard]] unsigned lowest_cpu();
// "Linux 6.18.44 on 2 CPUs".
[[nodiscard]] std::string machine_name();

}  // namespace forager::jit::linux_kernel
