// SPDX-License-Identifier: Apache-2.0
//
// Helpers that work on map values and call back (bpf_loop, for_each_map_elem, dynptrs, spin locks, timers), driven from
// a plain libbpf application with generated arguments. Built twice as flow_watch is, and both must print
// values.expected.
//
// Of many calls a digest is printed; VALUES_VERBOSE=1 in the environment prints each.
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "application.h"
#include "values.h"
#include "values.skel.h"

#ifndef BPF_F_TIMER_ABS
#define BPF_F_TIMER_ABS 1
#endif

enum { kMaxCpus = 4096, kCalls = 200 };
static const __u64 kYear = 365ULL * 24 * 3600 * 1000000000;

static struct values_bpf* skeleton;

// ---- numbers that repeat -------------------------------------------------------------------------------------------

static __u64 state = 1;

static __u64 next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static __u64 below(__u64 limit) { return next() % limit; }

// Numbers near which things break.
static __u64 edge(void) {
  static const __u64 kEdges[] = {0,
                                 1,
                                 7,
                                 8,
                                 15,
                                 16,
                                 17,
                                 31,
                                 32,
                                 33,
                                 4095,
                                 4096,
                                 1 << 23,
                                 (1 << 23) + 1,
                                 (1 << 24) - 1,
                                 1 << 24,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 0x100000000,
                                 0x100000008,
                                 0x8000000000000000,
                                 ~0ULL};
  return kEdges[below(sizeof kEdges / sizeof *kEdges)];
}

static __u64 mostly(__u64 usual, __u64 otherwise) { return below(8) ? usual : otherwise; }

// Compilers choose in which order a call's arguments are computed: where two of them are drawn, that takes two steps.
static __u64 near(__u64 least, __u64 numbers) {
  const __u64 otherwise = edge();
  return mostly(least + below(numbers), otherwise);
}

// ---- calls ---------------------------------------------------------------------------------------------------------

static __u64 digest;

static void digest_words(const __u64* words, unsigned count) {
  for (unsigned i = 0; i < count; i++) digest = (digest ^ words[i]) * 0x100000001b3;
}

static const struct answer* run(const struct bpf_program* program, const struct request* request) {
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = request, .data_size_in = sizeof *request);
  memset(&skeleton->bss->answer, 0, sizeof skeleton->bss->answer);
  check("test run", bpf_prog_test_run_opts(bpf_program__fd(program), &options));
  const struct answer* answer = &skeleton->bss->answer;
  digest_words(answer->words, 8);
  if (getenv("VALUES_VERBOSE")) {
    printf("  %s", bpf_program__name(program));
    for (unsigned i = 0; i < 8; i++) printf(" %llx", (unsigned long long)request->words[i]);
    printf(" ->");
    for (unsigned i = 0; i < 8; i++) printf(" %llx", (unsigned long long)answer->words[i]);
    printf("\n");
  }
  return answer;
}

static void show(const char* what) {
  printf("%s: %016llx\n", what, (unsigned long long)digest);
  digest = 0xcbf29ce484222325;
}

// ---- loops and walks -----------------------------------------------------------------------------------------------

static void use_loops(void) {
  for (unsigned i = 0; i < kCalls; i++) {
    struct request request = {.words = {below(50), below(60), below(2), mostly(0, edge())}};
    if (below(8) == 0) request.words[0] = edge(), request.words[1] = below(20);
    run(skeleton->progs.loops, &request);
  }
  show("loops");
}

static const struct bpf_map* walked(enum walked_map map) {
  const struct bpf_map* const maps[] = {skeleton->maps.array, skeleton->maps.hash, skeleton->maps.percpu_array,
                                        skeleton->maps.percpu_hash, skeleton->maps.lru_hash};
  return maps[map];
}

static void fill(const struct bpf_map* map, __u32 entries, __u64 first) {
  static __u64 values[kMaxCpus];
  const enum bpf_map_type type = bpf_map__type(map);
  const int per_cpu = type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH;
  const size_t cpus = per_cpu ? (size_t)libbpf_num_possible_cpus() : 1;
  for (__u32 key = 0; key < entries; key++) {
    for (size_t cpu = 0; cpu < cpus; cpu++) values[cpu] = first + key;
    check("fill", bpf_map__update_elem(map, &key, sizeof key, values, cpus * sizeof *values, BPF_ANY));
  }
}

static int count(const struct bpf_map* map) {
  __u32 key;
  int keys = 0;
  for (void* at = NULL; bpf_map__get_next_key(map, at, &key, sizeof key) == 0; at = &key) keys++;
  return keys;
}

