// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Socket references: lookups of both protocols that are released on every path, fields of full and common sockets,
// assignment to a listener, socket storage, the listener behind a request socket, SYN cookies by helper.
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include "ip.h"

struct totals {
  __u64 packets, bytes;
};

struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct totals);
} per_socket SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, __u64);
} listeners SEC(".maps");

static __always_inline struct bpf_sock_tuple* tuple_of(struct __sk_buff* skb, bool* v4, bool* tcp) {
  void* data = (void*)(long)skb->data;
  void* end = (void*)(long)skb->data_end;
  struct ethernet_header* ethernet = data;
  if ((void*)(ethernet + 1) > end) return NULL;
  if (ethernet->protocol == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = data + sizeof(*ethernet);
    if ((void*)(ip + 1) > end || ip->ihl != 5) return NULL;
    *v4 = true;
    *tcp = ip->protocol == IPPROTO_TCP;
    return (struct bpf_sock_tuple*)&ip->saddr;
  }
  if (ethernet->protocol == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr* ip = data + sizeof(*ethernet);
    if ((void*)(ip + 1) > end) return NULL;
    *v4 = false;
    *tcp = ip->nexthdr == IPPROTO_TCP;
    return (struct bpf_sock_tuple*)&ip->saddr;
  }
  return NULL;
}

SEC("tc")
int lookups(struct __sk_buff* skb) {
  bool v4, tcp;
  struct bpf_sock_tuple* tuple = tuple_of(skb, &v4, &tcp);
  if (!tuple) return TC_ACT_OK;
  __u32 size = v4 ? sizeof(tuple->ipv4) : sizeof(tuple->ipv6);
  if ((void*)tuple + size > (void*)(long)skb->data_end) return TC_ACT_SHOT;
  struct bpf_sock* socket;
  if (tcp) {
    socket = bpf_sk_lookup_tcp(skb, tuple, size, BPF_F_CURRENT_NETNS, 0);
  } else {
    socket = bpf_sk_lookup_udp(skb, tuple, size, BPF_F_CURRENT_NETNS, 0);
  }
  if (!socket) return TC_ACT_UNSPEC;
  int result = TC_ACT_OK;
  if (tcp && socket->state == BPF_TCP_LISTEN) {
    result = bpf_sk_assign(skb, socket, 0) ? TC_ACT_SHOT : TC_ACT_OK;
  } else if (socket->mark == 7) {
    bpf_sk_release(socket);
    return TC_ACT_SHOT;
  }
  bpf_sk_release(socket);
  return result;
}

SEC("tc")
int accounting(struct __sk_buff* skb) {
  struct bpf_sock* socket = skb->sk;
  if (!socket) return TC_ACT_OK;
  struct bpf_sock* full = bpf_sk_fullsock(socket);
  if (!full) return TC_ACT_OK;
  struct bpf_tcp_sock* tcp = bpf_tcp_sock(full);
  struct totals* totals = bpf_sk_storage_get(&per_socket, full, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (totals) {
    totals->packets++;
    totals->bytes += skb->len;
    if (tcp && tcp->snd_cwnd < 4) totals->bytes -= tcp->mss_cache;
  }
  if (full->family == 2 && full->src_port == 22) return TC_ACT_SHOT;
  return full->priority > 6 ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc")
int to_listener(struct __sk_buff* skb) {
  bool v4, tcp;
  struct bpf_sock_tuple* tuple = tuple_of(skb, &v4, &tcp);
  if (!tuple || !v4 || !tcp) return TC_ACT_OK;
  if ((void*)&tuple->ipv4 + sizeof(tuple->ipv4) > (void*)(long)skb->data_end) return TC_ACT_SHOT;
  struct bpf_sock* socket = bpf_sk_lookup_tcp(skb, tuple, sizeof(tuple->ipv4), BPF_F_CURRENT_NETNS, 0);
  if (socket && socket->state != BPF_TCP_LISTEN) {
    bpf_sk_release(socket);
    return TC_ACT_OK;
  }
  if (socket) bpf_sk_release(socket);
  __u32 zero = 0;
  socket = bpf_map_lookup_elem(&listeners, &zero);
  if (!socket) return TC_ACT_SHOT;
  int error = bpf_sk_assign(skb, socket, 0);
  bpf_sk_release(socket);
  return error ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc")
int cookies(struct __sk_buff* skb) {
  void* end = (void*)(long)skb->data_end;
  struct ethernet_header* ethernet = (void*)(long)skb->data;
  struct iphdr* ip = (void*)(ethernet + 1);
  struct tcphdr* tcp = (void*)(ip + 1);
  if ((void*)(tcp + 1) > end || ethernet->protocol != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_TCP)
    return TC_ACT_OK;
  struct bpf_sock_tuple* tuple = (void*)&ip->saddr;
  struct bpf_sock* socket = bpf_skc_lookup_tcp(skb, tuple, sizeof(tuple->ipv4), BPF_F_CURRENT_NETNS, 0);
  if (!socket) return TC_ACT_OK;
  int result = TC_ACT_OK;
  if (tcp->ack && !tcp->syn) {
    if (bpf_tcp_check_syncookie(socket, ip, sizeof(*ip), tcp, sizeof(*tcp))) result = TC_ACT_SHOT;
  } else {
    __s64 cookie = bpf_tcp_gen_syncookie(socket, ip, sizeof(*ip), tcp, sizeof(*tcp));
    if (cookie > 0) skb->mark = cookie;
  }
  bpf_sk_release(socket);
  return result;
}

char LICENSE[] SEC("license") = "GPL";
