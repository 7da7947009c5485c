// SPDX-License-Identifier: Apache-2.0
// What the applications here share. They are plain C against libbpf.
#pragma once

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Ends the application where something failed that must not.
static inline long check(const char* what, long result) {
  if (result >= 0) return result;
  printf("%s failed: %s\n", what, strerror((int)-result));
  exit(1);
}

// Perf buffers and per-CPU values: on one CPU events come in order, and counts in one place. Wants _GNU_SOURCE.
static inline void stay_on_one_cpu(void) {
  cpu_set_t allowed, one;
  int cpu = 0;
  check("affinity", sched_getaffinity(0, sizeof allowed, &allowed));
  while (!CPU_ISSET(cpu, &allowed)) cpu++;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  check("affinity", sched_setaffinity(0, sizeof one, &one));
}
