// SPDX-License-Identifier: Apache-2.0
//
// What libbpf's probes find: program types, map types, and how many helpers each program type may call. Built twice:
// for forager and for a kernel, to see where the two differ (docs/bpf.md has the table).
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>

enum { kProgTypes = 32, kMapTypes = 33, kHelpers = 211 };

static int silent(enum libbpf_print_level level, const char* format, va_list arguments) {
  (void)level, (void)format, (void)arguments;
  return 0;
}

static int helpers_of(enum bpf_prog_type type) {
  int count = 0;
  for (int helper = 1; helper <= kHelpers; ++helper) {
    count += libbpf_probe_bpf_helper(type, (enum bpf_func_id)helper, NULL) == 1;
  }
  return count;
}

int main(void) {
  libbpf_set_print(silent);
  for (int type = 1; type <= kProgTypes; ++type) {
    const int there = libbpf_probe_bpf_prog_type((enum bpf_prog_type)type, NULL);
    printf("program type %2d: %d", type, there);
    if (there == 1) printf(", %d helpers", helpers_of((enum bpf_prog_type)type));
    printf("\n");
  }
  for (int type = 1; type <= kMapTypes; ++type) {
    printf("map type %2d: %d\n", type, libbpf_probe_bpf_map_type((enum bpf_map_type)type, NULL));
  }
  return 0;
}
