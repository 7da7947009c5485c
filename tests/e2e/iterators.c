// SPDX-License-Identifier: Apache-2.0
//
// Iterators over maps and their elements through libbpf: links, BPF_ITER_CREATE and read(2). Built twice as flow_watch
// is, and both must print iterators.expected.
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "application.h"
#include "iterators.skel.h"

enum { kEntries = 4, kMaxCpus = 4096, kMostLines = 512 };

static struct iterators_bpf* skeleton;

static int make_map(enum bpf_map_type type, __u32 key, __u32 value, const char* name) {
  return (int)check("map", bpf_map_create(type, name, key, value, kEntries, NULL));
}

static int new_map(enum bpf_map_type type) { return make_map(type, 4, 8, "numbers"); }

static void put(int map, __u32 key, __u64 value) { check("update", bpf_map_update_elem(map, &key, &value, BPF_ANY)); }

static void fill(int map) {
  for (__u32 key = 0; key < kEntries; key++) put(map, key, key * (__u64)10);
}

static int attach(struct bpf_program* program, int map) {
  union bpf_iter_link_info info;
  memset(&info, 0, sizeof info);
  info.map.map_fd = (__u32)map;
  LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &info, .iter_info_len = sizeof info);
  return bpf_link_create(bpf_program__fd(program), 0, BPF_TRACE_ITER, &options);
}

static int open_iterator(struct bpf_program* program, int map) {
  const int link = (int)check("link", attach(program, map));
  const int iterator = (int)check("iterator", bpf_iter_create(link));
  close(link);  // the iterator goes on
  return iterator;
}

// ---- what is read --------------------------------------------------------------------------------------------------

static int compare(const void* a, const void* b) { return strcmp(*(char* const*)a, *(char* const*)b); }

// Hashes give their elements in an order of their own.
static void print_sorted(char* text) {
  static char* lines[kMostLines];
  int count = 0;
  for (char* line = strtok(text, "\n"); line && count < kMostLines; line = strtok(NULL, "\n")) lines[count++] = line;
  qsort(lines, (size_t)count, sizeof *lines, compare);
  for (int i = 0; i < count; i++) printf("%s\n", lines[i]);
}

// Reads in pieces of `size` bytes to the end; the result of each read, if asked for.
static void read_all(int iterator, size_t size, bool tell, bool sort) {
  static char text[1 << 16];
  size_t filled = 0;
  for (int reads = 0; reads < 100; reads++) {
    const ssize_t bytes = read(iterator, text + filled, size);
    if (tell) printf("read %zd%s%s\n", bytes, bytes < 0 ? ": " : "", bytes < 0 ? strerror(errno) : "");
    if (bytes == 0 || (bytes < 0 && errno != EAGAIN)) break;
    if (bytes > 0) filled += (size_t)bytes;
  }
  text[filled] = '\0';
  if (sort) {
    print_sorted(text);
  } else {
    printf("%s", text);
  }
  close(iterator);
}

static void show(const char* what, struct bpf_program* program, int map) {
  printf("-- %s\n", what);
  read_all(open_iterator(program, map), 4096, false, true);
}

// ---- the parts -----------------------------------------------------------------------------------------------------

static void elements(void) {
  const int array = new_map(BPF_MAP_TYPE_ARRAY), hash = new_map(BPF_MAP_TYPE_HASH),
            lru = new_map(BPF_MAP_TYPE_LRU_HASH);
  show("array of zeros", skeleton->progs.shows, array);
  fill(array);
  show("array", skeleton->progs.shows, array);
  skeleton->data->numbered = false;
  show("empty hash", skeleton->progs.shows, hash);
  fill(hash);
  show("hash", skeleton->progs.shows, hash);
  fill(lru);
  show("lru hash", skeleton->progs.shows, lru);
  skeleton->data->numbered = true;
  printf("-- in pieces\n");
  read_all(open_iterator(skeleton->progs.shows, array), 20, true, false);
  close(array), close(hash), close(lru);
}

static void per_cpu(void) {
  __u64 values[kMaxCpus] = {7, 8};
  const enum bpf_map_type types[] = {BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_LRU_PERCPU_HASH};
  if (libbpf_num_possible_cpus() < 2 || libbpf_num_possible_cpus() > kMaxCpus) return;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    const int map = new_map(types[i]);
    for (__u32 key = 0; key < kEntries; key++) {
      values[0] = key;
      check("update", bpf_map_update_elem(map, &key, values, BPF_ANY));
    }
    show("per CPU", skeleton->progs.two_cpus, map);
    close(map);
  }
}

static void retries(void) {
  const int array = new_map(BPF_MAP_TYPE_ARRAY);
  printf("-- again\n");
  skeleton->bss->retries = 2;
  read_all(open_iterator(skeleton->progs.hesitates, array), 4096, true, false);
  close(array);
}

static void overflows(void) {
  const int array = new_map(BPF_MAP_TYPE_ARRAY);
  printf("-- long texts\n");
  memset(skeleton->bss->text, 'x', sizeof skeleton->bss->text - 1);
  skeleton->bss->text[sizeof skeleton->bss->text - 1] = '\n';
  skeleton->bss->too_long = 2;
  const int iterator = open_iterator(skeleton->progs.large, array);
  static char text[1 << 16];
  for (int reads = 0; reads < 4; reads++) {
    const ssize_t bytes = read(iterator, text, sizeof text);
    printf("read %zd, errno %s, write %d\n", bytes, bytes < 0 ? strerror(errno) : "none", skeleton->bss->outcome);
  }
  skeleton->bss->too_long = kEntries;
  printf("then %zd\n", read(iterator, text, sizeof text));
  printf("then %zd\n", read(iterator, text, sizeof text));
  printf("then %zd\n", read(iterator, text, sizeof text));
  close(iterator), close(array);
}

