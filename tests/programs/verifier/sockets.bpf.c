// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Programs at sockets: sock_ops with header options and callbacks, messages of a sockmap (direct access, push, pop,
// apply, redirect), stream parser and verdict, socket lookup, reuseport selection.
#include "ip.h"

struct {
  __uint(type, BPF_MAP_TYPE_SOCKHASH);
  __uint(max_entries, 1024);
  __type(key, struct ports);
  __type(value, __u64);
} by_ports SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} by_number SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, __u64);
} group SEC(".maps");

struct measure {
  __u64 connections, retransmits, lost;
  __u32 least_rtt, most_rtt;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct measure);
} measures SEC(".maps");

SEC("sockops")
int tcp_events(struct bpf_sock_ops* ops) {
  struct ports ports = {.source = bpf_htonl(ops->local_port) >> 16, .destination = ops->remote_port >> 16};
  __u32 which = ops->family == 10;
  struct measure* measure = bpf_map_lookup_elem(&measures, &which);
  if (!measure) return 1;
  __u8 option[4] = {253, 4, 0xab, 0};
  __u8 found[12] = {253, 4, 0xab};
  switch (ops->op) {
    case BPF_SOCK_OPS_TIMEOUT_INIT:
      ops->reply = 200;
      break;
    case BPF_SOCK_OPS_RWND_INIT:
      ops->reply = 40;
      break;
    case BPF_SOCK_OPS_NEEDS_ECN:
      ops->reply = 1;
      break;
    case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
    case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
      measure->connections++;
      bpf_sock_ops_cb_flags_set(ops, BPF_SOCK_OPS_RTT_CB_FLAG | BPF_SOCK_OPS_RETRANS_CB_FLAG |
                                         BPF_SOCK_OPS_STATE_CB_FLAG | BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
      if (ops->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB && bpf_load_hdr_opt(ops, found, sizeof(found), 0) > 0)
        measure->connections += found[3];
      bpf_sock_hash_update(ops, &by_ports, &ports, BPF_NOEXIST);
      break;
    case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
      bpf_reserve_hdr_opt(ops, sizeof(option), 0);
      break;
    case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
      option[3] = ops->snd_cwnd;
      bpf_store_hdr_opt(ops, option, sizeof(option), 0);
      break;
    case BPF_SOCK_OPS_RTT_CB:
      if (ops->srtt_us < measure->least_rtt) measure->least_rtt = ops->srtt_us;
      if (ops->srtt_us > measure->most_rtt) measure->most_rtt = ops->srtt_us;
      break;
    case BPF_SOCK_OPS_RETRANS_CB:
      measure->retransmits += ops->args[1];
      break;
    case BPF_SOCK_OPS_STATE_CB:
      if (ops->args[1] == BPF_TCP_CLOSE) measure->lost += ops->total_retrans;
      break;
    default:
      ops->reply = -1;
  }
  if (ops->is_fullsock) {
    struct bpf_sock* socket = ops->sk;
    if (socket && socket->priority == 6) bpf_setsockopt(ops, 6, 9, &(int){1}, sizeof(int));
  }
  return 1;
}

SEC("sk_msg")
int messages(struct sk_msg_md* msg) {
  __u8* data = msg->data;
  __u8* end = msg->data_end;
  if (data + 8 > end) {
    if (msg->size < 8) {
      bpf_msg_cork_bytes(msg, 8);
      return SK_PASS;
    }
    if (bpf_msg_pull_data(msg, 0, 8, 0)) return SK_DROP;
    data = msg->data;
    end = msg->data_end;
    if (data + 8 > end) return SK_DROP;
  }
  __u32 length = data[4] << 8 | data[5];
  if (data[0] == 'H') {
    if (bpf_msg_push_data(msg, 0, 4, 0)) return SK_DROP;
    data = msg->data;
    end = msg->data_end;
    if (data + 4 > end) return SK_DROP;
    __builtin_memcpy(data, "PRE:", 4);
  } else if (data[0] == 'X') {
    if (bpf_msg_pop_data(msg, 0, 2, 0)) return SK_DROP;
  }
  bpf_msg_apply_bytes(msg, length);
  struct ports key = {.source = bpf_htonl(msg->local_port) >> 16, .destination = msg->remote_port >> 16};
  return bpf_msg_redirect_hash(msg, &by_ports, &key, BPF_F_INGRESS);
}

SEC("sk_skb/stream_parser")
int parse_stream(struct __sk_buff* skb) {
  __be32 length;
  if (skb->len < 4 || bpf_skb_load_bytes(skb, 0, &length, sizeof(length))) return 0;
  length = bpf_ntohl(length);
  return length > 65536 ? -1 : (int)length + 4;
}

SEC("sk_skb/stream_verdict")
int judge_stream(struct __sk_buff* skb) {
  if (bpf_skb_pull_data(skb, 6)) return SK_DROP;
  __u8* data = (void*)(long)skb->data;
  __u8* end = (void*)(long)skb->data_end;
  if (data + 6 > end) return SK_DROP;
  __u32 target = data[4] & 63;
  data[5] ^= 0xff;
  if (data[4] == 0xff) return bpf_skb_change_tail(skb, skb->len - 1, 0) ? SK_DROP : SK_PASS;
  return bpf_sk_redirect_map(skb, &by_number, target, 0);
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup* ctx) {
  if (ctx->family != 2 || ctx->protocol != IPPROTO_TCP) return SK_PASS;
  if (ctx->local_port < 7000 || ctx->local_port > 7100) return SK_PASS;
  __u32 number = (ctx->remote_ip4 ^ ctx->local_port) & 63;
  struct bpf_sock* socket = bpf_map_lookup_elem(&by_number, &number);
  if (!socket) return SK_DROP;
  long error = bpf_sk_assign(ctx, socket, BPF_SK_LOOKUP_F_NO_REUSEPORT);
  bpf_sk_release(socket);
  return error ? SK_DROP : SK_PASS;
}

SEC("sk_reuseport")
int choose(struct sk_reuseport_md* ctx) {
  __u32 number = ctx->hash & 15;
  if (ctx->ip_protocol == IPPROTO_UDP) {
    __u8 id[4];
    if (bpf_skb_load_bytes(ctx, 8, id, sizeof(id)) == 0) number = id[0] & 15;
  } else {
    __u8* data = ctx->data;
    if ((void*)(data + 2) <= ctx->data_end) number = data[1] & 15;
  }
  return bpf_sk_select_reuseport(ctx, &group, &number, 0) ? SK_DROP : SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
