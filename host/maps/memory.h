// SPDX-License-Identifier: Apache-2.0
//
// The memory behind maps: address ranges that the kernel fills with zero pages when they are first touched. A map of a
// hundred million entries costs address space until it is used, an entry's address is arithmetic, and nothing moves.
//
// Linux allocates most maps whole when they are created and says ENOMEM if it cannot. Here creation always succeeds
// where Linux may have succeeded (check_memory); a machine that then fills several such maps runs out later.
//
// Tested by: tests/unit/maps_registry_test.cc, maps_memory_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "forager/result.h"

namespace forager::maps {

[[nodiscard]] std::size_t page_size();
[[nodiscard]] std::uint64_t round_up_pages(std::uint64_t bytes);

// ENOMEM if so many bytes exceed the machine's memory, as vmalloc() has it.
[[nodiscard]] Result<> check_memory(std::uint64_t bytes);

// A mapped range, unmapped with its owner.
class Region {
 public:
  Region() = default;
  Region(Region&& other) noexcept : base_(std::exchange(other.base_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Region& operator=(Region&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Region();

  // Private zero pages. ENOMEM.
  [[nodiscard]] static Result<Region> reserve(std::uint64_t bytes);
  // All of a shared file of `bytes`. ENOMEM.
  [[nodiscard]] static Result<Region> share(int fd, std::uint64_t bytes);
  // A ring's file, head pages and then data, with the data mapped a second time behind itself, so that what wraps
  // around its end is contiguous in memory. ENOMEM.
  [[nodiscard]] static Result<Region> share_ring(int fd, std::uint64_t head_bytes, std::uint64_t data_bytes);

  [[nodiscard]] std::byte* base() const { return base_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  Region(std::byte* base, std::size_t size) : base_(base), size_(size) {}

  std::byte* base_ = nullptr;
  std::size_t size_ = 0;
};

// A file descriptor, closed with its owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();

  // A memfd of so many zero bytes; ENOMEM, EMFILE, ENFILE.
  [[nodiscard]] static Result<Fd> memory(const std::string& name, std::uint64_t bytes);
  // A non-blocking eventfd, not signalled.
  [[nodiscard]] static Result<Fd> event();

  [[nodiscard]] int get() const { return fd_; }
  void signal() const;  // an eventfd becomes readable
  void drain() const;   // ... and is not any more
  void fill() const;    // an eventfd is not writable, until it is drained

 private:
  int fd_ = -1;
};

}  // namespace forager::maps
