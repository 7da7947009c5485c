// SPDX-License-Identifier: Apache-2.0
//
// An application that sends requests to a program by libbpf's user_ring_buffer, unmodified. Built twice from this
// source, as flow_watch.c is, it must print user_ring.expected on forager and on the kernel.
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user_ring.h"
#include "user_ring.skel.h"

static int check(const char* what, int result) {
  if (result >= 0) return result;
  printf("%s failed: %s\n", what, strerror(-result));
  exit(1);
}

static int print_warnings(enum libbpf_print_level level, const char* format, va_list arguments) {
  return level == LIBBPF_WARN ? vprintf(format, arguments) : 0;
}

static void drain(struct user_ring_bpf* skeleton, __u64 flags) {
  unsigned char packet[64] = {0};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof packet);
  struct drained* drained = &skeleton->bss->drained;
  skeleton->bss->drain_flags = flags;
  check("test run", bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.drain), &options));
  printf("drain: %lld; in all %llu samples, total %llu, unreadable %llu, last of %llu bytes, written %lld\n",
         (long long)drained->result, (unsigned long long)drained->samples, (unsigned long long)drained->total,
         (unsigned long long)drained->unreadable, (unsigned long long)drained->last_size, (long long)drained->written);
}

static int send(struct user_ring_buffer* ring, __u32 kind, __u32 bytes, __u64 number) {
  struct request* request = user_ring_buffer__reserve(ring, bytes);
  if (!request) return -errno;
  if (bytes >= sizeof *request) *request = (struct request){.kind = kind, .bytes = bytes, .number = number};
  user_ring_buffer__submit(ring, request);
  return 0;
}

static void send_requests(struct user_ring_bpf* skeleton, struct user_ring_buffer* ring) {
  drain(skeleton, 0);
  for (__u32 i = 1; i <= 4; i++) check("send", send(ring, 1, 16 * i, i));
  drain(skeleton, 0);
  for (__u32 i = 1; i <= 4; i++) check("send", send(ring, i, 16, 100 * i));
  drain(skeleton, 0);
  drain(skeleton, 0);
  check("send", send(ring, 1, 8, 0));  // too short to be a request
  user_ring_buffer__discard(ring, user_ring_buffer__reserve(ring, 100));
  check("send", send(ring, 1, 16, 7));
  drain(skeleton, 0);
  void* busy = user_ring_buffer__reserve(ring, 16);
  check("send", send(ring, 1, 16, 8));
  drain(skeleton, 0);
  user_ring_buffer__discard(ring, busy);
  drain(skeleton, BPF_RB_NO_WAKEUP);
  drain(skeleton, 4);
}

// What there is no room for has to wait for a drain.
static void fill(struct user_ring_bpf* skeleton, struct user_ring_buffer* ring) {
  int sent = 0;
  while (send(ring, 1, 120, 1) == 0) sent++;
  printf("room for %d requests of 120 bytes, then: %s\n", sent, strerror(-send(ring, 1, 120, 1)));
  printf("a larger one than the ring: %s\n", strerror(-send(ring, 1, 5000, 1)));
  void* none = user_ring_buffer__reserve_blocking(ring, 120, 1);
  printf("waiting for room: %s\n", none ? "some" : strerror(errno));
  drain(skeleton, 0);
  void* some = user_ring_buffer__reserve_blocking(ring, 120, -1);
  printf("after a drain: %s\n", some ? "some" : strerror(errno));
  if (some) user_ring_buffer__discard(ring, some);
  drain(skeleton, 0);
}

static void map_memory(int fd) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  void* consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  printf("writable consumer page: %s\n", consumer == MAP_FAILED ? strerror(errno) : "mapped");
  consumer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
  __u64* producer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)page);
  check("map", consumer == MAP_FAILED || producer == MAP_FAILED ? -errno : 0);
  printf("all consumed: %d\n", *(__u64*)consumer == *producer);
  *producer += 4;
}

int main(void) {
  libbpf_set_print(print_warnings);
  setvbuf(stdout, NULL, _IONBF, 0);
  struct user_ring_bpf* skeleton = user_ring_bpf__open_and_load();
  check("load", skeleton ? 0 : -errno);
  const int fd = bpf_map__fd(skeleton->maps.requests);
  struct user_ring_buffer* ring = user_ring_buffer__new(fd, NULL);
  check("ring", ring ? 0 : -errno);
  send_requests(skeleton, ring);
  fill(skeleton, ring);
  map_memory(fd);
  drain(skeleton, 0);
  user_ring_buffer__free(ring);
  user_ring_bpf__destroy(skeleton);
  return 0;
}
