/* SPDX-License-Identifier: Apache-2.0
 *
 * What natively compiled programs and the bench that runs them share, in C for both: a map as such a program sees it,
 * and the frame that it gets as its context.
 *
 * Tested by: bench_peers, which compares all answers with the interpreter's before it times anything.
 */
#pragma once

#include <linux/types.h>

#ifdef __cplusplus
extern "C" {
#endif
/* NOLINTBEGIN(readability-identifier-naming): C's names, for C programs */

/* Stands where the map's declaration stood (struct { ... } flows SEC(".maps")), so that what it holds is at an address
 * that the program knows. It describes forager's own tables, as exec::DirectLookup and exec::HashWalk do. */
struct native_map {
  void* base; /* of indexed maps: the first value */
  /* Of hash tables that are walked in place; `heads` is null where they are not. */
  __u64 first, second, seed, third;
  const __u32* heads;
  const char* nodes;
  __u32 mask;
  __u32 cpu;
  /* For all else, calls: direct(object, key, cpu), and the map's own operations. */
  void* (*direct)(void* object, const void* key, unsigned cpu);
  void* object;
  void* map;
  const __u32* ports; /* of device maps: the ifindex of each entry, 0 = none */
};

/* What programs call, by native_map::map, and what they leave behind. */
struct native_calls {
  void* (*lookup)(void* map, const void* key);
  long (*update)(void* map, const void* key, const void* value, __u64 flags);
  long (*erase)(void* map, const void* key);
  void* (*reserve)(void* map, __u64 size);
  void (*commit)(void* record, __u64 flags, int discard);
  __u32 redirect; /* where the last frame was redirected: ifindex; 0 = nowhere */
};

/* struct xdp_md with pointers of 64 bits, and what helpers leave. */
struct native_frame {
  unsigned long data;
  unsigned long data_end;
  unsigned long data_meta;
  __u32 ingress_ifindex;
  __u32 rx_queue_index;
  __u32 egress_ifindex;
  unsigned long first; /* how far the head may grow, and the tail */
  unsigned long last;
  __u32 tail_calls;
};

typedef int (*native_program)(struct native_frame* ctx);
/* NOLINTEND(readability-identifier-naming) */

#ifdef __cplusplus
}
#endif
