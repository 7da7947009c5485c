// SPDX-License-Identifier: Apache-2.0
#include "verifier/argument_rules.h"

#include <algorithm>
#include <array>

namespace forager::verifier {
namespace {

using isa::Arg;

constexpr TypeSet kScalar = set_of(RegType::scalar), kMap = set_of(RegType::map), kContext = set_of(RegType::context),
                  kValue = set_of(RegType::map_value), kStack = set_of(RegType::stack),
                  kObject = set_of(RegType::object);
constexpr TypeSet kPacket = set_of(RegType::packet) | set_of(RegType::packet_meta);
constexpr TypeSet kWritable = kStack | kPacket | set_of(RegType::map_key) | kValue | set_of(RegType::memory);
constexpr TypeSet kMemory = kWritable | set_of(RegType::raw) | set_of(RegType::buffer);
constexpr TypeSet kSocket = set_of(RegType::socket) | kObject;
constexpr TypeSet kAnySocket =
    kSocket | set_of(RegType::socket_common) | set_of(RegType::tcp_socket) | set_of(RegType::xdp_socket);
constexpr TypeSet kDynptr = kStack | set_of(RegType::dynptr);

constexpr std::string_view kAnyMemory = "fp, pkt, pkt_meta, map_key, map_value, mem";
constexpr bool kOrNull = true, kNotNull = false;

constexpr ArgRule kRules[] = {
    {Arg::anything, kScalar},
    {Arg::const_size, kScalar},
    {Arg::const_size_or_zero, kScalar},
    {Arg::const_alloc_size, kScalar},
    {Arg::const_map, kMap, kNotNull, Touch::read, 0, "map_ptr"},
    {Arg::map_key, kMemory, kNotNull, Touch::read, 0, kAnyMemory},
    {Arg::map_value, kMemory, kNotNull, Touch::read, 0, kAnyMemory},
    {Arg::map_value_uninit, kMemory, kNotNull, Touch::write, 0, kAnyMemory},
    {Arg::map_value_or_null, kMemory, kOrNull, Touch::read, 0, kAnyMemory},
    {Arg::mem, kMemory, kNotNull, Touch::read, 0, kAnyMemory},
    {Arg::mem_or_null, kMemory, kOrNull, Touch::read, 0, kAnyMemory},
    {Arg::mem_uninit, kMemory, kNotNull, Touch::write, 0, kAnyMemory},
    {Arg::mem_update, kMemory, kNotNull, Touch::update, 0, kAnyMemory},
    {Arg::mem_out, kMemory, kNotNull, Touch::write, 0, kAnyMemory},
    {Arg::mem_out_or_null, kMemory, kOrNull, Touch::write, 0, kAnyMemory},
    {Arg::long_out, kWritable, kNotNull, Touch::write, 8, kAnyMemory},
    {Arg::int_out, kWritable, kNotNull, Touch::update, 4, kAnyMemory},
    {Arg::ipv4_header, kMemory, kNotNull, Touch::read, 20, kAnyMemory},
    {Arg::ipv6_header, kMemory, kNotNull, Touch::read, 40, kAnyMemory},
    {Arg::tcp_header, kMemory, kNotNull, Touch::read, 20, kAnyMemory},
    {Arg::alloc_mem, set_of(RegType::memory), kNotNull, Touch::read, 0, "ringbuf_mem"},
    {Arg::ctx, kContext, kNotNull, Touch::read, 0, "ctx"},
    {Arg::ctx_or_null, kContext, kOrNull, Touch::read, 0, "ctx"},
    {Arg::socket, kSocket, kNotNull, Touch::read, 0, "sock"},
    {Arg::socket_or_null, kSocket, kOrNull, Touch::read, 0, "sock"},
    {Arg::socket_common, kAnySocket, kNotNull, Touch::read, 0, "sock_common, sock, tcp_sock, xdp_sock"},
    {Arg::btf_pointer, kObject, kNotNull, Touch::read, 0, "a kernel object"},
    {Arg::btf_pointer_or_null, kObject, kOrNull, Touch::read, 0, "a kernel object"},
    {Arg::seq_file, kObject, kNotNull, Touch::read, 0, "ptr_seq_file"},
    {Arg::percpu_btf_pointer, kObject, kNotNull, Touch::read, 0, "a kernel object"},
    {Arg::spin_lock, kValue, kNotNull, Touch::read, 0, "map_value"},
    {Arg::timer, kValue, kNotNull, Touch::read, 0, "map_value"},
    {Arg::kptr, kValue, kNotNull, Touch::read, 0, "map_value"},
    {Arg::const_string, kValue, kNotNull, Touch::read, 0, "map_value"},
    {Arg::callback, set_of(RegType::function), kNotNull, Touch::read, 0, "func"},
    {Arg::stack_or_null, kStack, kOrNull, Touch::read, 0, "fp"},
    {Arg::dynptr, kDynptr, kNotNull, Touch::read, 0, "fp, dynptr_ptr"},
    {Arg::dynptr_uninit, kDynptr, kNotNull, Touch::read, 0, "fp, dynptr_ptr"},
};

constexpr auto kByArg = [] {
  std::array<ArgRule, 64> rules{};
  for (const ArgRule& rule : kRules) rules[static_cast<std::size_t>(rule.arg)] = rule;
  return rules;
}();

constexpr std::string_view kReleases[] = {"ringbuf_submit", "ringbuf_discard", "sk_release", "ringbuf_submit_dynptr",
                                          "ringbuf_discard_dynptr"};

}  // namespace

const ArgRule& rule_of(Arg arg) { return kByArg[static_cast<std::size_t>(arg)]; }

bool releases(std::string_view helper) { return std::ranges::find(kReleases, helper) != std::end(kReleases); }

bool wants_no_offset(RegType type) {
  return (set_of(type) & (kMemory | set_of(RegType::dynptr) | set_of(RegType::function))) == 0;
}

}  // namespace forager::verifier
