// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Map values with parts of their own: locks in maps and in global data, timers.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct account {
  __u64 bytes;
  struct bpf_spin_lock lock;
  __u32 packets;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, struct account);
} accounts SEC(".maps");

struct bpf_spin_lock guard SEC(".data.guarded");
__u64 guarded SEC(".data.guarded");

struct alarm {
  struct bpf_timer timer;
  __u64 rang;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct alarm);
} alarms SEC(".maps");

SEC("tc")
int keeps_account(struct __sk_buff* skb) {
  __u32 key = skb->ingress_ifindex;
  struct account* account = bpf_map_lookup_elem(&accounts, &key);
  if (!account) return 0;
  bpf_spin_lock(&account->lock);
  account->bytes += skb->len;
  account->packets++;
  bpf_spin_unlock(&account->lock);
  return 0;
}

SEC("tc")
int guards_global_data(struct __sk_buff* skb) {
  bpf_spin_lock(&guard);
  guarded += skb->len;
  bpf_spin_unlock(&guard);
  return 0;
}

static int ring(void* map, __u32* key, struct alarm* alarm) {
  (void)map, (void)key;
  alarm->rang++;
  bpf_timer_start(&alarm->timer, 1000000, 0);
  return 0;
}

SEC("tc")
int sets_an_alarm(struct __sk_buff* skb) {
  __u32 key = 0;
  struct alarm* alarm = bpf_map_lookup_elem(&alarms, &key);
  (void)skb;
  if (!alarm) return 0;
  bpf_timer_init(&alarm->timer, &alarms, 1);
  bpf_timer_set_callback(&alarm->timer, ring);
  bpf_timer_start(&alarm->timer, 1000000, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
