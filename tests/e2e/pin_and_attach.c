// SPDX-License-Identifier: Apache-2.0
//
// An application against plain libbpf that pins what it has and attaches programs in every way that libbpf 1.1 does
// without netlink. Nothing in it knows of forager. What it attaches to is virtual there, so it is built for forager
// only: on a kernel it would probe the machine. Prints nothing that differs between machines.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int print_warnings(enum libbpf_print_level level, const char* format, va_list arguments) {
  return level == LIBBPF_WARN ? vprintf(format, arguments) : 0;
}

static struct bpf_object* load(const char* path) {
  struct bpf_object* object = bpf_object__open_file(path, NULL);
  if (!object || bpf_object__load(object) != 0) {
    printf("load failed: %s\n", strerror(errno));
    exit(1);
  }
  return object;
}

static struct bpf_program* program(struct bpf_object* object, const char* name) {
  return bpf_object__find_program_by_name(object, name);
}

// ---- links ---------------------------------------------------------------------------------------------------------

static void show_link(const char* what, struct bpf_link* link) {
  struct bpf_link_info info = {0};
  __u32 length = sizeof info;
  if (!link) {
    printf("%s: %s\n", what, strerror(errno));
    return;
  }
  const int got = bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &length);
  printf("%s: link of type %u, info %d; destroyed %d\n", what, info.type, got, bpf_link__destroy(link));
}

static struct bpf_link* attach_sampler(const struct bpf_program* sampler) {
  struct perf_event_attr attr = {0};
  attr.type = PERF_TYPE_SOFTWARE;
  attr.size = sizeof attr;
  attr.config = PERF_COUNT_SW_CPU_CLOCK;
  attr.sample_freq = 99;
  attr.freq = 1;
  const int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
  return bpf_program__attach_perf_event(sampler, fd);
}

static void attach_all(struct bpf_object* object) {
  show_link("kprobe", bpf_program__attach(program(object, "on_function")));
  show_link("kretprobe", bpf_program__attach(program(object, "on_return")));
  show_link("uprobe", bpf_program__attach_uprobe(program(object, "on_function"), false, -1, "/proc/self/exe", 64));
  show_link("tracepoint", bpf_program__attach(program(object, "on_switch")));
  show_link("raw tracepoint", bpf_program__attach(program(object, "on_raw_switch")));
  show_link("perf event", attach_sampler(program(object, "on_sample")));
  show_link("xdp", bpf_program__attach_xdp(program(object, "on_frame"), 1));
  const int cgroup = open("/tmp", O_RDONLY | O_DIRECTORY);
  show_link("cgroup", bpf_program__attach_cgroup(program(object, "on_ingress"), cgroup));
  close(cgroup);
}

// ---- pins ----------------------------------------------------------------------------------------------------------

static void list(const char* path) {
  DIR* directory = opendir(path);
  printf("%s:", path);
  for (struct dirent* entry; directory && (entry = readdir(directory));) {
    if (entry->d_name[0] != '.') printf(" %s", entry->d_name);
  }
  printf("\n");
  if (directory) closedir(directory);
}

static __u64 value_of(const struct bpf_object* object) {
  const __u32 key = 7;
  __u64 value = 0;
  bpf_map__lookup_elem(bpf_object__find_map_by_name(object, "counts"), &key, sizeof key, &value, sizeof value, 0);
  return value;
}

static void reuse_by_name(struct bpf_object* first, const char* path) {
  const __u32 key = 7;
  const __u64 value = 42;
  bpf_map__update_elem(bpf_object__find_map_by_name(first, "counts"), &key, sizeof key, &value, sizeof value, 0);
  struct bpf_object* second = load(path);
  printf("a second object finds %llu\n", (unsigned long long)value_of(second));
  bpf_object__close(second);
}

static void pin_all(struct bpf_object* object) {
  printf("pin the object: %d\n", bpf_object__pin_programs(object, "/sys/fs/bpf/programs"));
  list("/sys/fs/bpf");
  list("/sys/fs/bpf/programs");
  struct stat status;
  printf("a pin is a file: %d\n", stat("/sys/fs/bpf/counts", &status) == 0 && S_ISREG(status.st_mode));
  printf("unpin: %d, ", bpf_object__unpin_programs(object, "/sys/fs/bpf/programs"));
  printf("remove its directory: %d\n", rmdir("/sys/fs/bpf/programs"));
}

static void pin_link(struct bpf_object* object) {
  struct bpf_link* link = bpf_program__attach_xdp(program(object, "on_frame"), 2);
  printf("pin a link: %d\n", bpf_link__pin(link, "/sys/fs/bpf/links/one"));
  bpf_link__disconnect(link);
  bpf_link__destroy(link);
  link = bpf_link__open("/sys/fs/bpf/links/one");
  printf("open it again: %d\n", link != NULL);
  printf("unpin it: %d, ", bpf_link__unpin(link));
  printf("gone: %d\n", access("/sys/fs/bpf/links/one", F_OK) != 0);
  bpf_link__destroy(link);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  libbpf_set_print(print_warnings);
  struct bpf_object* object = load(argv[1]);
  attach_all(object);
  reuse_by_name(object, argv[1]);
  pin_all(object);
  pin_link(object);
  printf("unpin the map: %d\n", bpf_map__unpin(bpf_object__find_map_by_name(object, "counts"), NULL));
  list("/sys/fs/bpf");
  bpf_object__close(object);
  return 0;
}
