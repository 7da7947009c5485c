/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf(2) from C: a map made, filled and read, by forager_bpf() and by syscall(2) alike.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "forager/bpf.h"

static int failed(const char* what, long result) {
  fprintf(stderr, "%s: %ld\n", what, result);
  return 1;
}

int main(void) {
  union bpf_attr attr;
  uint32_t key = 2;
  uint64_t value = 40, found = 0;

  memset(&attr, 0, sizeof attr);
  attr.map_type = BPF_MAP_TYPE_ARRAY;
  attr.key_size = sizeof key;
  attr.value_size = sizeof value;
  attr.max_entries = 4;
  long map = forager_bpf(BPF_MAP_CREATE, &attr, sizeof attr);
  if (map < 0) return failed("map create", map);

  memset(&attr, 0, sizeof attr);
  attr.map_fd = (uint32_t)map;
  attr.key = (uintptr_t)&key;
  attr.value = (uintptr_t)&value;
  long result = forager_bpf(BPF_MAP_UPDATE_ELEM, &attr, sizeof attr);
  if (result != 0) return failed("update", result);

  attr.value = (uintptr_t)&found;
  result = syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof attr);
  if (result != 0 || found != value) return failed("lookup by syscall(2)", result);

  key = 4; /* beyond the array */
  result = forager_bpf(BPF_MAP_LOOKUP_ELEM, &attr, sizeof attr);
  if (result != -ENOENT) return failed("lookup beyond the array", result);
  return close((int)map);
}
