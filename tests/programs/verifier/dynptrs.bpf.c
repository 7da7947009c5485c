// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Dynptrs: ring-buffer records of a size known only at run time, submitted or discarded on every path, slices of them
// and of a map value; and a ring from user space drained by a callback.
#include "ip.h"
#include "verdicts.h"

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} records SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
  __uint(max_entries, 1 << 16);
} commands SEC(".maps");

struct store {
  __u32 used;
  __u32 unused;
  __u8 bytes[1024];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct store);
} stores SEC(".maps");

struct head {
  __u64 time;
  __u32 length;
  __u32 kind;
};

SEC("xdp")
int variable_record(struct xdp_md* ctx) {
  struct bpf_dynptr record;
  __u64 length = frame_length(ctx);
  if (length > 1500) length = 1500;
  long error = bpf_ringbuf_reserve_dynptr(&records, sizeof(struct head) + length, 0, &record);
  if (error) {
    bpf_ringbuf_discard_dynptr(&record, 0);
    return XDP_PASS;
  }
  struct head head = {.time = bpf_ktime_get_ns(), .length = length, .kind = 1};
  if (bpf_dynptr_write(&record, 0, &head, sizeof(head), 0)) {
    bpf_ringbuf_discard_dynptr(&record, 0);
    return XDP_ABORTED;
  }
  __u8* tail = bpf_dynptr_data(&record, sizeof(head), 16);
  if (tail) {
    struct cursor cursor = cursor_at_start(ctx);
    __u8* from = cursor.position;
    if (cursor_skip(&cursor, 16)) __builtin_memcpy(tail, from, 16);
  }
  bpf_ringbuf_submit_dynptr(&record, 0);
  return XDP_PASS;
}

SEC("xdp")
int from_value(struct xdp_md* ctx) {
  __u32 zero = 0;
  struct store* store = bpf_map_lookup_elem(&stores, &zero);
  if (!store) return XDP_ABORTED;
  struct bpf_dynptr view;
  if (bpf_dynptr_from_mem(store->bytes, sizeof(store->bytes), 0, &view)) return XDP_ABORTED;
  struct head head = {};
  __u32 at = store->used % 64 * sizeof(head);
  if (bpf_dynptr_read(&head, sizeof(head), &view, at, 0)) return XDP_DROP;
  head.length += frame_length(ctx);
  head.kind++;
  if (bpf_dynptr_write(&view, at, &head, sizeof(head), 0)) return XDP_DROP;
  struct head* first = bpf_dynptr_data(&view, 0, sizeof(*first));
  if (!first) return XDP_DROP;
  first->time = bpf_ktime_get_ns();
  store->used++;
  return count_verdict(XDP_PASS, head.length);
}

static long on_command(struct bpf_dynptr* command, void* argument) {
  __u32* total = argument;
  __u32 word = 0;
  if (bpf_dynptr_read(&word, sizeof(word), command, 0, 0)) return 1;
  const __u32* slice = bpf_dynptr_data(command, 0, 8);
  if (slice) word ^= slice[1];
  *total += word;
  return 0;
}

SEC("xdp")
int drain(struct xdp_md* ctx) {
  __u32 total = 0;
  long drained = bpf_user_ringbuf_drain(&commands, on_command, &total, 0);
  if (drained < 0) return XDP_ABORTED;
  return count_verdict(total & 1 ? XDP_DROP : XDP_PASS, frame_length(ctx));
}

char LICENSE[] SEC("license") = "GPL";
