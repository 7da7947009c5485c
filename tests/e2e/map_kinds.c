// SPDX-License-Identifier: Apache-2.0
//
// An application that uses maps without keys, and maps of CPUs, sockets, cgroups and stacks, through plain libbpf:
// their element operations, their errors, and programs that use them. Built twice from this source, as flow_watch.c is.
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "map_kinds.h"
#include "map_kinds.skel.h"

enum { kMaxCpus = 4096, kNoDescriptor = 1000 };

static int check(const char* what, int result) {
  if (result >= 0) return result;
  printf("%s failed: %s\n", what, strerror(-result));
  exit(1);
}

static int print_warnings(enum libbpf_print_level level, const char* format, va_list arguments) {
  return level == LIBBPF_WARN ? vprintf(format, arguments) : 0;
}

// One answer; the caller's next line may depend on it, which arguments of one call must not.
static void say(const char* what, int result) { printf(", %s %d", what, result); }

static unsigned run(const struct bpf_program* program) {
  unsigned char packet[64] = {0};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof packet);
  check("test run", bpf_prog_test_run_opts(bpf_program__fd(program), &options));
  return options.retval;
}

// ---- values without keys -------------------------------------------------------------------------------------------

static void show_ring(const char* name, int fd) {
  __u32 value = 77, key = 0;
  printf("%s", name);
  say("peek", bpf_map_lookup_elem(fd, NULL, &value));
  say("delete", bpf_map_delete_elem(fd, &key));
  say("next", bpf_map_get_next_key(fd, NULL, &key));
  say("with a key", bpf_map_update_elem(fd, &key, &value, BPF_ANY));
  for (value = 1; value <= kCapacity; value++) check("push", bpf_map_update_elem(fd, NULL, &value, BPF_ANY));
  say("full", bpf_map_update_elem(fd, NULL, &value, BPF_ANY));
  say("new", bpf_map_update_elem(fd, NULL, &value, BPF_NOEXIST));
  say("making room", bpf_map_update_elem(fd, NULL, &value, BPF_EXIST));
  printf("; popped:");
  while (bpf_map_lookup_and_delete_elem(fd, NULL, &value) == 0) printf(" %u", value);
  printf(", then %s\n", strerror(errno));
}

static void show_outcome(const char* name, const struct outcome* outcome) {
  printf("  %s: push %lld, peek %lld (%u), pop %lld (%u), filter %lld\n", name, (long long)outcome->push,
         (long long)outcome->peek, outcome->peeked, (long long)outcome->pop, outcome->popped,
         (long long)outcome->member);
}

static void run_values(struct map_kinds_bpf* skeleton) {
  const __u32 first = 100;
  const __u64 flags[] = {BPF_ANY, BPF_ANY, BPF_NOEXIST, BPF_EXIST};
  check("push", bpf_map_update_elem(bpf_map__fd(skeleton->maps.queue), NULL, &first, BPF_ANY));
  check("push", bpf_map_update_elem(bpf_map__fd(skeleton->maps.stack), NULL, &first, BPF_ANY));
  for (__u32 i = 0; i < 4; i++) {
    skeleton->bss->number = 1 + i / 2;
    skeleton->bss->push_flags = flags[i];
    printf("program with %u, flags %llu: verdict %u\n", skeleton->bss->number, (unsigned long long)flags[i],
           run(skeleton->progs.values));
    show_outcome("queue", &skeleton->bss->queued);
    show_outcome("stack", &skeleton->bss->stacked);
  }
}

static void show_filter(int fd) {
  __u32 value = 5, key = 0;
  printf("filter");
  say("unknown", bpf_map_lookup_elem(fd, NULL, &value));
  say("push", bpf_map_update_elem(fd, NULL, &value, BPF_ANY));
  say("known", bpf_map_lookup_elem(fd, NULL, &value));
  say("flags", bpf_map_update_elem(fd, NULL, &value, BPF_EXIST));
  say("delete", bpf_map_delete_elem(fd, &key));
  say("next", bpf_map_get_next_key(fd, NULL, &key));
  say("take", bpf_map_lookup_and_delete_elem(fd, NULL, &value));
  printf("\n");
}

static void show_counts(int fd) {
  static __u64 values[kMaxCpus];
  const int cpus = libbpf_num_possible_cpus();
  for (__u32 key = 1; key <= 3; key++) {
    __u64 sum = 0;
    const int error = bpf_map_lookup_elem(fd, &key, values);
    for (int cpu = 0; error == 0 && cpu < cpus; cpu++) sum += values[cpu];
    printf("count of %u: %d, %llu; ", key, error, (unsigned long long)sum);
  }
  printf("\n");
}

// ---- what packets are redirected to --------------------------------------------------------------------------------

