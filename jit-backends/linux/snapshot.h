// SPDX-License-Identifier: Apache-2.0
//
// Snapshot: all keys and values of a map at one moment, as flat rows ordered by key, and the difference between two.
//
// A map that lives twice (ours on the host, the kernel's) is kept the same by remembering the snapshot on which both
// last agreed: what one side changed since is the difference between that snapshot and a new one, whatever the map's
// type. Rows are flat because maps have up to millions of entries.
//
// Tested by: tests/unit/linux_mirror_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "exec/map.h"

namespace forager::jit::linux_kernel {

// One side of a mirrored map. Functions return 0 or a negative errno, as exec::Map's host side does; values are those
// that the two sides share, value_bytes() each.
class Side {
 public:
  virtual ~Side() = default;
  [[nodiscard]] virtual int next_key(const std::byte* key, std::byte* next) = 0;
  [[nodiscard]] virtual int read(const std::byte* key, std::byte* value) = 0;
  [[nodiscard]] virtual int write(const std::byte* key, const std::byte* value) = 0;
  [[nodiscard]] virtual int erase(const std::byte* key) = 0;
  // Appends every key and its value to `rows`; a key that vanishes meanwhile is left out. One by one, unless a side
  // knows better.
  [[nodiscard]] virtual int read_all(std::size_t key_bytes, std::size_t value_bytes, std::vector<std::byte>& rows);
};

class Snapshot {
 public:
  Snapshot() = default;
  Snapshot(std::size_t key_bytes, std::size_t value_bytes) : key_bytes_(key_bytes), value_bytes_(value_bytes) {}

  // Reads a whole side. 0 or a negative errno.
  [[nodiscard]] int take(Side& side);
  // Makes `side`, which holds *this, hold `target`: deletions first, so that a full map has room. 0, or the first
  // negative errno that is not a deleted key's -ENOENT.
  [[nodiscard]] int change_to(const Snapshot& target, Side& side) const;

  [[nodiscard]] std::size_t size() const { return row_bytes() == 0 ? 0 : rows_.size() / row_bytes(); }
  friend bool operator==(const Snapshot&, const Snapshot&) = default;

 private:
  [[nodiscard]] std::size_t row_bytes() const { return key_bytes_ + value_bytes_; }
  [[nodiscard]] const std::byte* key(std::size_t row) const { return rows_.data() + row * row_bytes(); }
  [[nodiscard]] const std::byte* value(std::size_t row) const { return key(row) + key_bytes_; }
  [[nodiscard]] int compare_keys(const std::byte* a, const std::byte* b) const;
  void sort();
  // Calls gone(row of *this) and put(row of target) for what differs, in key order.
  template <class Gone, class Put>
  void walk(const Snapshot& target, Gone gone, Put put) const;

  std::size_t key_bytes_ = 0;
  std::size_t value_bytes_ = 0;
  std::vector<std::byte> rows_;
};

}  // namespace forager::jit::linux_kernel