static void use_walks(void) {
  for (unsigned i = 0; i < kCalls; i++) {
    const enum walked_map which = (enum walked_map)below(kWalkedMaps);
    const struct bpf_map* map = walked(which);
    const __u64 first = below(100);
    fill(map, (__u32)below(9), first);
    // All elements in whatever order, or those of an array up to some place.
    const int ordered = which == kArray || which == kPerCpuArray;
    struct request request = {.words = {which, ordered ? below(12) : 0, ordered ? 0 : below(2), mostly(0, 1 + edge())}};
    run(skeleton->progs.walks, &request);
    const __u64 left = (__u64)count(map);
    digest_words(&left, 1);
  }
  show("walks");
}

// ---- dynptrs -------------------------------------------------------------------------------------------------------

static void use_dynptrs(void) {
  for (unsigned i = 0; i < 5 * kCalls; i++) {
    struct request request = {
        .words = {near(0, 34), mostly(0, edge()), below(18), near(0, 36), mostly(0, edge()), next()}};
    run(skeleton->progs.dynptrs, &request);
  }
  show("dynptrs");
}

static int on_record(void* context, void* data, size_t bytes) {
  (void)context;
  digest = digest * 31 + bytes;
  if (bytes >= sizeof(__u32)) digest = digest * 31 + *(__u32*)data;
  return 0;
}

static void use_records(void) {
  struct ring_buffer* ring = ring_buffer__new(bpf_map__fd(skeleton->maps.ring), on_record, NULL, NULL);
  check("ring buffer", ring ? 0 : -errno);
  for (unsigned i = 0; i < 3 * kCalls; i++) {
    // What stands in a record before it is written is the ring's business: the first bytes are always written.
    struct request request = {
        .words = {near(4, 300), mostly(0, edge()), mostly(0, below(400)), below(18), next(), below(3)}};
    run(skeleton->progs.records, &request);
    if (below(10) == 0) digest = digest * 31 + (__u64)ring_buffer__consume(ring);
  }
  digest = digest * 31 + (__u64)ring_buffer__consume(ring);
  ring_buffer__free(ring);
  show("records");
}

// ---- spin locks and BPF_F_LOCK -------------------------------------------------------------------------------------

struct counter {
  __u64 count;
  __u32 lock, unused;
  __u64 twice;
};

static void use_locks(void) {
  const struct bpf_map* map = skeleton->maps.counters;
  static const __u64 kFlags[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
  for (unsigned i = 0; i < 3 * kCalls; i++) {
    const __u32 key = (__u32)below(6);
    const __u64 flags = kFlags[below(9)];
    struct counter value = {.count = below(1000), .lock = ~0U, .unused = ~0U, .twice = below(1000)};
    struct request request = {.words = {key, below(1000), flags}};
    long result = 0;
    switch (below(6)) {
      case 0:
        result = bpf_map__update_elem(map, &key, sizeof key, &value, sizeof value, flags);
        break;
      case 1:
        result = bpf_map__lookup_elem(map, &key, sizeof key, &value, sizeof value, flags);
        break;
      case 2:
        result = bpf_map__lookup_and_delete_elem(map, &key, sizeof key, &value, sizeof value, flags);
        break;
      case 3:
        result = bpf_map__delete_elem(map, &key, sizeof key, 0);
        break;
      default:
        run(skeleton->progs.locks, &request);
    }
    if (result != 0) memset(&value, 0, sizeof value);
    const __u64 words[] = {(__u64)result, value.count, value.lock, value.unused, value.twice};
    digest_words(words, 5);
    if (getenv("VALUES_VERBOSE")) printf("  key %u flags %llu: %ld\n", key, (unsigned long long)flags, result);
  }
  show("locks");
  const __u32 key = 0;
  __u64 value = 0;
  const struct bpf_map* plain = skeleton->maps.hash;
  printf("no lock: update %d, ", bpf_map__update_elem(plain, &key, sizeof key, &value, sizeof value, BPF_F_LOCK));
  printf("lookup %d, ", bpf_map__lookup_elem(plain, &key, sizeof key, &value, sizeof value, BPF_F_LOCK));
  printf("take %d\n", bpf_map__lookup_and_delete_elem(plain, &key, sizeof key, &value, sizeof value, BPF_F_LOCK));
}

// ---- timers --------------------------------------------------------------------------------------------------------

struct timed {
  __u64 count;
  __u64 timer[2];
  __u64 key;
};

static void fill_timed(const struct bpf_map* map) {
  const struct timed fresh = {.timer = {1, 2}};
  for (__u32 key = 0; key < kTimedKeys; key++) {
    check("fill", bpf_map__update_elem(map, &key, sizeof key, &fresh, sizeof fresh, BPF_ANY));
  }
}

// Linux has no memory for a timer now and then, and some the next time.
static long operate(const struct bpf_program* program, __u32 key, __u64 operation, __u64 argument, __u64 flags) {
  struct request request = {.words = {key, operation, argument, flags}};
  const __u64 before = digest;
  long result = 0;
  do {
    digest = before;
    result = (long)run(program, &request)->words[0];
  } while (result == -ENOMEM);
  return result;
}

// No timer of these runs: their deadlines are years away.
static void use_timers(const struct bpf_program* program, const struct bpf_map* map, const char* name) {
  fill_timed(map);
  for (unsigned i = 0; i < 4 * kCalls; i++) {
    const __u32 key = (__u32)below(kTimedKeys);
    const __u64 operation = below(kTimerOperations + 1);
    if (operation == kTimerOperations) {
      const struct timed fresh = {0};
      check("update", bpf_map__update_elem(map, &key, sizeof key, &fresh, sizeof fresh, BPF_ANY));
    } else if (operation == kInit) {
      const __u64 otherwise = below(20);
      operate(program, key, kInit, mostly(below(2) ? CLOCK_MONOTONIC : CLOCK_BOOTTIME, otherwise), 0);
    } else if (operation == kStart) {
      const __u64 flags = mostly(0, below(2) ? 2 : 4 + below(100));
      operate(program, key, kStart, kYear + below(kYear), flags);
    } else {
      operate(program, key, operation, 0, 0);
    }
  }
  show(name);
  fill_timed(map);
}

// Reads until the value says that its timer ran so often, for ten seconds at most.
static void wait_for(const struct bpf_map* map, __u32 key, __u64 times) {
  struct timed value = {0};
  for (int i = 0; i < 10000 && value.count < times; i++) {
    check("lookup", bpf_map__lookup_elem(map, &key, sizeof key, &value, sizeof value, 0));
    usleep(1000);
  }
  printf("key %u: ran %llu times, saw key %llu; the timer reads as %llx %llx\n", key, (unsigned long long)value.count,
         (unsigned long long)value.key, (unsigned long long)value.timer[0], (unsigned long long)value.timer[1]);
}

static __u64 now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (__u64)time.tv_sec * 1000000000 + (__u64)time.tv_nsec;
}