static void changes(void) {
  const int array = new_map(BPF_MAP_TYPE_ARRAY);
  fill(array);
  printf("-- changes\n");
  const int iterator = open_iterator(skeleton->progs.adds, array);
  printf("sum %llu before\n", (unsigned long long)skeleton->bss->sum);
  char text[64];
  const ssize_t first = read(iterator, text, sizeof text), second = read(iterator, text, sizeof text);
  printf("read %zd and %zd, sum %llu, %llu end\n", first, second, (unsigned long long)skeleton->bss->sum,
         (unsigned long long)skeleton->bss->ends);
  for (__u32 key = 0; key < kEntries; key++) {
    __u64 value = 0, copy = 0;
    check("lookup", bpf_map_lookup_elem(array, &key, &value));
    check("lookup", bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.copies), &key, &copy));
    printf("%u: %llu, was %llu\n", key, (unsigned long long)value, (unsigned long long)copy);
  }
  close(iterator), close(array);
}

static void refuse(const char* what, int map) {
  const int link = attach(skeleton->progs.shows, map);
  printf("%s: %s\n", what, link < 0 ? strerror(-link) : "accepted");
  if (link >= 0) close(link);
  if (map > 0) close(map);
}

// libbpf tries BPF_RAW_TRACEPOINT_OPEN after it; what that is refused with is up to the machine.
static int link_elsewhere(int program) {
  union bpf_attr attr = {.link_create = {.prog_fd = program, .attach_type = BPF_TRACE_FENTRY}};
  return syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr)) < 0 ? errno : 0;
}

static void refusals(void) {
  printf("-- refusals\n");
  refuse("key too small", make_map(BPF_MAP_TYPE_HASH, 2, 8, "m"));
  refuse("value too small", make_map(BPF_MAP_TYPE_ARRAY, 4, 4, "m"));
  refuse("larger", make_map(BPF_MAP_TYPE_HASH, 8, 16, "m"));
  refuse("queue", make_map(BPF_MAP_TYPE_QUEUE, 0, 8, "m"));
  refuse("no map", 0);
  LIBBPF_OPTS(bpf_link_create_opts, none);
  const int program = bpf_program__fd(skeleton->progs.shows);
  printf("no info: %s\n", strerror(-bpf_link_create(program, 0, BPF_TRACE_ITER, &none)));
  printf("elsewhere: %s\n", strerror(link_elsewhere(program)));
}

static void links(void) {
  const int array = new_map(BPF_MAP_TYPE_ARRAY);
  const int link = (int)check("link", attach(skeleton->progs.shows, array));
  struct bpf_link_info info;
  struct bpf_map_info map;
  char name[32] = "";
  __u32 size = sizeof info, map_size = sizeof map;
  memset(&info, 0, sizeof info);
  memset(&map, 0, sizeof map);
  info.iter.target_name = (__u64)(unsigned long)name;
  info.iter.target_name_len = sizeof name;
  check("info", bpf_obj_get_info_by_fd(link, &info, &size));
  check("info", bpf_obj_get_info_by_fd(array, &map, &map_size));
  printf("-- link\ntype %u, %s, %u bytes, map %s\n", info.type, name, info.iter.target_name_len,
         info.iter.map.map_id == map.id ? "right" : "wrong");
  printf("detach: %s\n", strerror(-bpf_link_detach(link)));
  const int before = (int)check("iterator", bpf_iter_create(link));
  check("update", bpf_link_update(link, bpf_program__fd(skeleton->progs.hesitates), NULL));
  printf("other target: %s\n", strerror(-bpf_link_update(link, bpf_program__fd(skeleton->progs.lists), NULL)));
  const int after = (int)check("iterator", bpf_iter_create(link));
  printf("iterator of an iterator: %s\n", strerror(-bpf_iter_create(after)));
  printf("iterator of a map: %s\n", strerror(-bpf_iter_create(array)));
  close(link), close(array);
  read_all(before, 4096, false, false);
  FILE* stream = fdopen(after, "r");
  char line[64];
  while (stream && fgets(line, sizeof line, stream)) printf("line %s", line);
  if (stream) fclose(stream);
}

// Those of this application, among all the machine's.
static void maps(void) {
  const int one = make_map(BPF_MAP_TYPE_HASH, 12, 24, "iter_first"),
            two = make_map(BPF_MAP_TYPE_ARRAY, 4, 64, "iter_second");
  const int link = (int)check("link", bpf_link_create(bpf_program__fd(skeleton->progs.lists), 0, BPF_TRACE_ITER, NULL));
  const int iterator = (int)check("iterator", bpf_iter_create(link));
  static char text[1 << 20];
  size_t filled = 0;
  for (ssize_t bytes; (bytes = read(iterator, text + filled, sizeof text - 1 - filled)) > 0;) filled += (size_t)bytes;
  printf("-- maps\n");
  for (char* line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
    if (strstr(line, " iter_")) printf("%s\n", strchr(line, ' ') + 1);
  }
  close(iterator), close(link), close(one), close(two);
}

int main(void) {
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  skeleton = iterators_bpf__open();
  if (!skeleton) check("open", -errno);
  check("load", iterators_bpf__load(skeleton));
  elements();
  per_cpu();
  retries();
  overflows();
  changes();
  refusals();
  links();
  maps();
  iterators_bpf__destroy(skeleton);
  return 0;
}
