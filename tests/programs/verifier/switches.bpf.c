// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Big switches: a virtual machine that interprets byte code from the packet (a loop around a switch of 24 cases with a
// stack of its own), a classifier of 64 ports, an access-control list compiled into nested comparisons.
#include "ip.h"
#include "verdicts.h"

#define STEPS 4

struct machine {
  __u32 stack[8];
  __u32 depth;
  __u32 accumulator;
};

static __always_inline void push(struct machine* machine, __u32 value) {
  machine->stack[machine->depth & 7] = value;
  machine->depth++;
}

static __always_inline __u32 pop(struct machine* machine) {
  machine->depth--;
  return machine->stack[machine->depth & 7];
}

SEC("xdp")
int byte_code(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct machine machine = {};
#pragma clang loop unroll(disable)
  for (int i = 0; i < STEPS; i++) {
    __u8* code = cursor_take(&cursor, __u8);
    if (!code) break;
    switch (*code & 31) {
      case 0:
        push(&machine, i);
        break;
      case 1:
        push(&machine, machine.accumulator);
        break;
      case 2:
        machine.accumulator = pop(&machine);
        break;
      case 3:
        machine.accumulator += pop(&machine);
        break;
      case 4:
        machine.accumulator -= pop(&machine);
        break;
      case 5:
        machine.accumulator *= pop(&machine);
        break;
      case 6:
        machine.accumulator /= pop(&machine) | 1;
        break;
      case 7:
        machine.accumulator ^= pop(&machine);
        break;
      case 8:
        machine.accumulator &= pop(&machine);
        break;
      case 9:
        machine.accumulator |= pop(&machine);
        break;
      case 10:
        machine.accumulator <<= pop(&machine) & 31;
        break;
      case 11:
        machine.accumulator >>= pop(&machine) & 31;
        break;
      case 12:
        machine.accumulator = ~machine.accumulator;
        break;
      case 13:
        machine.accumulator = -machine.accumulator;
        break;
      case 14:
        machine.accumulator = frame_length(ctx);
        break;
      case 15:
        machine.accumulator = ctx->ingress_ifindex;
        break;
      case 16:
        machine.accumulator = ctx->rx_queue_index;
        break;
      case 17:
        machine.accumulator = bpf_get_prandom_u32();
        break;
      case 18:
        machine.depth = 0;
        break;
      case 19:
        push(&machine, *code);
        break;
      case 20:
        cursor_skip(&cursor, 1);
        break;
      case 21:
        cursor_skip(&cursor, machine.accumulator & 3);
        break;
      case 22:
        return count_verdict(XDP_DROP, machine.accumulator);
      case 23:
        return count_verdict(XDP_PASS, machine.accumulator);
      default:
        return XDP_ABORTED;
    }
  }
  return count_verdict(machine.accumulator & 1 ? XDP_PASS : XDP_DROP, machine.depth);
}

static __always_inline __u32 class_of(__u16 port) {
  switch (port) {
    case 20:
    case 21:
      return 1;
    case 22:
      return 2;
    case 23:
      return 3;
    case 25:
    case 465:
    case 587:
      return 4;
    case 53:
    case 853:
      return 5;
    case 67:
    case 68:
      return 6;
    case 69:
      return 7;
    case 80:
    case 8080:
    case 8000:
    case 8008:
      return 8;
    case 88:
      return 9;
    case 110:
    case 995:
      return 10;
    case 119:
      return 11;
    case 123:
      return 12;
    case 135 ... 139:
      return 13;
    case 143:
    case 993:
      return 14;
    case 161:
    case 162:
      return 15;
    case 179:
      return 16;
    case 389:
    case 636:
      return 17;
    case 443:
    case 8443:
      return 18;
    case 445:
      return 19;
    case 500:
    case 4500:
      return 20;
    case 514:
      return 21;
    case 554:
      return 22;
    case 873:
      return 23;
    case 1194:
      return 24;
    case 1433:
      return 25;
    case 1521:
      return 26;
    case 1701:
      return 27;
    case 1812:
    case 1813:
      return 28;
    case 2049:
      return 29;
    case 3306:
      return 30;
    case 3389:
      return 31;
    case 5060:
    case 5061:
      return 32;
    case 5432:
      return 33;
    case 5900 ... 5910:
      return 34;
    case 6379:
      return 35;
    case 9000 ... 9099:
      return 36;
    case 11211:
      return 37;
    case 27017:
      return 38;
    case 32768 ... 60999:
      return 39;
    default:
      return port < 1024 ? 40 : 0;
  }
}

static __u64 by_class[41];

SEC("xdp")
int classes(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol) || protocol != bpf_htons(ETH_P_IP)) return XDP_PASS;
  struct iphdr* ip = take_ipv4(&cursor);
  if (!ip) return XDP_DROP;
  struct ports* ports = cursor_take(&cursor, struct ports);
  if (!ports) return XDP_DROP;
  __u32 to = class_of(bpf_ntohs(ports->destination));
  __u32 from = class_of(bpf_ntohs(ports->source));
  by_class[to] += frame_length(ctx);
  by_class[from]++;
  return to == 3 || from == 37 ? XDP_DROP : XDP_PASS;
}

struct rule {
  __u32 address, mask;
  __u16 low, high;
  __u8 protocol, action;
};

// The list as constants: clang folds each rule into comparisons, and joins what they share.
#define RULE(a, b, bits, l, h, p, act) {((a) << 24 | (b) << 16), ~0U << (32 - (bits)), l, h, p, act}
static const struct rule kRules[] = {
    RULE(10, 0, 8, 0, 65535, 1, 2),     RULE(10, 1, 16, 22, 22, 6, 2),      RULE(10, 2, 16, 0, 1023, 6, 1),
    RULE(10, 3, 16, 53, 53, 17, 2),     RULE(10, 4, 16, 1024, 2048, 17, 1), RULE(172, 16, 12, 80, 80, 6, 2),
    RULE(172, 17, 16, 443, 443, 6, 2),  RULE(172, 18, 16, 0, 65535, 0, 1),  RULE(172, 19, 16, 8000, 8999, 6, 2),
    RULE(192, 168, 16, 0, 65535, 0, 2), RULE(198, 51, 16, 0, 65535, 0, 1),  RULE(203, 0, 16, 123, 123, 17, 1),
    RULE(224, 0, 4, 0, 65535, 0, 1),    RULE(100, 64, 10, 0, 1023, 6, 1),   RULE(100, 65, 16, 0, 65535, 17, 2),
    RULE(0, 0, 1, 6000, 6063, 6, 1),
};

SEC("xdp")
int access_list(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol) || protocol != bpf_htons(ETH_P_IP)) return XDP_PASS;
  struct iphdr* ip = take_ipv4(&cursor);
  if (!ip) return XDP_DROP;
  struct ports* ports = cursor_take(&cursor, struct ports);
  if (!ports) return XDP_DROP;
  __u32 address = bpf_ntohl(ip->saddr);
  __u16 port = bpf_ntohs(ports->destination);
  __u8 transport = ip->protocol;
#pragma clang loop unroll(full)
  for (unsigned i = 0; i < sizeof(kRules) / sizeof(kRules[0]); i++) {
    const struct rule* rule = &kRules[i];
    if ((address & rule->mask) != (rule->address & rule->mask)) continue;
    if (port < rule->low || port > rule->high) continue;
    if (rule->protocol && rule->protocol != transport) continue;
    return count_verdict(rule->action, i);
  }
  return count_verdict(XDP_PASS, 0);
}

char LICENSE[] SEC("license") = "GPL";
