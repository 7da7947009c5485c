// SPDX-License-Identifier: Apache-2.0
//
// LPM_TRIE, which programs only read: all prefixes sorted by their bits, a shorter one before those that lie in it. So
// the prefixes that lie in another stand behind it in one piece, and the longest that a key matches is the last one at
// or before the key, or one that this one lies in. Each says which that is, so that a lookup is a search and a few
// steps up. The search begins in what an index of the key's first bits leaves of it.
//
// The table: a header of 64 bytes (how many prefixes), the index (for each value of the first bits, how many prefixes
// stand before it; 4 bytes each), and the prefixes: where the value stands (8 bytes), length in bits (4), the prefix
// that it lies in (4; from 1, 0: none), bits in words of 64, the first the most significant, 0 behind the length.
// jit-backends/opencl/mirror_lpm.cc makes it.

#define FG_LPM ulong table, uint key_size, uint index_bits
#define FG_LPM_INDEX(number) (uint)fg_load32_global(FG_GLOBAL(table + 64 + 4ul * (number)))
#define FG_LPM_PREFIXES_AT (64ul + FG_WORDS(4 * ((1u << index_bits) + 1)))
#define FG_LPM_PLACE(prefix) fg_load64_global(FG_GLOBAL(prefix))
#define FG_LPM_LENGTH(prefix) (uint)fg_load32_global(FG_GLOBAL((prefix) + 8))
#define FG_LPM_PARENT(prefix) (uint)fg_load32_global(FG_GLOBAL((prefix) + 12))
#define FG_LPM_WORD(prefix, number) fg_load64_global(FG_GLOBAL((prefix) + 16 + 8ul * (number)))

// Of the key that a program looks up.
typedef struct {
  ulong bytes;  // where it stands
  uint size, length;
  ulong first;  // word
} fg_address;

// Ones for the first `bits` of a word.
static ulong fg_first_bits(uint bits) { return bits >= 64 ? ~0ul : bits == 0 ? 0 : ~(~0ul >> bits); }

static ulong fg_address_word(fg_run* run, const fg_address* address, uint number) {
  if (64 * number >= address->length) return 0;
  const ulong word = isa_swap64(fg_key_word(run, address->bytes, address->size, 8 * number));
  return word & fg_first_bits(address->length - 64 * number);
}

// Whether a prefix stands at the address, or before it.
static bool fg_lpm_is_before(fg_run* run, ulong prefix, const fg_address* address) {
  for (uint i = 0; 8 * i < address->size; ++i) {
    const ulong is = FG_LPM_WORD(prefix, i), other = i == 0 ? address->first : fg_address_word(run, address, i);
    if (is != other) return is < other;
  }
  return FG_LPM_LENGTH(prefix) <= address->length;
}

static bool fg_lpm_matches(fg_run* run, ulong prefix, const fg_address* address) {
  const uint length = FG_LPM_LENGTH(prefix);
  if (length > address->length) return false;
  for (uint i = 0; 64 * i < length; ++i) {
    const ulong other = i == 0 ? address->first : fg_address_word(run, address, i);
    if (((FG_LPM_WORD(prefix, i) ^ other) & fg_first_bits(length - 64 * i)) != 0) return false;
  }
  return true;
}

static ulong fg_lpm_lookup(fg_run* run, FG_LPM, ulong key) {
  const ulong prefixes = table + FG_LPM_PREFIXES_AT, bytes = 16 + FG_WORDS(key_size - 4);
  fg_address address;
  address.bytes = key + 4;
  address.size = key_size - 4;
  address.length = (uint)fg_load32_any(run, key);
  if (address.length > 8 * address.size) return 0;
  address.first = fg_address_word(run, &address, 0);
  const uint slot = index_bits == 0 ? 0 : (uint)(address.first >> (64 - index_bits));
  uint number = FG_LPM_INDEX(slot), end = FG_LPM_INDEX(slot + 1);
  while (number < end) {
    const uint middle = number + (end - number) / 2;
    if (fg_lpm_is_before(run, prefixes + middle * bytes, &address)) {
      number = middle + 1;
    } else {
      end = middle;
    }
  }
  while (number != 0) {
    const ulong prefix = prefixes + (number - 1) * bytes;
    if (fg_lpm_matches(run, prefix, &address)) return run->maps + FG_LPM_PLACE(prefix);
    number = FG_LPM_PARENT(prefix);
  }
  return 0;
}
