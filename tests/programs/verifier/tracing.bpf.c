// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Tracing: kprobes, tracepoints, raw tracepoints and performance counters. Context fields, kernel memory by probe_read,
// strings into buffers of bounded variable length, stack ids, histograms by a logarithm with a loop.
#define __TARGET_ARCH_x86
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <linux/ptrace.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define SLOTS 64

struct start {
  __u64 time;
  __u64 argument;
  char name[16];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10240);
  __type(key, __u64);
  __type(value, struct start);
} starts SEC(".maps");

struct histogram {
  __u64 slots[SLOTS];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, struct histogram);
} histograms SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK_TRACE);
  __uint(max_entries, 1024);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, 127 * sizeof(__u64));
} stacks SEC(".maps");

struct path_event {
  __u32 process, length;
  char comm[16];
  char path[256];
};

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct path_event);
} scratch SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} counters SEC(".maps");

const volatile __u32 only_process = 0;
static const struct histogram empty;

static __always_inline __u64 log2_of(__u64 value) {
  __u64 result = 0;
#pragma clang loop unroll(disable)
  for (int shift = 32; shift > 0; shift >>= 1) {
    if (value >> shift) {
      value >>= shift;
      result += shift;
    }
  }
  return result;
}

SEC("kprobe/vfs_read")
int read_enter(struct pt_regs* ctx) {
  __u64 id = bpf_get_current_pid_tgid();
  if (only_process && id >> 32 != only_process) return 0;
  struct start start = {.time = bpf_ktime_get_ns(), .argument = PT_REGS_PARM3(ctx)};
  bpf_get_current_comm(start.name, sizeof(start.name));
  bpf_map_update_elem(&starts, &id, &start, BPF_ANY);
  return 0;
}

SEC("kretprobe/vfs_read")
int read_exit(struct pt_regs* ctx) {
  __u64 id = bpf_get_current_pid_tgid();
  struct start* start = bpf_map_lookup_elem(&starts, &id);
  if (!start) return 0;
  __u64 delta = bpf_ktime_get_ns() - start->time;
  __u32 process = id >> 32;
  struct histogram* histogram = bpf_map_lookup_elem(&histograms, &process);
  if (!histogram) {
    bpf_map_update_elem(&histograms, &process, &empty, BPF_NOEXIST);
    histogram = bpf_map_lookup_elem(&histograms, &process);
  }
  if (histogram) {
    __u64 slot = log2_of(delta);
    if (slot >= SLOTS) slot = SLOTS - 1;
    __sync_fetch_and_add(&histogram->slots[slot], 1);
    if ((long)PT_REGS_RC(ctx) < 0) histogram->slots[0]++;
  }
  bpf_map_delete_elem(&starts, &id);
  return 0;
}

struct openat_record {
  __u64 common;
  __s32 number;
  __u32 padding;
  __u64 directory, path, flags, mode;
};

SEC("tracepoint/syscalls/sys_enter_openat")
int open_enter(struct openat_record* ctx) {
  __u32 zero = 0;
  struct path_event* event = bpf_map_lookup_elem(&scratch, &zero);
  if (!event) return 0;
  event->process = bpf_get_current_pid_tgid() >> 32;
  if (bpf_get_current_comm(event->comm, sizeof(event->comm))) return 0;
  long length = bpf_probe_read_user_str(event->path, sizeof(event->path), (const void*)ctx->path);
  if (length <= 0 || length > (long)sizeof(event->path)) return 0;
  event->length = length;
  if (bpf_strncmp(event->path, 5, "/proc") == 0) return 0;
  bpf_ringbuf_output(&events, event, __builtin_offsetof(struct path_event, path) + length, 0);
  return 0;
}

SEC("raw_tracepoint/sched_switch")
int on_switch(struct bpf_raw_tracepoint_args* ctx) {
  bool preempted = ctx->args[0];
  const void* previous = (const void*)ctx->args[1];
  __u64 word = 0;
  if (bpf_probe_read_kernel(&word, sizeof(word), previous)) return 0;
  __s64 stack = bpf_get_stackid(ctx, &stacks, BPF_F_FAST_STACK_CMP);
  if (stack < 0) return 0;
  __u32 key = stack;
  struct histogram* histogram = bpf_map_lookup_elem(&histograms, &key);
  if (histogram) histogram->slots[word & (SLOTS - 1)] += preempted;
  return 0;
}

SEC("perf_event")
int on_sample(struct bpf_perf_event_data* ctx) {
  __u64 ip = PT_REGS_IP(&ctx->regs);
  __u64 frames[16] = {};
  long bytes = bpf_get_stack(ctx, frames, sizeof(frames), 0);
  if (bytes < 8 || bytes > (long)sizeof(frames)) return 0;
  struct bpf_perf_event_value value = {};
  bpf_perf_prog_read_value(ctx, &value, sizeof(value));
  __u32 key = frames[(bytes - 8) >> 3 & 15] ^ ip;
  struct histogram* histogram = bpf_map_lookup_elem(&histograms, &key);
  if (histogram) histogram->slots[ctx->sample_period & 7] += value.counter;
  bpf_perf_event_output(ctx, &counters, BPF_F_CURRENT_CPU, frames, bytes & 0x78);
  return 0;
}

struct list {
  struct list* next;
  __u64 value;
};

// A linked list in kernel memory, followed a bounded number of steps.
SEC("kprobe/do_exit")
int follow(struct pt_regs* ctx) {
  struct list* at = (struct list*)PT_REGS_PARM1(ctx);
  struct list copy = {};
  __u64 sum = 0;
#pragma clang loop unroll(disable)
  for (int i = 0; i < 20 && at; i++) {
    if (bpf_probe_read_kernel(&copy, sizeof(copy), at)) break;
    sum += copy.value;
    at = copy.next;
  }
  char text[64];
  __u64 arguments[] = {sum, bpf_get_smp_processor_id()};
  int length = bpf_snprintf(text, sizeof(text), "sum %llu on %d", arguments, sizeof(arguments));
  if (length > 0 && length < (int)sizeof(text)) bpf_printk("%s", text);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
