// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Programs of cgroups: packets by direct access and by helpers, addresses of connect, bind and sendmsg rewritten,
// sockets at creation, devices, socket options, sysctls. Their return values and context fields are what differs.
#include <linux/udp.h>

#include "ip.h"

#define DENY 0
#define ALLOW 1
#define AF_INET 2
#define AF_INET6 10

struct quota {
  __u64 bytes;
  __u64 limit;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __u64);
  __type(value, struct quota);
} quotas SEC(".maps");

struct service_key {
  __be32 address;
  __u16 port;
  __u16 protocol;
};
struct service {
  __be32 address;
  __be16 port;
  __u16 unused;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct service_key);
  __type(value, struct service);
} services SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1024);
  __type(key, __u64);
  __type(value, struct service_key);
} originals SEC(".maps");

SEC("cgroup_skb/egress")
int egress_quota(struct __sk_buff* skb) {
  __u64 cgroup = bpf_skb_cgroup_id(skb);
  struct quota* quota = bpf_map_lookup_elem(&quotas, &cgroup);
  if (!quota) return ALLOW;
  __u64 bytes = __sync_fetch_and_add(&quota->bytes, skb->len) + skb->len;
  if (bytes <= quota->limit) return ALLOW;
  return bytes > 2 * quota->limit ? DENY : 3;  // allowed, and congested
}

SEC("cgroup_skb/ingress")
int ingress_filter(struct __sk_buff* skb) {
  void* data = (void*)(long)skb->data;
  void* end = (void*)(long)skb->data_end;
  if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr ip;
    if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip))) return DENY;
    return ip.nexthdr == IPPROTO_ICMPV6 || ip.hop_limit > 1 ? ALLOW : DENY;
  }
  struct iphdr* ip = data;
  if ((void*)(ip + 1) > end) return DENY;
  __u32 offset = ip->ihl * 4;
  if (ip->protocol == IPPROTO_UDP) {
    struct udphdr* udp = data + offset;
    if ((void*)(udp + 1) > end) return DENY;
    if (udp->dest == bpf_htons(11211)) return DENY;
  }
  struct bpf_sock* socket = skb->sk;
  if (!socket) return ALLOW;
  socket = bpf_sk_fullsock(socket);
  if (!socket) return ALLOW;
  return socket->bound_dev_if == 1 ? DENY : ALLOW;
}

static __always_inline int redirect4(struct bpf_sock_addr* ctx) {
  struct service_key key = {.address = ctx->user_ip4, .port = ctx->user_port, .protocol = ctx->protocol};
  struct service* service = bpf_map_lookup_elem(&services, &key);
  if (!service) return ALLOW;
  __u64 cookie = bpf_get_socket_cookie(ctx);
  bpf_map_update_elem(&originals, &cookie, &key, BPF_ANY);
  ctx->user_ip4 = service->address;
  ctx->user_port = service->port;
  return ALLOW;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr* ctx) {
  if (ctx->type != 1 && ctx->type != 2) return ALLOW;
  struct bpf_sock* socket = ctx->sk;
  if (socket && socket->mark == 0x1337) return ALLOW;
  return redirect4(ctx);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr* ctx) {
  if (ctx->msg_src_ip4 == 0) ctx->msg_src_ip4 = bpf_htonl(0x7f000001);
  return redirect4(ctx);
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr* ctx) {
  __u64 cookie = bpf_get_socket_cookie(ctx);
  struct service_key* original = bpf_map_lookup_elem(&originals, &cookie);
  if (!original) return ALLOW;
  ctx->user_ip4 = original->address;
  ctx->user_port = original->port;
  return ALLOW;
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr* ctx) {
  if (ctx->user_ip6[0] || ctx->user_ip6[1] || ctx->user_ip6[2] != bpf_htonl(0xffff)) return ALLOW;
  struct service_key key = {.address = ctx->user_ip6[3], .port = ctx->user_port, .protocol = ctx->protocol};
  struct service* service = bpf_map_lookup_elem(&services, &key);
  if (!service) return ALLOW;
  ctx->user_ip6[3] = service->address;
  ctx->user_port = service->port;
  return ALLOW;
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr* ctx) {
  if (ctx->user_family != AF_INET) return DENY;
  __u16 port = bpf_ntohs(ctx->user_port);
  if (port != 0 && port < 1024) return port == 80 ? 3 : DENY;
  if (ctx->user_ip4 == 0) ctx->user_ip4 = bpf_htonl(0x7f000001);
  return ALLOW;
}

