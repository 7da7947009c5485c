// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// CO-RE relocations and the four kinds of global data.
//
//   .rodata   settings, fixed when the program is loaded: the verifier sees constants and drops dead branches
//   .data     settings with a start value that user space may change at any time
//   .bss      results, zero at first
//   CO-RE     the context is read through a struct of our own, in another order than the kernel's; libbpf rewrites the
//             offsets, sizes, enum values and "does it exist" answers from the BTF of the kernel that it loads for
//
// Short frames drop, long ones pass; every `log_every`-th is announced in the trace.
//
// Tested by: its rows of matrix.txt.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

// Names after ___ are ignored by the relocation: these are views of the kernel's struct xdp_md and enum xdp_action.
struct xdp_md___view {
  __u32 rx_queue_index;
  __u32 data_end;
  __u32 data;
  __u32 of_another_kernel;  // no kernel has this field
} __attribute__((preserve_access_index));

enum xdp_action___view {
  XDP_DROP___view = 99,  // replaced by the kernel's value
  XDP_PASS___view = 98,
};

struct settings {
  __u32 shortest;
  __u32 log_every;
};

struct results {
  __u64 passed;
  __u64 dropped;
  __u64 longest;
  __u32 last_queue;
  __u32 kernel_has_queue;    // 1: the field exists in the kernel's BTF
  __u32 kernel_has_unknown;  // 0
  __u32 queue_field_bytes;   // 4
};

const volatile __u32 log_enabled = 1;
struct settings settings = {.shortest = 60, .log_every = 64};
struct results results;
static volatile __u32 since_log;  // a static variable lives in .bss too

static __always_inline void note_kernel(const struct xdp_md___view* view) {
  results.kernel_has_queue = bpf_core_field_exists(view->rx_queue_index);
  results.kernel_has_unknown = bpf_core_field_exists(view->of_another_kernel);
  results.queue_field_bytes = bpf_core_field_size(view->rx_queue_index);
  results.last_queue = view->rx_queue_index;
}

static __always_inline void log_sometimes(__u64 length, int verdict) {
  if (!log_enabled || ++since_log < settings.log_every) return;
  since_log = 0;
  bpf_printk("frame of %llu bytes, verdict %d, %llu passed", length, verdict, results.passed);
}

SEC("xdp")
int xdp_core_globals(struct xdp_md* ctx) {
  const struct xdp_md___view* view = (const void*)ctx;
  __u64 length = (void*)(long)view->data_end - (void*)(long)view->data;
  note_kernel(view);
  if (length > results.longest) results.longest = length;

  int verdict;
  if (length < settings.shortest) {
    results.dropped++;
    verdict = bpf_core_enum_value(enum xdp_action___view, XDP_DROP___view);
  } else {
    results.passed++;
    verdict = bpf_core_enum_value(enum xdp_action___view, XDP_PASS___view);
  }
  log_sometimes(length, verdict);
  return verdict;
}

char LICENSE[] SEC("license") = "GPL";