static void show_cpus(struct map_kinds_bpf* skeleton) {
  const int fd = bpf_map__fd(skeleton->maps.cpus);
  struct bpf_cpumap_val value = {.qsize = 192}, found = {0};
  __u32 cpu = 0, outside = 8;
  skeleton->bss->number = 0;
  skeleton->bss->push_flags = XDP_DROP;
  printf("CPUs, none: verdict %u", run(skeleton->progs.to_cpu));
  say("CPU 0", bpf_map_update_elem(fd, &cpu, &value, BPF_ANY));
  say("outside", bpf_map_update_elem(fd, &outside, &value, BPF_ANY));
  say("new", bpf_map_update_elem(fd, &cpu, &value, BPF_NOEXIST));
  printf(": verdict %u", run(skeleton->progs.to_cpu));
  say("lookup", bpf_map_lookup_elem(fd, &cpu, &found));
  printf(": %u, program %u", found.qsize, found.bpf_prog.id);
  value.qsize = 16385;
  say("too long", bpf_map_update_elem(fd, &cpu, &value, BPF_ANY));
  say("delete", bpf_map_delete_elem(fd, &cpu));
  say("again", bpf_map_delete_elem(fd, &cpu));
  say("outside", bpf_map_delete_elem(fd, &outside));
  say("lookup", bpf_map_lookup_elem(fd, &cpu, &found));
  printf("\n");
}

static int put(int map, __u32 index, int fd, __u64 flags) { return bpf_map_update_elem(map, &index, &fd, flags); }

static void show_sockets(struct map_kinds_bpf* skeleton) {
  const int map = bpf_map__fd(skeleton->maps.sockets);
  const int file = open("/dev/null", O_RDONLY), udp = socket(AF_INET, SOCK_DGRAM, 0), xdp = socket(AF_XDP, SOCK_RAW, 0);
  check("sockets", udp < 0 || xdp < 0 ? -errno : 0);
  printf("sockets");
  say("none", put(map, 0, kNoDescriptor, BPF_ANY));
  say("a file", put(map, 0, file, BPF_ANY));
  say("UDP", put(map, 0, udp, BPF_ANY));
  say("to replace", put(map, 0, xdp, BPF_EXIST));
  say("XDP", put(map, 0, xdp, BPF_NOEXIST));
  say("again", put(map, 0, xdp, BPF_NOEXIST));
  say("outside", put(map, 4, xdp, BPF_ANY));
  __u32 index = 0, value = 0;
  say("lookup", bpf_map_lookup_elem(map, &index, &value));
  skeleton->bss->number = 0;
  skeleton->bss->push_flags = XDP_PASS;
  printf(": verdict %u", run(skeleton->progs.to_socket));
  skeleton->bss->number = 1;
  printf(" and %u without one", run(skeleton->progs.to_socket));
  say("delete", bpf_map_delete_elem(map, &index));
  say("again", bpf_map_delete_elem(map, &index));
  printf("\n");
  close(file), close(udp), close(xdp);
}

// ---- cgroups and stacks --------------------------------------------------------------------------------------------

static void show_cgroups(int map) {
  const int directory = open("/", O_RDONLY | O_DIRECTORY);
  __u32 index = 0, value = 0;
  printf("cgroups");
  say("none", put(map, 0, kNoDescriptor, BPF_ANY));
  say("a directory", put(map, 0, directory, BPF_ANY));
  say("flags", put(map, 0, directory, BPF_EXIST));
  say("outside", put(map, 4, directory, BPF_ANY));
  say("lookup", bpf_map_lookup_elem(map, &index, &value));
  say("delete", bpf_map_delete_elem(map, &index));
  say("next", bpf_map_get_next_key(map, NULL, &index));
  printf(": %u\n", index);
  close(directory);
}

static void show_stacks(int map) {
  __u64 stack[16];
  __u32 id = 3, last = 15, outside = 16, next = 0;
  printf("stacks");
  say("lookup", bpf_map_lookup_elem(map, &id, stack));
  say("outside", bpf_map_lookup_elem(map, &outside, stack));
  say("update", bpf_map_update_elem(map, &id, stack, BPF_ANY));
  say("delete", bpf_map_delete_elem(map, &id));
  say("the last bucket", bpf_map_delete_elem(map, &last));
  say("outside", bpf_map_delete_elem(map, &outside));
  say("next", bpf_map_get_next_key(map, NULL, &next));
  printf("\n");
}

int main(void) {
  libbpf_set_print(print_warnings);
  setvbuf(stdout, NULL, _IONBF, 0);
  struct map_kinds_bpf* skeleton = map_kinds_bpf__open_and_load();
  check("load", skeleton ? 0 : -errno);
  show_ring("queue", bpf_map__fd(skeleton->maps.queue));
  show_ring("stack", bpf_map__fd(skeleton->maps.stack));
  run_values(skeleton);
  show_filter(bpf_map__fd(skeleton->maps.seen));
  show_counts(bpf_map__fd(skeleton->maps.counts));
  show_cpus(skeleton);
  show_sockets(skeleton);
  show_cgroups(bpf_map__fd(skeleton->maps.cgroups));
  show_stacks(bpf_map__fd(skeleton->maps.stacks));
  map_kinds_bpf__destroy(skeleton);
  return 0;
}
