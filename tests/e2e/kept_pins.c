// SPDX-License-Identifier: Apache-2.0
//
// kept_pins DIRECTORY: an application against plain libbpf whose pinned map and program outlive it, by the one call
// that it makes of forager's own. Each run finds what the run before left; the program counts its runs in the map. Pins
// are virtual, so it is built for forager only. Prints nothing that differs between machines.
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "application.h"
#include "forager/bpf.h"

#define FOLDER "/sys/fs/bpf/kept"
#define MAP FOLDER "/runs"
#define PROGRAM FOLDER "/count"

static void print_line(const char* line, void* context) {
  (void)context;
  printf("left out: %s\n", line);
}

// A program that adds one to the number that the array begins with, and returns XDP_PASS.
static int load(int array) {
  const struct bpf_insn code[] = {
      {.code = 0x18, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_VALUE, .imm = array},  // r1 = the value's address
      {.code = 0},
      {.code = 0xb7, .dst_reg = 2, .imm = 1},      // r2 = 1
      {.code = 0xdb, .dst_reg = 1, .src_reg = 2},  // lock *(u64 *)r1 += r2
      {.code = 0xb7, .dst_reg = 0, .imm = 2},      // r0 = 2
      {.code = 0x95},                              // exit
  };
  return (int)check("load", bpf_prog_load(BPF_PROG_TYPE_XDP, "count", "GPL", code, sizeof code / sizeof *code, NULL));
}

static int get_map(void) {
  int map = bpf_obj_get(MAP);
  if (map >= 0) return map;
  printf("no map: %s\n", strerror(errno));
  map = (int)check("create", bpf_map_create(BPF_MAP_TYPE_ARRAY, "runs", 4, 8, 1, NULL));
  check("mkdir", mkdir(FOLDER, 0700));
  check("pin", bpf_obj_pin(map, MAP));
  return map;
}

static int get_program(int map) {
  int program = bpf_obj_get(PROGRAM);
  if (program >= 0) return program;
  printf("no program: %s\n", strerror(errno));
  program = load(map);
  check("pin", bpf_obj_pin(program, PROGRAM));
  return program;
}

int main(int count, char** arguments) {
  if (count != 2) return 2;
  check("keep", forager_keep_pins(arguments[1], print_line, NULL));
  const int map = get_map(), program = get_program(map);
  char packet[64] = {0};
  LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof packet);
  check("run", bpf_prog_test_run_opts(program, &run));
  const __u32 first = 0;
  __u64 runs = 0;
  check("lookup", bpf_map_lookup_elem(map, &first, &runs));
  printf("returned %u, run %llu\n", run.retval, (unsigned long long)runs);
  return 0;
}
