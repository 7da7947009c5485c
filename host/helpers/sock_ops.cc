// SPDX-License-Identifier: Apache-2.0
//
// What a SOCK_OPS program asks of its TCP connection (net/core/filter.c). The frame's packet bytes are the TCP header
// with its options, as skb_data shows them; options that are stored go behind them.
#include <linux/bpf.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "helpers/functions.h"
#include "helpers/task.h"

namespace forager::helpers {
namespace {

using Options = std::span<const std::byte>;

constexpr u64 kExperiment1 = 253, kExperiment2 = 254;  // RFC 6994: a magic number stands behind the length
constexpr std::size_t kHead = 2;                       // kind and length

u64 at(Options options, std::size_t index) { return std::to_integer<u64>(options[index]); }
bool has_magic(u64 kind) { return kind == kExperiment1 || kind == kExperiment2; }
bool has_no_length(u64 kind) { return kind == TCPOPT_EOL || kind == TCPOPT_NOP; }

// What is looked for: a kind, and the magic number of an experiment.
struct Wanted {
  u64 kind = 0;
  Options magic;
};

struct Found {
  Options option;          // kind, length and all
  std::int64_t error = 0;  // -ENOMSG: there is none; -EFAULT: the options are damaged
  bool ended = false;      // by an end-of-list option
};

Found find(Options options, const Wanted& wanted) {
  while (!options.empty()) {
    const u64 kind = at(options, 0);
    if (kind == TCPOPT_EOL) return {.error = -ENOMSG, .ended = true};
    if (kind == TCPOPT_NOP) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < kHead || at(options, 1) < kHead || at(options, 1) > options.size()) return {.error = -EFAULT};
    const Options option = options.first(at(options, 1));
    if (kind == wanted.kind && wanted.magic.size() > option.size() - kHead) return {.error = -ENOMSG};
    if (kind == wanted.kind && std::ranges::equal(option.subspan(kHead, wanted.magic.size()), wanted.magic)) {
      return {.option = option};
    }
    options = options.subspan(option.size());
  }
  return {.error = -ENOMSG};
}

Options options_of(std::span<const std::byte> header) {
  return header.subspan(std::min(header.size(), sizeof(tcphdr)));
}

bpf_sock_ops context_of(const RunContext& run) {
  bpf_sock_ops context{};
  std::memcpy(&context, run.frame->context.data(), offsetof(bpf_sock_ops, sk_txhash));
  return context;
}

std::uint32_t room_left(exec::Event& event) {
  return event.option_room - std::min(event.option_room, event.effects.option_bytes);
}

// The TCP header that is searched, or an error.
std::int64_t header_of(RunContext& run, bool syn, Options& header) {
  header = syn ? Options(event_of(run).saved_syn) : Options(run.frame->packet());
  if (syn) return header.empty() ? -ENOENT : 0;
  return header.empty() || context_of(run).op == BPF_SOCK_OPS_HDR_OPT_LEN_CB ? -EPERM : 0;
}

}  // namespace

u64 sock_ops_cb_flags_set(RunContext& run, u64, u64 flags, u64, u64, u64) {
  if (context_of(run).is_fullsock == 0) return result(-EINVAL);
  const auto known = static_cast<std::uint32_t>(flags & BPF_SOCK_OPS_ALL_CB_FLAGS);
  std::memcpy(run.frame->context.data() + offsetof(bpf_sock_ops, bpf_sock_ops_cb_flags), &known, sizeof known);
  return result(static_cast<std::int32_t>(flags & ~u64{BPF_SOCK_OPS_ALL_CB_FLAGS}));
}

u64 load_hdr_opt(RunContext& run, u64, u64 to, u64 size, u64 flags, u64) {
  const std::span<std::byte> out(pointer<std::byte>(to), static_cast<std::uint32_t>(size));
  if (out.size() < kHead || (flags & ~u64{BPF_LOAD_HDR_OPT_TCP_SYN}) != 0) return result(-EINVAL);
  const u64 kind = at(out, 0), length = at(out, 1);
  const bool good_length = has_magic(kind) ? length == kHead + 2 || length == kHead + 4 : length == 0;
  if (length > out.size() || has_no_length(kind) || !good_length) return result(-EINVAL);
  Options header;
  if (const std::int64_t error = header_of(run, flags != 0, header); error != 0) return result(error);
  const Options magic = length == 0 ? Options{} : Options(out).subspan(kHead, length - kHead);
  const Found found = find(options_of(header), {.kind = kind, .magic = magic});
  if (found.error != 0) return result(found.error);
  std::ranges::copy(found.option.first(std::min(found.option.size(), out.size())), out.begin());
  return found.option.size() > out.size() ? result(-ENOSPC) : found.option.size();
}

u64 store_hdr_opt(RunContext& run, u64, u64 from, u64 size, u64 flags, u64) {
  if (context_of(run).op != BPF_SOCK_OPS_WRITE_HDR_OPT_CB) return result(-EPERM);
  const Options given = bytes(from, static_cast<std::uint32_t>(size));
  if (given.size() < kHead || flags != 0) return result(-EINVAL);
  const u64 kind = at(given, 0), length = at(given, 1);
  if (length > given.size() || has_no_length(kind)) return result(-EINVAL);
  exec::Event& event = event_of(run);
  if (length > room_left(event)) return result(-ENOSPC);
  if (has_magic(kind) && length < kHead + 2) return result(-EINVAL);
  const Found twin = find(options_of(run.frame->packet()),
                          {.kind = kind, .magic = has_magic(kind) ? given.subspan(kHead, 2) : Options{}});
  if (twin.error != -ENOMSG) return result(twin.error == 0 ? -EEXIST : twin.error);
  if (twin.ended || run.frame->adjust_tail(static_cast<std::int32_t>(length)) != 0) return result(-ENOSPC);
  std::ranges::copy(given.first(length), run.frame->packet().last(length).begin());
  event.effects.option_bytes += static_cast<std::uint32_t>(length);
  return 0;
}

u64 reserve_hdr_opt(RunContext& run, u64, u64 size, u64 flags, u64, u64) {
  const auto length = static_cast<std::uint32_t>(size);
  if (context_of(run).op != BPF_SOCK_OPS_HDR_OPT_LEN_CB) return result(-EPERM);
  if (flags != 0 || length < kHead) return result(-EINVAL);
  exec::Event& event = event_of(run);
  if (length > room_left(event)) return result(-ENOSPC);
  event.effects.option_bytes += length;
  return 0;
}

}  // namespace forager::helpers
