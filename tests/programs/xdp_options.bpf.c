// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Counts what is in lists of options, each a type, a length and so many bytes of value, in UDP packets to one port: a
// loop of the kernel's (bpf_loop) that calls a function for each option.
//
// What the function knows stands in its caller's frame: where the packet begins and ends, and how far it has read. How
// far is kept as a number and not as a pointer, so that verifiers need not follow it through every round.
//
// A list that is cut short drops, other packets pass; of a whole one the answer says how many options it has.
//
// Tested by: its rows of matrix.txt.
#include "answer.h"
#include "options.h"

#define MAX_OPTIONS 64
#define MAX_OFFSET 0x7ff
#define TYPES 16  // the last is that of all others

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, TYPES);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

struct walk {
  void* start;
  void* end;
  __u32 offset;  // of the next option
  __u32 options;
  bool whole;
};

static void count(__u32 type) {
  __u32 key = type < TYPES ? type : TYPES - 1;
  __u64* value = bpf_map_lookup_elem(&counts, &key);
  if (value) __sync_fetch_and_add(value, 1);
}

// 1 ends the loop.
static long read_option(__u32 round, struct walk* walk) {
  __u32 offset = walk->offset & MAX_OFFSET;
  struct option* option = walk->start + offset;
  if ((void*)(option + 1) > walk->end) return 1;
  if (option->type == OPTION_END) {
    walk->whole = true;
    return 1;
  }
  count(option->type);
  walk->options = round + 1;
  walk->offset = offset + sizeof(*option) + option->length;
  return 0;
}

SEC("xdp")
int xdp_options(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  if (!has_options(&cursor, ethernet)) return XDP_PASS;
  struct walk walk = {.start = cursor.position, .end = cursor.end};
  bpf_loop(MAX_OPTIONS, read_option, &walk, 0);
  if (!walk.whole) return XDP_DROP;
  return answer(ethernet, walk.options);
}

char LICENSE[] SEC("license") = "GPL";
