// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// TCP parameters by where the peer is: short timeouts and a large first window inside 10.0.0.0/8, the kernel's own
// elsewhere. Connections that are up ask to be told of each retransmission, and these are counted.
#include <linux/types.h>
// types before what uses them
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 256);
  __type(key, __u32);  // address of the peer, network order
  __type(value, __u64);
} retransmissions SEC(".maps");

static __always_inline int is_near(const struct bpf_sock_ops* ops) {
  return ops->family == AF_INET && (ops->remote_ip4 & bpf_htonl(0xff000000)) == bpf_htonl(0x0a000000);
}

static __always_inline void count_retransmission(__u32 peer) {
  __u64 one = 1, *count = bpf_map_lookup_elem(&retransmissions, &peer);

  if (count) {
    __sync_fetch_and_add(count, 1);
  } else {
    bpf_map_update_elem(&retransmissions, &peer, &one, BPF_ANY);
  }
}

SEC("sockops")
int sockops_parameters(struct bpf_sock_ops* ctx) {
  int reply = -1;  // as the kernel does it

  switch (ctx->op) {
    case BPF_SOCK_OPS_TIMEOUT_INIT:
      if (is_near(ctx)) reply = 10;  // jiffies
      break;
    case BPF_SOCK_OPS_RWND_INIT:
      if (is_near(ctx)) reply = 40;  // segments
      break;
    case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
    case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
      reply = bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_RETRANS_CB_FLAG);
      break;
    case BPF_SOCK_OPS_RETRANS_CB:
      count_retransmission(ctx->remote_ip4);
      break;
  }
  ctx->reply = reply;
  return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
