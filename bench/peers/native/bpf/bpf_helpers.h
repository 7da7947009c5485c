/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands in for libbpf's header of this name where example programs are compiled for the host: the same C, with helpers
 * that are ordinary inlined code and lookups made for the map that they name. What a good compiler makes of that is the
 * limit for the JITs.
 *
 *   lookups    type, sizes and limits of the map are constants, read off its declaration; arrays by arithmetic, hash
 *              tables with keys of up to 16 bytes by walking forager's own table in place, others by a call
 *   updates    calls of the map, as the JITs make them
 *   packet     adjust_head, adjust_tail, redirect_map, csum_diff, ktime_get_ns: inlined
 *   settings   `const volatile` globals are constants, since nobody sets them after loading (volatile means nothing)
 *
 * Without fib_lookup, perf_event_output, trace_printk, CO-RE and multi-buffer helpers: programs that use those have no
 * native twin.
 *
 * Tested by: bench_peers (see tables.h).
 */
#pragma once

#define xdp_md xdp_md_of_linux
#include <linux/bpf.h>
#undef xdp_md
#define xdp_md native_frame

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "../tables.h"

#define volatile

#define SEC(name) __attribute__((section(name), used))
#define __noinline __attribute__((noinline))
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#ifndef __clang__
#define __builtin_assume(condition)            \
  do {                                         \
    if (!(condition)) __builtin_unreachable(); \
  } while (0)
#endif
#define barrier_var(variable) __asm__("" : "+r"(variable))

/* A map's declaration, with room for a struct native_map. */
#define NATIVE_ROOM(name) __u64 room_of_##name[8]
#define __uint(name, number) \
  int(*name)[number];        \
  NATIVE_ROOM(name)
#define __type(name, kind) \
  typeof(kind)* name;      \
  NATIVE_ROOM(name)
#define __array(name, kind) typeof(kind)* name[64]

#define NATIVE_NUMBER(map, member) (sizeof(*(map)->member) / sizeof(int))
#define NATIVE_MAP(map) ((const struct native_map*)(map))

/* Filled in by whoever loads the program. */
struct native_calls native_calls;

static __always_inline __u64 native_word(const void* bytes, __u32 size) {
  __u64 word = 0;
  __builtin_memcpy(&word, bytes, size < 8 ? size : 8);
  return word;
}

static __always_inline __u64 native_fold(__u64 x, __u64 y) {
  unsigned __int128 product = (unsigned __int128)x * y;
  return (__u64)product ^ (__u64)(product >> 64);
}

static __always_inline __u32 native_round_up(__u32 size) { return (size + 7) & ~7U; }

static __always_inline __u32 native_node_word(const char* node, __u32 offset) {
  return __atomic_load_n((const __u32*)(node + offset), __ATOMIC_ACQUIRE);
}

/* As host/exec/map.h describes it: a node between two equal odd readings of its version is the key's. */
static __always_inline void* native_walk(const struct native_map* map, bool marked, __u32 key_size, __u32 value_size,
                                         const void* key) {
  const __u32 key_at = marked ? 16 : 8, value_at = key_at + native_round_up(key_size);
  const __u32 node_bytes = value_at + native_round_up(value_size);
  const __u64 low = native_word(key, key_size), high = key_size > 8 ? native_word(key + 8, key_size - 8) : 0;
  const __u64 hash = native_fold(low ^ map->first, key_size > 8 ? high ^ map->second : map->second);
  __u32 number = map->heads[native_fold(hash ^ map->seed, map->third) & map->mask];
  if (!number) return NULL;
  do {
    char* node = (char*)map->nodes + (__u64)number * node_bytes;
    __u32 version = native_node_word(node, 4);
    if (*(__u64*)(node + key_at) == low && (key_size <= 8 || *(__u64*)(node + key_at + 8) == high) && version & 1 &&
        native_node_word(node, 4) == version) {
      if (marked && !*(__u32*)(node + 8)) *(__u32*)(node + 8) = 1;
      return node + value_at;
    }
    number = native_node_word(node, 0);
  } while (number);
  return map->direct(map->object, key, map->cpu);
}

static __always_inline void* native_lookup(const struct native_map* map, __u32 type, __u32 max_entries, __u32 key_size,
                                           __u32 value_size, const void* key) {
  switch (type) {
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY: {
      __u32 index = *(const __u32*)key;
      return index < max_entries ? map->base + (__u64)index * native_round_up(value_size) : NULL;
    }
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_LRU_HASH:
      if (key_size <= 16) return native_walk(map, type == BPF_MAP_TYPE_LRU_HASH, key_size, value_size, key);
      return map->direct(map->object, key, map->cpu);
    case BPF_MAP_TYPE_PERCPU_HASH:
      return map->direct(map->object, key, map->cpu);
    default:
      return native_calls.lookup(map->map, key);
  }
}

#define bpf_map_lookup_elem(m, k)                                                                        \
  native_lookup(NATIVE_MAP(m), NATIVE_NUMBER(m, type), NATIVE_NUMBER(m, max_entries), sizeof(*(m)->key), \
                sizeof(*(m)->value), k)
#define bpf_map_update_elem(m, k, v, flags) native_calls.update(NATIVE_MAP(m)->map, k, v, flags)
#define bpf_map_delete_elem(m, k) native_calls.erase(NATIVE_MAP(m)->map, k)
#define bpf_redirect_map(m, k, flags) native_redirect_map(NATIVE_MAP(m), NATIVE_NUMBER(m, max_entries), k, flags)

static __always_inline int native_redirect_map(const struct native_map* map, __u32 max_entries, __u32 key,
                                               __u64 flags) {
  if (key >= max_entries || !map->ports[key]) return (int)flags;
  native_calls.redirect = map->ports[key];
  return XDP_REDIRECT;
}

#define bpf_ringbuf_reserve(m, size, flags) native_calls.reserve(NATIVE_MAP(m)->map, size)
#define bpf_ringbuf_submit(record, flags) native_calls.commit(record, flags, 0)
#define bpf_ringbuf_discard(record, flags) native_calls.commit(record, flags, 1)

/* A jump to the program, as the end of the function that says it; 33 of them at most. */
#define bpf_tail_call(ctx, m, index)                                   \
  do {                                                                 \
    native_program target_ = (index) < 64 ? (m)->values[index] : NULL; \
    if (target_ && (ctx)->tail_calls++ < 33) return target_(ctx);      \
  } while (0)

static __always_inline long bpf_xdp_adjust_head(struct xdp_md* ctx, int delta) {
  unsigned long data = ctx->data + delta;
  if (data < ctx->first || data > ctx->data_end - 14) return -22;
  ctx->data = ctx->data_meta = data;
  return 0;
}

static __always_inline long bpf_xdp_adjust_tail(struct xdp_md* ctx, int delta) {
  unsigned long end = ctx->data_end + delta;
  if (end > ctx->last || end < ctx->data + 14) return -22;
  if (delta > 0) __builtin_memset((void*)ctx->data_end, 0, delta);
  ctx->data_end = end;
  return 0;
}

/* Folded to 16 bits, as Linux does since 6.13. */
static __always_inline __s64 bpf_csum_diff(const __u32* from, __u32 from_size, const __u32* to, __u32 to_size,
                                           __u32 seed) {
  __u64 sum = seed;
  for (__u32 i = 0; i < from_size / 4; i++) sum += (__u32)~from[i];
  for (__u32 i = 0; i < to_size / 4; i++) sum += to[i];
  sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

static __always_inline __u64 bpf_ktime_get_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ull + now.tv_nsec;
}
