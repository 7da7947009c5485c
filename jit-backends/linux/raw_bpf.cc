// SPDX-License-Identifier: Apache-2.0
//
// The system call instruction of each architecture, and what is built on it; raw_bpf.h says why it is needed.
#include "jit-backends/linux/raw_bpf.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

namespace forager::jit::linux_kernel {

#if defined(__x86_64__)

long raw_syscall(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  long result = 0;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

#elif defined(__aarch64__)

long raw_syscall(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}

#else  // the backend then says that it is unavailable: "Function not implemented"

long raw_syscall(long, long, long, long, long, long, long) { return -ENOSYS; }

#endif

long bpf(int command, bpf_attr& attr, SystemCall call) {
  return call(SYS_bpf, command, reinterpret_cast<long>(&attr), sizeof(attr), 0, 0, 0);
}

bpf_attr empty_attr() {
  bpf_attr attr;
  std::memset(&attr, 0, sizeof(attr));
  return attr;
}

Fd::~Fd() {
  if (fd_ >= 0) raw_syscall(SYS_close, fd_);
}

int Mapping::map(const Fd& fd, std::size_t size, bool writable, std::size_t offset) {
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  const long address =
      raw_syscall(SYS_mmap, 0, static_cast<long>(size), protection, MAP_SHARED, fd.get(), static_cast<long>(offset));
  if (address < 0 && address > -4096) return static_cast<int>(address);
  Mapping mapped;
  mapped.base_ = reinterpret_cast<std::byte*>(address);
  mapped.size_ = size;
  *this = std::move(mapped);
  return 0;
}

Mapping::~Mapping() {
  if (base_ != nullptr) raw_syscall(SYS_munmap, reinterpret_cast<long>(base_), static_cast<long>(size_));
}

}  // namespace forager::jit::linux_kernel
