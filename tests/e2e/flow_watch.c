// SPDX-License-Identifier: Apache-2.0
//
// An application written against plain libbpf: nothing in it knows of forager. It is built twice from this source,
// linked once against libbpf and once against forager_libbpf, and must print the same text both times
// (flow_watch.expected). It needs a network interface with index 1, which every network namespace has (lo), and prints
// nothing that differs between machines.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "application.h"
#include "flow_watch.h"
#include "flow_watch.skel.h"

enum { kLoopback = 1, kMaxCpus = 4096 };

// Warnings belong to the result: there must be none.
static int print_warnings(enum libbpf_print_level level, const char* format, va_list arguments) {
  if (getenv("FLOW_WATCH_VERBOSE")) return vfprintf(stderr, format, arguments);
  return level == LIBBPF_WARN ? vprintf(format, arguments) : 0;
}

// ---- packets -------------------------------------------------------------------------------------------------------

static unsigned make_packet(unsigned char* packet, const char* source, __u8 protocol, unsigned bytes) {
  struct ethhdr ethernet = {.h_proto = htons(ETH_P_IP)};
  struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = protocol};
  ip.saddr = inet_addr(source);
  memset(packet, 0, bytes);
  memcpy(packet, &ethernet, sizeof ethernet);
  memcpy(packet + sizeof ethernet, &ip, sizeof ip);
  return bytes;
}

static void run_packet(const struct bpf_program* program, const char* source, __u8 protocol, unsigned bytes) {
  unsigned char packet[1500], out[1500];
  struct xdp_md context = {.data_end = bytes, .ingress_ifindex = kLoopback};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_out = out, .data_size_out = sizeof out,
              .ctx_in = &context, .ctx_size_in = sizeof context);
  options.data_size_in = make_packet(packet, source, protocol, bytes);
  check("test run", bpf_prog_test_run_opts(bpf_program__fd(program), &options));
  printf("%-12s protocol %2u, %4u bytes: verdict %u, %u bytes out, %s\n", source, protocol, bytes, options.retval,
         options.data_size_out, memcmp(packet, out, bytes) == 0 ? "unchanged" : "changed");
}

static void run_packets(const struct bpf_program* program) {
  run_packet(program, "10.0.0.1", 17, 60);
  run_packet(program, "10.0.0.2", 6, 60);
  run_packet(program, "192.168.1.9", 6, 1400);
  run_packet(program, "10.0.0.3", 1, 98);
  run_packet(program, "192.168.7.7", 17, 101);
  run_packet(program, "10.0.0.1", 17, 500);
}

// ---- events --------------------------------------------------------------------------------------------------------

static int on_sample(void* context, void* data, size_t bytes) {
  const struct sample* sample = data;
  char source[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &sample->source, source, sizeof source);
  printf("%s sample %u: %s, protocol %u, %u bytes; record of %zu bytes\n", (const char*)context, sample->sequence,
         source, sample->protocol, sample->bytes, bytes);
  return 0;
}

static void on_drop(void* context, int cpu, void* data, __u32 bytes) {
  const struct drop_event* event = data;
  (void)cpu;
  printf("%s reason %u, %u bytes; at least %d bytes of event\n", (const char*)context, event->reason, event->bytes,
         bytes >= sizeof *event ? (int)sizeof *event : 0);
}

static void on_lost(void* context, int cpu, __u64 count) {
  (void)context, (void)cpu;
  printf("lost %llu\n", (unsigned long long)count);
}

// ---- maps ----------------------------------------------------------------------------------------------------------

static void show_protocols(const struct bpf_map* map) {
  __u8 key;
  int count = 0;
  struct protocol_count value;
  for (void* at = NULL; bpf_map__get_next_key(map, at, &key, sizeof key) == 0; at = &key) count++;
  printf("%d protocols:", count);
  for (unsigned protocol = 0; protocol < 256; protocol++) {
    key = (__u8)protocol;
    if (bpf_map__lookup_elem(map, &key, sizeof key, &value, sizeof value, 0) != 0) continue;
    printf(" %u: %llu packets %llu bytes;", protocol, (unsigned long long)value.packets,
           (unsigned long long)value.bytes);
  }
  printf("\n");
}

static void show_sizes(const struct bpf_map* map) {
  static __u64 values[kMaxCpus];
  const int cpus = libbpf_num_possible_cpus();
  for (__u32 slot = 0; slot < 2; slot++) {
    __u64 sum = 0;
    check("sizes", bpf_map__lookup_elem(map, &slot, sizeof slot, values, sizeof values[0] * (size_t)cpus, 0));
    for (int cpu = 0; cpu < cpus; cpu++) sum += values[cpu];
    printf("%s 100 bytes: %llu\n", slot ? "over" : "up to", (unsigned long long)sum);
  }
}

static void change_maps(struct flow_watch_bpf* skeleton) {
  const struct bpf_map* map = skeleton->maps.protocols;
  __u8 key = 17;
  struct protocol_count value = {1000, 2000};
  printf("insert what is there: %d\n", bpf_map__update_elem(map, &key, sizeof key, &value, sizeof value, BPF_NOEXIST));
  printf("replace: %d\n", bpf_map__update_elem(map, &key, sizeof key, &value, sizeof value, BPF_EXIST));
  key = 1;
  printf("delete: %d\n", bpf_map__delete_elem(map, &key, sizeof key, 0));
  printf("again: %d\n", bpf_map__delete_elem(map, &key, sizeof key, 0));
  key = 6;
  printf("take: %d, ", bpf_map__lookup_and_delete_elem(map, &key, sizeof key, &value, sizeof value, 0));
  printf("%llu packets\n", (unsigned long long)value.packets);
  show_protocols(map);
  const __u32 zero = 0, number = 1;
  printf("change .rodata: %d\n", bpf_map_update_elem(bpf_map__fd(skeleton->maps.rodata), &zero, &number, BPF_ANY));
}

