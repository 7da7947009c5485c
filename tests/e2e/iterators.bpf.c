// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// Iterators over the elements of a map and over maps. What they see of the kernel's structures is declared here as far
// as it is used; libbpf finds where it stands.
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define SEEN __attribute__((preserve_access_index))

struct seq_file;

struct bpf_map {
  __u32 id;
  __u32 key_size;
  __u32 value_size;
  __u32 max_entries;
  char name[16];
} SEEN;

struct bpf_iter_meta {
  struct seq_file* seq;
  __u64 session_id;
  __u64 seq_num;
} SEEN;

struct bpf_iter__bpf_map_elem {
  struct bpf_iter_meta* meta;
  struct bpf_map* map;
  void* key;
  void* value;
} SEEN;

struct bpf_iter__bpf_map {
  struct bpf_iter_meta* meta;
  struct bpf_map* map;
} SEEN;

char text[16384];      // what `large` writes
__u32 too_long = 0;    // the key at which it writes too much
bool numbered = true;  // whether `shows` says which element it is
__u32 retries = 0;     // how often `hesitates` wants to see key 2 again
__u64 sum = 0;         // of what `adds` saw
__u64 ends = 0;        // how often it saw none
int outcome = 0;       // of the writes of `large`

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} copies SEC(".maps");

SEC("iter/bpf_map_elem")
int shows(struct bpf_iter__bpf_map_elem* ctx) {
  struct seq_file* seq = ctx->meta->seq;
  const __u64 number = ctx->meta->seq_num;
  const __u32* key = ctx->key;
  const __u64* value = ctx->value;
  if (!key || !value) {
    BPF_SEQ_PRINTF(seq, "end %llu\n", number);
    return 0;
  }
  if (numbered) BPF_SEQ_PRINTF(seq, "%llu of %u: ", number, ctx->map->max_entries);
  BPF_SEQ_PRINTF(seq, "%u = %llu\n", *key, *value);
  return 0;
}

SEC("iter/bpf_map_elem")
int hesitates(struct bpf_iter__bpf_map_elem* ctx) {
  const __u32* key = ctx->key;
  if (!key) return 1;
  BPF_SEQ_PRINTF(ctx->meta->seq, "%llu: %u\n", ctx->meta->seq_num, *key);
  if (*key != 2 || retries == 0) return 0;
  retries--;
  return 1;
}

SEC("iter/bpf_map_elem")
int large(struct bpf_iter__bpf_map_elem* ctx) {
  const __u32* key = ctx->key;
  if (!key) return 0;
  outcome = bpf_seq_write(ctx->meta->seq, text, sizeof text);
  if (*key == too_long) outcome = bpf_seq_write(ctx->meta->seq, text, sizeof text);
  return 0;
}

// Changes values where they stand.
SEC("iter/bpf_map_elem")
int adds(struct bpf_iter__bpf_map_elem* ctx) {
  __u32* key = ctx->key;
  __u64* value = ctx->value;
  if (!key || !value) {
    ends++;
    return 0;
  }
  const __u32 index = *key;
  const __u64 number = *value;
  sum += number;
  bpf_map_update_elem(&copies, &index, &number, BPF_ANY);
  *value += 1000;
  return 0;
}

SEC("iter/bpf_map_elem")
int two_cpus(struct bpf_iter__bpf_map_elem* ctx) {
  const __u32* key = ctx->key;
  const __u64* values = ctx->value;
  if (!key || !values) return 0;
  BPF_SEQ_PRINTF(ctx->meta->seq, "%u: %llu %llu\n", *key, values[0], values[1]);
  return 0;
}

SEC("iter/bpf_map")
int lists(struct bpf_iter__bpf_map* ctx) {
  struct bpf_map* map = ctx->map;
  if (!map) return 0;
  BPF_SEQ_PRINTF(ctx->meta->seq, "%u %u %u %u %s\n", map->id, map->key_size, map->value_size, map->max_entries,
                 map->name);
  return 0;
}

char _license[] SEC("license") = "GPL";
