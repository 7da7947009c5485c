// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A list of device nodes that processes of a cgroup may use, and how; what is refused is told to user space.
#include <linux/types.h>
// types before what uses them
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define EACCES 13

struct device {
  __u32 type;  // BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_DEV_CHAR
  __u32 major;
  __u32 minor;
};

struct refusal {
  struct device device;
  __u32 access;  // BPF_DEVCG_ACC_*
  __u32 process;
  char command[16];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, struct device);
  __type(value, __u32);  // BPF_DEVCG_ACC_* that are allowed
} allowed SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} refusals SEC(".maps");

static __always_inline void tell(const struct device* device, __u32 access) {
  struct refusal* refusal = bpf_ringbuf_reserve(&refusals, sizeof *refusal, 0);

  if (!refusal) return;
  refusal->device = *device;
  refusal->access = access;
  refusal->process = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(refusal->command, sizeof refusal->command);
  bpf_ringbuf_submit(refusal, 0);
}

SEC("cgroup/dev")
int cgroup_devices(struct bpf_cgroup_dev_ctx* ctx) {
  struct device device = {.type = ctx->access_type & 0xffff, .major = ctx->major, .minor = ctx->minor};
  __u32 access = ctx->access_type >> 16;
  const __u32* may = bpf_map_lookup_elem(&allowed, &device);

  if (may && (access & ~*may) == 0) return 1;
  tell(&device, access);
  bpf_set_retval(-EACCES);
  return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
