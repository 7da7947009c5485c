// SPDX-License-Identifier: Apache-2.0
#include "maps/lru_table.h"

#include <sched.h>

namespace forager::maps {

NodeId LruTable::drop_one() {
  std::uint32_t spared = 0;
  for (std::uint32_t steps = 1;; ++steps) {
    const NodeId node = hand_.fetch_add(1, std::memory_order_relaxed) % table_.nodes() + 1;
    if (table_.live(node)) {
      const auto used = table_.mark(node);
      const bool spare = spared < kMaxSpared && used.load(std::memory_order_relaxed) != 0;
      if (spare) {
        used.store(0, std::memory_order_relaxed);
        ++spared;
      } else if (table_.evict(node)) {
        return node;
      }
    }
    if (steps % table_.nodes() != 0) continue;
    if (const NodeId free = table_.take(node); free != 0) return free;
    sched_yield();
  }
}

}  // namespace forager::maps
