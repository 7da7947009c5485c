// SPDX-License-Identifier: Apache-2.0
//
// Two sides that answer the same bpf(2) calls: ours, as an unmodified libbpf application reaches it (this executable is
// linked as one: libbpf's calls come to host/syscall), and the kernel's, by the system call that the linker left us
// under another name. What a row times on either is the same sequence of the same attributes.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <string>
#include <vector>

namespace forager::bench {

enum class Side { ours, kernel };

// The result, or a negative errno.
[[nodiscard]] long call(Side side, int command, bpf_attr& attr, unsigned size);

struct Shape {
  std::uint32_t type = BPF_MAP_TYPE_HASH;
  std::uint32_t key_size = 4;
  std::uint32_t value_size = 8;
  std::uint32_t max_entries = 1U << 16;
  std::uint32_t percent = 75;  // of max_entries that are there

  [[nodiscard]] std::uint32_t entries() const {
    return static_cast<std::uint32_t>(std::uint64_t{max_entries} * percent / 100);
  }
  [[nodiscard]] std::string name() const;  // "hash/k4/v8/n65536/75%"
};

// A map with entries 0 to entries() - 1, each with a value made of its number.
class MapUnderTest {
 public:
  MapUnderTest(Side side, const Shape& shape);
  ~MapUnderTest();
  MapUnderTest(const MapUnderTest&) = delete;
  MapUnderTest& operator=(const MapUnderTest&) = delete;

  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] Side side() const { return side_; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  // Bytes of a value as the user passes it.
  [[nodiscard]] std::size_t value_bytes() const { return value_bytes_; }

  // Writes entry n's key; numbers from entries() on are keys that are absent (of arrays, keys there are none of).
  void key_of(std::uint32_t n, std::byte* key) const;
  [[nodiscard]] long element(int command, const std::byte* key, void* value, std::uint64_t flags = 0) const;

 private:
  [[nodiscard]] long create();
  [[nodiscard]] long fill();

  Side side_;
  Shape shape_;
  std::size_t value_bytes_ = 0;
  int fd_ = -1;
  std::string error_;
};

// What the two do differently, of lookups, updates, deletions and walks over the first entries; empty if nothing.
[[nodiscard]] std::string difference(const MapUnderTest& ours, const MapUnderTest& kernel);

}  // namespace forager::bench
