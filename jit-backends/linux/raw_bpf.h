// SPDX-License-Identifier: Apache-2.0
//
// System calls that reach the machine's kernel whatever the executable was linked with, and owners for what they give.
//
// Executables of this project are linked with -Wl,--wrap=syscall,mmap,close,epoll_ctl: that is how libbpf's calls come
// to our own bpf(2). This backend wants the opposite, the real one, so it may use none of those symbols. A wrapped
// symbol cannot be escaped from a library that must also work where nothing is wrapped (__real_syscall exists only
// under the option), hence the system call instruction itself, in raw_bpf.cc and nowhere else.
//
// Tested by: tests/unit/linux_kernel_test.cc.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <utility>

namespace forager::jit::linux_kernel {

// A system call: its result, or a negative errno. Tests give their own to play a kernel that refuses.
using SystemCall = long (*)(long number, long a, long b, long c, long d, long e, long f);

long raw_syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0);

inline long kernel_call(long number, long a, long b, long c, long d, long e, long f) {
  return raw_syscall(number, a, b, c, d, e, f);
}

// bpf(2): a file descriptor or 0, or a negative errno.
long bpf(int command, bpf_attr& attr, SystemCall call = kernel_call);

// bpf_attr zeroed to its last byte: the kernel refuses set bytes that it does not know.
[[nodiscard]] bpf_attr empty_attr();
[[nodiscard]] inline __u64 pointer_field(const void* pointer) { return reinterpret_cast<__u64>(pointer); }

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

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Shared memory of a file descriptor.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Mapping();

  // 0 or a negative errno. size and offset in bytes, multiples of the page size.
  [[nodiscard]] int map(const Fd& fd, std::size_t size, bool writable, std::size_t offset = 0);
  [[nodiscard]] std::byte* base() const { return base_; }

 private:
  std::byte* base_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace forager::jit::linux_kernel
