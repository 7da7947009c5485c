// SPDX-License-Identifier: Apache-2.0
//
// What this machine's memory does, on two threads: what a program's time is held against to say what bounds it.
//
// Tested by: nothing asserts figures.
#pragma once

namespace forager::bench {

struct HostRates {
  double memory_bytes = 0;  // a second, read and written, of more than the caches hold
  double atomic_ns = 0;     // of an addition, while another thread adds to the same word
};
[[nodiscard]] HostRates measure_host();

}  // namespace forager::bench
