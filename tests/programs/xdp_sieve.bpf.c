// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Eratosthenes' sieve of the numbers below 256, on the stack, and how many primes there are below a number that the
// frame names (the third byte of its source address, plus 128, at most 255): loops, stores and loads at indices that
// are computed.
//
// Tested by: its rows of matrix.txt.
#include "answer.h"

#define NUMBERS 256
#define LEAST_BOUND (NUMBERS / 2)
#define ODD_NUMBERS (NUMBERS / 2)

// One byte for each odd number n, at n / 2.
struct sieve {
  bool is_composite[ODD_NUMBERS];
};

static __always_inline void strike_out(struct sieve* sieve) {
  for (__u32 n = 3; n * n < NUMBERS; n += 2) {
    if (sieve->is_composite[n / 2]) continue;
    for (__u32 multiple = n * n; multiple < NUMBERS; multiple += 2 * n) sieve->is_composite[multiple / 2] = true;
  }
}

static __always_inline __u32 count_primes(__u32 bound) {
  struct sieve sieve = {};
  strike_out(&sieve);
  __u32 primes = 1;  // 2
  for (__u32 n = 3; n < NUMBERS && n < bound; n += 2) primes += !sieve.is_composite[n / 2];
  return primes;
}

SEC("xdp")
int xdp_sieve(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  return answer(ethernet, count_primes(LEAST_BOUND + ethernet->source.bytes[2] % LEAST_BOUND));
}

char LICENSE[] SEC("license") = "GPL";
