// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// An access list of 64 rules, the first that fits decides: eight rules for each of eight customers. The list is code,
// not a table: the compiler puts every rule's numbers into instructions, as generators of filters do.
//
// Frames that a rule permits go back with the rule's number, what a rule refuses drops, and what no rule is about
// passes.
//
// Tested by: its rows of matrix.txt.
#include "answer.h"
#include "ip.h"

#define ADDRESS(a, b, c, d) ((__u32)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define PREFIX(bits) (0xffffffffu << (32 - (bits)))
#define ANY_PROTOCOL 0
#define ANY_PORT 0, 0xffff

struct rule {
  __u32 source, source_mask;
  __u32 destination, destination_mask;
  __u16 first_port, last_port;  // of the destination
  __u8 protocol;
};

struct packet {
  __u32 source;
  __u32 destination;
  __u16 port;
  __u8 protocol;
};

static __always_inline bool fits(struct rule rule, const struct packet* packet) {
  return (packet->source & rule.source_mask) == rule.source &&
         (packet->destination & rule.destination_mask) == rule.destination &&
         (rule.protocol == ANY_PROTOCOL || rule.protocol == packet->protocol) && packet->port >= rule.first_port &&
         packet->port <= rule.last_port;
}

static __always_inline bool read_packet(struct cursor* cursor, struct packet* packet) {
  struct iphdr* ip = cursor_take(cursor, struct iphdr);
  if (!ip || ip->version != 4 || ip->ihl != 5) return false;
  if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP) return false;
  struct ports* ports = cursor_take(cursor, struct ports);
  if (!ports) return false;
  packet->source = bpf_ntohl(ip->saddr);
  packet->destination = bpf_ntohl(ip->daddr);
  packet->port = bpf_ntohs(ports->destination);
  packet->protocol = ip->protocol;
  return true;
}

#define PERMIT(number, ...) \
  if (fits((struct rule){__VA_ARGS__}, &packet)) return answer(ethernet, number)
#define REFUSE(...) \
  if (fits((struct rule){__VA_ARGS__}, &packet)) return XDP_DROP

#define FROM_CUSTOMER(n) ADDRESS(10, n, 0, 0), PREFIX(16)
#define FROM_OPERATORS(n) ADDRESS(10, n, 0, 0), PREFIX(24)
#define TO_SERVICES ADDRESS(10, 0, 0, 0), PREFIX(24)
#define TO_CUSTOMER(n) ADDRESS(10, n, 0, 0), PREFIX(16)
#define TO_ALL ADDRESS(10, 0, 0, 0), PREFIX(8)

#define CUSTOMER(index, n, partner)                                                         \
  PERMIT(8 * (index), FROM_CUSTOMER(n), TO_SERVICES, 80, 80, IPPROTO_TCP);                  \
  PERMIT(8 * (index) + 1, FROM_CUSTOMER(n), TO_SERVICES, 443, 443, IPPROTO_TCP);            \
  PERMIT(8 * (index) + 2, FROM_CUSTOMER(n), TO_SERVICES, 53, 53, IPPROTO_UDP);              \
  PERMIT(8 * (index) + 3, FROM_OPERATORS(n), TO_SERVICES, 22, 22, IPPROTO_TCP);             \
  REFUSE(FROM_CUSTOMER(n), TO_SERVICES, ANY_PORT, ANY_PROTOCOL);                            \
  PERMIT(8 * (index) + 5, FROM_CUSTOMER(n), TO_CUSTOMER(partner), 5000, 5999, IPPROTO_UDP); \
  PERMIT(8 * (index) + 6, FROM_CUSTOMER(n), TO_CUSTOMER(n), ANY_PORT, ANY_PROTOCOL);        \
  REFUSE(FROM_CUSTOMER(n), TO_ALL, ANY_PORT, ANY_PROTOCOL)

SEC("xdp")
int xdp_acl(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  struct packet packet = {};
  if (ethernet->protocol != bpf_htons(ETH_P_IP) || !read_packet(&cursor, &packet)) return XDP_PASS;
  CUSTOMER(0, 1, 5);
  CUSTOMER(1, 2, 6);
  CUSTOMER(2, 3, 7);
  CUSTOMER(3, 4, 8);
  CUSTOMER(4, 5, 2);
  CUSTOMER(5, 6, 3);
  CUSTOMER(6, 7, 4);
  CUSTOMER(7, 8, 1);
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
