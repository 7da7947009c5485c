// SPDX-License-Identifier: Apache-2.0
//
// ARRAY and PERCPU_ARRAY: values of `size` bytes, `stride` apart. Maps for redirects: which keys lead somewhere.

#define FG_NOEXIST 1
#define FG_EXIST 2

static ulong fg_array_lookup(ulong table, uint size, uint stride, uint entries, uint index) {
  return index < entries ? table + (ulong)index * stride : 0;
}

static ulong fg_array_update(fg_run* run, ulong table, uint size, uint stride, uint entries, ulong key, ulong value,
                             ulong flags) {
  const uint index = (uint)fg_load32_any(run, key);
  if (flags > FG_EXIST) return FG_ERROR(FG_EINVAL);
  if (index >= entries) return FG_ERROR(FG_E2BIG);
  if (flags == FG_NOEXIST) return FG_ERROR(FG_EEXIST);
  fg_copy_in(run, FG_GLOBAL(table + (ulong)index * stride), value, size);
  return 0;
}

// Targets by index.
static uint fg_port_at(fg_run* run, ulong table, uint entries, uint key) {
  return key < entries ? (uint)fg_load32_global(FG_GLOBAL(table + 4ul * key)) : 0;
}

// By key: their number, the keys, sorted, and behind room for all keys their targets.
static uint fg_port_of(fg_run* run, ulong table, uint entries, uint key) {
  uint low = 0, high = (uint)fg_load32_global(FG_GLOBAL(table));
  while (low < high) {
    const uint middle = low + (high - low) / 2, there = (uint)fg_load32_global(FG_GLOBAL(table + 4 + 4ul * middle));
    if (there == key) return (uint)fg_load32_global(FG_GLOBAL(table + 4 + 4ul * entries + 4ul * middle));
    if (there < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return 0;
}
