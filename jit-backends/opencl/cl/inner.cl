// SPDX-License-Identifier: Apache-2.0
//
// Maps that a program does not know by name: those that maps of maps hold, and one of several. What it has of them is
// the address of a descriptor; jit-backends/opencl/batch.h has the same structure.

typedef struct {
  ulong place, lane_stride;  // as in places; from one lane's to the next one's
  uint kind, key_size, value_size, stride;
  uint entries, mask, nodes, flags;
  ulong unused[2];
} fg_map;

#define FG_DESCRIPTOR(map) (run->descriptors + sizeof(fg_map) * (map))
#define FG_KIND_ARRAY 1u
#define FG_KIND_HASH 2u
#define FG_OPEN_MAP(run, map)                                \
  __global const fg_map* const m = (__global const fg_map*)(map); \
  const ulong at = (run)->maps + m->place + (run)->lane * m->lane_stride
#define FG_ARRAY_OF(m) at, (m)->value_size, (m)->stride, (m)->entries
#define FG_HASH_OF(m) at, (m)->key_size, (m)->value_size, (m)->entries, (m)->mask, (m)->nodes, (m)->flags

// Of other kinds, a program that has one map or another is not taken any further.
static bool fg_is_hash(fg_run* run, __global const fg_map* map) {
  if (map->kind == FG_KIND_HASH) return true;
  run->trap = FG_TRAP_MAP;
  return false;
}

static ulong fg_map_lookup(fg_run* run, ulong map, ulong key) {
  FG_OPEN_MAP(run, map);
  if (m->kind == FG_KIND_ARRAY) return fg_array_lookup(FG_ARRAY_OF(m), (uint)fg_load32_any(run, key));
  return fg_is_hash(run, m) ? fg_hash_lookup(run, FG_HASH_OF(m), key) : 0;
}

static ulong fg_map_update(fg_run* run, ulong map, ulong key, ulong value, ulong flags) {
  FG_OPEN_MAP(run, map);
  if (m->kind == FG_KIND_ARRAY) return fg_array_update(run, FG_ARRAY_OF(m), key, value, flags);
  return fg_is_hash(run, m) ? fg_hash_update(run, 0, FG_HASH_OF(m), key, value, flags) : 0;
}

static ulong fg_map_delete(fg_run* run, ulong map, ulong key) {
  FG_OPEN_MAP(run, map);
  if (m->kind == FG_KIND_ARRAY) return FG_ERROR(FG_EINVAL);
  return fg_is_hash(run, m) ? fg_hash_delete(run, FG_HASH_OF(m), key) : 0;
}

// What a map of maps has: 0, or a descriptor's offset and 1.
static ulong fg_inner(fg_run* run, ulong word) { return word == 0 ? 0 : run->descriptors + word - 1; }

static ulong fg_array_of_maps_lookup(fg_run* run, ulong table, uint entries, uint index) {
  return index < entries ? fg_inner(run, fg_load64_global(FG_GLOBAL(table + 8ul * index))) : 0;
}

static ulong fg_hash_of_maps_lookup(fg_run* run, FG_HASH, ulong key) {
  const ulong value = fg_hash_lookup(run, FG_HASH_ARGUMENTS, key);
  return value == 0 ? 0 : fg_inner(run, fg_load64_global(FG_GLOBAL(value)));
}
