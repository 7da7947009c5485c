// SPDX-License-Identifier: Apache-2.0
//
// PROG_ARRAY: programs of the kernel by index, 0 for none. A tail call says which program is next, and leaves the one
// that runs; calls through an empty slot do not count (arch/x86/net/bpf_jit_comp.c since Linux 6.11).

#define FG_MOST_TAIL_CALLS 33u

static bool fg_tail_call(fg_run* run, ulong table, uint entries, uint index) {
  if (index >= entries || run->tail_calls == FG_MOST_TAIL_CALLS) return false;
  run->tail = (uint)fg_load32_global(FG_GLOBAL(table + 4ul * index));
  if (run->tail == 0) return false;
  ++run->tail_calls;
  return true;
}
