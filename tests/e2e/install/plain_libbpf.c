/* SPDX-License-Identifier: Apache-2.0
 *
 * An application that knows libbpf only: it loads an object, writes to a map and reads it back.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

static int failed(const char* what) {
  fprintf(stderr, "%s failed\n", what);
  return 1;
}

int main(int argc, char** argv) {
  char key[64], value[256], found[256];
  struct bpf_object* object = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
  if (!object || bpf_object__load(object)) return failed("load");
  struct bpf_map* flows = bpf_object__find_map_by_name(object, "flows");
  if (!flows) return failed("finding the map");
  size_t key_size = bpf_map__key_size(flows), value_size = bpf_map__value_size(flows);
  if (key_size > sizeof key || value_size > sizeof value) return failed("the map's sizes");
  memset(key, 1, sizeof key);
  memset(value, 2, sizeof value);
  memset(found, 0, sizeof found);
  if (bpf_map__update_elem(flows, key, key_size, value, value_size, BPF_ANY)) return failed("update");
  if (bpf_map__lookup_elem(flows, key, key_size, found, value_size, 0)) return failed("lookup");
  if (memcmp(value, found, value_size) != 0) return failed("reading back");
  bpf_object__close(object);
  return 0;
}
