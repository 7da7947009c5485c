// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/linux/snapshot.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>

namespace forager::jit::linux_kernel {

int Side::read_all(std::size_t key_bytes, std::size_t value_bytes, std::vector<std::byte>& rows) {
  std::vector<std::byte> key(key_bytes);
  std::vector<std::byte> next(key_bytes);
  int error = next_key(nullptr, next.data());
  for (; error == 0; error = next_key(key.data(), next.data())) {
    key = next;
    const std::size_t end = rows.size();
    rows.resize(end + key_bytes + value_bytes);
    std::memcpy(rows.data() + end, key.data(), key_bytes);
    const int missing = read(key.data(), rows.data() + end + key_bytes);
    if (missing != 0) rows.resize(end);
    if (missing != 0 && missing != -ENOENT) return missing;
  }
  return error == -ENOENT ? 0 : error;
}

int Snapshot::take(Side& side) {
  rows_.clear();
  const int error = side.read_all(key_bytes_, value_bytes_, rows_);
  sort();
  return error;
}

// Last byte first: little-endian indices then stand in numeric order, in which arrays are read anyway.
int Snapshot::compare_keys(const std::byte* a, const std::byte* b) const {
  for (std::size_t i = key_bytes_; i-- > 0;) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

// Sorts, and drops the later of two rows of one key (a side that changes while it is read may name a key twice).
void Snapshot::sort() {
  std::vector<std::uint32_t> order(size());
  std::iota(order.begin(), order.end(), 0U);
  const auto less = [this](std::uint32_t a, std::uint32_t b) { return compare_keys(key(a), key(b)) < 0; };
  const auto same = [this](std::uint32_t a, std::uint32_t b) { return compare_keys(key(a), key(b)) == 0; };
  const bool strictly_ascending =
      std::adjacent_find(order.begin(), order.end(), [&](auto a, auto b) { return !less(a, b); }) == order.end();
  if (strictly_ascending) return;
  std::stable_sort(order.begin(), order.end(), less);
  order.erase(std::unique(order.begin(), order.end(), same), order.end());
  std::vector<std::byte> sorted;
  sorted.reserve(order.size() * row_bytes());
  for (const std::uint32_t row : order) sorted.insert(sorted.end(), key(row), key(row) + row_bytes());
  rows_ = std::move(sorted);
}

template <class Gone, class Put>
void Snapshot::walk(const Snapshot& target, Gone gone, Put put) const {
  std::size_t old_row = 0;
  std::size_t new_row = 0;
  while (old_row < size() || new_row < target.size()) {
    int order = 0;
    if (old_row == size()) {
      order = 1;
    } else if (new_row == target.size()) {
      order = -1;
    } else {
      order = compare_keys(key(old_row), target.key(new_row));
    }
    if (order < 0) gone(old_row);
    if (order > 0 || (order == 0 && std::memcmp(value(old_row), target.value(new_row), value_bytes_) != 0)) {
      put(new_row);
    }
    if (order <= 0) ++old_row;
    if (order >= 0) ++new_row;
  }
}

int Snapshot::change_to(const Snapshot& target, Side& side) const {
  if (rows_ == target.rows_) return 0;
  int first = 0;
  const auto keep = [&first](int error) {
    if (first == 0) first = error;
  };
  const auto gone = [&](std::size_t row) {
    const int error = side.erase(key(row));
    if (error != -ENOENT) keep(error);
  };
  const auto put = [&](std::size_t row) { keep(side.write(target.key(row), target.value(row))); };
  walk(target, gone, [](std::size_t) {});
  walk(target, [](std::size_t) {}, put);
  return first;
}

}  // namespace forager::jit::linux_kernel
