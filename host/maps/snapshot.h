// SPDX-License-Identifier: Apache-2.0
//
// Snapshot: the contents of a map that cannot be walked key by key (queues, Bloom filters, ring buffers), as bytes for
// a map of the same shape. It is for whoever keeps maps beyond a process, and so no part of exec/map.h, which is what
// programs and devices ask of a map.
//
// Tested by: tests/unit/maps_snapshot_test.cc.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "exec/map.h"

namespace forager::maps {

class Snapshot {
 public:
  virtual ~Snapshot() = default;
  // All contents, as they were at one moment (a Bloom filter's: at least what was pushed before the call).
  [[nodiscard]] virtual std::vector<std::byte> copy_out() const = 0;
  // Into a map that nobody uses yet. The bytes may come from anywhere: false, and some of the contents, for what
  // copy_out() of a map of this shape cannot have given.
  [[nodiscard]] virtual bool copy_in(std::span<const std::byte> bytes) = 0;
};

// Null for types whose contents have keys, or mean nothing outside the process.
[[nodiscard]] inline Snapshot* snapshot_of(exec::Map& map) { return dynamic_cast<Snapshot*>(&map); }

}  // namespace forager::maps
