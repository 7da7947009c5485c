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

// bpf_loop (kernel/bpf/bpf_iter.c) through one function of the program.
#define FG_MOST_ROUNDS (1u << 23)
#define FG_LOOP(name, function)                                                                       \
  static ulong name(fg_run* run, uint top, ulong rounds, ulong context, ulong flags) {                \
    const uint count = (uint)rounds;                                                                  \
    if (flags != 0) return FG_ERROR(FG_EINVAL);                                                       \
    if (count > FG_MOST_ROUNDS) return FG_ERROR(FG_E2BIG);                                            \
    for (uint i = 0; i < count; ++i) {                                                                \
      if (function(run, top, i, context, 0, 0, 0) != 0 || run->trap != 0) return run->trap ? 0 : i + 1; \
    }                                                                                                 \
    return count;                                                                                     \
  }