SEC("cgroup/sock_create")
int socket_create(struct bpf_sock* ctx) {
  if (ctx->family == AF_INET6 && ctx->type == 3) return DENY;
  ctx->mark = bpf_get_current_uid_gid() & 0xffff;
  ctx->priority = 3;
  ctx->bound_dev_if = 0;
  return ALLOW;
}

SEC("cgroup/post_bind4")
int post_bind(struct bpf_sock* ctx) {
  __u32 address = ctx->src_ip4;
  __u32 port = ctx->src_port;
  return address == bpf_htonl(0x7f000001) && port == 9999 ? DENY : ALLOW;
}

SEC("cgroup/dev")
int devices(struct bpf_cgroup_dev_ctx* ctx) {
  __u16 type = ctx->access_type & 0xffff;
  __u16 access = ctx->access_type >> 16;
  if (type == BPF_DEVCG_DEV_BLOCK) return DENY;
  if (ctx->major == 1) {
    switch (ctx->minor) {
      case 3:
      case 5:
      case 8:
      case 9:
        return ALLOW;
      default:
        return access & BPF_DEVCG_ACC_WRITE ? DENY : ALLOW;
    }
  }
  return ctx->major == 5 && ctx->minor < 3 ? ALLOW : DENY;
}

SEC("cgroup/setsockopt")
int set_option(struct bpf_sockopt* ctx) {
  __u8* value = ctx->optval;
  __u8* end = ctx->optval_end;
  if (ctx->level != 6) return ALLOW;
  if (ctx->optname == 13) {  // TCP_CONGESTION
    if (value + 5 > end) return DENY;
    if (value[0] == 'c' && value[1] == 'u' && value[2] == 'b') {
      __builtin_memcpy(value, "reno", 5);
      ctx->optlen = 5;
    }
    return ALLOW;
  }
  if (ctx->optlen > 64) ctx->optlen = -1;
  return ALLOW;
}

SEC("cgroup/getsockopt")
int get_option(struct bpf_sockopt* ctx) {
  __u8* value = ctx->optval;
  __u8* end = ctx->optval_end;
  if (ctx->level != 0xdead) return ALLOW;
  if (value + 1 > end) return DENY;
  value[0] = 0x42;
  *(volatile __s32*)&ctx->retval = 0;  // volatile: two stores of 4 bytes, not one of 8, which no context allows
  *(volatile __s32*)&ctx->optlen = 1;
  return ALLOW;
}

SEC("cgroup/sysctl")
int sysctls(struct bpf_sysctl* ctx) {
  char name[64] = {};
  char value[16] = {};
  if (!ctx->write) return ALLOW;
  int length = bpf_sysctl_get_name(ctx, name, sizeof(name), 0);
  if (length < 4 || length >= (int)sizeof(name)) return DENY;
  if (name[0] == 'n' && name[1] == 'e' && name[2] == 't' && name[3] == '/') {
    if (bpf_sysctl_get_new_value(ctx, value, sizeof(value)) < 0) return DENY;
    unsigned long number = 0;
    if (bpf_strtoul(value, sizeof(value), 0, &number) < 0) return DENY;
    if (number > 65535 && bpf_sysctl_set_new_value(ctx, "65535", 5)) return DENY;
    return ALLOW;
  }
  return ctx->file_pos == 0 ? ALLOW : DENY;
}

char LICENSE[] SEC("license") = "GPL";
