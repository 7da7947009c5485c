// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Who opens files: a count by command name, and the last path each of them opened.
#define __TARGET_ARCH_x86
#include <linux/types.h>
// types before what uses them
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct command {
  char name[16];
};

struct opened {
  __u64 count;
  __u64 unreadable;  // paths that could not be read
  char last[32];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct command);
  __type(value, struct opened);
} by_command SEC(".maps");

SEC("kprobe/do_sys_openat2")
int kprobe_open_count(struct pt_regs* ctx) {
  struct command command = {};
  struct opened fresh = {}, *opened;

  bpf_get_current_comm(command.name, sizeof command.name);
  opened = bpf_map_lookup_elem(&by_command, &command);
  if (!opened) {
    bpf_map_update_elem(&by_command, &command, &fresh, BPF_NOEXIST);
    opened = bpf_map_lookup_elem(&by_command, &command);
    if (!opened) return 0;
  }
  __sync_fetch_and_add(&opened->count, 1);
  if (bpf_probe_read_user_str(opened->last, sizeof opened->last, (const void*)PT_REGS_PARM2(ctx)) < 0) {
    __sync_fetch_and_add(&opened->unreadable, 1);
  }
  return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
