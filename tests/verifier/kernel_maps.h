// SPDX-License-Identifier: Apache-2.0
//
// Maps of golden cases in the running kernel. Private to tests/verifier.
#pragma once

#include "kernel_btf.h"

namespace forager::verifier::golden {

// A file descriptor, closed at the end. Negative: -errno of what would have opened it.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  Fd& operator=(Fd&&) = delete;
  ~Fd();
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

// With BTF for its fields, its inner map, and frozen if its value is.
[[nodiscard]] Fd create_in_kernel(const program::MapSpec& map);

}  // namespace forager::verifier::golden
