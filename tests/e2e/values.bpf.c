// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// Each program does what its packet asks by one family of helpers, and tells what they answered: bpf_loop, walks over
// maps, dynptrs on map values and on ring-buffer records, spin locks, timers. Numbers go to the helpers with all their
// 64 bits, whatever the C prototypes in bpf_helpers.h take.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "values.h"

struct bpf_map;

struct answer answer;  // .bss

struct counter {
  __u64 count;
  struct bpf_spin_lock lock;
  __u32 unused;
  __u64 twice;
};

struct timed {
  __u64 count;
  struct bpf_timer timer;
  __u64 key;
};

#define MAP(name, kind, key_type, value_type, entries) \
  struct {                                             \
    __uint(type, BPF_MAP_TYPE_##kind);                 \
    __uint(max_entries, entries);                      \
    __type(key, key_type);                             \
    __type(value, value_type);                         \
  } name SEC(".maps")

MAP(array, ARRAY, __u32, __u64, 8);
MAP(hash, HASH, __u32, __u64, 64);
MAP(percpu_array, PERCPU_ARRAY, __u32, __u64, 8);
MAP(percpu_hash, PERCPU_HASH, __u32, __u64, 64);
MAP(lru_hash, LRU_HASH, __u32, __u64, 512);
struct buffer {
  __u8 bytes[kBufferBytes];
};
MAP(buffers, ARRAY, __u32, struct buffer, 1);
MAP(counters, HASH, __u32, struct counter, 4);
MAP(timed, HASH, __u32, struct timed, kTimedKeys);
MAP(timed_array, ARRAY, __u32, struct timed, kTimedKeys);
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, kRingBytes);
} ring SEC(".maps");

static long (*const loop)(__u64, void*, void*, __u64) = (void*)BPF_FUNC_loop;
static long (*const from_mem)(void*, __u64, __u64, struct bpf_dynptr*) = (void*)BPF_FUNC_dynptr_from_mem;
static long (*const dynptr_read)(void*, __u64, const struct bpf_dynptr*, __u64, __u64) = (void*)BPF_FUNC_dynptr_read;
static long (*const dynptr_write)(const struct bpf_dynptr*, __u64, void*, __u64, __u64) = (void*)BPF_FUNC_dynptr_write;
static void* (*const dynptr_data)(const struct bpf_dynptr*, __u64, __u32) = (void*)BPF_FUNC_dynptr_data;
static long (*const reserve)(void*, __u64, __u64, struct bpf_dynptr*) = (void*)BPF_FUNC_ringbuf_reserve_dynptr;

static __always_inline struct request* asked(struct xdp_md* context) {
  struct request* request = (void*)(long)context->data;
  return (void*)(request + 1) > (void*)(long)context->data_end ? 0 : request;
}

// ---- bpf_loop ------------------------------------------------------------------------------------------------------

struct round {
  __u64 sum, last;
};

static long add_index(__u64 index, void* argument) {
  struct round* round = argument;
  round->sum = round->sum * 31 + index;
  return index == round->last;
}

// Another one, lest the compiler make one call of both.
static long add_index_again(__u64 index, void* argument) {
  struct round* round = argument;
  round->sum = round->sum * 37 + index;
  return index == round->last;
}

SEC("xdp")
int loops(struct xdp_md* context) {
  struct request* request = asked(context);
  if (!request) return XDP_ABORTED;
  struct round round = {.last = request->words[1]};
  // With flags that are 0 for the verifier too, it puts a loop in place of the call.
  if (request->words[2]) {
    answer.words[0] = loop(request->words[0], add_index, &round, request->words[3]);
  } else {
    answer.words[0] = loop(request->words[0], add_index_again, &round, 0);
  }
  answer.words[1] = round.sum;
  return XDP_PASS;
}

// ---- bpf_for_each_map_elem -----------------------------------------------------------------------------------------

struct walk {
  __u64 seen, sum, stop_after, remove;
};

static long visit(struct bpf_map* map, __u32* key, __u64* value, struct walk* walk) {
  walk->seen++;
  walk->sum += (*key + 1) * *value;
  *value += 3;  // in whatever order they come
  if (walk->remove) bpf_map_delete_elem(map, key);
  return walk->seen == walk->stop_after;
}

SEC("xdp")
int walks(struct xdp_md* context) {
  struct request* request = asked(context);
  if (!request) return XDP_ABORTED;
  struct walk walk = {.stop_after = request->words[1], .remove = request->words[2]};
  const __u64 flags = request->words[3];
  long result = 0;
  switch (request->words[0]) {
    case kArray:
      result = bpf_for_each_map_elem(&array, visit, &walk, flags);
      break;
    case kHash:
      result = bpf_for_each_map_elem(&hash, visit, &walk, flags);
      break;
    case kPerCpuArray:
      result = bpf_for_each_map_elem(&percpu_array, visit, &walk, flags);
      break;
    case kPerCpuHash:
      result = bpf_for_each_map_elem(&percpu_hash, visit, &walk, flags);
      break;
    case kLruHash:
      result = bpf_for_each_map_elem(&lru_hash, visit, &walk, flags);
      break;
  }
  answer.words[0] = result;
  answer.words[1] = walk.seen;
  answer.words[2] = walk.sum;
  return XDP_PASS;
}

