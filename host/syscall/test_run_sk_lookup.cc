// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_TEST_RUN of socket lookup programs (net/bpf/test_run.c bpf_prog_test_run_sk_lookup): the context is the
// packet's addresses, and comes back with the cookie of the socket that the program chose.
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "exec/skb.h"
#include "syscall/test_run.h"

namespace forager::syscall {
namespace {

using Lookup = bpf_sk_lookup;

struct Range {
  std::size_t begin, end;
};
constexpr Range kIpv4[] = {{offsetof(Lookup, remote_ip4), offsetof(Lookup, remote_ip6)},
                           {offsetof(Lookup, local_ip4), offsetof(Lookup, local_ip6)}};
constexpr Range kIpv6[] = {{offsetof(Lookup, remote_ip6), offsetof(Lookup, remote_port)},
                           {offsetof(Lookup, local_ip6), offsetof(Lookup, local_port)}};

bool has_data(const Call& call) {
  const auto& test = call.attr.test;
  return test.data_in != 0 || test.data_size_in != 0 || test.data_out != 0 || test.data_size_out != 0;
}

// Where the packet arrived is not asked for, and nothing else may stand there.
bool is_zero_behind_port(const Lookup& given) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&given);
  return std::all_of(bytes + offsetof(Lookup, ingress_ifindex), bytes + sizeof given,
                     [](std::byte byte) { return byte == std::byte{0}; });
}

long check(const Lookup& given) {
  if (given.cookie != 0 || !is_zero_behind_port(given)) return -EINVAL;
  if (given.local_port > UINT16_MAX) return -ERANGE;
  return given.family == AF_INET || given.family == AF_INET6 ? 0 : -EAFNOSUPPORT;
}

// The addresses of the other family are zeros.
exec::Frame frame_of(const Lookup& given) {
  exec::Frame frame;
  exec::set(frame, offsetof(Lookup, family), given.family);
  exec::set(frame, offsetof(Lookup, protocol), given.protocol);
  exec::set(frame, offsetof(Lookup, remote_port), given.remote_port);
  exec::set(frame, offsetof(Lookup, local_port), given.local_port);
  for (const Range& range : given.family == AF_INET ? kIpv4 : kIpv6) {
    std::memcpy(frame.context.data() + range.begin, reinterpret_cast<const std::byte*>(&given) + range.begin,
                range.end - range.begin);
  }
  return frame;
}

}  // namespace

long test_run_sk_lookup(const Call& call, std::shared_ptr<runtime::ProgramObject> program) {
  const auto& test = call.attr.test;
  if (test.flags != 0 || test.cpu != 0 || test.batch_size != 0 || has_data(call)) return -EINVAL;
  auto context = read_test_context<Lookup>(call);
  if (!context) return context.error();
  if (!*context) return -EINVAL;
  if (const long error = check(**context); error != 0) return error;
  exec::Frame frame = frame_of(**context);
  // Each run begins without a socket (the context's `sk`).
  const auto result =
      run_repeatedly(call, std::move(program), frame, {.prepare = [](exec::Frame& one) { one.socket = nullptr; }});
  if (!result) return result.error();
  const bool chosen = result->retval == SK_PASS && frame.results().target != nullptr;
  if (chosen) (*context)->cookie = frame.results().target->cookie;
  const long error = write_test_result(call, {}, *result);
  return error != 0 ? error : write_test_context(call, *context);
}

}  // namespace forager::syscall
