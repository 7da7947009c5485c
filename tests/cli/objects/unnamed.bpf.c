// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A program in a section that says nothing about its type, as loaders with conventions of their own have it.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("from_host")
int handle_from_host(struct __sk_buff* skb) { return skb->mark == 7 ? 2 : 0; }

char LICENSE[] SEC("license") = "GPL";