// ---- dynptrs -------------------------------------------------------------------------------------------------------

SEC("xdp")
int dynptrs(struct xdp_md* context) {
  struct request* request = asked(context);
  const __u32 zero = 0;
  struct buffer* buffer = bpf_map_lookup_elem(&buffers, &zero);
  if (!request || !buffer) return XDP_ABORTED;
  __u64 size = request->words[0], length = request->words[2];
  const __u64 offset = request->words[3], flags = request->words[4];
  if (size > kBufferBytes) size = kBufferBytes;
  if (length > 16) length = 16;
  __u64 bytes[2] = {request->words[5], ~request->words[5]};
  struct bpf_dynptr pointer;
  answer.words[0] = from_mem(buffer, size, request->words[1], &pointer);
  answer.words[1] = dynptr_write(&pointer, offset, bytes, length, flags);
  bytes[0] = bytes[1] = 0;
  answer.words[2] = dynptr_read(bytes, length, &pointer, offset, flags);
  answer.words[3] = bytes[0];
  answer.words[4] = bytes[1];
  __u32* slice = dynptr_data(&pointer, offset, sizeof *slice);
  answer.words[5] = slice ? ++*slice : 77;
  answer.words[6] = *(__u64*)buffer->bytes;
  answer.words[7] = *(__u64*)(buffer->bytes + 8);
  return XDP_PASS;
}

SEC("xdp")
int records(struct xdp_md* context) {
  struct request* request = asked(context);
  if (!request) return XDP_ABORTED;
  __u64 length = request->words[3];
  if (length > 16) length = 16;
  __u64 bytes[2] = {request->words[4], ~request->words[4]};
  struct bpf_dynptr pointer;
  answer.words[0] = reserve(&ring, request->words[0], request->words[1], &pointer);
  answer.words[1] = dynptr_write(&pointer, request->words[2], bytes, length, 0);
  __u32* slice = dynptr_data(&pointer, request->words[2], sizeof *slice);
  answer.words[2] = slice ? * slice = 5 : 77;
  if (request->words[5]) {
    bpf_ringbuf_submit_dynptr(&pointer, BPF_RB_NO_WAKEUP);
  } else {
    bpf_ringbuf_discard_dynptr(&pointer, BPF_RB_NO_WAKEUP);
  }
  answer.words[3] = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
  return XDP_PASS;
}

// ---- spin locks ----------------------------------------------------------------------------------------------------

SEC("xdp")
int locks(struct xdp_md* context) {
  struct request* request = asked(context);
  if (!request) return XDP_ABORTED;
  const __u32 key = request->words[0];
  struct counter* counter = bpf_map_lookup_elem(&counters, &key);
  if (!counter) return XDP_DROP;
  bpf_spin_lock(&counter->lock);
  counter->count++;
  counter->twice = 2 * counter->count;
  bpf_spin_unlock(&counter->lock);
  // A whole value by the flags that are asked for.
  struct counter next = {.count = request->words[1], .twice = 2 * request->words[1]};
  answer.words[0] = bpf_map_update_elem(&counters, &key, &next, request->words[2]);
  return XDP_PASS;
}

// ---- timers --------------------------------------------------------------------------------------------------------

static int tick(void* map, __u32* key, struct timed* value) {
  (void)map;
  __sync_fetch_and_add(&value->count, 1);
  value->key = *key + 100;
  return 0;
}

// Starts itself again until it has run three times, and tries to cancel itself.
static int tick_again(void* map, __u32* key, struct timed* value) {
  if (value->count == 0) answer.words[1] = bpf_timer_cancel(&value->timer);
  if (value->count < 2) answer.words[2] = bpf_timer_start(&value->timer, 1000, 0);
  return tick(map, key, value);
}

static __always_inline long operate(struct request* request, void* map, struct timed* value) {
  switch (request->words[1]) {
    case kInit:
      return bpf_timer_init(&value->timer, map, request->words[2]);
    case kSetCallback:
      return request->words[2] ? bpf_timer_set_callback(&value->timer, tick_again)
                               : bpf_timer_set_callback(&value->timer, tick);
    case kStart:
      return bpf_timer_start(&value->timer, request->words[2], request->words[3]);
    default:
      return bpf_timer_cancel(&value->timer);
  }
}

SEC("xdp")
int timers(struct xdp_md* context) {
  struct request* request = asked(context);
  if (!request) return XDP_ABORTED;
  const __u32 key = request->words[0];
  struct timed* value = bpf_map_lookup_elem(&timed, &key);
  if (!value) return XDP_DROP;
  answer.words[0] = operate(request, &timed, value);
  return XDP_PASS;
}

SEC("xdp")
int array_timers(struct xdp_md* context) {
  struct request* request = asked(context);
  if (!request) return XDP_ABORTED;
  const __u32 key = request->words[0];
  struct timed* value = bpf_map_lookup_elem(&timed_array, &key);
  if (!value) return XDP_DROP;
  answer.words[0] = operate(request, &timed_array, value);
  return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
