// SPDX-License-Identifier: Apache-2.0
//
// Maps in maps, batches, read-only data and frozen maps, by a plain libbpf application. Built twice as flow_watch is,
// and both must print tenants.expected.
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>

#include "application.h"
#include "tenants.skel.h"

enum { kTenants = 3, kSlots = 4, kStrangers = 200 };

static int add_tenant(int outer, __u32 tenant) {
  const int inner = (int)check(
      "inner map", bpf_map_create(BPF_MAP_TYPE_ARRAY, "counters", sizeof(__u32), sizeof(__u64), kSlots, NULL));
  check("add tenant", bpf_map_update_elem(outer, &tenant, &inner, BPF_NOEXIST));
  return inner;
}

static __u32 send_frame(int program, unsigned char tenant, unsigned char slot) {
  unsigned char frame[64] = {tenant, slot};
  LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof frame);
  check("run", bpf_prog_test_run_opts(program, &opts));
  return opts.retval;
}

static void show_counters(int inner, unsigned tenant) {
  __u32 keys[kSlots], next = 0, count = kSlots;
  __u64 values[kSlots];
  const int error = bpf_map_lookup_batch(inner, NULL, &next, keys, values, &count, NULL);
  printf("tenant %u: %u counters (%d):", tenant, count, error);
  for (unsigned i = 0; i < count; i++) printf(" %llu", (unsigned long long)values[i]);
  printf("\n");
}

static int by_key(const void* a, const void* b) {
  const __u32 left = *(const __u32*)a, right = *(const __u32*)b;
  return (left > right) - (left < right);
}

// Hashes have no order, so the keys are sorted; values are told by their sum.
static void take_strangers(int strangers) {
  __u32 keys[64], next = 0, count = 64;
  __u64 values[64], sum = 0;
  const int error = bpf_map_lookup_and_delete_batch(strangers, NULL, &next, keys, values, &count, NULL);
  qsort(keys, count, sizeof *keys, by_key);
  for (unsigned i = 0; i < count; i++) sum += values[i];
  printf("strangers: %u (%d), frames %llu:", count, error, (unsigned long long)sum);
  for (unsigned i = 0; i < count; i++) printf(" %u", keys[i]);
  printf("\n");
}

static void fill_strangers(int strangers) {
  __u32 keys[40], count = 40, doubled = 41;
  __u64 values[40];
  for (__u32 i = 0; i < count; i++) {
    keys[i] = 1000 + i;
    values[i] = i;
  }
  printf("update 40: %d", bpf_map_update_batch(strangers, keys, values, &count, NULL));
  printf(" (%u)\n", count);
  LIBBPF_OPTS(bpf_map_batch_opts, absent, .elem_flags = BPF_NOEXIST);
  printf("update them as new: %d", bpf_map_update_batch(strangers, keys, values, &count, &absent));
  printf(" (%u)\n", count);
  count = 30;
  printf("delete 30: %d", bpf_map_delete_batch(strangers, keys, &count, NULL));
  printf(" (%u)\n", count);
  count = doubled - 1;
  printf("delete 40: %d", bpf_map_delete_batch(strangers, keys, &count, NULL));
  printf(" (%u)\n", count);
}

static void outlaw(struct tenants_bpf* skeleton, int outer) {
  const __u32 tenant = 7, slot = 0;
  const __u64 value = 0;
  int wrong = (int)check("wrong inner map", bpf_map_create(BPF_MAP_TYPE_HASH, NULL, 4, 8, kSlots, NULL));
  printf("a hash as a tenant: %d\n", bpf_map_update_elem(outer, &tenant, &wrong, BPF_ANY));
  printf("the outer map itself: %d\n", bpf_map_update_elem(outer, &tenant, &outer, BPF_ANY));
  printf("read-only data: %d\n", bpf_map_update_elem(bpf_map__fd(skeleton->maps.rodata), &slot, &value, BPF_ANY));
}

int main(void) {
  struct tenants_bpf* skeleton = tenants_bpf__open();
  if (skeleton == NULL) check("open", -errno);
  skeleton->rodata->most_strangers = kStrangers;
  check("load", tenants_bpf__load(skeleton));

  const int outer = bpf_map__fd(skeleton->maps.tenants), program = bpf_program__fd(skeleton->progs.count_tenant);
  const int strangers = bpf_map__fd(skeleton->maps.strangers);
  int inner[kTenants];
  for (__u32 i = 0; i < kTenants; i++) inner[i] = add_tenant(outer, i);
  for (unsigned i = 0; i < 60; i++) send_frame(program, (unsigned char)(i % 5), (unsigned char)(i % 7));
  printf("of a stranger: %u, of one too many: %u\n", send_frame(program, 100, 0), send_frame(program, 255, 0));
  for (unsigned i = 0; i < kTenants; i++) show_counters(inner[i], i);
  take_strangers(strangers);
  take_strangers(strangers);

  const __u32 gone = 1;
  check("remove tenant", bpf_map_delete_elem(outer, &gone));
  printf("of a tenant that left: %u\n", send_frame(program, 1, 0));
  show_counters(inner[1], 1);

  fill_strangers(strangers);
  outlaw(skeleton, outer);
  printf("freeze: %d", bpf_map_freeze(strangers));
  printf(", update then: %d\n", bpf_map_delete_elem(strangers, &gone));
  tenants_bpf__destroy(skeleton);
  return 0;
}