static void run_timers(const struct bpf_program* program, const struct bpf_map* map) {
  printf("init %ld, ", operate(program, 1, kInit, CLOCK_MONOTONIC, 0));
  printf("callback %ld, ", operate(program, 1, kSetCallback, 0, 0));
  printf("start %ld\n", operate(program, 1, kStart, 1000, 0));
  wait_for(map, 1, 1);
  printf("absolute: start %ld\n", operate(program, 1, kStart, now() + 1000000, BPF_F_TIMER_ABS));
  wait_for(map, 1, 2);
  printf("over: start %ld\n", operate(program, 1, kStart, 1, BPF_F_TIMER_ABS));
  wait_for(map, 1, 3);
  printf("cancel %ld, ", operate(program, 1, kCancel, 0, 0));
  printf("start %ld\n", operate(program, 1, kStart, 1000, 0));

  operate(program, 2, kInit, CLOCK_MONOTONIC, 0);
  operate(program, 2, kSetCallback, 1, 0);
  operate(program, 2, kStart, 1000, 0);
  wait_for(map, 2, 3);
  printf("again: from its own callback cancel %lld, start %lld\n", (long long)skeleton->bss->answer.words[1],
         (long long)skeleton->bss->answer.words[2]);
}

// A program whose timer is armed stays until the timer's map has no user any more.
static void keep_program(void) {
  struct bpf_prog_info info = {0};
  __u32 length = sizeof info;
  check("program info", bpf_obj_get_info_by_fd(bpf_program__fd(skeleton->progs.timers), &info, &length));
  operate(skeleton->progs.timers, 3, kInit, CLOCK_MONOTONIC, 0);
  operate(skeleton->progs.timers, 3, kSetCallback, 0, 0);
  operate(skeleton->progs.timers, 3, kStart, kYear, 0);
  const int map = dup(bpf_map__fd(skeleton->maps.timed));
  values_bpf__destroy(skeleton);
  const int kept = bpf_prog_get_fd_by_id(info.id);
  printf("kept by its timer: %d\n", kept >= 0);
  close(kept);
  close(map);
  int gone = 0;
  for (int i = 0; i < 10000 && !gone; i++) {
    const int again = bpf_prog_get_fd_by_id(info.id);
    gone = again < 0;
    if (!gone) close(again), usleep(1000);
  }
  printf("gone with the map's last user: %d\n", gone);
}

int main(void) {
  stay_on_one_cpu();
  setvbuf(stdout, NULL, _IOLBF, 0);
  digest = 0xcbf29ce484222325;
  skeleton = values_bpf__open_and_load();
  check("load", skeleton ? 0 : -errno);
  use_loops();
  use_walks();
  use_dynptrs();
  use_records();
  use_locks();
  use_timers(skeleton->progs.timers, skeleton->maps.timed, "timers of a hash");
  use_timers(skeleton->progs.array_timers, skeleton->maps.timed_array, "timers of an array");
  run_timers(skeleton->progs.timers, skeleton->maps.timed);
  run_timers(skeleton->progs.array_timers, skeleton->maps.timed_array);
  keep_program();
  return 0;
}
