// SPDX-License-Identifier: Apache-2.0
//
// Values without keys. QUEUE and STACK are a ring of values, for one work-item alone: a pop has to find the value that
// is the oldest, or the newest, and the room that it leaves, in one step, and none of them may wait for another.
// BLOOM_FILTER is bits that all work-items set by atomic ORs.
//
// Of a QUEUE or STACK, a header of 64 bytes: the numbers of the oldest value and of the next one, which only a STACK's
// pop takes back, and the least that the latter was since the host looked (8 bytes each). Value n stands in slot n
// modulo `entries` behind it, in whole words. Of a filter: where the bits stand (8), the last bit, how many functions,
// and the first one's seed (4 each). jit-backends/opencl/mirror_values.cc has the same.

#define FG_LIST ulong table, uint value_size, uint entries, bool newest
#define FG_LIST_OLDEST FG_GLOBAL(table)
#define FG_LIST_NEXT FG_GLOBAL(table + 8)
#define FG_LIST_LEAST FG_GLOBAL(table + 16)
#define FG_LIST_VALUE(number) (table + 64 + (number) % entries * FG_WORDS(value_size))

static ulong fg_list_push(fg_run* run, FG_LIST, ulong value, ulong flags) {
  const ulong oldest = fg_load64_global(FG_LIST_OLDEST), next = fg_load64_global(FG_LIST_NEXT);
  if (flags != 0 && flags != FG_EXIST) return FG_ERROR(FG_EINVAL);
  if (next - oldest == entries) {
    if (flags != FG_EXIST) return FG_ERROR(FG_E2BIG);
    fg_store64_global(FG_LIST_OLDEST, oldest + 1);
  }
  fg_copy_in(run, FG_GLOBAL(FG_LIST_VALUE(next)), value, value_size);
  fg_store64_global(FG_LIST_NEXT, next + 1);
  return 0;
}

static ulong fg_list_peek(fg_run* run, FG_LIST, ulong value) {
  const ulong oldest = fg_load64_global(FG_LIST_OLDEST), next = fg_load64_global(FG_LIST_NEXT);
  const ulong from = FG_LIST_VALUE(newest ? next - 1 : oldest);
  for (uint i = 0; i < value_size; ++i) fg_store8_any(run, value + i, oldest == next ? 0 : *FG_GLOBAL(from + i));
  return oldest == next ? FG_ERROR(FG_ENOENT) : 0;
}

static ulong fg_list_pop(fg_run* run, FG_LIST, ulong value) {
  if (fg_list_peek(run, table, value_size, entries, newest, value) != 0) return FG_ERROR(FG_ENOENT);
  if (newest) {
    const ulong last = fg_load64_global(FG_LIST_NEXT) - 1;
    fg_store64_global(FG_LIST_NEXT, last);
    fg_store64_global(FG_LIST_LEAST, min(last, fg_load64_global(FG_LIST_LEAST)));
  } else {
    fg_store64_global(FG_LIST_OLDEST, fg_load64_global(FG_LIST_OLDEST) + 1);
  }
  return 0;
}

// ---- BLOOM_FILTER ----

// Up to four bytes of a value.
static uint fg_some_bytes(fg_run* run, ulong at, uint size) {
  if (size >= 4) return (uint)fg_load32_any(run, at);
  uint word = 0;
  for (uint i = 0; i < size; ++i) word |= (uint)fg_load8_any(run, at + i) << (8 * i);
  return word;
}

#define FG_JHASH_MIX(x, y, z, turn) x = (x - z) ^ rotate(z, turn), z += y
#define FG_JHASH_END(x, y, turn) x = (x ^ y) - rotate(y, turn)

// Bob Jenkins' lookup3, as include/linux/jhash.h has it.
static uint fg_jhash(fg_run* run, ulong at, uint size, uint seed) {
  uint a = 0xdeadbeefu + size + seed, b = a, c = a;
  for (; size > 12; at += 12, size -= 12) {
    a += fg_some_bytes(run, at, 4);
    b += fg_some_bytes(run, at + 4, 4);
    c += fg_some_bytes(run, at + 8, 4);
    FG_JHASH_MIX(a, b, c, 4u);
    FG_JHASH_MIX(b, c, a, 6u);
    FG_JHASH_MIX(c, a, b, 8u);
    FG_JHASH_MIX(a, b, c, 16u);
    FG_JHASH_MIX(b, c, a, 19u);
    FG_JHASH_MIX(c, a, b, 4u);
  }
  a += fg_some_bytes(run, at, size);
  if (size > 4) b += fg_some_bytes(run, at + 4, size - 4);
  if (size > 8) c += fg_some_bytes(run, at + 8, size - 8);
  FG_JHASH_END(c, b, 14u);
  FG_JHASH_END(a, c, 11u);
  FG_JHASH_END(b, a, 25u);
  FG_JHASH_END(c, b, 16u);
  FG_JHASH_END(a, c, 4u);
  FG_JHASH_END(b, a, 14u);
  FG_JHASH_END(c, b, 24u);
  return c;
}

#define FG_BLOOM ulong table, uint value_size
#define FG_BLOOM_MASK (uint)fg_load32_global(FG_GLOBAL(table + 8))
#define FG_BLOOM_FUNCTIONS (uint)fg_load32_global(FG_GLOBAL(table + 12))
#define FG_BLOOM_SEED (uint)fg_load32_global(FG_GLOBAL(table + 16))

static fg_word* fg_bloom_word(fg_run* run, ulong table, uint bit) {
  return (fg_word*)(run->maps + fg_load64_global(FG_GLOBAL(table)) + 4ul * (bit / 32));
}

static ulong fg_bloom_push(fg_run* run, FG_BLOOM, ulong value, ulong flags) {
  if (flags != 0) return FG_ERROR(FG_EINVAL);
  const uint functions = FG_BLOOM_FUNCTIONS, mask = FG_BLOOM_MASK, seed = FG_BLOOM_SEED;
  for (uint i = 0; i < functions; ++i) {
    const uint bit = fg_jhash(run, value, value_size, seed + i) & mask;
    atomic_or(fg_bloom_word(run, table, bit), 1u << bit % 32);
  }
  return 0;
}

static ulong fg_bloom_peek(fg_run* run, FG_BLOOM, ulong value) {
  const uint functions = FG_BLOOM_FUNCTIONS, mask = FG_BLOOM_MASK, seed = FG_BLOOM_SEED;
  for (uint i = 0; i < functions; ++i) {
    const uint bit = fg_jhash(run, value, value_size, seed + i) & mask;
    const uint word = *fg_bloom_word(run, table, bit);  // races: bits only come
    if ((word >> bit % 32 & 1) == 0) return FG_ERROR(FG_ENOENT);
  }
  return 0;
}
