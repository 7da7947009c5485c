// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A small program for each kind of place that eBPF programs are attached to.
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_SOCKHASH);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, __u32);
} sockets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, __u64);
} storage SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} listeners SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK_TRACE);
  __uint(max_entries, 16);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, 32 * sizeof(__u64));
} stacks SEC(".maps");

SEC("tc")
int at_tc(struct __sk_buff* skb) {
  void *data = (void*)(long)skb->data, *end = (void*)(long)skb->data_end;
  if (data + 14 > end) return 0;
  return *(__u8*)data & 1 ? 2 : 0;
}

SEC("socket")
int at_socket(struct __sk_buff* skb) { return skb->len > 64 ? 64 : 0; }

SEC("cgroup_skb/egress")
int at_cgroup_egress(struct __sk_buff* skb) {
  struct bpf_sock* sock = skb->sk;
  sock = sock ? bpf_sk_fullsock(sock) : 0;
  __u64* seen = sock ? bpf_sk_storage_get(&storage, sock, 0, BPF_SK_STORAGE_GET_F_CREATE) : 0;
  if (seen) *seen += skb->len;
  return 1;
}

SEC("cgroup/sock_create")
int at_socket_creation(struct bpf_sock* sock) { return sock->family == 2; }

SEC("cgroup/connect4")
int at_connect(struct bpf_sock_addr* address) {
  if (address->user_port == 0x3500) address->user_ip4 = 0x0100007f;
  return 1;
}

SEC("cgroup/sysctl")
int at_sysctl(struct bpf_sysctl* access) { return !access->write; }

SEC("cgroup/getsockopt")
int at_getsockopt(struct bpf_sockopt* option) {
  if (option->level == 1) option->retval = 0;
  return 1;
}

SEC("cgroup/dev")
int at_device(struct bpf_cgroup_dev_ctx* device) { return device->major == 1; }

SEC("sockops")
int at_connection(struct bpf_sock_ops* event) {
  __u32 key = event->local_port;
  if (event->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) bpf_sock_hash_update(event, &sockets, &key, BPF_ANY);
  return 1;
}

SEC("sk_msg")
int at_send(struct sk_msg_md* message) {
  __u32 key = message->remote_port;
  return bpf_msg_redirect_hash(message, &sockets, &key, BPF_F_INGRESS);
}

SEC("sk_skb/stream_parser")
int at_parser(struct __sk_buff* skb) { return skb->len; }

SEC("sk_skb/stream_verdict")
int at_verdict(struct __sk_buff* skb) {
  __u32 key = skb->local_port;
  return bpf_sk_redirect_hash(skb, &sockets, &key, 0);
}

SEC("sk_lookup")
int at_lookup(struct bpf_sk_lookup* lookup) {
  struct bpf_sock* sock;
  __u32 key = lookup->local_port;
  sock = bpf_map_lookup_elem(&sockets, &key);
  if (!sock) return SK_PASS;
  bpf_sk_assign(lookup, sock, 0);
  bpf_sk_release(sock);
  return SK_PASS;
}

SEC("sk_reuseport")
int at_reuseport(struct sk_reuseport_md* packet) {
  __u32 key = packet->hash & 3;
  return bpf_sk_select_reuseport(packet, &listeners, &key, 0) == 0 ? SK_PASS : SK_DROP;
}

SEC("lwt_xmit")
int at_tunnel(struct __sk_buff* skb) { return skb->len > 1400 ? BPF_DROP : BPF_OK; }

SEC("flow_dissector")
int at_dissector(struct __sk_buff* skb) {
  skb->flow_keys->nhoff = 14;
  return BPF_OK;
}

SEC("kprobe/do_nanosleep")
int at_function(struct pt_regs* registers) {
  (void)registers;
  bpf_get_current_pid_tgid();
  return 0;
}

SEC("tracepoint/sched/sched_switch")
int at_tracepoint(const __u64* record) { return bpf_get_stackid((void*)record, &stacks, 0) < 0; }

SEC("raw_tracepoint/sched_switch")
int at_raw_tracepoint(struct bpf_raw_tracepoint_args* args) { return args->args[0] != 0; }

SEC("perf_event")
int at_sample(struct bpf_perf_event_data* sample) { return sample->sample_period > 1000; }

char LICENSE[] SEC("license") = "GPL";
