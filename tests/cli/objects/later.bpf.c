// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Sections of newer versions of libbpf, and programs whose context only a kernel knows.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tcx/ingress")
int at_tcx(struct __sk_buff* skb) { return skb->len > 1000 ? 2 : -1; }

SEC("netkit/peer")
int at_netkit(struct __sk_buff* skb) { return skb->mark ? 0 : -1; }

SEC("tp_btf/sched_switch")
int at_typed_tracepoint(unsigned long long* arguments) { return arguments[0] != 0; }

char LICENSE[] SEC("license") = "GPL";