// ---- links and identity --------------------------------------------------------------------------------------------

static void show_program(const struct bpf_program* program) {
  struct bpf_prog_info info = {0};
  __u32 length = sizeof info, maps[16];
  info.map_ids = (__u64)(unsigned long)maps;
  info.nr_map_ids = 16;
  check("program info", bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length));
  const int again = check("by id", bpf_prog_get_fd_by_id(info.id));
  printf("program %s: type %u, %u maps, has BTF %d, GPL %d, instructions %d, found by its id %d\n", info.name,
         info.type, info.nr_map_ids, info.btf_id != 0, info.gpl_compatible, info.xlated_prog_len != 0, again >= 0);
  close(again);
}

static void show_map(const struct bpf_map* map) {
  struct bpf_map_info info = {0};
  __u32 length = sizeof info;
  check("map info", bpf_obj_get_info_by_fd(bpf_map__fd(map), &info, &length));
  printf("map %s: type %u, key %u, value %u, entries %u, flags %#x, has BTF %d\n", info.name, info.type, info.key_size,
         info.value_size, info.max_entries, info.map_flags, info.btf_id != 0);
}

static __u32 program_of_link(const struct bpf_link* link, __u32* ifindex) {
  struct bpf_link_info info = {0};
  __u32 length = sizeof info;
  check("link info", bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &length));
  *ifindex = info.xdp.ifindex;
  return info.prog_id;
}

static void use_links(struct flow_watch_bpf* skeleton) {
  __u32 ifindex = 0;
  struct bpf_link* link = bpf_program__attach_xdp(skeleton->progs.watch, kLoopback);
  check("attach", link ? 0 : -errno);
  const __u32 before = program_of_link(link, &ifindex);
  printf("attached to %u; a second link:", ifindex);
  struct bpf_link* second = bpf_program__attach_xdp(skeleton->progs.pass_all, kLoopback);
  printf(" %s\n", second ? "attached" : strerror(errno));
  printf("update: %d, ", bpf_link__update_program(link, skeleton->progs.pass_all));
  printf("another program %d\n", program_of_link(link, &ifindex) != before);
  printf("detach: %d, ", bpf_link__detach(link));
  program_of_link(link, &ifindex);
  printf("attached to %u\n", ifindex);
  bpf_link__destroy(link);
  link = bpf_program__attach_xdp(skeleton->progs.watch, kLoopback);
  printf("attached again: %d, destroyed: %d\n", link != NULL, bpf_link__destroy(link));
}

static struct flow_watch_bpf* load(void) {
  struct flow_watch_bpf* skeleton = flow_watch_bpf__open();
  check("open", skeleton ? 0 : -errno);
  skeleton->rodata->sample_every = 2;
  check("load", flow_watch_bpf__load(skeleton));

  const __u32 zero = 0, yes = 1;
  const __u32 target = (__u32)bpf_program__fd(skeleton->progs.drop);
  check("tail call", bpf_map__update_elem(skeleton->maps.steps, &zero, sizeof zero, &target, sizeof target, 0));
  const struct prefix network = {.length = 16, .address = inet_addr("192.168.0.0")};
  check("block", bpf_map__update_elem(skeleton->maps.blocked, &network, sizeof network, &yes, sizeof yes, 0));
  return skeleton;
}

int main(void) {
  stay_on_one_cpu();
  setvbuf(stdout, NULL, _IOLBF, 0);
  libbpf_set_print(print_warnings);
  struct flow_watch_bpf* skeleton = load();
  struct ring_buffer* ring = ring_buffer__new(bpf_map__fd(skeleton->maps.samples), on_sample, "ring:", NULL);
  check("ring buffer", ring ? 0 : -errno);
  struct perf_buffer* perf = perf_buffer__new(bpf_map__fd(skeleton->maps.drops), 8, on_drop, on_lost, "perf:", NULL);
  check("perf buffer", perf ? 0 : -errno);

  printf("nothing yet: ring %d, perf %d\n", ring_buffer__poll(ring, 0), perf_buffer__poll(perf, 0));
  run_packets(skeleton->progs.watch);
  printf("ring %d\n", ring_buffer__poll(ring, 1000));
  printf("perf %d\n", perf_buffer__poll(perf, 1000) > 0);
  printf("nothing left: ring %d, perf %d\n", ring_buffer__poll(ring, 0), perf_buffer__poll(perf, 0));
  run_packets(skeleton->progs.watch);
  printf("ring %d\n", ring_buffer__poll(ring, 1000));
  printf("consumed %d\n", ring_buffer__consume(ring));
  printf("perf %d\n", perf_buffer__poll(perf, 1000) > 0);

  printf("packets %llu, next sequence %u\n", (unsigned long long)skeleton->bss->packets, skeleton->data->next_sequence);
  skeleton->data->next_sequence = 500;
  run_packet(skeleton->progs.watch, "10.9.9.9", 2, 64);
  run_packet(skeleton->progs.watch, "10.9.9.9", 2, 64);
  ring_buffer__poll(ring, 1000);
  show_protocols(skeleton->maps.protocols);
  show_sizes(skeleton->maps.sizes);
  change_maps(skeleton);
  show_program(skeleton->progs.watch);
  show_program(skeleton->progs.drop);
  show_map(skeleton->maps.protocols);
  show_map(skeleton->maps.samples);
  show_map(skeleton->maps.rodata);
  use_links(skeleton);

  ring_buffer__free(ring);
  perf_buffer__free(perf);
  flow_watch_bpf__destroy(skeleton);
  return 0;
}
