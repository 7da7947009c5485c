// SPDX-License-Identifier: Apache-2.0
//
// Random numbers and checksums, as the host has them.

static ulong fg_random(fg_run* run) {
  run->random += 0x9e3779b97f4a7c15ul;
  ulong mixed = (run->random ^ run->random >> 30) * 0xbf58476d1ce4e5b9ul;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebul;
  return (uint)(mixed ^ mixed >> 31);
}

static uint fg_csum_partial(fg_run* run, ulong at, uint size, uint start) {
  ulong sum = start;
  uint i = 0;
  for (; i + 4 <= size; i += 4) sum += fg_load32_any(run, at + i);
  uint last = 0;
  for (uint shift = 0; i < size; ++i, shift += 8) last |= (uint)fg_load8_any(run, at + i) << shift;
  sum += last;
  sum = (sum & 0xfffffffful) + (sum >> 32);
  return (uint)(sum + (sum >> 32));
}

static ulong fg_fold(uint sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (ushort)((sum & 0xffff) + (sum >> 16));
}

static ulong fg_csum_diff(fg_run* run, ulong from, uint from_size, ulong to, uint to_size, uint seed) {
  if (from_size == 0) return fg_fold(fg_csum_partial(run, to, to_size, seed));
  if (to_size == 0) return fg_fold(~fg_csum_partial(run, from, from_size, ~seed));
  const ulong sum = (ulong)fg_csum_partial(run, to, to_size, seed) + (uint)~fg_csum_partial(run, from, from_size, 0);
  return fg_fold((uint)(sum + (sum >> 32)));
}


// The host's ticks (host/helpers/time.cc).
#define FG_TICK_NS 4000000ul
#define FG_FIRST_TICK ((ulong)(uint)(-300 * 250))
static ulong fg_coarse_ns(const fg_run* run) { return run->batch->monotonic_ns - run->batch->monotonic_ns % FG_TICK_NS; }
static ulong fg_jiffies(const fg_run* run) { return FG_FIRST_TICK + run->batch->monotonic_ns / FG_TICK_NS; }

static ulong fg_strncmp(fg_run* run, ulong a, uint size, ulong b) {
  for (uint i = 0; i < size; ++i) {
    const uint left = (uint)fg_load8_any(run, a + i), right = (uint)fg_load8_any(run, b + i);
    if (left != right) return left < right ? (ulong)-1l : 1;
    if (left == 0) break;
  }
  return 0;
}
